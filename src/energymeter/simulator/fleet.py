"""Meters of one profile on consecutive ports, moved by one physics."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from energymeter.clock import Clock, SystemClock
from energymeter.errors import ConfigError
from energymeter.profiles import Profile
from energymeter.server import ModbusServer
from energymeter.simulator.image import ImageMaker
from energymeter.simulator.meter import SimulatedMeter
from energymeter.simulator.physics import PhysicsOptions, create_physics
from energymeter.simulator.statefile import StateFile

__all__ = ["SimulatedFleet"]

_log = logging.getLogger(__name__)

_TICK_S: Final = 1.0
"""How often the values move."""

_SLICE: Final = 50
"""Meters shown anew before clients are served again."""

_SAVE_S: Final = 60.0
"""How often the state is saved, beside at the end."""

_OWN_STATES: Final = ("online", "communication_ok")
"""What a meter knows of itself, beside its physics."""


class SimulatedFleet:
    """One or many simulated meters of a profile.

    Args:
        profile: What they are.
        count: How many, 1 or more.
        seed: The same seed gives the same values, tick by tick.
        speed: Simulated seconds a real second, more than 0.
        host: Address to listen on.
        port: Port of the first meter, the others follow; 0: the system chooses each.
        idle_timeout_s: Seconds without a request after which a client is dropped; None: never.
        state_path: Where the counters are kept over a restart; None: nowhere.
        clock: Moves the values.

    Raises:
        ConfigError: The count or the speed cannot be, the ports would go beyond 65535, or the
            state is of other meters.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only, each a decision of the user
        self,
        profile: Profile,
        *,
        count: int = 1,
        seed: int = 0,
        speed: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 5020,
        idle_timeout_s: float | None = None,
        state_path: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        if count < 1:
            msg = f"{count} meters are not possible, use 1 or more"
            raise ConfigError(msg)
        if not (math.isfinite(speed) and speed > 0):
            msg = f"a speed of {speed:g} is not possible, use more than 0"
            raise ConfigError(msg)
        if port + count - 1 > 65535:
            msg = f"{count} meters from port {port} need ports beyond 65535"
            raise ConfigError(msg)
        self.profile = profile
        self._clock = clock if clock is not None else SystemClock()
        self._speed = speed
        self._physics = create_physics(
            profile.kind, count, seed, PhysicsOptions(phases=profile.phases or 3)
        )
        self._state_file = None
        if state_path is not None:
            self._state_file = StateFile(state_path, profile, seed)
            self._state_file.load(self._physics)
        maker = ImageMaker(profile, (*self._physics.quantities(), *_OWN_STATES))
        self.without_physics = maker.without_source
        """Names of points nothing moves: their registers say not available, or 0."""
        self._sources = maker.sources.difference(_OWN_STATES)
        self._columns: dict[str, list[Any]] = {}
        self._take_columns()
        self.meters = [self._make_meter(maker, index) for index in range(count)]
        self.servers = [
            ModbusServer(
                meter.tables,
                host=host,
                port=port + index if port else 0,
                idle_timeout_s=idle_timeout_s,
            )
            for index, meter in enumerate(self.meters)
        ]
        self._ticker: asyncio.Task[None] | None = None
        self._saving: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def ports(self) -> list[int]:
        """Where each meter listens."""
        return [server.port for server in self.servers]

    async def start(self) -> None:
        """Listen on all ports and let the values move.

        Raises:
            ConfigError: A port cannot be listened on; none is left open then.
        """
        try:
            if self._state_file is not None:
                # A file that cannot be written shows now, not after the first day.
                self._state_file.save(self._physics.state())
            for server in self.servers:
                await server.start()
        except BaseException:
            await self._close_servers()
            raise
        self._ticker = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop the values and close all ports."""
        ticker, self._ticker = self._ticker, None
        try:
            if ticker is not None:
                ticker.cancel()
                await asyncio.wait([ticker])
                if self._saving is not None:
                    await asyncio.wait([self._saving])
                if self._state_file is not None:
                    self._state_file.save(self._physics.state())
        finally:
            await self._close_servers()

    async def tick(self, seconds: float) -> None:
        """Let simulated time pass and show the new values."""
        self._physics.step(seconds)
        self._take_columns()
        for index, meter in enumerate(self.meters):
            meter.show()
            if index % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)

    async def _run(self) -> None:
        due = self._clock.monotonic()
        save_at = due + _SAVE_S
        while True:
            due += _TICK_S
            await self._clock.sleep_until(due)
            await self.tick(_TICK_S * self._speed)
            if self._state_file is not None and due >= save_at:
                await self._save_state(self._state_file)
                save_at = due + _SAVE_S

    async def _save_state(self, file: StateFile) -> None:
        # Many meters make a long text: clients are served meanwhile. Who closes the fleet waits
        # for the thread, which cannot be cancelled.
        state = self._physics.state()
        self._saving = asyncio.ensure_future(asyncio.to_thread(file.save, state))
        try:
            await asyncio.shield(self._saving)
        except ConfigError as error:
            _log.warning("the state of the simulated meters was not saved: %s", error)

    async def _close_servers(self) -> None:
        try:
            await asyncio.gather(*(server.close() for server in self.servers))
        finally:  # cancelled before they could begin
            for server in self.servers:
                server.cut()

    def _make_meter(self, maker: ImageMaker, index: int) -> SimulatedMeter:
        def reset() -> None:
            self._physics.reset_counters(index)
            self._take_columns()

        return SimulatedMeter(maker, on_reset=reset, state=lambda: self._state(index))

    def _take_columns(self) -> None:
        # Python numbers in lists: one conversion for the fleet instead of one a meter and value.
        quantities = self._physics.quantities()
        self._columns = {name: quantities[name].tolist() for name in self._sources}

    def _state(self, index: int) -> Mapping[str, float]:
        return {name: column[index] for name, column in self._columns.items()}
