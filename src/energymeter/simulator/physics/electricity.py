"""A population of three-phase electricity meters, stepped together.

Everything but the counters, the demand and the forced conditions is a function of time, so long
and short steps meet the same curve. No sockets, no wall clock.

A step moves what must be moved; `moment` and `electricity_names` make all other quantities when
they are asked for, and say which conventions they follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energymeter.simulator.physics.demand import DemandWindow, mark_times
from energymeter.simulator.physics.electricity_names import RECIPES
from energymeter.simulator.physics.energy import EnergyCounters
from energymeter.simulator.physics.extras import Extras
from energymeter.simulator.physics.grid import Condition, Grid
from energymeter.simulator.physics.load import Load, SiteLoad, SumOfLoads
from energymeter.simulator.physics.moment import Moment, Powers
from energymeter.simulator.physics.noise import Noise
from energymeter.simulator.physics.options import PhysicsOptions
from energymeter.simulator.physics.published import Published, frozen
from energymeter.simulator.physics.state import (
    check_header,
    check_index,
    check_size,
    check_step,
    header,
    read_array,
    read_clock,
)

__all__ = ["ElectricityPhysics"]

KIND = "electricity"


class ElectricityPhysics:
    """Electricity meters of one grid; see `Physics` for the contract."""

    def __init__(self, size: int, seed: int, options: PhysicsOptions | None = None) -> None:
        """Make `size` meters; meter i of a seed is the same in every population.

        Raises:
            ValueError: `size` is below 1, or not 1 for a meter with others behind it; or an event
                interval is too short for its event.
        """
        check_size(size)
        options = options or PhysicsOptions()
        if options.behind and size != 1:
            message = f"others can be behind one meter, not behind {size}"
            raise ValueError(message)
        noise = Noise(seed, size)
        self.size = size
        self._clock_s = options.start_s
        self._published: Published[Moment] | None = None
        self.load: Load = (
            SumOfLoads(options.behind)
            if options.behind
            else SiteLoad(noise, options.solar_w, options.phases)
        )
        """What is drawn, were the grid always at its nominal voltage."""

        self._grid = Grid(noise, seed, options)
        self._extras = Extras(noise, options)
        self._counters = EnergyCounters(
            noise,
            phases=options.phases,
            start_at_zero=options.zero_counters,
            has_export=options.solar_w > 0,
        )
        # The window looks back over minutes that were never simulated, but they can be computed.
        history = [self._powers_at(time_s).totals for time_s in mark_times(self._clock_s)]
        self._evaluate(self._clock_s)
        self._demand = DemandWindow(self._clock_s, history, self._powers.totals)
        self._failures = frozen(self._extras.aged_failures)

    def step(self, dt_s: float) -> None:
        """Advance the simulated time by `dt_s` seconds, above 0."""
        check_step(dt_s)
        before, rates = self._powers, self._rates
        self._clock_s += dt_s
        self._evaluate(self._clock_s)
        self._counters.add(rates, self._rates, self._clock_s, dt_s)
        self._demand.add(before.totals, self._powers.totals, self._clock_s, dt_s)
        fails = self._powers.outage & ~before.outage
        if fails.any():
            self._failures = frozen(self._failures + fails)

    def quantities(self) -> Mapping[str, NDArray[Any]]:
        """Return the state after the last step: read-only arrays that later steps do not change."""
        if self._published is None:
            moment = Moment(
                clock_s=self._clock_s,
                powers=self._powers,
                record=self._counters.record,
                demand=self._demand.demand,
                max_demand=self._demand.maximum,
                failures=self._failures,
                grid=self._grid,
                extras=self._extras,
            )
            self._published = Published(RECIPES, moment)
        return self._published

    def force(self, index: int, condition: Condition | None) -> None:
        """Hold one meter in a grid condition from the next step on; None lets go.

        Raises:
            IndexError: There is no such meter.
            ValueError: There is no such condition.
        """
        self._grid.force(index, condition)

    def reset_counters(self, index: int) -> None:
        """Set the energies of one meter to zero.

        Its nonresettable energies, maximum demands and power failures stay, and so do the
        counters of other media that are read through it.
        """
        check_index(index, self.size)
        self._counters.reset(index)
        self._published = None

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as plain numbers, lists and texts."""
        return {
            **header(KIND, self.size, self._clock_s),
            **self._counters.state(),
            **self._demand.state(),
            "failures": self._failures.tolist(),
            "forced": self._grid.forced(),
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
        failures = read_array(state, "failures", (self.size,), lowest=0.0)
        forced = self._grid.parse_forced(state.get("forced", {}))
        self._clock_s = clock_s
        self._counters.restore(counters)
        self._demand.restore(demand, clock_s)
        self._failures = frozen(failures)
        self._grid.restore_forced(forced)
        self._evaluate(clock_s)

    def _evaluate(self, clock_s: float) -> None:
        """Compute powers, voltages and rates at a time; the arrays are new ones."""
        powers = self._powers = self._powers_at(clock_s)
        self._rates = self._counters.rates(powers.active_w, powers.reactive_var, powers.apparent_va)
        self._published = None

    def _powers_at(self, clock_s: float) -> Powers:
        active_w, reactive_var = self.load.at(clock_s)
        open_v = self._grid.open_voltage(clock_s)
        # Loads take less of a weak grid and nothing of a dead one.
        supply = open_v / self._grid.nominal_v
        active_w *= supply
        reactive_var *= supply
        apparent_va = np.sqrt(active_w * active_w + reactive_var * reactive_var)
        voltage_v = self._grid.terminal_voltage(open_v, active_w, reactive_var)
        totals = np.stack([row.sum(axis=0) for row in (active_w, reactive_var, apparent_va)])
        outage = (voltage_v == 0.0).all(axis=0)
        outage.flags.writeable = False
        return Powers(
            frozen(active_w),
            frozen(reactive_var),
            frozen(apparent_va),
            frozen(voltage_v),
            frozen(totals),
            outage,
        )
