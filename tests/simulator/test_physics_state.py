"""Stopping and going on, and the march of time, of simulated electricity meters."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from tests.support.series import record

from energymeter.simulator.physics import ElectricityPhysics, PhysicsOptions


def test_a_restored_population_goes_on_identically() -> None:
    options = PhysicsOptions(solar_w=4000.0, sag_interval_s=60)
    first = ElectricityPhysics(3, 9, options)
    first.force(2, "under_voltage")
    record(first, [0.3, 17.0] * 40)
    second = ElectricityPhysics(3, 9, options)
    second.restore(json.loads(json.dumps(first.state())))
    expected, actual = record(first, [11.0] * 100), record(second, [11.0] * 100)

    for name, values in expected.items():
        np.testing.assert_array_equal(values, actual[name], err_msg=name)


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "water"},
        {"size": 3},
        {"version": 99},
        {"clock_s": None},
        {"counters": [1, 2]},
        {"demand_marks": "x"},
        {"demand_max": [float("nan"), 1.0]},
        {"forced": {"7": "over_voltage"}},
        {"forced": [1]},
    ],
    ids=str,
)
def test_a_foreign_or_damaged_state_is_refused_and_changes_nothing(damage: dict[str, Any]) -> None:
    physics = ElectricityPhysics(2, 1)
    physics.step(5.0)
    before = physics.state()

    with pytest.raises(ValueError, match="saved state"):
        physics.restore({**before, "clock_s": 1.0, **damage})
    assert physics.state() == before


@pytest.mark.parametrize("dt_s", [0.0, -1.0, float("nan"), float("inf")])
def test_time_does_not_stand_or_run_backwards(dt_s: float) -> None:
    with pytest.raises(ValueError, match="time advances"):
        ElectricityPhysics(1, 1).step(dt_s)
