"""The sliding mean of simulated electricity meters."""

from __future__ import annotations

import numpy as np
from tests.support.series import record

from energymeter.simulator.physics import ElectricityPhysics, PhysicsOptions
from energymeter.simulator.physics.demand import DemandWindow

QUIET = PhysicsOptions(events=False)


def test_demand_is_the_mean_power_of_the_last_quarter_of_an_hour() -> None:
    series = record(ElectricityPhysics(4, 3, QUIET), [20.0] * 180)
    power = series["active_power_total"]
    between = (power[1:] + power[:-1]) / 2

    for end in (45, 90, 180):
        np.testing.assert_allclose(
            series["demand_active_power_total"][end],
            between[end - 45 : end].mean(axis=0),
            rtol=1e-9,
        )
    np.testing.assert_array_equal(
        series["max_demand_active_power_total"],
        np.maximum.accumulate(series["demand_active_power_total"], axis=0),
    )


def test_demand_keeps_its_marks_when_steps_do_not_add_up_exactly() -> None:
    window = DemandWindow(0.0, [np.zeros(1)] * 16, np.zeros(1))
    clock_s = 0.0
    for _ in range(12_000):
        power, clock_s = np.array([clock_s]), clock_s + 0.1
        window.add(power, np.array([clock_s]), clock_s, 0.1)

    # Power grew by 1 W a second: the mean of seconds 300 to 1200.
    np.testing.assert_allclose(window.demand, 750.0, rtol=1e-6)
