"""What else an electricity meter shows: distortion, heat, leakage, and meters read through it.

Functions of time and seed (no sockets, no clock, no state).
"""

from __future__ import annotations

import math

import numpy as np

from energymeter.simulator.physics.load import PHASES
from energymeter.simulator.physics.noise import Floats, Noise, SmoothNoise
from energymeter.simulator.physics.options import PhysicsOptions
from energymeter.simulator.physics.pulses import DAY_S

__all__ = ["MEDIA", "Extras"]

# Meters of other media that a customer interface (DSMR P1) passes on. Lowest and highest use of a
# day and highest age in days: m3 of gas, m3 of water, Wh of heat.
MEDIA = {
    "gas_volume_total": (1.5, 6.0),
    "volume_total": (0.15, 0.5),
    "heat_energy_total": (1.5e4, 6.0e4),
}
_MEDIA_AGE_DAYS = (200.0, 2000.0)
# Use swings round its mean over the day, and is highest at this time.
_MEDIA_SWING, _MEDIA_PEAK_S = 0.8, 19 * 3600.0

# Distortion in percent: limits, and at which apparent power the wander is centred.
_THD_VOLTAGE = (0.5, 4.0)
_THD_CURRENT = (2.0, 25.0)
_THD_LIGHT_LOAD_VA = 500.0

_CABINET_C, _SELF_HEATING_C = (16.0, 27.0), (4.0, 9.0)
_LEAKAGE_A = (0.003, 0.025)
_PEN_OHM = (0.05, 0.25)
# The auxiliary supply of a meter that is not fed from its own terminals, V.
_SUPPLY_V = 24.0
_BATTERY_PERCENT = (45.0, 90.0)
# Outages a meter some years old has counted.
_AGED_FAILURES = (0.0, 25.0)


class Extras:
    """The side values of every meter of a population; each method returns fresh arrays."""

    def __init__(self, noise: Noise, options: PhysicsOptions) -> None:
        """Draw the constants of the meters."""
        self._options = options
        self._thd = SmoothNoise(noise, "thd", [240.0] * (2 * PHASES))
        self._slow = SmoothNoise(noise, "extras/slow", [7200.0, 5400.0, 1200.0, 300.0])
        self._cabinet_c = noise.uniform("extras/cabinet", 1, *_CABINET_C)[0]
        self._heating_c = noise.uniform("extras/heating", 1, *_SELF_HEATING_C)[0]
        self._leakage_a = noise.uniform("extras/leakage", 1, *_LEAKAGE_A)[0]
        self._pen_ohm = noise.uniform("extras/pen", 1, *_PEN_OHM)[0]
        self._battery = noise.uniform("extras/battery", 1, *_BATTERY_PERCENT)[0]
        spreads = noise.uniform("extras/media", 2 * len(MEDIA), 0.0, 1.0)
        low, high = _MEDIA_AGE_DAYS
        self._media = {
            name: (least + (most - least) * use, low + (high - low) * age)
            for (name, (least, most)), use, age in zip(
                MEDIA.items(), spreads[: len(MEDIA)], spreads[len(MEDIA) :], strict=True
            )
        }
        failures = np.floor(noise.uniform("extras/failures", 1, *_AGED_FAILURES)[0])
        self.aged_failures: Floats = np.zeros(noise.size) if options.zero_counters else failures
        """Outages before the start, shape (size,)."""

    def voltage_distortion(self, clock_s: float, voltage_v: Floats) -> Floats:
        """Return percent for each phase, shape (3, size); 0 without voltage."""
        wander = self._thd.at(clock_s)[:PHASES]
        return np.where(voltage_v > 0, np.clip(1.8 + 0.45 * wander, *_THD_VOLTAGE), 0.0)

    def current_distortion(self, clock_s: float, voltage_v: Floats, apparent_va: Floats) -> Floats:
        """Return percent for each phase, shape (3, size).

        Electronics distort, heaters do not: the more a phase draws, the cleaner it is.
        """
        wander = self._thd.at(clock_s)[PHASES:]
        light = _THD_LIGHT_LOAD_VA / (_THD_LIGHT_LOAD_VA + apparent_va)
        percent = 3.0 + 17.0 * light + 1.5 * wander
        return np.where(voltage_v > 0, np.clip(percent, *_THD_CURRENT), 0.0)

    def temperature(self, clock_s: float) -> Floats:
        """Return what it is inside the meter, in degC."""
        slow = self._slow.at(clock_s)
        temperature_c: Floats = self._cabinet_c + self._heating_c + 1.2 * slow[0] + 0.2 * slow[2]
        return temperature_c

    def ground_current(self, clock_s: float, voltage_v: Floats) -> Floats:
        """Return the leakage to earth in A: some milliamperes that follow the voltage."""
        share = voltage_v.sum(axis=0) / (PHASES * self._options.nominal_voltage_v)
        leakage_a: Floats = self._leakage_a * share * (1.0 + 0.08 * self._slow.at(clock_s)[3])
        return leakage_a

    def pen_voltage(self, neutral_a: Floats) -> Floats:
        """Return what the neutral current lifts the neutral above earth, in V."""
        lifted: Floats = neutral_a * self._pen_ohm
        return lifted

    def supply_voltage(self, clock_s: float) -> Floats:
        """Return the auxiliary supply in V; it goes on in an outage."""
        return np.asarray(_SUPPLY_V + 0.05 * self._slow.at(clock_s)[2])

    def battery_charge(self, clock_s: float) -> Floats:
        """Return percent; the battery rests, so it hardly moves."""
        return np.asarray(self._battery + 0.4 * self._slow.at(clock_s)[1])

    def medium(self, name: str, clock_s: float) -> Floats:
        """Return the counter of another medium (`MEDIA`); it never falls and nobody resets it."""
        per_day, age_days = self._media[name]
        start_s = self._options.start_s
        days = (clock_s - start_s) / DAY_S + (_swing(clock_s) - _swing(start_s))
        if not self._options.zero_counters:
            days = days + age_days
        counted: Floats = per_day * days
        return counted


def _swing(clock_s: float) -> float:
    """Return by how many days' mean use the counter is ahead of a steady one."""
    turn = 2.0 * math.pi
    return _MEDIA_SWING / turn * math.sin(turn * (clock_s - _MEDIA_PEAK_S) / DAY_S)
