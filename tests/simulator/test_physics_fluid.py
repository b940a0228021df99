"""The identities and limits of simulated water and gas meters."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.series import Series, record

from energymeter.simulator.physics import Kind, PhysicsOptions, create_physics

FROM_MIDNIGHT = PhysicsOptions(start_s=0.0)
FLUIDS: tuple[Kind, ...] = ("water", "gas")
STEP_S = 30.0

both_fluids = pytest.mark.parametrize("kind", FLUIDS)


@pytest.fixture(scope="module")
def days() -> dict[Kind, Series]:
    """A day of 40 meters of each fluid."""
    steps = [STEP_S] * int(86_400 / STEP_S)
    return {kind: record(create_physics(kind, 40, 3, FROM_MIDNIGHT), steps) for kind in FLUIDS}


def hours(series: NDArray[Any], first: int, last: int) -> NDArray[Any]:
    return series[int(first * 3600 / STEP_S) : int(last * 3600 / STEP_S)]


@both_fluids
def test_volume_is_the_integral_of_flow(days: dict[Kind, Series], kind: Kind) -> None:
    flow, volume = days[kind]["flow_rate"], days[kind]["volume_total"]
    litres = ((flow[1:] + flow[:-1]) / 2 * STEP_S / 60).cumsum(axis=0)

    np.testing.assert_allclose(volume[1:] - volume[0], litres / 1000, rtol=1e-9, atol=1e-9)


@given(seed=st.integers(), kind=st.sampled_from(FLUIDS))
@settings(max_examples=20, deadline=None)
def test_volume_follows_flow_for_every_seed_and_step(seed: int, kind: Kind) -> None:
    steps = np.array([0.1, 60.0, 1.0, 33.3])
    series = record(create_physics(kind, 2, seed), steps)
    flow = series["flow_rate"]
    litres = (flow[1:] + flow[:-1]) / 2 * steps[:, np.newaxis] / 60

    np.testing.assert_allclose(np.diff(series["volume_total"], axis=0), litres / 1000, atol=1e-10)


@both_fluids
def test_volume_never_falls(days: dict[Kind, Series], kind: Kind) -> None:
    assert (np.diff(days[kind]["volume_total"], axis=0) >= 0).all()


@pytest.mark.parametrize(
    ("kind", "name", "low", "high"),
    [
        ("water", "flow_rate", 0, 45),
        ("water", "temperature", 5, 25),
        ("water", "pressure", 3, 5),
        ("gas", "flow_rate", 0, 45),
        ("gas", "temperature", 5, 25),
        ("gas", "pressure", 0.020, 0.025),
    ],
)
def test_values_stay_in_their_range(
    days: dict[Kind, Series], kind: Kind, name: str, low: float, high: float
) -> None:
    assert days[kind][name].min() >= low
    assert days[kind][name].max() <= high
    assert np.ptp(days[kind][name]) > 0


def test_water_stands_still_most_of_the_night_and_runs_by_day(days: dict[Kind, Series]) -> None:
    flow = days["water"]["flow_rate"]

    assert (hours(flow, 0, 5) == 0).mean() > 0.98
    assert hours(flow, 6, 10).mean() > 10 * hours(flow, 0, 5).mean()


def test_a_household_uses_some_hundred_litres_of_water_a_day(days: dict[Kind, Series]) -> None:
    used = days["water"]["volume_total"][-1] - days["water"]["volume_total"][0]

    assert 0.2 < used.mean() < 0.5
    assert used.min() > 0.05


def test_heating_burns_more_in_the_morning_than_at_night(days: dict[Kind, Series]) -> None:
    flow = days["gas"]["flow_rate"]

    assert hours(flow, 6, 9).mean() > 2 * hours(flow, 0, 4).mean()


def test_pressure_drops_with_flow(days: dict[Kind, Series]) -> None:
    flow, pressure = days["water"]["flow_rate"], days["water"]["pressure"]

    assert pressure[flow > 8].mean() < pressure[flow == 0].mean() - 0.04


def test_still_water_drifts_to_one_temperature_and_a_draw_cools_it(
    days: dict[Kind, Series],
) -> None:
    water = days["water"]
    moving = (water["flow_rate"][1:] > 3) & (water["flow_rate"][:-1] > 3)

    assert water["temperature"][1:][moving].mean() < water["temperature"].mean() - 2
    assert np.abs(np.diff(hours(water["temperature"], 4, 5), axis=0)).mean() < 0.02


@both_fluids
def test_fluids_have_no_electrical_alarms(days: dict[Kind, Series], kind: Kind) -> None:
    assert days[kind]["online"].all()
    assert days[kind]["no_alarms"].all()
    for name in ("power_outage", "over_voltage", "under_voltage"):
        assert not days[kind][name].any()


@both_fluids
def test_a_meter_is_the_same_in_every_population_and_unlike_its_neighbours(kind: Kind) -> None:
    alone = record(create_physics(kind, 1, 7), [60.0] * 100)
    among = record(create_physics(kind, 1000, 7), [60.0] * 100)

    for name, values in alone.items():
        np.testing.assert_allclose(values[:, 0], among[name][:, 0], rtol=1e-13, err_msg=name)
    assert np.unique(among["volume_total"][-1]).size == 1000


@both_fluids
def test_another_seed_gives_another_meter(kind: Kind) -> None:
    one, other = (record(create_physics(kind, 1, seed), [60.0] * 100) for seed in (1, 2))

    assert (one["pressure"] != other["pressure"]).all()


@both_fluids
def test_counters_start_aged_or_at_zero_and_can_be_reset(kind: Kind) -> None:
    aged = create_physics(kind, 2, 1)
    fresh = create_physics(kind, 2, 1, PhysicsOptions(zero_counters=True))
    before = aged.quantities()["volume_total"]
    aged.reset_counters(0)

    assert (before > 1).all()
    assert aged.quantities()["volume_total"].tolist() == [0.0, before[1]]
    assert not fresh.quantities()["volume_total"].any()
    with pytest.raises(IndexError):
        aged.reset_counters(-1)


@both_fluids
def test_quantities_are_read_only_and_do_not_change_later(kind: Kind) -> None:
    physics = create_physics(kind, 2, 1)
    before = physics.quantities()
    kept = {name: values.copy() for name, values in before.items()}
    physics.step(60.0)
    physics.reset_counters(0)

    assert not any(values.flags.writeable for values in before.values())
    for name, values in kept.items():
        np.testing.assert_array_equal(before[name], values)


@both_fluids
def test_a_restored_population_goes_on_identically(kind: Kind) -> None:
    first, second = create_physics(kind, 3, 9), create_physics(kind, 3, 9)
    record(first, [0.3, 17.0] * 40)
    second.restore(json.loads(json.dumps(first.state())))
    expected, actual = record(first, [11.0] * 200), record(second, [11.0] * 200)

    for name, values in expected.items():
        np.testing.assert_array_equal(values, actual[name], err_msg=name)


@both_fluids
@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "electricity"},
        {"size": 5},
        {"clock_s": "noon"},
        {"volume_m3": [1.0]},
        {"volume_m3": [-1.0, 1.0]},
        {"temperature_c": None},
    ],
    ids=str,
)
def test_a_foreign_or_damaged_state_is_refused_and_changes_nothing(
    kind: Kind, damage: dict[str, Any]
) -> None:
    physics = create_physics(kind, 2, 1)
    before = physics.state()

    with pytest.raises(ValueError, match="saved state"):
        physics.restore({**before, "clock_s": 1.0, **damage})
    assert physics.state() == before


@both_fluids
def test_time_does_not_stand_or_run_backwards(kind: Kind) -> None:
    with pytest.raises(ValueError, match="time advances"):
        create_physics(kind, 1, 1).step(0.0)
