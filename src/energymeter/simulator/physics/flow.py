"""Where the flow of water, gas and heating comes from. Functions of time; no sockets, no clock."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from energymeter.simulator.physics.noise import Floats, Noise, SmoothNoise
from energymeter.simulator.physics.published import frozen
from energymeter.simulator.physics.pulses import DAY_S, Pulse, PulseTrain

__all__ = ["FlowModel", "GasFlow", "HeatingCircuit", "HeatingFlow", "WaterFlow"]

# Probability of a draw in its slot, in each hour of the day.
_WATER_USE = (
    0.03, 0.01, 0.01, 0.01, 0.02, 0.10, 0.55, 0.75, 0.60, 0.35, 0.30, 0.35,
    0.50, 0.40, 0.30, 0.30, 0.35, 0.50, 0.65, 0.65, 0.55, 0.50, 0.30, 0.10,
)  # fmt: skip
_SHOWER_USE = (
    0.00, 0.00, 0.00, 0.00, 0.01, 0.15, 0.70, 0.65, 0.35, 0.15, 0.08, 0.05,
    0.05, 0.05, 0.05, 0.05, 0.08, 0.15, 0.25, 0.35, 0.40, 0.30, 0.12, 0.02,
)  # fmt: skip
_COOKING_USE = (
    0.00, 0.00, 0.00, 0.00, 0.00, 0.05, 0.25, 0.35, 0.15, 0.08, 0.15, 0.50,
    0.60, 0.20, 0.05, 0.05, 0.15, 0.50, 0.75, 0.55, 0.20, 0.08, 0.02, 0.00,
)  # fmt: skip

# Levels in L/min.
_TAP = Pulse(slot_s=900, duration_s=(5, 75), level=(3, 9), chance=_WATER_USE, ramp_s=1)
_TOILET = Pulse(slot_s=2700, duration_s=(40, 75), level=(6, 9), chance=_WATER_USE, ramp_s=2)
_SHOWER = Pulse(slot_s=7200, duration_s=(200, 540), level=(7, 12), chance=_SHOWER_USE, ramp_s=3)
_MACHINE = Pulse(slot_s=14400, duration_s=(60, 180), level=(6, 9), chance=_COOKING_USE, ramp_s=1)
_HOT_WATER = Pulse(slot_s=7200, duration_s=(200, 540), level=(18, 30), chance=_SHOWER_USE, ramp_s=4)
_COOKING = Pulse(slot_s=3600, duration_s=(400, 1800), level=(1.5, 4.5), chance=_COOKING_USE)

# Heating: share of the full power at each full hour, night set-back included.
_HEATING_HOURS_S = np.arange(25) * 3600.0
_HEATING = np.array((
    0.10, 0.08, 0.08, 0.09, 0.14, 0.42, 0.62, 0.58, 0.46, 0.38, 0.33, 0.30,
    0.28, 0.27, 0.28, 0.32, 0.40, 0.48, 0.52, 0.50, 0.46, 0.38, 0.24, 0.14, 0.10,
))  # fmt: skip
_BURNER = (16.0, 34.0)
# A burner cannot go below this share of its full flow; it goes on and off instead.
_BURNER_LOWEST = 0.25
_CYCLE_S = (900.0, 1800.0)
# Full flow of a heating circuit, and the share its pump never goes below.
_PUMP = (12.0, 24.0)
_PUMP_LOWEST = 0.25


class FlowModel(Protocol):
    """Where the flow comes from."""

    def at(self, clock_s: float) -> Floats:
        """Return the flow at a time in L/min, 0 or more, shape (size,), as a fresh array."""
        ...


class WaterFlow:
    """Taps, showers, toilets, machines."""

    def __init__(self, noise: Noise) -> None:
        """Draw the households."""
        self._draws = PulseTrain(noise, "water/draws", [_TAP, _TOILET, _SHOWER, _MACHINE])
        self._ripple = SmoothNoise(noise, "water/ripple", [3.0])

    def at(self, clock_s: float) -> Floats:
        """Return the flow at a time; see `FlowModel`."""
        ripple = 1.0 + 0.02 * self._ripple.at(clock_s)[0]
        flow: Floats = self._draws.at(clock_s).sum(axis=0) * ripple
        return flow


class GasFlow:
    """A burner that modulates, hot water, cooking."""

    def __init__(self, noise: Noise) -> None:
        """Draw the boilers and the households."""
        self._full = noise.uniform("gas/burner", 1, *_BURNER)[0]
        self._shift_s = noise.uniform("gas/shift", 1, -2700.0, 2700.0)[0]
        self._cycle_s = noise.uniform("gas/cycle", 1, *_CYCLE_S)[0]
        self._phase = noise.uniform("gas/phase", 1, 0.0, 1.0)[0]
        # The weather changes within a day, the house within minutes.
        self._wander = SmoothNoise(noise, "gas/wander", [40_000.0, 700.0, 5.0])
        self._draws = PulseTrain(noise, "gas/draws", [_HOT_WATER, _COOKING])

    def at(self, clock_s: float) -> Floats:
        """Return the flow at a time; see `FlowModel`."""
        hot_water, cooking = self._draws.at(clock_s)
        # A boiler that heats water does not heat the house meanwhile.
        flow: Floats = np.where(hot_water > 0, hot_water, self._heating(clock_s)) + cooking
        return flow

    def _heating(self, clock_s: float) -> Floats:
        weather, house, ripple = self._wander.at(clock_s)
        wanted = _heating_share(clock_s + self._shift_s, weather, house)
        share = np.clip(wanted, _BURNER_LOWEST, 1.0) * (1.0 + 0.004 * ripple)
        position = clock_s / self._cycle_s + self._phase
        is_on = position - np.floor(position) < wanted / _BURNER_LOWEST
        return np.where(is_on, self._full * share, 0.0)


class HeatingFlow(NamedTuple):
    """What a heating circuit does at one time; arrays of shape (size,), read-only."""

    flow: Floats
    """In L/min, above 0: the pump never stops."""
    forward_c: Floats
    return_c: Floats
    """Lower than `forward_c`."""


class HeatingCircuit:
    """A heated building: flow and temperatures follow the weather and the hour."""

    def __init__(self, noise: Noise) -> None:
        """Draw the buildings."""
        self._full = noise.uniform("heat/full", 1, *_PUMP)[0]
        self._shift_s = noise.uniform("heat/shift", 1, -2700.0, 2700.0)[0]
        self._wander = SmoothNoise(noise, "heat/wander", [40_000.0, 700.0])
        self._ripple = SmoothNoise(noise, "heat/ripple", [5.0, 60.0, 90.0])

    def at(self, clock_s: float) -> HeatingFlow:
        """Return flow and temperatures at a time."""
        weather, house = self._wander.at(clock_s)
        pump, mixer, radiators = self._ripple.at(clock_s)
        wanted = _heating_share(clock_s + self._shift_s, weather, house)
        flow = self._full * (_PUMP_LOWEST + (1.0 - _PUMP_LOWEST) * wanted) * (1.0 + 0.006 * pump)
        forward_c = 34.0 + 36.0 * wanted + 0.3 * mixer
        return_c = forward_c - (6.0 + 16.0 * wanted + 0.25 * radiators)
        return HeatingFlow(frozen(flow), frozen(forward_c), frozen(return_c))


def _heating_share(clock_s: Floats, weather: Floats, house: Floats) -> Floats:
    """Return the share of the full power that is wanted, about 0 to 1."""
    wanted: Floats = np.interp(clock_s % DAY_S, _HEATING_HOURS_S, _HEATING)
    wanted *= np.clip(1.0 + 0.2 * weather + 0.06 * house, 0.2, 1.6)
    return wanted
