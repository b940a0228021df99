"""Demand: the mean power of the last quarter of an hour. No sockets, no clock."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from energymeter.simulator.physics.noise import Floats
from energymeter.simulator.physics.state import read_array

__all__ = ["DEMAND_WINDOW_S", "DemandWindow", "mark_times"]

DEMAND_WINDOW_S = 900.0
_MARK_S = 60.0
_MARKS = int(DEMAND_WINDOW_S / _MARK_S) + 1


def mark_times(clock_s: float) -> list[float]:
    """Return the full minutes whose powers a `DemandWindow` wants to begin with, oldest first."""
    newest = math.floor(clock_s / _MARK_S)
    return [(newest - back) * _MARK_S for back in range(_MARKS - 1, -1, -1)]


class _Saved(NamedTuple):
    marks: Floats
    work: Floats
    maximum: Floats


class DemandWindow:
    """Mean power of the last 15 minutes, sliding, and its maximum; powers of any shape.

    It remembers the energy at each full minute and goes straight between them.
    """

    def __init__(self, clock_s: float, history: Sequence[Floats], power: Floats) -> None:
        """Begin with the powers at `mark_times(clock_s)` and the one at `clock_s`."""
        # A ring: the oldest of the marks is the next to be overwritten.
        self._marks = np.zeros((_MARKS, *power.shape))
        self._oldest = 0
        self._minute = math.floor(clock_s / _MARK_S)
        for mark in range(1, _MARKS):
            mean = 0.5 * (history[mark - 1] + history[mark])
            self._marks[mark] = self._marks[mark - 1] + mean * _MARK_S
        rest_s = clock_s - self._minute * _MARK_S
        self._work = self._marks[-1] + 0.5 * (history[-1] + power) * rest_s
        self.demand = self._mean(clock_s)
        """The mean; replaced by every step, never written into."""
        self.maximum = self.demand
        """The highest it has been, signed; replaced likewise."""

    def add(self, before: Floats, after: Floats, clock_s: float, dt_s: float) -> None:
        """Add a step of `dt_s` seconds that ends at `clock_s`."""
        begin_s, begin_work = clock_s - dt_s, self._work
        self._work = begin_work + 0.5 * (before + after) * dt_s
        # Counted, not computed from `begin_s`, whose rounding could make or miss a mark.
        first, self._minute = self._minute + 1, math.floor(clock_s / _MARK_S)
        for minute in range(max(first, self._minute - _MARKS + 1), self._minute + 1):
            share = (minute * _MARK_S - begin_s) / dt_s
            self._marks[self._oldest] = begin_work + (self._work - begin_work) * share
            self._oldest = (self._oldest + 1) % _MARKS
        self.demand = self._mean(clock_s)
        self.maximum = np.maximum(self.maximum, self.demand)

    def state(self) -> dict[str, Any]:
        """Return what `parse` reads."""
        return {
            "demand_marks": np.roll(self._marks, -self._oldest, axis=0).tolist(),
            "demand_work": self._work.tolist(),
            "demand_max": self.maximum.tolist(),
        }

    def parse(self, state: Mapping[str, Any]) -> _Saved:
        """Check a saved state for `restore`; raises `ValueError` if unusable."""
        return _Saved(
            read_array(state, "demand_marks", self._marks.shape),
            read_array(state, "demand_work", self._work.shape),
            read_array(state, "demand_max", self._work.shape),
        )

    def restore(self, saved: _Saved, clock_s: float) -> None:
        """Go on from what `parse` returned."""
        self._marks, self._work, self.maximum = saved
        self._oldest = 0
        self._minute = math.floor(clock_s / _MARK_S)
        self.demand = self._mean(clock_s)

    def _mean(self, clock_s: float) -> Floats:
        into_minute = clock_s / _MARK_S - math.floor(clock_s / _MARK_S)
        oldest, next_one = self._marks[self._oldest], self._marks[(self._oldest + 1) % _MARKS]
        left = oldest + (next_one - oldest) * into_minute
        mean: Floats = (self._work - left) / DEMAND_WINDOW_S
        return mean
