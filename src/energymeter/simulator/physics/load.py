"""What a site draws: the load curve of three phases, and what its roof feeds in.

Pure functions of time (no sockets, no clock, no state). Power is what the loads draw at nominal
voltage; the grid decides how much of it they get.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from energymeter.simulator.physics.noise import Floats, Noise, SmoothNoise
from energymeter.simulator.physics.pulses import ALWAYS, DAY_S, Pulse, PulseTrain

__all__ = ["PHASES", "Load", "SiteLoad", "SumOfLoads"]

PHASES = 3

# Lights, electronics and small machines, relative to the day's mean, at each full hour.
_SHAPE = (
    0.45, 0.38, 0.35, 0.34, 0.36, 0.48, 0.80, 1.25, 1.30, 1.05, 0.95, 0.98,
    1.08, 1.02, 0.92, 0.92, 1.02, 1.28, 1.62, 1.78, 1.70, 1.42, 1.02, 0.65,
)  # fmt: skip
_HOURS_S = np.arange(25) * 3600.0
_SHAPE_CLOSED = np.array([*_SHAPE, _SHAPE[0]])
# Probability that somebody cooks, boils or washes, in each hour.
_KITCHEN = (
    0.02, 0.01, 0.01, 0.01, 0.02, 0.10, 0.35, 0.50, 0.35, 0.18, 0.18, 0.35,
    0.40, 0.22, 0.15, 0.18, 0.25, 0.42, 0.55, 0.45, 0.30, 0.20, 0.10, 0.04,
)  # fmt: skip
_MACHINES = tuple(0.5 * chance for chance in _KITCHEN)

# Powers in W, at nominal voltage.
_FRIDGE = Pulse(slot_s=3000, duration_s=(700, 1300), level=(75, 150), chance=ALWAYS)
_KETTLE = Pulse(slot_s=2400, duration_s=(90, 360), level=(1800, 2400), chance=_KITCHEN)
_OVEN = Pulse(slot_s=9000, duration_s=(900, 3600), level=(2000, 3000), chance=_MACHINES)

# tan(phi), var per W. A mix of loads stays between the extremes, so the power factor of a phase
# lies between 0.81 (fridge) and 1 (kettle).
_TAN_FRIDGE = 0.72
_TAN_KETTLE = 0.01
_TAN_OVEN = 0.10
_TAN_BASE_LOW, _TAN_BASE_MEAN, _TAN_BASE_HIGH = 0.08, 0.33, 0.60

# Wander of the base load: seconds between independent values, and share of the load.
_BASE_WANDER = ((1800.0, 0.13), (180.0, 0.07), (15.0, 0.03), (1.0, 0.006))

_SUNRISE_S, _SUNSET_S = 6 * 3600.0, 20 * 3600.0


class Load(Protocol):
    """What meters draw."""

    def at(self, clock_s: float) -> tuple[Floats, Floats]:
        """Return active (W, negative when feeding in) and reactive power (var) of each phase.

        Both have the shape (3, size) and are fresh arrays.
        """
        ...


class SumOfLoads:
    """What a meter at the grid draws: all that the meters behind it do."""

    def __init__(self, loads: Sequence[Load]) -> None:
        """Sum up `loads`, one or more, of any sizes; the sum is of size 1."""
        self._loads = tuple(loads)

    def at(self, clock_s: float) -> tuple[Floats, Floats]:
        """See `Load.at`."""
        parts = [load.at(clock_s) for load in self._loads]
        active = np.hstack([part[0] for part in parts]).sum(axis=1, keepdims=True)
        reactive = np.hstack([part[1] for part in parts]).sum(axis=1, keepdims=True)
        return active, reactive


class SiteLoad:
    """The loads and the roof of every meter of a population."""

    def __init__(self, noise: Noise, solar_w: float, phases: int) -> None:
        """Draw the sites; `solar_w` is the peak feed-in of one site over its `phases`."""
        self._solar_w = solar_w
        self._phases = phases
        self._standby_w = noise.uniform("load/standby", PHASES, 52.0, 110.0)
        self._base_w = noise.uniform("load/site", 1, 110.0, 330.0)
        self._base_w = self._base_w * noise.uniform("load/phase", PHASES, 0.5, 1.5)
        self._shift_s = noise.uniform("load/shift", 1, -2700.0, 2700.0)[0]
        periods = [period for period, _ in _BASE_WANDER for _ in range(PHASES)]
        self._wander = SmoothNoise(noise, "load/wander", periods)
        self._tan = SmoothNoise(noise, "load/tan", [1200.0] * PHASES)
        kinds = [kind for kind in (_FRIDGE, _KETTLE, _OVEN) for _ in range(PHASES)]
        self._appliances = PulseTrain(noise, "load/appliances", kinds)
        self._clouds = SmoothNoise(noise, "load/clouds", [900.0, 25.0]) if solar_w else None

    def at(self, clock_s: float) -> tuple[Floats, Floats]:
        """See `Load.at`."""
        shape = np.interp((clock_s + self._shift_s) % DAY_S, _HOURS_S, _SHAPE_CLOSED)
        values = self._wander.at(clock_s).reshape(len(_BASE_WANDER), PHASES, -1)
        wander = np.ones(values.shape[1:])
        for row, (_, share) in zip(values, _BASE_WANDER, strict=True):
            wander += share * row
        base = self._standby_w + self._base_w * shape * wander
        tan = np.clip(_TAN_BASE_MEAN + 0.09 * self._tan.at(clock_s), _TAN_BASE_LOW, _TAN_BASE_HIGH)
        fridge, kettle, oven = self._appliances.at(clock_s).reshape(3, PHASES, -1)
        active = base + fridge + kettle + oven
        reactive = base * tan + fridge * _TAN_FRIDGE + kettle * _TAN_KETTLE + oven * _TAN_OVEN
        if self._clouds is not None:
            active -= self._feed_in(clock_s) / self._phases
        active[self._phases :] = 0.0
        reactive[self._phases :] = 0.0
        return active, reactive

    def _feed_in(self, clock_s: float) -> Floats:
        """Return what the roofs yield, in W, shape (size,)."""
        daylight = (clock_s % DAY_S - _SUNRISE_S) / (_SUNSET_S - _SUNRISE_S)
        if self._clouds is None or not 0.0 < daylight < 1.0:
            return np.zeros(self._shift_s.shape)
        sun = math.sin(math.pi * daylight) ** 1.3
        slow, fast = self._clouds.at(clock_s)
        clear: Floats = np.clip(0.85 + 0.25 * slow + 0.04 * fast, 0.15, 1.0)
        yield_w: Floats = self._solar_w * sun * clear
        return yield_w
