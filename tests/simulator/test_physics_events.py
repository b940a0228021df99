"""Sags, swells and outages of simulated electricity meters, by chance and by force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.support.series import record

from energymeter.simulator.physics import Condition, ElectricityPhysics, PhysicsOptions

QUIET = PhysicsOptions(events=False)
PHASES = ("a", "b", "c")


@pytest.mark.parametrize(
    ("condition", "low", "high"),
    [("over_voltage", 253.0, 290.0), ("under_voltage", 150.0, 207.0), ("power_outage", 0.0, 0.0)],
)
def test_a_forced_condition_shows_in_flags_and_voltages_of_that_meter_only(
    condition: Condition, low: float, high: float
) -> None:
    physics = ElectricityPhysics(3, 2, QUIET)
    physics.force(1, condition)
    physics.step(1.0)
    now = physics.quantities()

    for name in ("over_voltage", "under_voltage", "power_outage"):
        assert now[name].tolist() == [False, name == condition, False]
    assert now["no_alarms"].tolist() == [True, False, True]
    assert all(low <= now[f"voltage_phase_{phase}"][1] <= high for phase in PHASES)
    physics.force(1, None)
    physics.step(1.0)
    assert physics.quantities()["no_alarms"].all()


def test_nothing_flows_in_an_outage() -> None:
    physics = ElectricityPhysics(2, 2, PhysicsOptions(events=False, solar_w=9000))
    physics.force(0, "power_outage")
    physics.step(1.0)
    series = record(physics, [1.0] * 5)

    for name in ("frequency", "current_neutral", "active_power_total", "thd_voltage_phase_a"):
        assert not series[name][:, 0].any()
        assert series[name][:, 1].all()
    assert np.ptp(series["active_energy_total"][:, 0]) == 0
    assert (series["power_factor_phase_a"][:, 0] == 1).all()


def test_sags_and_swells_last_seconds_and_outages_are_rarer() -> None:
    options = PhysicsOptions(swell_interval_s=None, outage_interval_s=None, sag_interval_s=200)
    under = record(ElectricityPhysics(20, 2, options), [1.0] * 1000)["under_voltage"]
    starts = (np.diff(under.astype(int), axis=0) == 1).sum()

    assert 60 <= starts <= 140
    assert 5 <= under.sum() / starts <= 30


def test_events_can_be_forbidden_one_by_one() -> None:
    options = PhysicsOptions(sag_interval_s=None, outage_interval_s=None, swell_interval_s=60)
    series = record(ElectricityPhysics(50, 2, options), [7.0] * 50)

    assert series["over_voltage"].any()
    assert not series["under_voltage"].any()
    assert not series["power_outage"].any()


def test_unknown_conditions_and_meters_are_refused() -> None:
    physics = ElectricityPhysics(2, 1)
    unknown: Any = "flood"

    with pytest.raises(ValueError, match="flood"):
        physics.force(0, unknown)
    with pytest.raises(IndexError):
        physics.force(-1, "over_voltage")
    with pytest.raises(IndexError):
        physics.reset_counters(2)
