"""The identities and limits of simulated heat meters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.series import Series, record

from energymeter.simulator.physics import HeatPhysics, PhysicsOptions, create_physics

STEP_S = 60.0


@pytest.fixture(scope="module")
def day() -> Series:
    return record(HeatPhysics(20, 3, PhysicsOptions(start_s=0.0)), [STEP_S] * 1440)


def assert_identities(series: Series, steps_s: list[float]) -> None:
    flow, power = series["flow_rate"], series["heat_power"]
    difference = series["temperature_1"] - series["temperature_2"]
    step_s = np.array(steps_s)[:, np.newaxis]
    litres = (flow[1:] + flow[:-1]) / 2 * step_s / 60
    energy_wh = (power[1:] + power[:-1]) / 2 * step_s / 3600

    np.testing.assert_array_equal(series["temperature_difference"], difference)
    np.testing.assert_allclose(power, flow / 60 * 4180 * difference, rtol=1e-12)
    np.testing.assert_allclose(np.diff(series["volume_total"], axis=0), litres / 1000, atol=1e-8)
    np.testing.assert_allclose(
        np.diff(series["heat_energy_total"], axis=0), energy_wh, rtol=1e-6, atol=1e-5
    )


def test_power_and_counters_follow_flow_and_temperatures(day: Series) -> None:
    assert_identities(day, [STEP_S] * 1440)


@given(seed=st.integers())
@settings(max_examples=15, deadline=None)
def test_power_and_counters_fit_together_for_every_seed(seed: int) -> None:
    steps_s = [0.1, 60.0, 1.0, 3601.0]

    assert_identities(record(HeatPhysics(2, seed), steps_s), steps_s)


@pytest.mark.parametrize("name", ["heat_energy_total", "volume_total", "working_time"])
def test_counters_never_fall(day: Series, name: str) -> None:
    assert (np.diff(day[name], axis=0) > 0).all()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("flow_rate", 2, 30),
        ("flow_rate_2", 2, 30),
        ("temperature_1", 30, 80),
        ("temperature_2", 20, 60),
        ("temperature_difference", 4, 25),
        ("temperature_3", 17, 25),
        ("temperature_4", 9, 18),
        ("heat_power", 800, 45_000),
    ],
)
def test_values_move_within_their_limits(day: Series, name: str, low: float, high: float) -> None:
    assert low <= day[name].min()
    assert day[name].max() <= high
    assert (np.ptp(day[name], axis=0) > 0).all()


def test_a_building_is_heated_more_in_the_morning_than_at_night(day: Series) -> None:
    power = day["heat_power"]

    assert power[360:540].mean() > 2 * power[60:240].mean()


def test_the_second_flow_sensor_is_off_by_less_than_a_percent(day: Series) -> None:
    share = day["flow_rate_2"] / day["flow_rate"]

    assert (np.abs(share - 1) < 0.01).all()
    assert np.unique(share[0]).size == 20


def test_working_time_is_the_time_that_passes(day: Series) -> None:
    np.testing.assert_allclose(np.diff(day["working_time"], axis=0), STEP_S)


def test_a_meter_is_the_same_in_every_population_and_unlike_its_neighbours() -> None:
    alone = record(HeatPhysics(1, 7), [60.0] * 50)
    among = record(HeatPhysics(500, 7), [60.0] * 50)

    for name in alone:
        np.testing.assert_allclose(alone[name][:, 0], among[name][:, 0], rtol=1e-13, err_msg=name)
    assert np.unique(among["heat_power"][-1]).size == 500


def test_counters_start_aged_or_at_zero_and_can_be_reset() -> None:
    aged = create_physics("heat", 2, 1)
    fresh = create_physics("heat", 2, 1, PhysicsOptions(zero_counters=True)).quantities()
    before = aged.quantities()
    aged.reset_counters(0)
    after = aged.quantities()

    for name in ("heat_energy_total", "volume_total"):
        assert after[name].tolist() == [0.0, before[name][1]]
        assert (before[name] > 1).all()
        assert not fresh[name].any()
    np.testing.assert_array_equal(after["working_time"], before["working_time"])
    with pytest.raises(IndexError):
        aged.reset_counters(2)


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "gas"},
        {"size": 5},
        {"clock_s": "noon"},
        {"energy_wh": [1.0]},
        {"energy_wh": [-1.0, 1.0]},
        {"volume_m3": None},
    ],
    ids=str,
)
def test_a_foreign_or_damaged_state_is_refused_and_changes_nothing(damage: dict[str, Any]) -> None:
    physics = HeatPhysics(2, 1)
    before = physics.state()

    with pytest.raises(ValueError, match="saved state"):
        physics.restore({**before, "clock_s": 1.0, **damage})
    assert physics.state() == before


def test_time_does_not_stand_or_run_backwards() -> None:
    with pytest.raises(ValueError, match="time advances"):
        HeatPhysics(1, 1).step(0.0)
