"""Energy counters and demand: what powers add up to. No sockets, no clock.

Between two instants power is taken as a straight line, so a step of any length adds the area of
a trapezoid, and import minus export is exactly the integral of the signed power.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from energymeter.simulator.physics.load import PHASES
from energymeter.simulator.physics.noise import Floats, Noise
from energymeter.simulator.physics.state import frozen, read_array

__all__ = ["DEMAND_WINDOW_S", "DIRECTIONS", "DemandWindow", "EnergyCounters", "mark_times"]

HOUR_S = 3600.0
DEMAND_WINDOW_S = 900.0
_MARK_S = 60.0
_MARKS = int(DEMAND_WINDOW_S / _MARK_S) + 1

# The order of the counters, in Wh, varh and VAh.
DIRECTIONS = (
    "active_energy_import",
    "active_energy_export",
    "reactive_energy_import",
    "reactive_energy_export",
    "apparent_energy_import",
    "apparent_energy_export",
)

# Counters of a meter some years old: Wh of a phase, var and VA hours as shares of them.
_AGED_WH = (4.0e5, 1.2e7)
_AGED_REACTIVE, _AGED_APPARENT = 0.30, 1.05
_AGED_EXPORT = (0.2, 0.6)


class EnergyCounters:
    """Six counters of each phase; they never fall unless reset."""

    def __init__(self, noise: Noise, *, start_at_zero: bool, has_export: bool) -> None:
        """Start at zero, or at seeded amounts in which the sums already fit together."""
        shape = (len(DIRECTIONS), PHASES, noise.size)
        values = np.zeros(shape)
        if not start_at_zero:
            imported = noise.uniform("energy/import", PHASES, *_AGED_WH)
            values[0], values[2] = imported, imported * _AGED_REACTIVE
            values[4] = imported * _AGED_APPARENT
            if has_export:
                values[1] = imported * noise.uniform("energy/export", 1, *_AGED_EXPORT)
                values[5] = values[1]
        self.values: Floats = frozen(values)
        """Shape (6, 3, size), read-only; a step replaces it and never writes into it."""

    def add(self, before: Floats, after: Floats, dt_s: float) -> None:
        """Add `dt_s` seconds between two sets of `rates`."""
        self.values = frozen(self.values + (before + after) * (0.5 * dt_s / HOUR_S))

    def reset(self, index: int) -> None:
        """Set the counters of one meter to zero."""
        values = self.values.copy()
        values[:, :, index] = 0.0
        self.values = frozen(values)

    def parse(self, state: Mapping[str, Any]) -> Floats:
        """Return the counters of a saved state; raises `ValueError` for unusable ones."""
        values = read_array(state, "counters", self.values.shape)
        if (values < 0).any():
            message = "saved state has counters below zero"
            raise ValueError(message)
        return frozen(values)

    @staticmethod
    def rates(active_w: Floats, reactive_var: Floats, apparent_va: Floats) -> Floats:
        """Sort the powers of the phases into the six directions, shape (6, 3, size)."""
        rates = np.empty((len(DIRECTIONS), *active_w.shape))
        np.maximum(active_w, 0.0, out=rates[0])
        np.maximum(-active_w, 0.0, out=rates[1])
        np.maximum(reactive_var, 0.0, out=rates[2])
        np.maximum(-reactive_var, 0.0, out=rates[3])
        # Apparent power has no sign of its own: it counts where the active power flows.
        rates[4] = np.where(active_w >= 0, apparent_va, 0.0)
        rates[5] = apparent_va - rates[4]
        return rates


def mark_times(clock_s: float) -> list[float]:
    """Return the full minutes whose powers a `DemandWindow` wants to begin with, oldest first."""
    newest = math.floor(clock_s / _MARK_S)
    return [(newest - back) * _MARK_S for back in range(_MARKS - 1, -1, -1)]


class DemandWindow:
    """Mean power of the last 15 minutes, sliding, and its maximum.

    It remembers the energy at each full minute and goes straight between them.
    """

    def __init__(self, clock_s: float, history_w: Sequence[Floats], power_w: Floats) -> None:
        """Begin with the powers at `mark_times(clock_s)` and the one at `clock_s`, in W."""
        self._marks = np.zeros((_MARKS, power_w.shape[0]))
        self._minute = math.floor(clock_s / _MARK_S)
        for mark in range(1, _MARKS):
            mean_w = 0.5 * (history_w[mark - 1] + history_w[mark])
            self._marks[mark] = self._marks[mark - 1] + mean_w * _MARK_S
        rest_s = clock_s - self._minute * _MARK_S
        self._work_ws = self._marks[-1] + 0.5 * (history_w[-1] + power_w) * rest_s
        self.demand_w = self._mean(clock_s)
        self.max_demand_w = self.demand_w

    def add(self, before_w: Floats, after_w: Floats, clock_s: float, dt_s: float) -> None:
        """Add a step of `dt_s` seconds that ends at `clock_s`."""
        begin_s, begin_ws = clock_s - dt_s, self._work_ws
        self._work_ws = begin_ws + 0.5 * (before_w + after_w) * dt_s
        # Counted, not computed from `begin_s`, whose rounding could make or miss a mark.
        first, self._minute = self._minute + 1, math.floor(clock_s / _MARK_S)
        for minute in range(max(first, self._minute - _MARKS + 1), self._minute + 1):
            share = (minute * _MARK_S - begin_s) / dt_s
            mark = begin_ws + (self._work_ws - begin_ws) * share
            self._marks = np.concatenate([self._marks[1:], mark[np.newaxis]])
        self.demand_w = self._mean(clock_s)
        self.max_demand_w = np.maximum(self.max_demand_w, self.demand_w)

    def state(self) -> dict[str, Any]:
        """Return what `parse` reads."""
        return {
            "demand_marks": self._marks.tolist(),
            "demand_work": self._work_ws.tolist(),
            "demand_max": self.max_demand_w.tolist(),
        }

    def parse(self, state: Mapping[str, Any]) -> tuple[Floats, Floats, Floats]:
        """Check a saved state for `restore`; raises `ValueError` if unusable."""
        return (
            read_array(state, "demand_marks", self._marks.shape),
            read_array(state, "demand_work", self._work_ws.shape),
            read_array(state, "demand_max", self._work_ws.shape),
        )

    def restore(self, parsed: tuple[Floats, Floats, Floats], clock_s: float) -> None:
        """Go on from what `parse` returned."""
        self._marks, self._work_ws, self.max_demand_w = parsed
        self._minute = math.floor(clock_s / _MARK_S)
        self.demand_w = self._mean(clock_s)

    def _mean(self, clock_s: float) -> Floats:
        into_minute = clock_s / _MARK_S - math.floor(clock_s / _MARK_S)
        left_ws = self._marks[0] + (self._marks[1] - self._marks[0]) * into_minute
        mean_w: Floats = (self._work_ws - left_ws) / DEMAND_WINDOW_S
        return mean_w
