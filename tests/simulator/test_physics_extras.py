"""What electricity meters show beside powers and energies."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.series import Series, record

from energymeter.simulator.physics import ElectricityPhysics, PhysicsOptions

STEP_S = 180.0
PHASES = ("phase_a", "phase_b", "phase_c")
LINES = ("phase_ab", "phase_bc", "phase_ca")


@pytest.fixture(scope="module")
def day() -> Series:
    """A day of six meters with roofs and without events."""
    options = PhysicsOptions(start_s=0.0, solar_w=9000.0, events=False)
    return record(ElectricityPhysics(6, 3, options), [STEP_S] * 480)


def test_power_is_split_into_import_and_export_that_are_never_negative(day: Series) -> None:
    for phase in PHASES:
        power = day[f"active_power_{phase}"]
        imported, exported = (
            day[f"active_power_import_{phase}"],
            day[f"active_power_export_{phase}"],
        )
        np.testing.assert_array_equal(imported - exported, power)
        assert (np.minimum(imported, exported) == 0).all()
        assert (np.maximum(imported, exported) >= 0).all()


@pytest.mark.parametrize("direction", ["import", "export"])
def test_directed_total_is_the_sum_of_the_phases_and_what_the_counter_integrates(
    day: Series, direction: str
) -> None:
    total = day[f"active_power_{direction}_total"]
    counted = np.diff(day[f"active_energy_{direction}_total"], axis=0)

    np.testing.assert_array_equal(
        total, sum(day[f"active_power_{direction}_{phase}"] for phase in PHASES)
    )
    np.testing.assert_allclose(counted, (total[1:] + total[:-1]) / 2 * STEP_S / 3600, atol=1e-5)


@pytest.mark.parametrize("power", ["active", "reactive", "apparent"])
def test_demand_is_a_mean_of_a_quarter_of_an_hour_and_its_maximum_never_falls(
    day: Series, power: str
) -> None:
    total = day[f"{power}_power_total"]
    demand, maximum = (day[f"{word}_{power}_power_total"] for word in ("demand", "max_demand"))
    between = (total[1:] + total[:-1]) / 2

    for end in (5, 100, 300):
        np.testing.assert_allclose(demand[end], between[end - 5 : end].mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(maximum, np.maximum.accumulate(demand, axis=0))


@pytest.mark.parametrize(
    "name",
    [
        "voltage",
        "current",
        "active_power",
        "reactive_power",
        "apparent_power",
        "power_factor",
        "active_energy_import",
        "active_energy_export",
    ],
)
def test_six_channels_are_the_three_phases_twice(day: Series, name: str) -> None:
    for channel in range(6):
        np.testing.assert_array_equal(
            day[f"{name}_channel_{channel + 1}"], day[f"{name}_{PHASES[channel % 3]}"]
        )


@pytest.mark.parametrize(
    ("second", "first"),
    [
        ("active_power_total", "active_power_total"),
        ("reactive_power_total", "reactive_power_total"),
        ("apparent_power_total", "apparent_power_total"),
        ("power_factor_total", "power_factor_total"),
        ("frequency", "frequency"),
        ("active_energy_import", "active_energy_import_total"),
        ("active_energy_export", "active_energy_export_total"),
    ],
)
def test_both_meters_of_a_unit_show_the_totals(day: Series, second: str, first: str) -> None:
    for meter in (1, 2):
        np.testing.assert_array_equal(day[f"{second}_{meter}"], day[first])


def test_total_angle_is_that_of_the_summed_powers(day: Series) -> None:
    angle = np.radians(day["phase_angle_total"])
    active, reactive = day["active_power_total"], day["reactive_power_total"]

    np.testing.assert_allclose(
        active * np.sin(angle), reactive * np.cos(angle), rtol=1e-9, atol=1e-6
    )
    assert (np.abs(angle[active > 0]) < np.pi / 2).all()
    assert (np.abs(angle[active < 0]) > np.pi / 2).all()


def test_distortion_has_averages_and_is_lower_between_phases(day: Series) -> None:
    for quantity in ("thd_voltage", "thd_current"):
        np.testing.assert_allclose(
            day[f"{quantity}_average"], sum(day[f"{quantity}_{phase}"] for phase in PHASES) / 3
        )
    highest = np.max([day[f"thd_voltage_{phase}"] for phase in PHASES], axis=0)
    for line in LINES:
        assert (day[f"thd_voltage_{line}"] > 0).all()
        assert (day[f"thd_voltage_{line}"] < highest).all()


def test_the_neutral_current_lifts_the_protective_earth(day: Series) -> None:
    ohm = day["voltage_pen"] / day["current_neutral"]

    np.testing.assert_allclose(ohm, np.broadcast_to(ohm[0], ohm.shape))
    assert ((ohm > 0.04) & (ohm < 0.3)).all()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("current_ground", 0.001, 0.05),
        ("voltage_pen", 0.0, 12.0),
        ("supply_voltage", 23.0, 25.0),
        ("temperature", 12.0, 45.0),
        ("battery_soc", 40.0, 95.0),
        ("thd_voltage_phase_ab", 0.4, 4.0),
    ],
)
def test_side_values_move_within_their_limits(
    day: Series, name: str, low: float, high: float
) -> None:
    assert low <= day[name].min()
    assert day[name].max() <= high
    assert (np.ptp(day[name], axis=0) > 0).all()


@pytest.mark.parametrize("name", ["temperature", "battery_soc"])
def test_slow_values_move_slowly(day: Series, name: str) -> None:
    assert np.abs(np.diff(day[name], axis=0)).max() < 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("angle_voltage_ab", -120.0),
        ("angle_voltage_ac", 120.0),
        ("frequency_nominal", 50.0),
        ("phase_sequence", 0.0),
        ("rotation_field", 1.0),
        ("battery_power", 0.0),
    ],
)
def test_constants_say_what_is_right(day: Series, name: str, value: float) -> None:
    assert (day[name] == value).all()


def test_a_dead_grid_has_no_angles_and_leaks_nothing_but_the_meter_is_still_fed() -> None:
    physics = ElectricityPhysics(2, 2, PhysicsOptions(events=False))
    physics.force(0, "power_outage")
    physics.step(1.0)
    now = physics.quantities()

    for name in ("angle_voltage_ab", "current_ground", "thd_voltage_phase_ab", "voltage_pen"):
        assert now[name][0] == 0, name
        assert now[name][1] != 0, name
    assert now["supply_voltage"][0] > 20


def test_every_outage_is_counted_once_and_no_reset_forgets_it() -> None:
    physics = ElectricityPhysics(2, 2, PhysicsOptions(events=False))
    before = physics.quantities()["power_failures"]
    for condition in ("power_outage", None, "under_voltage", "power_outage"):
        physics.force(0, condition)
        record(physics, [1.0] * 5)
    physics.reset_counters(0)

    assert (physics.quantities()["power_failures"] - before).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("gas_volume_total", 1.5, 6.0),
        ("volume_total", 0.15, 0.5),
        ("heat_energy_total", 15_000, 60_000),
    ],
)
def test_meters_of_other_media_count_a_days_use(
    day: Series, name: str, least: float, most: float
) -> None:
    used = day[name][-1] - day[name][0]

    assert (np.diff(day[name], axis=0) > 0).all()
    assert ((used >= least) & (used <= most)).all()


def test_meters_of_other_media_start_aged_or_at_zero_and_are_not_reset() -> None:
    media = ("gas_volume_total", "volume_total", "heat_energy_total")
    aged = ElectricityPhysics(2, 1)
    fresh = ElectricityPhysics(2, 1, PhysicsOptions(zero_counters=True)).quantities()
    before = aged.quantities()
    aged.reset_counters(0)

    for name in media:
        assert not fresh[name].any()
        assert (before[name] > 0).all()
        np.testing.assert_array_equal(aged.quantities()[name], before[name])
