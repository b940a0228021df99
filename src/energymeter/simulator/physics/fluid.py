"""Populations of water and gas meters, stepped together.

The flow is a function of time; the volume is its integral (a straight line between two
instants), and the temperature follows the flow. No sockets, no wall clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from energymeter.simulator.physics.noise import Floats, Noise, SmoothNoise
from energymeter.simulator.physics.options import PhysicsOptions
from energymeter.simulator.physics.pulses import DAY_S, Pulse, PulseTrain
from energymeter.simulator.physics.state import (
    check_header,
    check_index,
    check_size,
    check_step,
    frozen,
    header,
    read_array,
    read_clock,
)

__all__ = ["FluidPhysics", "GasPhysics", "WaterPhysics"]

_LITRES_PER_M3 = 1000.0
_MINUTE_S = 60.0

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

# Heating: share of the burner's full flow at each full hour, night set-back included.
_HEATING_HOURS_S = np.arange(25) * 3600.0
_HEATING = np.array((
    0.10, 0.08, 0.08, 0.09, 0.14, 0.42, 0.62, 0.58, 0.46, 0.38, 0.33, 0.30,
    0.28, 0.27, 0.28, 0.32, 0.40, 0.48, 0.52, 0.50, 0.46, 0.38, 0.24, 0.14, 0.10,
))  # fmt: skip
_BURNER = (16.0, 34.0)
# A burner cannot go below this share of its full flow; it goes on and off instead.
_BURNER_LOWEST = 0.25
_CYCLE_S = (900.0, 1800.0)


class FlowModel(Protocol):
    """Where the flow comes from."""

    def at(self, clock_s: float) -> Floats:
        """Return the flow at a time in L/min, 0 or more, shape (size,), as a fresh array."""
        ...


@dataclass(frozen=True, slots=True)
class _Traits:
    """What sets one fluid apart; temperatures in degC, pressures in bar."""

    main_temperature: tuple[float, float]
    ambient_temperature: tuple[float, float]
    litres_in_meter: float
    """What must flow through to bring the meter to the temperature of the main."""
    still_s: float
    """Time constant of the drift to ambient."""
    pressure: tuple[float, float]
    """Span of the pressure at rest, before it wanders."""
    pressure_wander: float
    pressure_limits: tuple[float, float]
    drop_at_10: float
    """Pressure lost at 10 L/min; grows with the square of the flow."""
    aged_m3: tuple[float, float]


_WATER = _Traits(
    main_temperature=(7.0, 13.0),
    ambient_temperature=(17.0, 22.5),
    litres_in_meter=2.5,
    still_s=2400.0,
    pressure=(3.9, 4.7),
    pressure_wander=0.05,
    pressure_limits=(3.0, 5.0),
    drop_at_10=0.09,
    aged_m3=(40.0, 1500.0),
)
_GAS = _Traits(
    main_temperature=(8.0, 12.0),
    ambient_temperature=(13.0, 20.0),
    litres_in_meter=40.0,
    still_s=1800.0,
    pressure=(0.0218, 0.0236),
    pressure_wander=0.000_18,
    pressure_limits=(0.020, 0.025),
    drop_at_10=0.000_05,
    aged_m3=(300.0, 20_000.0),
)


class FluidPhysics:
    """Meters of one fluid; see `Physics` for the contract."""

    def __init__(
        self, kind: str, traits: _Traits, flow: FlowModel, noise: Noise, options: PhysicsOptions
    ) -> None:
        """Put a flow behind meters; `WaterPhysics` and `GasPhysics` do it for you."""
        self.size = noise.size
        self._kind, self._traits, self._flow_model = kind, traits, flow
        self._clock_s = options.start_s
        self._published: Mapping[str, NDArray[Any]] | None = None
        self._main_c = noise.uniform(f"{kind}/main", 1, *traits.main_temperature)[0]
        self._ambient_c = noise.uniform(f"{kind}/ambient", 1, *traits.ambient_temperature)[0]
        self._rest_pressure = noise.uniform(f"{kind}/pressure", 1, *traits.pressure)[0]
        self._pressure_wander = SmoothNoise(noise, f"{kind}/pressure_wander", [1200.0, 45.0, 2.0])
        aged_m3 = noise.uniform(f"{kind}/aged", 1, *traits.aged_m3)[0]
        self._volume_m3 = frozen(np.zeros(self.size) if options.zero_counters else aged_m3)
        # At the start the fluid has stood in the meter for a while.
        warmth = noise.uniform(f"{kind}/warmth", 1, 0.4, 0.9)[0]
        self._temperature_c = frozen(self._main_c + (self._ambient_c - self._main_c) * warmth)
        self._evaluate()

    def step(self, dt_s: float) -> None:
        """Advance the simulated time by `dt_s` seconds, above 0."""
        check_step(dt_s)
        before = self._flow
        self._clock_s += dt_s
        self._evaluate()
        litres = 0.5 * (before + self._flow) * (dt_s / _MINUTE_S)
        self._volume_m3 = frozen(self._volume_m3 + litres / _LITRES_PER_M3)
        self._temperature_c = frozen(self._mixed_temperature(litres, dt_s))

    def quantities(self) -> Mapping[str, NDArray[Any]]:
        """Return the state after the last step: read-only arrays that later steps do not change."""
        if self._published is None:
            published: dict[str, NDArray[Any]] = {
                "flow_rate": self._flow,
                "volume_total": self._volume_m3,
                "temperature": self._temperature_c,
                "pressure": self._pressure(),
                "power_outage": np.zeros(self.size, dtype=np.bool_),
                "over_voltage": np.zeros(self.size, dtype=np.bool_),
                "under_voltage": np.zeros(self.size, dtype=np.bool_),
                "no_alarms": np.ones(self.size, dtype=np.bool_),
                "online": np.ones(self.size, dtype=np.bool_),
            }
            for array in published.values():
                array.flags.writeable = False
            self._published = MappingProxyType(published)
        return self._published

    def reset_counters(self, index: int) -> None:
        """Set the volume of one meter to zero."""
        check_index(index, self.size)
        volume_m3 = self._volume_m3.copy()
        volume_m3[index] = 0.0
        self._volume_m3 = frozen(volume_m3)
        self._published = None

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as plain numbers, lists and texts."""
        return {
            **header(self._kind, self.size, self._clock_s),
            "volume_m3": self._volume_m3.tolist(),
            "temperature_c": self._temperature_c.tolist(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; seed and options are those of this population.

        Raises:
            ValueError: The state is of another kind or size, or damaged; nothing has changed.
        """
        check_header(state, self._kind, self.size)
        clock_s = read_clock(state)
        volume_m3 = read_array(state, "volume_m3", (self.size,))
        temperature_c = read_array(state, "temperature_c", (self.size,))
        if (volume_m3 < 0).any():
            message = "saved state has volumes below zero"
            raise ValueError(message)
        self._clock_s = clock_s
        self._volume_m3, self._temperature_c = frozen(volume_m3), frozen(temperature_c)
        self._evaluate()

    def _evaluate(self) -> None:
        self._flow = frozen(self._flow_model.at(self._clock_s))
        self._published = None

    def _mixed_temperature(self, litres: Floats, dt_s: float) -> Floats:
        """Pull the temperature to that of the main by flow and to ambient by time.

        The exact answer for a steady flow, so a long step cannot overshoot.
        """
        by_flow = litres / self._traits.litres_in_meter
        by_time = dt_s / self._traits.still_s
        pull = by_flow + by_time
        goal_c = (by_flow * self._main_c + by_time * self._ambient_c) / pull
        mixed_c: Floats = goal_c + (self._temperature_c - goal_c) * np.exp(-pull)
        return mixed_c

    def _pressure(self) -> Floats:
        slow, middle, fast = self._pressure_wander.at(self._clock_s)
        wander = self._traits.pressure_wander * (slow + 0.3 * middle + 0.1 * fast)
        drop = self._traits.drop_at_10 * (self._flow / 10.0) ** 2
        lowest, highest = self._traits.pressure_limits
        pressure: Floats = np.clip(self._rest_pressure + wander - drop, lowest, highest)
        return pressure


class WaterPhysics(FluidPhysics):
    """Water meters: taps, showers, toilets, machines."""

    def __init__(self, size: int, seed: int, options: PhysicsOptions | None = None) -> None:
        """Make `size` meters; raises `ValueError` for less than 1."""
        check_size(size)
        noise = Noise(seed, size)
        super().__init__("water", _WATER, _WaterFlow(noise), noise, options or PhysicsOptions())


class GasPhysics(FluidPhysics):
    """Gas meters: a burner that modulates, hot water, cooking."""

    def __init__(self, size: int, seed: int, options: PhysicsOptions | None = None) -> None:
        """Make `size` meters; raises `ValueError` for less than 1."""
        check_size(size)
        noise = Noise(seed, size)
        super().__init__("gas", _GAS, _GasFlow(noise), noise, options or PhysicsOptions())


class _WaterFlow:
    def __init__(self, noise: Noise) -> None:
        self._draws = PulseTrain(noise, "water/draws", [_TAP, _TOILET, _SHOWER, _MACHINE])
        self._ripple = SmoothNoise(noise, "water/ripple", [3.0])

    def at(self, clock_s: float) -> Floats:
        ripple = 1.0 + 0.02 * self._ripple.at(clock_s)[0]
        flow: Floats = self._draws.at(clock_s).sum(axis=0) * ripple
        return flow


class _GasFlow:
    def __init__(self, noise: Noise) -> None:
        self._full = noise.uniform("gas/burner", 1, *_BURNER)[0]
        self._shift_s = noise.uniform("gas/shift", 1, -2700.0, 2700.0)[0]
        self._cycle_s = noise.uniform("gas/cycle", 1, *_CYCLE_S)[0]
        self._phase = noise.uniform("gas/phase", 1, 0.0, 1.0)[0]
        # The weather changes within a day, the house within minutes.
        self._wander = SmoothNoise(noise, "gas/wander", [40_000.0, 700.0, 5.0])
        self._draws = PulseTrain(noise, "gas/draws", [_HOT_WATER, _COOKING])

    def at(self, clock_s: float) -> Floats:
        hot_water, cooking = self._draws.at(clock_s)
        # A boiler that heats water does not heat the house meanwhile.
        flow: Floats = np.where(hot_water > 0, hot_water, self._heating(clock_s)) + cooking
        return flow

    def _heating(self, clock_s: float) -> Floats:
        weather, house, ripple = self._wander.at(clock_s)
        wanted = np.interp((clock_s + self._shift_s) % DAY_S, _HEATING_HOURS_S, _HEATING)
        wanted *= np.clip(1.0 + 0.2 * weather + 0.06 * house, 0.2, 1.6)
        share = np.clip(wanted, _BURNER_LOWEST, 1.0) * (1.0 + 0.004 * ripple)
        position = clock_s / self._cycle_s + self._phase
        is_on = position - np.floor(position) < wanted / _BURNER_LOWEST
        return np.where(is_on, self._full * share, 0.0)
