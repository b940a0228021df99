"""When energy is dear and when it is cheap. Pure functions of the simulated time.

Tariff 1 is the day, 6 to 22 h, tariff 2 the night. Tariffs 3 and 4, which many meters have room
for, are never in force.
"""

from __future__ import annotations

import math

from energymeter.simulator.physics.pulses import DAY_S

__all__ = ["TARIFFS", "TARIFFS_IN_USE", "active_tariff", "tariff_weights"]

TARIFFS = (1, 2, 3, 4)
TARIFFS_IN_USE = (1, 2)

_DAY_BEGINS_S, _DAY_ENDS_S = 6 * 3600.0, 22 * 3600.0
_SWITCHES_S = (_DAY_BEGINS_S, _DAY_ENDS_S, _DAY_BEGINS_S + DAY_S)

Weights = tuple[float, float]
"""Seconds by which the rate before and the rate after a step count."""


def active_tariff(clock_s: float) -> int:
    """Return the tariff in force: 1 or 2; a switch belongs to the tariff that begins."""
    return 1 if _DAY_BEGINS_S <= clock_s % DAY_S < _DAY_ENDS_S else 2


def tariff_weights(begin_s: float, end_s: float, dt_s: float) -> dict[int, Weights]:
    """Share the area of a step out over the tariffs.

    A rate that goes straight from `before` to `after` during the step adds
    `before * weights[0] + after * weights[1]` to a tariff.

    Args:
        begin_s: When the step begins.
        end_s: When it ends.
        dt_s: How long it is; not recomputed from the other two, whose difference is rounded.

    Returns:
        The tariffs in force during the step; all weights together are `dt_s`.
    """
    weights: dict[int, Weights] = {}
    cut_s, left = begin_s, 0.0
    while cut_s < end_s:
        next_s = min(_next_switch(cut_s), end_s)
        right = 1.0 if next_s == end_s else (next_s - begin_s) / dt_s
        after_s = 0.5 * (right * right - left * left) * dt_s
        before_s = max((right - left) * dt_s - after_s, 0.0)
        tariff = active_tariff(cut_s)
        sum_before_s, sum_after_s = weights.get(tariff, (0.0, 0.0))
        weights[tariff] = sum_before_s + before_s, sum_after_s + after_s
        cut_s, left = next_s, right
    # A step too short to move the clock still counts.
    return weights or {active_tariff(begin_s): (0.5 * dt_s, 0.5 * dt_s)}


def _next_switch(clock_s: float) -> float:
    midnight_s = math.floor(clock_s / DAY_S) * DAY_S
    return next(midnight_s + at_s for at_s in _SWITCHES_S if midnight_s + at_s > clock_s)
