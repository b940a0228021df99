"""Meters of one profile, moved by one physics. No sockets and no clock."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from energymeter.errors import ConfigError
from energymeter.profiles import Profile
from energymeter.simulator.image import ImageMaker
from energymeter.simulator.meter import SimulatedMeter
from energymeter.simulator.physics import (
    ElectricityPhysics,
    Physics,
    PhysicsOptions,
    create_physics,
)

__all__ = ["Population"]

_SLICE: Final = 50
"""Meters shown anew before clients are served again."""

_OWN_STATES: Final = ("online", "communication_ok")
"""What a meter knows of itself, beside its physics."""


class Population:
    """One or many meters of a profile.

    Args:
        profile: What they are.
        count: How many, 1 or more.
        seed: The same seed gives the same values, tick by tick.
        behind: Whose electrical power this one meter measures the sum of; empty: it has its own.

    Raises:
        ConfigError: There cannot be so many.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        count: int = 1,
        seed: int = 0,
        behind: Sequence[Population] = (),
    ) -> None:
        if count < 1 or (behind and count != 1):
            wanted = "1, as others are behind it" if behind else "1 or more"
            msg = f"{count} meters are not possible, use {wanted}"
            raise ConfigError(msg)
        self.profile = profile
        self.seed = seed
        loads = [
            each.physics.load for each in behind if isinstance(each.physics, ElectricityPhysics)
        ]
        options = PhysicsOptions(phases=profile.phases or 3, behind=tuple(loads))
        self.physics: Physics = create_physics(profile.kind, count, seed, options)
        maker = ImageMaker(profile, (*self.physics.quantities(), *_OWN_STATES))
        self.without_physics = maker.without_source
        """Names of points nothing moves: their registers say not available, or 0."""
        self._sources = maker.sources.difference(_OWN_STATES)
        self._columns: dict[str, list[Any]] = {}
        self._take_columns()
        self.meters = [self._make_meter(maker, index) for index in range(count)]

    async def tick(self, seconds: float) -> None:
        """Let simulated time pass and show the new values."""
        self.physics.step(seconds)
        self._take_columns()
        for index, meter in enumerate(self.meters):
            meter.show()
            if index % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state of the physics.

        Raises:
            ValueError: It is of other meters, or damaged; nothing has changed.
        """
        self.physics.restore(state)
        self._take_columns()
        for meter in self.meters:
            meter.show()

    def _make_meter(self, maker: ImageMaker, index: int) -> SimulatedMeter:
        def reset() -> None:
            self.physics.reset_counters(index)
            self._take_columns()

        return SimulatedMeter(maker, on_reset=reset, state=lambda: self._state(index))

    def _take_columns(self) -> None:
        # Python numbers in lists: one conversion for all meters instead of one a meter and value.
        quantities = self.physics.quantities()
        self._columns = {name: quantities[name].tolist() for name in self._sources}

    def _state(self, index: int) -> Mapping[str, float]:
        return {name: column[index] for name, column in self._columns.items()}
