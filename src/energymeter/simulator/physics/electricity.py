"""A population of three-phase electricity meters, stepped together.

Everything but the counters, the demand and the forced conditions is a function of time, so long
and short steps meet the same curve. No sockets, no wall clock.

Signs: power drawn from the grid is positive, power fed in is negative, and so is its power
factor. Angles: the voltage of phase a lies at 0 degrees, b at -120, c at -240.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energymeter.simulator.physics.energy import (
    DIRECTIONS,
    DemandWindow,
    EnergyCounters,
    mark_times,
)
from energymeter.simulator.physics.grid import (
    OVER_VOLTAGE_SHARE,
    UNDER_VOLTAGE_SHARE,
    Condition,
    Grid,
)
from energymeter.simulator.physics.load import PHASES, SiteLoad
from energymeter.simulator.physics.noise import Floats, Noise, SmoothNoise
from energymeter.simulator.physics.options import PhysicsOptions
from energymeter.simulator.physics.state import (
    check_header,
    check_index,
    check_size,
    check_step,
    frozen,
    header,
    read_clock,
)

__all__ = ["ElectricityPhysics"]

KIND = "electricity"
_NAMES = ("a", "b", "c")
_LINES = ("ab", "bc", "ca")
_HALF_SQRT_3 = math.sqrt(3.0) / 2.0

# Distortion in percent: limits, and at which share of the nominal load the wander is centred.
_THD_VOLTAGE = (0.5, 4.0)
_THD_CURRENT = (2.0, 25.0)
_THD_LIGHT_LOAD_W = 500.0


class ElectricityPhysics:
    """Electricity meters of one grid; see `Physics` for the contract."""

    def __init__(self, size: int, seed: int, options: PhysicsOptions | None = None) -> None:
        """Make `size` meters; meter i of a seed is the same in every population.

        Raises:
            ValueError: `size` is below 1, or an event interval is too short for its event.
        """
        check_size(size)
        options = options or PhysicsOptions()
        noise = Noise(seed, size)
        self.size = size
        self._clock_s = options.start_s
        self._published: Mapping[str, NDArray[Any]] | None = None
        self._load = SiteLoad(noise, options.solar_w)
        self._grid = Grid(noise, seed, options)
        self._thd = SmoothNoise(noise, "thd", [240.0] * (2 * PHASES))
        self._counters = EnergyCounters(
            noise, start_at_zero=options.zero_counters, has_export=options.solar_w > 0
        )
        # The window looks back over minutes that were never simulated, but they can be computed.
        history = []
        for time_s in mark_times(self._clock_s):
            self._evaluate(time_s)
            history.append(self._active_w.sum(axis=0))
        self._evaluate(self._clock_s)
        self._demand = DemandWindow(self._clock_s, history, self._active_w.sum(axis=0))

    def step(self, dt_s: float) -> None:
        """Advance the simulated time by `dt_s` seconds, above 0."""
        check_step(dt_s)
        rates, power_w = self._rates, self._active_w.sum(axis=0)
        self._clock_s += dt_s
        self._evaluate(self._clock_s)
        self._counters.add(rates, self._rates, dt_s)
        self._demand.add(power_w, self._active_w.sum(axis=0), self._clock_s, dt_s)

    def quantities(self) -> Mapping[str, NDArray[Any]]:
        """Return the state after the last step: read-only arrays that later steps do not change."""
        if self._published is None:
            published = {
                **self._power_quantities(),
                **self._voltage_quantities(),
                **self._energy_quantities(),
                **self._condition_quantities(),
            }
            for array in published.values():
                array.flags.writeable = False
            self._published = MappingProxyType(published)
        return self._published

    def force(self, index: int, condition: Condition | None) -> None:
        """Hold one meter in a grid condition from the next step on; None lets go.

        Raises:
            IndexError: There is no such meter.
            ValueError: There is no such condition.
        """
        self._grid.force(index, condition)

    def reset_counters(self, index: int) -> None:
        """Set all energies of one meter to zero; its maximum demand stays."""
        check_index(index, self.size)
        self._counters.reset(index)
        self._published = None

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as plain numbers, lists and texts."""
        return {
            **header(KIND, self.size, self._clock_s),
            "counters": self._counters.values.tolist(),
            "forced": self._grid.forced(),
            **self._demand.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; seed and options are those of this population.

        Raises:
            ValueError: The state is of another kind or size, or damaged; nothing has changed.
        """
        check_header(state, KIND, self.size)
        clock_s = read_clock(state)
        counters = self._counters.parse(state)
        demand = self._demand.parse(state)
        forced = self._grid.parse_forced(state.get("forced", {}))
        self._clock_s = clock_s
        self._counters.values = counters
        self._grid.restore_forced(forced)
        self._demand.restore(demand, clock_s)
        self._evaluate(clock_s)

    def _evaluate(self, clock_s: float) -> None:
        """Compute powers, voltages and rates at a time; the arrays are new ones."""
        active_w, reactive_var = self._load.at(clock_s)
        open_v = self._grid.open_voltage(clock_s)
        # Loads take less of a weak grid and nothing of a dead one.
        supply = open_v / self._grid.nominal_v
        self._active_w = frozen(active_w * supply)
        self._reactive_var = frozen(reactive_var * supply)
        self._apparent_va = frozen(
            np.sqrt(self._active_w * self._active_w + self._reactive_var * self._reactive_var)
        )
        self._voltage_v = frozen(
            self._grid.terminal_voltage(open_v, self._active_w, self._reactive_var)
        )
        self._rates = self._counters.rates(self._active_w, self._reactive_var, self._apparent_va)
        self._published = None

    def _power_quantities(self) -> dict[str, NDArray[Any]]:
        active, reactive, apparent = self._active_w, self._reactive_var, self._apparent_va
        current = _ratio(apparent, self._voltage_v, 0.0)
        total = {"active": active.sum(axis=0), "apparent": apparent.sum(axis=0)}
        return {
            **_by_phase("active_power", active),
            **_by_phase("reactive_power", reactive),
            **_by_phase("apparent_power", apparent),
            # A dead or idle phase has no power factor; 1 is what most meters show then.
            **_by_phase("power_factor", _ratio(active, apparent, 1.0)),
            **_by_phase("phase_angle", np.degrees(np.arctan2(reactive, active))),
            **_by_phase("current", current),
            **_by_phase("thd_current", self._current_distortion()),
            "active_power_total": total["active"],
            "reactive_power_total": reactive.sum(axis=0),
            "apparent_power_total": total["apparent"],
            "power_factor_total": _ratio(total["active"], total["apparent"], 1.0),
            "current_total": current.sum(axis=0),
            "current_average": current.sum(axis=0) / PHASES,
            "current_neutral": self._neutral_current(),
            "demand_active_power_total": self._demand.demand_w.copy(),
            "max_demand_active_power_total": self._demand.max_demand_w.copy(),
        }

    def _voltage_quantities(self) -> dict[str, NDArray[Any]]:
        voltage = self._voltage_v
        following = voltage[[1, 2, 0]]
        line = np.sqrt(voltage * voltage + following * following + voltage * following)
        return {
            **_by_phase("voltage", voltage),
            **{f"voltage_phase_{name}": line[row] for row, name in enumerate(_LINES)},
            **_by_phase("thd_voltage", self._voltage_distortion()),
            "voltage_average": voltage.sum(axis=0) / PHASES,
            "voltage_ll_average": line.sum(axis=0) / PHASES,
        }

    def _energy_quantities(self) -> dict[str, NDArray[Any]]:
        values = self._counters.values
        published: dict[str, NDArray[Any]] = {}
        for row, name in enumerate(DIRECTIONS):
            published |= _by_phase(name, values[row])
            published[f"{name}_total"] = values[row].sum(axis=0)
        for row, name in enumerate(("active_energy", "reactive_energy", "apparent_energy")):
            both = values[2 * row] + values[2 * row + 1]
            published |= _by_phase(name, both)
            published[f"{name}_total"] = both.sum(axis=0)
        published["active_energy_net_total"] = (
            published["active_energy_import_total"] - published["active_energy_export_total"]
        )
        return published

    def _condition_quantities(self) -> dict[str, NDArray[Any]]:
        voltage, nominal = self._voltage_v, self._grid.nominal_v
        outage = (voltage == 0.0).all(axis=0)
        over = (voltage > OVER_VOLTAGE_SHARE * nominal).any(axis=0)
        under = (voltage < UNDER_VOLTAGE_SHARE * nominal).any(axis=0) & ~outage
        return {
            "frequency": self._grid.frequency(self._clock_s, outage),
            "power_outage": outage,
            "over_voltage": over,
            "under_voltage": under,
            "no_alarms": ~(outage | over | under),
            "online": np.ones(self.size, dtype=np.bool_),
        }

    def _neutral_current(self) -> Floats:
        """Add the phasors of the three currents; each lags its own voltage by the load angle."""
        in_phase = _ratio(self._active_w, self._voltage_v, 0.0)
        lagging = _ratio(self._reactive_var, self._voltage_v, 0.0)
        # I = (in_phase - j lagging) turned by 0, -120 and -240 degrees.
        real = in_phase[0] - 0.5 * (in_phase[1] + in_phase[2])
        real += _HALF_SQRT_3 * (lagging[2] - lagging[1])
        imaginary = 0.5 * (lagging[1] + lagging[2]) - lagging[0]
        imaginary += _HALF_SQRT_3 * (in_phase[2] - in_phase[1])
        neutral: Floats = np.sqrt(real * real + imaginary * imaginary)
        return neutral

    def _voltage_distortion(self) -> Floats:
        wander = self._thd.at(self._clock_s)[:PHASES]
        return np.where(self._voltage_v > 0, np.clip(1.8 + 0.45 * wander, *_THD_VOLTAGE), 0.0)

    def _current_distortion(self) -> Floats:
        """Electronics distort, heaters do not: the more a phase draws, the cleaner it is."""
        wander = self._thd.at(self._clock_s)[PHASES:]
        light = _THD_LIGHT_LOAD_W / (_THD_LIGHT_LOAD_W + self._apparent_va)
        percent = 3.0 + 17.0 * light + 1.5 * wander
        return np.where(self._voltage_v > 0, np.clip(percent, *_THD_CURRENT), 0.0)


def _by_phase(quantity: str, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {f"{quantity}_phase_{name}": rows[row] for row, name in enumerate(_NAMES)}


def _ratio(numerator: Floats, denominator: Floats, otherwise: float) -> Floats:
    """Divide, and take `otherwise` where there is nothing to divide by."""
    result = np.full(numerator.shape, otherwise)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result
