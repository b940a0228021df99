"""Simulated meters of any profiles, the wires they are on, and the beat that moves them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from energymeter.clock import Clock, SystemClock
from energymeter.errors import ConfigError
from energymeter.profiles import Profile
from energymeter.server import ModbusServer
from energymeter.simulator.meter import SimulatedMeter
from energymeter.simulator.outlet import Manners, Outlet, make_outlet
from energymeter.simulator.population import Population
from energymeter.simulator.statefile import StateFile
from energymeter.transports import Wire

__all__ = ["SimulatedPlace", "SimulatedSite"]

_log = logging.getLogger(__name__)

_TICK_S: Final = 1.0
"""How often the values move."""

_SAVE_S: Final = 60.0
"""How often the state is saved, beside at the end."""


class SimulatedPlace:
    """Populations and outlets with one beat: what fleets and sites have in common.

    Args:
        populations: The meters.
        speed: Simulated seconds a real second, more than 0.
        state_path: Where the counters are kept over a restart; None: nowhere.
        clock: Moves the values.

    Raises:
        ConfigError: The speed cannot be, or the state is of other meters.
    """

    def __init__(
        self,
        populations: Sequence[Population],
        *,
        speed: float = 1.0,
        state_path: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.populations = tuple(populations)
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.speed = speed
        self.meters: list[SimulatedMeter] = [
            meter for population in self.populations for meter in population.meters
        ]
        self.outlets: list[Outlet] = []
        """The wires, in order; whoever makes the place puts them in."""
        self._state_file = None
        if state_path is not None:
            self._state_file = StateFile(state_path, self.populations)
            self._state_file.load()
        self._ticker: asyncio.Task[None] | None = None
        self._saving: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def speed(self) -> float:
        """Simulated seconds a real second; may be changed while it runs.

        Raises:
            ConfigError: It is set to 0 or less, or to no number.
        """
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        if not (math.isfinite(speed) and speed > 0):
            msg = f"a speed of {speed:g} is not possible, use more than 0"
            raise ConfigError(msg)
        self._speed = speed

    @property
    def without_physics(self) -> tuple[str, ...]:
        """Names of points nothing moves: their registers say not available, or 0."""
        names = (name for each in self.populations for name in each.without_physics)
        return tuple(dict.fromkeys(names))

    @property
    def servers(self) -> list[ModbusServer]:
        """One for each wire."""
        return [outlet.server for outlet in self.outlets]

    @property
    def ports(self) -> list[int]:
        """Where each wire listens; 0 for one that has no port."""
        return [server.port for server in self.servers]

    @property
    def numbered(self) -> Mapping[int, SimulatedMeter]:
        """The meters by the number people call them: the unit, or the place in a row of ports."""
        return {number: meter for outlet in self.outlets for number, meter in outlet.meters.items()}

    async def start(self) -> None:
        """Listen on all wires and let the values move.

        Raises:
            ConfigError: A wire cannot be listened on; none is left open then.
        """
        try:
            if self._state_file is not None:
                # A file that cannot be written shows now, not after the first day.
                self._state_file.save(self._state_file.states())
            for server in self.servers:
                await server.start()
        except BaseException:
            await self._close_servers()
            raise
        self._ticker = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop the values and close all wires."""
        ticker, self._ticker = self._ticker, None
        try:
            if ticker is not None:
                ticker.cancel()
                await asyncio.wait([ticker])
                if self._saving is not None:
                    await asyncio.wait([self._saving])
                if self._state_file is not None:
                    self._state_file.save(self._state_file.states())
        finally:
            await self._close_servers()

    async def tick(self, seconds: float) -> None:
        """Let simulated time pass and show the new values."""
        for population in self.populations:
            await population.tick(seconds)

    async def _run(self) -> None:
        due = self.clock.monotonic()
        save_at = due + _SAVE_S
        while True:
            due += _TICK_S
            await self.clock.sleep_until(due)
            await self.tick(_TICK_S * self._speed)
            if self._state_file is not None and due >= save_at:
                await self._save_state(self._state_file)
                save_at = due + _SAVE_S

    async def _save_state(self, file: StateFile) -> None:
        # Many meters make a long text: clients are served meanwhile. Who closes the place waits
        # for the thread, which cannot be cancelled.
        states = file.states()
        self._saving = asyncio.ensure_future(asyncio.to_thread(file.save, states))
        try:
            await asyncio.shield(self._saving)
        except ConfigError as error:
            _log.warning("the state of the simulated meters was not saved: %s", error)

    async def _close_servers(self) -> None:
        servers = self.servers
        try:
            await asyncio.gather(*(server.close() for server in servers))
        finally:  # cancelled before they could begin
            for server in servers:
                server.cut()


class SimulatedSite(SimulatedPlace):
    """Meters of different profiles on the same wires, each a unit of its own.

    Args:
        units: Unit number, 1 to 247, to profile.
        listen: Wires or their URLs; each carries all the meters.
        seed: The same seed gives the same values, tick by tick.
        speed: Simulated seconds a real second, more than 0.
        manners: How they behave on their wires.
        behind: Populations of other sites whose electrical power the only meter of this one
            measures the sum of, at the same speed; empty: each meter has its own.
        state_path: Where the counters are kept over a restart; None: nowhere.
        clock: Moves the values.

    Raises:
        EndpointError: A URL is wrong, or one cannot listen there.
        ConfigError: There are no units or no wires, a number cannot be one, or as for a fleet.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only, each a decision of the user
        self,
        units: Mapping[int, Profile],
        *,
        listen: Sequence[str | Wire],
        seed: int = 0,
        speed: float = 1.0,
        manners: Manners | None = None,
        behind: Sequence[Population] = (),
        state_path: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not units or not listen:
            msg = "a site without meters or without wires is not possible, name one of each"
            raise ConfigError(msg)
        numbers: dict[str, list[int]] = {}
        for unit in sorted(units):
            numbers.setdefault(units[unit].name, []).append(unit)
        # A seed of its own for each profile: the same place in two populations is no twin.
        populations = [
            Population(units[group[0]], count=len(group), seed=seed + place, behind=behind)
            for place, group in enumerate(numbers.values())
        ]
        super().__init__(populations, speed=speed, state_path=state_path, clock=clock)
        meters = {
            unit: meter
            for group, population in zip(numbers.values(), populations, strict=True)
            for unit, meter in zip(group, population.meters, strict=True)
        }
        ordered = {unit: meters[unit] for unit in sorted(meters)}
        self.outlets = [
            make_outlet(
                where,
                ordered,
                answers_all=False,
                manners=manners or Manners(),
                clock=self.clock,
            )
            for where in listen
        ]
