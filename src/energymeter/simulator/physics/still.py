"""What meters of water, gas and heat share: no mains that could fail, and an age."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from energymeter.simulator.physics.noise import Floats, Noise
from energymeter.simulator.physics.options import PhysicsOptions
from energymeter.simulator.physics.published import Recipe
from energymeter.simulator.physics.pulses import DAY_S

__all__ = ["CALM", "WorkingTime"]

_AGED_DAYS = (200.0, 2000.0)


class _Sized(Protocol):
    @property
    def size(self) -> int: ...


def _never(moment: _Sized) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.zeros(moment.size, dtype=np.bool_)


def _always(moment: _Sized) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.ones(moment.size, dtype=np.bool_)


CALM: Mapping[str, Recipe[_Sized]] = {
    "power_outage": _never,
    "over_voltage": _never,
    "under_voltage": _never,
    "no_alarms": _always,
    "online": _always,
}
"""The conditions of a meter that has no mains."""


class WorkingTime:
    """How long the meters have been running; a reset of the counters does not change it."""

    def __init__(self, noise: Noise, options: PhysicsOptions) -> None:
        """Draw their ages."""
        aged_s = np.floor(noise.uniform("working", 1, *_AGED_DAYS)[0] * DAY_S)
        self._aged_s = np.zeros(noise.size) if options.zero_counters else aged_s
        self._start_s = options.start_s

    def at(self, clock_s: float) -> Floats:
        """Return the seconds, shape (size,)."""
        worked_s: Floats = self._aged_s + (clock_s - self._start_s)
        return worked_s
