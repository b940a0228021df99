"""The identities, limits and events of simulated electricity meters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.series import Series, record

from energymeter.simulator.physics import (
    ElectricityPhysics,
    PhysicsOptions,
)

QUIET = PhysicsOptions(events=False)
PHASES = ("a", "b", "c")
SUMMED = (
    "active_power",
    "reactive_power",
    "apparent_power",
    "active_energy_import",
    "active_energy_export",
    "active_energy",
    "reactive_energy_import",
    "reactive_energy_export",
    "reactive_energy",
    "apparent_energy_import",
    "apparent_energy_export",
    "apparent_energy",
)
CUMULATIVE = tuple(name for name in SUMMED if "energy" in name)


@dataclass(frozen=True)
class Case:
    name: str
    options: PhysicsOptions


CASES = (
    Case("eventful", PhysicsOptions(start_s=0, sag_interval_s=300, outage_interval_s=4000)),
    Case("solar", PhysicsOptions(start_s=0, solar_w=9000.0)),
    Case("american", PhysicsOptions(nominal_voltage_v=120.0, nominal_frequency_hz=60.0)),
)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def day(request: pytest.FixtureRequest) -> Series:
    """A day of ten meters in steps of two minutes; the cases cover every branch of the physics."""
    return record(ElectricityPhysics(10, 5, request.param.options), [120.0] * 720)


@pytest.fixture(scope="module")
def quiet_day() -> Series:
    """A day of 30 default meters without events, in steps of two minutes."""
    return record(ElectricityPhysics(30, 5, PhysicsOptions(start_s=0, events=False)), [120.0] * 720)


def assert_identities(series: Series) -> None:
    for phase in PHASES:
        p, q, s, u, i, pf, angle = (
            series[f"{name}_phase_{phase}"]
            for name in (
                "active_power",
                "reactive_power",
                "apparent_power",
                "voltage",
                "current",
                "power_factor",
                "phase_angle",
            )
        )
        np.testing.assert_allclose(s**2, p**2 + q**2, rtol=1e-12)
        np.testing.assert_allclose(p, u * i * pf, rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(s, u * i, rtol=1e-12)
        np.testing.assert_allclose(p, s * np.cos(np.radians(angle)), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(q, s * np.sin(np.radians(angle)), rtol=1e-9, atol=1e-9)
    for name in SUMMED:
        a, b, c = (series[f"{name}_phase_{phase}"] for phase in PHASES)
        np.testing.assert_array_equal(series[f"{name}_total"], a + b + c)
    np.testing.assert_array_equal(
        series["active_energy_net_total"],
        series["active_energy_import_total"] - series["active_energy_export_total"],
    )


def phasors(series: Series, quantity: str, lag: str | None = None) -> list[NDArray[Any]]:
    return [
        series[f"{quantity}_phase_{phase}"]
        * np.exp(1j * np.radians(-120.0 * k - (series[f"{lag}_phase_{phase}"] if lag else 0.0)))
        for k, phase in enumerate(PHASES)
    ]


def test_powers_currents_and_sums_fit_together_at_every_step(day: Series) -> None:
    assert_identities(day)


@given(seed=st.integers(), solar_w=st.sampled_from([0.0, 5000.0, 100_000.0]))
@settings(max_examples=15, deadline=None)
def test_powers_currents_and_sums_fit_together_for_every_seed(seed: int, solar_w: float) -> None:
    options = PhysicsOptions(start_s=12 * 3600, solar_w=solar_w, sag_interval_s=60)

    assert_identities(record(ElectricityPhysics(3, seed, options), [0.1, 1.0, 60.0, 7.3]))


def test_line_voltages_are_the_differences_of_the_phasors(day: Series) -> None:
    a, b, c = phasors(day, "voltage")

    np.testing.assert_allclose(day["voltage_phase_ab"], abs(a - b), rtol=1e-12)
    np.testing.assert_allclose(day["voltage_phase_bc"], abs(b - c), rtol=1e-12)
    np.testing.assert_allclose(day["voltage_phase_ca"], abs(c - a), rtol=1e-12)
    np.testing.assert_allclose(
        day["voltage_ll_average"], (abs(a - b) + abs(b - c) + abs(c - a)) / 3, rtol=1e-12
    )


def test_neutral_current_is_the_sum_of_the_current_phasors(day: Series) -> None:
    a, b, c = phasors(day, "current", lag="phase_angle")

    np.testing.assert_allclose(day["current_neutral"], abs(a + b + c), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["active", "reactive", "apparent"])
def test_energy_is_the_integral_of_power(day: Series, name: str) -> None:
    for phase in PHASES:
        power = day[f"{name}_power_phase_{phase}"]
        parts = {"import": np.maximum(power, 0.0), "export": np.maximum(-power, 0.0)}
        if name == "apparent":
            exporting = day[f"active_power_phase_{phase}"] < 0
            parts = {
                "import": np.where(exporting, 0.0, power),
                "export": np.where(exporting, power, 0.0),
            }
        for direction, part in parts.items():
            counter = day[f"{name}_energy_{direction}_phase_{phase}"]
            expected = (part[1:] + part[:-1]) / 2 * 120.0 / 3600.0
            np.testing.assert_allclose(np.diff(counter, axis=0), expected, rtol=1e-6, atol=1e-6)


def test_counters_never_fall(day: Series) -> None:
    for name in CUMULATIVE:
        for part in ("phase_a", "phase_b", "phase_c", "total"):
            assert (np.diff(day[f"{name}_{part}"], axis=0) >= 0).all()


def test_flags_say_what_the_voltages_of_the_same_step_say(day: Series) -> None:
    voltages = np.stack([day[f"voltage_phase_{phase}"] for phase in PHASES])
    nominal = 120.0 if voltages.max() < 170 else 230.0
    outage = (voltages == 0).all(axis=0)
    over = (voltages > 1.1 * nominal).any(axis=0)
    under = (voltages < 0.9 * nominal).any(axis=0) & ~outage

    np.testing.assert_array_equal(day["power_outage"], outage)
    np.testing.assert_array_equal(day["over_voltage"], over)
    np.testing.assert_array_equal(day["under_voltage"], under)
    np.testing.assert_array_equal(day["no_alarms"], ~(outage | over | under))
    assert (day["frequency"][outage] == 0).all()
    assert day["online"].all()


def test_power_curve_and_voltages_of_a_quiet_day_are_plausible(quiet_day: Series) -> None:
    limits = {
        "active_power": (50, 6500),
        "power_factor": (0.8, 1.0),
        "voltage": (220, 240),
        "thd_voltage": (0.5, 4),
        "thd_current": (2, 25),
    }
    for name, (low, high) in limits.items():
        for phase in PHASES:
            values = quiet_day[f"{name}_phase_{phase}"]
            assert low <= values.min(), name
            assert values.max() <= high, name
    assert np.abs(quiet_day["frequency"] - 50.0).max() <= 0.1
    assert quiet_day["frequency"].std() > 0.005
    assert quiet_day["no_alarms"].all()


def test_the_evening_draws_more_than_the_night(quiet_day: Series) -> None:
    power = quiet_day["active_power_total"].mean(axis=1)
    night, morning, evening = power[30:120].mean(), power[210:270].mean(), power[540:630].mean()

    assert night < 0.5 * morning
    assert morning < evening


def test_voltage_sinks_with_the_load(quiet_day: Series) -> None:
    heavy = quiet_day["active_power_phase_a"] > 2500
    voltage = quiet_day["voltage_phase_a"]

    assert voltage[heavy].mean() < voltage[~heavy].mean() - 1.0


def test_a_site_without_a_roof_only_imports(quiet_day: Series) -> None:
    assert not quiet_day["active_energy_export_total"].any()
    assert quiet_day["active_power_phase_a"].min() > 0


def test_a_roof_feeds_in_at_noon_and_not_at_night() -> None:
    noon = ElectricityPhysics(5, 1, PhysicsOptions(start_s=43_200, solar_w=20_000, events=False))
    night = ElectricityPhysics(5, 1, PhysicsOptions(start_s=0, solar_w=20_000, events=False))
    exported = record(noon, [60.0] * 60)["active_energy_export_total"]

    assert (exported[-1] > exported[0]).all()
    assert (record(night, [60.0] * 60)["active_power_total"] > 0).all()


def test_the_same_seed_gives_the_same_series_and_another_seed_does_not() -> None:
    first, again, other = (record(ElectricityPhysics(3, s, None), [1.0] * 20) for s in (7, 7, 8))

    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name], err_msg=name)
    assert (first["voltage_phase_a"] != other["voltage_phase_a"]).all()


def test_a_meter_is_the_same_in_every_population_and_unlike_its_neighbours() -> None:
    options = PhysicsOptions(solar_w=3000.0, sag_interval_s=60)
    alone = record(ElectricityPhysics(1, 7, options), [60.0] * 50)
    among = record(ElectricityPhysics(1000, 7, options), [60.0] * 50)

    for name, values in alone.items():
        np.testing.assert_allclose(values[:, 0], among[name][:, 0], rtol=1e-13, err_msg=name)
    assert np.unique(among["active_power_total"][-1]).size == 1000


def test_short_and_long_steps_meet_the_same_curve() -> None:
    short = record(ElectricityPhysics(5, 7, QUIET), [0.5] * 1200)
    long = record(ElectricityPhysics(5, 7, QUIET), [60.0] * 10)

    for name in ("voltage_phase_a", "active_power_total", "frequency"):
        np.testing.assert_array_equal(short[name][-1], long[name][-1])


def test_counters_start_aged_or_at_zero() -> None:
    aged = ElectricityPhysics(4, 1).quantities()
    fresh = ElectricityPhysics(4, 1, PhysicsOptions(zero_counters=True)).quantities()

    assert (aged["active_energy_import_total"] > 1e6).all()
    assert not any(fresh[f"{name}_total"].any() for name in CUMULATIVE)


def test_the_first_quantities_are_complete() -> None:
    physics = ElectricityPhysics(2, 1)
    before = physics.quantities()
    physics.step(1.0)
    after = physics.quantities()

    assert before.keys() == after.keys()
    assert all(values.shape == (2,) for values in before.values())
    assert all(np.isfinite(values).all() for values in before.values())


def test_quantities_are_read_only_and_do_not_change_later() -> None:
    physics = ElectricityPhysics(2, 1)
    before = physics.quantities()
    kept = {name: values.copy() for name, values in before.items()}
    physics.step(1.0)
    physics.reset_counters(0)

    assert not any(values.flags.writeable for values in before.values())
    for name, values in kept.items():
        np.testing.assert_array_equal(before[name], values)


def test_a_reset_clears_the_energies_of_one_meter_only() -> None:
    physics = ElectricityPhysics(2, 1, PhysicsOptions(solar_w=5000.0))
    before = physics.quantities()
    physics.reset_counters(1)
    after = physics.quantities()

    for name in CUMULATIVE:
        assert after[f"{name}_total"][1] == 0
        assert after[f"{name}_total"][0] == before[f"{name}_total"][0]


@pytest.mark.parametrize(
    "settings_",
    [
        {"nominal_voltage_v": 0.0},
        {"solar_w": -1.0},
        {"start_s": float("nan")},
        {"sag_interval_s": 0.0},
    ],
    ids=str,
)
def test_impossible_options_are_refused(settings_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings_))):
        PhysicsOptions(**settings_)


def test_a_one_phase_meter_has_all_its_load_on_one_phase() -> None:
    physics = ElectricityPhysics(5, 3, PhysicsOptions(phases=1, events=False))
    for _ in range(50):
        physics.step(30.0)
    now = physics.quantities()

    for name in ("active_power", "reactive_power", "apparent_power", "active_energy_import"):
        assert (now[f"{name}_total"] == now[f"{name}_phase_a"]).all(), name
        assert (now[f"{name}_phase_b"] == 0).all(), name
    assert (now["active_energy_import_total"] > 0).all()
    power = now["voltage_phase_a"] * now["current_phase_a"] * now["power_factor_total"]
    assert np.allclose(now["active_power_total"], power, rtol=1e-9)


def test_a_meter_at_the_grid_measures_what_all_behind_it_take() -> None:
    some, one = ElectricityPhysics(3, 1, QUIET), ElectricityPhysics(1, 2, QUIET)
    behind = (some.load, one.load)
    grid = ElectricityPhysics(1, 3, PhysicsOptions(events=False, behind=behind))
    for physics in (some, one, grid):
        physics.step(600.0)

    for phase in PHASES:
        name = f"active_power_phase_{phase}"
        taken = some.quantities()[name].sum() + one.quantities()[name].sum()
        # Each has a grid of its own: the voltages, and so the loads, differ by a few per cent.
        assert grid.quantities()[name][0] == pytest.approx(taken, rel=0.1)


def test_others_are_behind_one_meter_only() -> None:
    load = ElectricityPhysics(1, 1, QUIET).load
    with pytest.raises(ValueError, match="behind one meter, not behind 2"):
        ElectricityPhysics(2, 1, PhysicsOptions(behind=(load,)))
