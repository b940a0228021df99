"""Meters of one profile, moved by one physics. No sockets and no clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energymeter.errors import ConfigError
from energymeter.profiles import Profile
from energymeter.simulator.image import Image, ImageMaker
from energymeter.simulator.meter import SimulatedMeter
from energymeter.simulator.physics import (
    ElectricityPhysics,
    Physics,
    PhysicsOptions,
    create_physics,
)

__all__ = ["Population"]

_SLICE: Final = 200
"""Meters shown anew before clients are served again: within two milliseconds."""

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
        maker = self._maker = ImageMaker(profile, (*self.physics.quantities(), *_OWN_STATES))
        self.without_physics = maker.without_source
        """Names of points nothing moves: their registers say not available, or 0."""
        self._sources = maker.sources.difference(_OWN_STATES)
        self._quantities: Mapping[str, NDArray[Any]] = {}
        self._take_quantities()
        images = chain.from_iterable(self._images())
        self.meters = [self._make_meter(maker, index, image) for index, image in enumerate(images)]

    async def tick(self, seconds: float) -> None:
        """Let simulated time pass and show the new values."""
        self.physics.step(seconds)
        self._take_quantities()
        for _ in self._show():
            await asyncio.sleep(0)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state of the physics.

        Raises:
            ValueError: It is of other meters, or damaged; nothing has changed.
        """
        self.physics.restore(state)
        self._take_quantities()
        for _ in self._show():
            pass

    def _make_meter(self, maker: ImageMaker, index: int, image: Image) -> SimulatedMeter:
        def reset() -> None:
            self.physics.reset_counters(index)
            self._take_quantities()

        return SimulatedMeter(maker, on_reset=reset, state=lambda: self._state(index), image=image)

    def _take_quantities(self) -> None:
        quantities = self.physics.quantities()
        self._quantities = {name: quantities[name] for name in self._sources}

    def _show(self) -> Iterator[None]:
        """Show all meters anew; clients may be served at each step."""
        meters = iter(self.meters)
        for images in self._images():
            for image, meter in zip(images, meters):  # noqa: B905 - the meters go on
                meter.show(image)
            yield

    def _images(self) -> Iterator[Iterator[Image]]:
        """What the meters show now, slice by slice."""
        for first in range(0, self.physics.size, _SLICE):
            size = min(_SLICE, self.physics.size - first)
            states = {name: q[first : first + size] for name, q in self._quantities.items()}
            own = dict.fromkeys(_OWN_STATES, np.ones(size))
            yield self._maker.images({**states, **own}, size)

    def _state(self, index: int) -> Mapping[str, float]:
        return {name: column[index].item() for name, column in self._quantities.items()}
