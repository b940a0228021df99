"""One moment of water and gas meters, and what follows from it. Pure, no sockets, no clock.

Conventions: the flow of a gas is counted at 0 degC and 1.01325 bar, its volumetric flow is what
passes at the conditions in the pipe; for water both are the same. Temperature 1 is that of the
fluid in the meter, temperature 2 the one at the main. Nothing flows backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from energymeter.simulator.physics.noise import Floats, Noise, SmoothNoise
from energymeter.simulator.physics.options import PhysicsOptions
from energymeter.simulator.physics.published import Recipe
from energymeter.simulator.physics.still import CALM, WorkingTime

__all__ = [
    "GAS",
    "LITRES_PER_M3",
    "MINUTE_S",
    "RECIPES",
    "WATER",
    "FluidMoment",
    "FluidSite",
    "Traits",
]

LITRES_PER_M3 = 1000.0
MINUTE_S = 60.0
ZERO_C_K = 273.15
_NORMAL_BAR = 1.013_25

_FULL_SCALE_L_MIN = 60.0
# Signals of an ultrasonic pair of transducers: percent, and counts of the receiver.
_QUALITY = (78.0, 96.0)
_SIGNAL = (1100.0, 1500.0)


@dataclass(frozen=True, slots=True)
class Traits:
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
    pipe_m: float
    """Inner diameter of the pipe."""
    sound_speed: Callable[[Floats], Floats]
    """In m/s, from the temperature."""
    viscosity: Callable[[Floats], Floats]
    """Kinematic, in m2/s, from the temperature."""
    is_gas: bool
    """Whether the volume depends on pressure and temperature."""


def _sound_in_water(temperature_c: Floats) -> Floats:
    # Within 3 m/s of the measured curve from 0 to 40 degC.
    return 1402.4 + 5.01 * temperature_c - 0.055 * temperature_c**2


def _viscosity_of_water(temperature_c: Floats) -> Floats:
    # Poiseuille, 1846.
    return 1.79e-6 / (1.0 + 0.033_68 * temperature_c + 0.000_221 * temperature_c**2)


def _sound_in_methane(temperature_c: Floats) -> Floats:
    # Ideal gas: root of 1.31 R T / M, M = 16.04 g/mol.
    speed: Floats = np.sqrt(1.31 * 518.3 * (temperature_c + ZERO_C_K))
    return speed


def _viscosity_of_methane(temperature_c: Floats) -> Floats:
    # 15.5e-6 at 10 degC and 1 bar, growing with the temperature as in most gases.
    return 15.5e-6 * ((temperature_c + ZERO_C_K) / 283.15) ** 1.8


WATER = Traits(
    main_temperature=(7.0, 13.0),
    ambient_temperature=(17.0, 22.5),
    litres_in_meter=2.5,
    still_s=2400.0,
    pressure=(3.9, 4.7),
    pressure_wander=0.05,
    pressure_limits=(3.0, 5.0),
    drop_at_10=0.09,
    aged_m3=(40.0, 1500.0),
    pipe_m=0.020,
    sound_speed=_sound_in_water,
    viscosity=_viscosity_of_water,
    is_gas=False,
)
GAS = Traits(
    main_temperature=(8.0, 12.0),
    ambient_temperature=(13.0, 20.0),
    litres_in_meter=40.0,
    still_s=1800.0,
    pressure=(0.0218, 0.0236),
    pressure_wander=0.000_18,
    pressure_limits=(0.020, 0.025),
    drop_at_10=0.000_05,
    aged_m3=(300.0, 20_000.0),
    pipe_m=0.025,
    sound_speed=_sound_in_methane,
    viscosity=_viscosity_of_methane,
    is_gas=True,
)


class FluidSite:
    """The pipes the meters sit in: constants and side values, functions of time and seed."""

    def __init__(self, kind: str, traits: Traits, noise: Noise, options: PhysicsOptions) -> None:
        """Draw the sites."""
        self.traits = traits
        self.main_c = noise.uniform(f"{kind}/main", 1, *traits.main_temperature)[0]
        self.ambient_c = noise.uniform(f"{kind}/ambient", 1, *traits.ambient_temperature)[0]
        self.working_time = WorkingTime(noise, options)
        self._rest_pressure = noise.uniform(f"{kind}/pressure", 1, *traits.pressure)[0]
        self._pressure_wander = SmoothNoise(noise, f"{kind}/pressure_wander", [1200.0, 45.0, 2.0])
        self._quality = noise.uniform(f"{kind}/quality", 1, *_QUALITY)[0]
        self._signal = noise.uniform(f"{kind}/signal", 1, *_SIGNAL)[0]
        self._signal_wander = SmoothNoise(noise, f"{kind}/signal_wander", [600.0, 7.0, 7.0])

    def pressure(self, clock_s: float, flow: Floats) -> Floats:
        """Return bar; the flow in L/min lowers it."""
        slow, middle, fast = self._pressure_wander.at(clock_s)
        wander = self.traits.pressure_wander * (slow + 0.3 * middle + 0.1 * fast)
        drop = self.traits.drop_at_10 * (flow / 10.0) ** 2
        lowest, highest = self.traits.pressure_limits
        pressure: Floats = np.clip(self._rest_pressure + wander - drop, lowest, highest)
        return pressure

    def quality(self, clock_s: float) -> Floats:
        """Return the quality of the signal in percent, below 100."""
        quality: Floats = self._quality + 0.8 * self._signal_wander.at(clock_s)[0]
        return quality

    def signal(self, clock_s: float, way: int) -> Floats:
        """Return the strength of the signal, a plain number; `way` is 1 upstream, 2 downstream."""
        wander = self._signal_wander.at(clock_s)
        signal: Floats = self._signal + 12.0 * wander[0] + 4.0 * wander[way]
        return signal


@dataclass(frozen=True)
class FluidMoment:
    """Everything known of a population at one time; arrays of shape (size,), read-only."""

    clock_s: float
    flow: Floats
    """In L/min."""
    volume_m3: Floats
    temperature_c: Floats
    site: FluidSite

    @property
    def size(self) -> int:
        """Number of meters."""
        return int(self.flow.size)

    @cached_property
    def pressure(self) -> Floats:
        """In bar, above that of the air."""
        return self.site.pressure(self.clock_s, self.flow)

    @cached_property
    def volumetric_flow(self) -> Floats:
        """What passes through the pipe as it is there, in L/min."""
        if not self.site.traits.is_gas:
            return self.flow
        warm = (self.temperature_c + ZERO_C_K) / ZERO_C_K
        dense = (self.pressure + _NORMAL_BAR) / _NORMAL_BAR
        return self.flow * warm / dense

    @cached_property
    def velocity(self) -> Floats:
        """Mean over the pipe in m/s."""
        area_m2 = 0.25 * np.pi * self.site.traits.pipe_m**2
        velocity: Floats = self.volumetric_flow / (LITRES_PER_M3 * MINUTE_S * area_m2)
        return velocity

    @cached_property
    def main_temperature(self) -> Floats:
        """Temperature at the main; the standing fluid of the meter hardly reaches it."""
        main_c = self.site.main_c
        near: Floats = main_c + 0.2 * (self.temperature_c - main_c)
        return near

    def reynolds(self) -> Floats:
        """Reynolds number of the flow; below some 2300 it is laminar."""
        viscosity = self.site.traits.viscosity(self.temperature_c)
        number: Floats = self.velocity * self.site.traits.pipe_m / viscosity
        return number


def _reverse(moment: FluidMoment) -> Floats:
    return np.zeros(moment.size)


RECIPES: Mapping[str, Recipe[FluidMoment]] = {
    **CALM,
    "flow_rate": lambda moment: moment.flow,
    "flow_rate_volumetric": lambda moment: moment.volumetric_flow,
    "flow_rate_percent": lambda moment: moment.flow * (100.0 / _FULL_SCALE_L_MIN),
    "flow_velocity": lambda moment: moment.velocity,
    "reynolds_number": FluidMoment.reynolds,
    "volume_total": lambda moment: moment.volume_m3,
    "volume_reverse": _reverse,
    "volume_net": lambda moment: moment.volume_m3 - _reverse(moment),
    "temperature": lambda moment: moment.temperature_c,
    "temperature_1": lambda moment: moment.temperature_c,
    "temperature_2": lambda moment: moment.main_temperature,
    "temperature_difference": lambda moment: moment.temperature_c - moment.main_temperature,
    "pressure": lambda moment: moment.pressure,
    "sound_speed": lambda moment: moment.site.traits.sound_speed(moment.temperature_c),
    "signal_quality": lambda moment: moment.site.quality(moment.clock_s),
    "signal_upstream": lambda moment: moment.site.signal(moment.clock_s, 1),
    "signal_downstream": lambda moment: moment.site.signal(moment.clock_s, 2),
    "working_time": lambda moment: moment.site.working_time.at(moment.clock_s),
}
"""Canonical name -> how to make it of a moment."""
