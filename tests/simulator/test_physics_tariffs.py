"""Energies by the time of day."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.series import Series, record

from energymeter.simulator.physics import ElectricityPhysics, PhysicsOptions
from energymeter.simulator.physics.tariff import active_tariff, tariff_weights

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
SOLAR = PhysicsOptions(start_s=0.0, solar_w=9000.0)
POWERS = ("active", "reactive", "apparent")
TARIFFS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def days() -> Series:
    """Two days of five meters with roofs, in steps that do not meet the switching times."""
    return record(ElectricityPhysics(5, 3, SOLAR), [421.0] * 411)


def assert_sums(series: Series) -> None:
    """Every way of adding parts up gives the same total, to the last bit."""
    for power in POWERS:
        stem = f"{power}_energy"
        for part, total in (
            (f"{stem}_import", f"{stem}_import_total"),
            (f"{stem}_export", f"{stem}_export_total"),
            (f"{stem}_total", f"{stem}_total"),
        ):
            tariffs = sum(series[f"{part}_tariff_{tariff}"] for tariff in TARIFFS)
            np.testing.assert_array_equal(tariffs, series[total], err_msg=part)
        for tariff in TARIFFS:
            np.testing.assert_array_equal(
                series[f"{stem}_total_tariff_{tariff}"],
                series[f"{stem}_import_tariff_{tariff}"] + series[f"{stem}_export_tariff_{tariff}"],
            )
        np.testing.assert_array_equal(
            series[f"{stem}_total"],
            series[f"{stem}_import_total"] + series[f"{stem}_export_total"],
        )


def test_tariffs_add_up_to_the_total(days: Series) -> None:
    assert_sums(days)


@given(
    seed=st.integers(),
    start_s=st.floats(0, 2 * DAY_S),
    steps_s=st.lists(st.floats(1e-3, 2 * DAY_S), min_size=1, max_size=8),
)
@settings(max_examples=25, deadline=None)
def test_tariffs_add_up_for_every_seed_and_step(
    seed: int, start_s: float, steps_s: list[float]
) -> None:
    options = PhysicsOptions(start_s=start_s, solar_w=9000.0)

    assert_sums(record(ElectricityPhysics(2, seed, options), steps_s))


def test_counters_of_tariffs_never_fall(days: Series) -> None:
    for power, direction, tariff in itertools.product(POWERS, ("import", "export"), TARIFFS):
        counter = days[f"{power}_energy_{direction}_tariff_{tariff}"]
        assert (np.diff(counter, axis=0) >= 0).all()


def test_the_third_and_the_fourth_tariff_are_never_in_force(days: Series) -> None:
    for power, tariff in itertools.product(POWERS, (3, 4)):
        assert not days[f"{power}_energy_total_tariff_{tariff}"].any()


def test_only_the_tariff_in_force_counts() -> None:
    physics = ElectricityPhysics(3, 3, PhysicsOptions(start_s=5 * HOUR_S))
    series = record(physics, [HOUR_S] * 20)  # 5 h to 1 h of the next day
    day = np.diff(series["active_energy_import_tariff_1"], axis=0)
    night = np.diff(series["active_energy_import_tariff_2"], axis=0)

    assert series["active_tariff"][:, 0].tolist() == [2] + [1] * 16 + [2] * 4
    assert (day[1:17] > 0).all()
    assert not day[0].any()
    assert not day[17:].any()
    assert (night[[0, 17, 18, 19]] > 0).all()
    assert not night[1:17].any()


def test_a_step_over_a_switch_is_shared_out_at_the_switch() -> None:
    physics = ElectricityPhysics(3, 3, PhysicsOptions(start_s=6 * HOUR_S - 15, events=False))
    series = record(physics, [60.0])
    power_before, power_after = series["active_power_total"]
    at_switch = power_before + (power_after - power_before) * 0.25
    night = np.diff(series["active_energy_import_tariff_2"], axis=0)[0]
    day = np.diff(series["active_energy_import_tariff_1"], axis=0)[0]

    np.testing.assert_allclose(night, (power_before + at_switch) / 2 * 15 / 3600, atol=1e-6)
    np.testing.assert_allclose(day, (at_switch + power_after) / 2 * 45 / 3600, atol=1e-6)


@pytest.mark.parametrize(
    ("clock_s", "tariff"),
    [
        (0.0, 2),
        (6 * HOUR_S - 1e-6, 2),
        (6 * HOUR_S, 1),
        (22 * HOUR_S - 1e-6, 1),
        (22 * HOUR_S, 2),
        (DAY_S + 12 * HOUR_S, 1),
    ],
)
def test_the_day_tariff_is_from_six_to_twenty_two(clock_s: float, tariff: int) -> None:
    assert active_tariff(clock_s) == tariff


def test_a_week_in_one_step_has_a_third_of_its_time_at_night() -> None:
    weights = tariff_weights(1000.0, 1000.0 + 7 * DAY_S, 7 * DAY_S)

    assert {tariff: round(sum(seconds)) for tariff, seconds in weights.items()} == {
        1: 7 * 16 * 3600,
        2: 7 * 8 * 3600,
    }


def test_a_step_too_short_to_move_the_clock_still_counts() -> None:
    assert tariff_weights(1e12, 1e12, 1e-6) == {active_tariff(1e12): (5e-7, 5e-7)}


def test_a_meter_some_years_old_has_used_more_by_day_and_fed_in_by_day_only() -> None:
    now = ElectricityPhysics(20, 1, SOLAR).quantities()

    assert (now["active_energy_import_tariff_1"] > now["active_energy_import_tariff_2"]).all()
    assert (now["active_energy_export_tariff_1"] > 0).all()
    assert not now["active_energy_export_tariff_2"].any()
