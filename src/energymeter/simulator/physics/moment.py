"""One moment of electricity meters, and what follows from it. Pure, no sockets, no clock.

Signs: power drawn from the grid is positive, power fed in is negative, and so is its power
factor. Angles: the voltage of phase a lies at 0 degrees, b at -120, c at -240, that is +120.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from energymeter.simulator.physics.energy import EnergyRecord
from energymeter.simulator.physics.extras import Extras
from energymeter.simulator.physics.grid import OVER_VOLTAGE_SHARE, UNDER_VOLTAGE_SHARE, Grid
from energymeter.simulator.physics.noise import Bools, Floats
from energymeter.simulator.physics.tariff import TARIFFS_IN_USE

__all__ = ["Moment", "Powers"]

_HALF_SQRT_3 = math.sqrt(3.0) / 2.0
# Harmonics of order three cancel between two phases.
_LINE_DISTORTION_SHARE = 0.85


@dataclass(frozen=True, slots=True)
class Powers:
    """What flows at one time; read-only arrays of shape (3, size) unless said otherwise."""

    active_w: Floats
    reactive_var: Floats
    apparent_va: Floats
    voltage_v: Floats
    totals: Floats
    """Sums over the phases: active, reactive and apparent power."""
    outage: Bools
    """Whether no phase has voltage, shape (size,)."""


@dataclass(frozen=True)
class Moment:
    """Everything known of a population at one time; what follows is computed when asked for.

    Its arrays have the shape (3, size) or, for whole meters, (size,), and are not written into.
    """

    clock_s: float
    powers: Powers
    record: EnergyRecord
    demand: Floats
    """Mean of `powers.totals` over a quarter of an hour, shape (3, size)."""
    max_demand: Floats
    failures: Floats
    """Outages counted, shape (size,)."""
    grid: Grid
    extras: Extras

    @cached_property
    def current(self) -> Floats:
        """Current of each phase."""
        return _ratio(self.powers.apparent_va, self.powers.voltage_v, 0.0)

    @cached_property
    def line_voltage(self) -> Floats:
        """Voltages a to b, b to c, c to a."""
        voltage = self.powers.voltage_v
        following = voltage[[1, 2, 0]]
        line: Floats = np.sqrt(voltage * voltage + following * following + voltage * following)
        return line

    @cached_property
    def power_factor(self) -> Floats:
        """A dead or idle phase has no power factor; 1 is what most meters show then."""
        return _ratio(self.powers.active_w, self.powers.apparent_va, 1.0)

    @cached_property
    def phase_angle(self) -> Floats:
        """Degrees by which the current of each phase lags, -180 to 180."""
        return np.degrees(np.arctan2(self.powers.reactive_var, self.powers.active_w))

    @cached_property
    def total_power_factor(self) -> Floats:
        """Active power over the sum of the apparent powers."""
        active, _, apparent = self.powers.totals
        return _ratio(active, apparent, 1.0)

    @cached_property
    def total_angle(self) -> Floats:
        """Angle of the summed active and reactive powers in degrees, -180 to 180."""
        active, reactive, _ = self.powers.totals
        angle: Floats = np.degrees(np.arctan2(reactive, active))
        return angle

    @cached_property
    def import_power(self) -> Floats:
        """Active power of each phase where it is drawn, else 0."""
        return np.maximum(self.powers.active_w, 0.0)

    @cached_property
    def export_power(self) -> Floats:
        """Active power of each phase where it is fed in, without sign, else 0."""
        return np.maximum(-self.powers.active_w, 0.0)

    @cached_property
    def voltage_distortion(self) -> Floats:
        """Percent of each phase."""
        return self.extras.voltage_distortion(self.clock_s, self.powers.voltage_v)

    @cached_property
    def line_distortion(self) -> Floats:
        """Percent between the phases: a to b, b to c, c to a; 0 without voltage between them."""
        phases = self.voltage_distortion
        percent = _LINE_DISTORTION_SHARE * 0.5 * (phases + phases[[1, 2, 0]])
        return np.where(self.line_voltage > 0, percent, 0.0)

    @cached_property
    def current_distortion(self) -> Floats:
        """Percent of each phase."""
        powers = self.powers
        return self.extras.current_distortion(self.clock_s, powers.voltage_v, powers.apparent_va)

    @cached_property
    def neutral_current(self) -> Floats:
        """Sum of the phasors of the currents; each lags its own voltage by the load angle."""
        in_phase = _ratio(self.powers.active_w, self.powers.voltage_v, 0.0)
        lagging = _ratio(self.powers.reactive_var, self.powers.voltage_v, 0.0)
        # I = (in_phase - j lagging) turned by 0, -120 and -240 degrees.
        real = in_phase[0] - 0.5 * (in_phase[1] + in_phase[2])
        real += _HALF_SQRT_3 * (lagging[2] - lagging[1])
        imaginary = 0.5 * (lagging[1] + lagging[2]) - lagging[0]
        imaginary += _HALF_SQRT_3 * (in_phase[2] - in_phase[1])
        neutral: Floats = np.sqrt(real * real + imaginary * imaginary)
        return neutral

    @cached_property
    def over_voltage(self) -> Bools:
        """Whether a phase is above its limit."""
        limit_v = OVER_VOLTAGE_SHARE * self.grid.nominal_v
        is_high: Bools = np.any(self.powers.voltage_v > limit_v, axis=0)
        return is_high

    @cached_property
    def under_voltage(self) -> Bools:
        """Whether a phase is below its limit, but not all are dead."""
        limit_v = UNDER_VOLTAGE_SHARE * self.grid.nominal_v
        is_low: Bools = np.any(self.powers.voltage_v < limit_v, axis=0) & ~self.powers.outage
        return is_low

    def frequency(self) -> Floats:
        """Frequency in Hz; 0 in an outage."""
        return self.grid.frequency(self.clock_s, self.powers.outage)

    def voltage_angle(self, other: int, degrees: float) -> Floats:
        """Angle of the voltage of phase `other` against that of phase a; 0 if one is dead."""
        voltage = self.powers.voltage_v
        return np.where((voltage[0] > 0) & (voltage[other] > 0), degrees, 0.0)

    def constant(self, value: float) -> Floats:
        """The same number for every meter."""
        return np.full(self.powers.outage.shape, float(value))

    def energy(self, direction: int, tariff: int | None = None) -> Floats:
        """Counter of each phase in whole quanta, of one tariff or of all together."""
        counted = self._counted.get((direction, tariff))
        if counted is None:
            counted = self._counted[direction, tariff] = self._count(direction, tariff)
        return counted

    @cached_property
    def _counted(self) -> dict[tuple[int, int | None], Floats]:
        return {}

    def _count(self, direction: int, tariff: int | None) -> Floats:
        if tariff is None:
            total = self.constant(0.0)
            for each in TARIFFS_IN_USE:
                total = total + self.energy(direction, each)
            return total
        if tariff in TARIFFS_IN_USE:
            return self.record.shown(tariff, direction)
        return np.zeros(self.powers.active_w.shape)


def _ratio(numerator: Floats, denominator: Floats, otherwise: float) -> Floats:
    """Divide, and take `otherwise` where there is nothing to divide by."""
    result = np.full(numerator.shape, otherwise)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result
