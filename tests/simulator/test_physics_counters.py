"""The many ways a meter shows the same energy: net, partial, resettable, by phase."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.support.series import Series, record

from energymeter.simulator.physics import ElectricityPhysics, PhysicsOptions

SOLAR = PhysicsOptions(start_s=0.0, solar_w=9000.0)
PARTIAL = (
    "active_energy_import",
    "active_energy_export",
    "reactive_energy_import",
    "reactive_energy_export",
)
RESETTABLE = ("active_energy_import", "active_energy_export", "active_energy_total")
KEPT = ("active_energy_import", "active_energy_export", "active_energy_net")
SINCE_RESET = (
    *(f"{part}_partial" for part in PARTIAL),
    *(f"{part}_resettable" for part in RESETTABLE),
)


def total_of(name: str) -> str:
    """Return the total behind a partial, resettable or nonresettable counter."""
    return f"{name.rpartition('_')[0].removesuffix('_total')}_total"


@pytest.fixture(scope="module")
def day() -> Series:
    return record(ElectricityPhysics(5, 3, SOLAR), [180.0] * 480)


def test_net_energy_is_import_less_export_on_each_phase_and_in_total(day: Series) -> None:
    for phase in ("phase_a", "phase_b", "phase_c", "total"):
        np.testing.assert_array_equal(
            day[f"active_energy_net_{phase}"],
            day[f"active_energy_import_{phase}"] - day[f"active_energy_export_{phase}"],
        )
    assert (np.diff(day["active_energy_net_total"], axis=0) < 0).any()


@pytest.mark.parametrize("power", ["active", "reactive", "apparent"])
def test_energy_of_a_phase_is_import_and_export_under_both_of_its_names(
    day: Series, power: str
) -> None:
    phases = [day[f"{power}_energy_total_phase_{phase}"] for phase in "abc"]

    for phase, both in zip("abc", phases, strict=True):
        parts = [day[f"{power}_energy_{part}_phase_{phase}"] for part in ("import", "export")]
        np.testing.assert_array_equal(both, sum(parts))
        np.testing.assert_array_equal(both, day[f"{power}_energy_phase_{phase}"])
    np.testing.assert_array_equal(day[f"{power}_energy_total"], sum(phases))


@pytest.mark.parametrize("power", ["active", "reactive"])
def test_delivered_is_import_and_received_is_export(day: Series, power: str) -> None:
    for alias, part in (("delivered", "import"), ("received", "export")):
        np.testing.assert_array_equal(
            day[f"{power}_energy_{alias}"], day[f"{power}_energy_{part}_total"]
        )


@pytest.mark.parametrize("name", SINCE_RESET)
def test_partial_counters_count_what_the_totals_count_and_show_less(day: Series, name: str) -> None:
    partial, total = day[name], day[total_of(name)]
    hidden = total - partial

    np.testing.assert_array_equal(hidden, np.broadcast_to(hidden[0], hidden.shape))
    assert (partial >= 0).all()
    assert ((partial < total) | (total[0] == 0)).all()


def test_counters_that_were_never_reset_show_everything_ever_counted(day: Series) -> None:
    for part in KEPT:
        np.testing.assert_array_equal(day[f"{part}_nonresettable"], day[f"{part}_total"])


def test_a_reset_spares_the_nonresettable_counters_and_the_other_meters() -> None:
    physics = ElectricityPhysics(2, 1, SOLAR)
    record(physics, [3600.0] * 12)
    before = physics.quantities()
    physics.reset_counters(1)
    after = physics.quantities()

    for name in (*SINCE_RESET, *(f"reactive_energy_import_tariff_{tariff}" for tariff in (1, 2))):
        assert before[name][1] > 0 or "reactive_energy_export" in name, name
        assert after[name].tolist() == [before[name][0], 0.0], name
    for name in (f"{part}_nonresettable" for part in KEPT):
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)


def test_after_resets_everything_adds_up_and_goes_on() -> None:
    physics = ElectricityPhysics(2, 1, SOLAR)
    at_first = physics.quantities()["active_energy_import_nonresettable"]
    for _ in range(3):
        record(physics, [600.0] * 10)
        physics.reset_counters(0)
    series = record(physics, [600.0] * 100)

    assert series["active_energy_import_total"][0, 0] == 0
    assert series["active_energy_import_nonresettable"][0, 0] > at_first[0]
    for name in SINCE_RESET:
        np.testing.assert_array_equal(series[name][:, 0], series[total_of(name)][:, 0])
    for part in KEPT:
        erased = series[f"{part}_nonresettable"] - series[f"{part}_total"]
        np.testing.assert_array_equal(erased, np.broadcast_to(erased[0], erased.shape))


def test_counters_that_start_at_zero_have_no_former_life() -> None:
    options = PhysicsOptions(zero_counters=True, solar_w=9000.0)
    series = record(ElectricityPhysics(3, 1, options), [60.0] * 20)

    for name in (*SINCE_RESET, *(f"{part}_nonresettable" for part in KEPT)):
        np.testing.assert_array_equal(series[name], series[total_of(name)], err_msg=name)


@pytest.mark.parametrize(
    "damage",
    [
        {"erased": {"7": [[0.0] * 3] * 6}},
        {"erased": {"0": [1.0]}},
        {"erased": {"0": [[-1.0] * 3] * 6}},
        {"erased": "nothing"},
        {"erased": None},
        {"failures": [-1.0, 0.0]},
        {"counters": [[[[-1.0, 0.0]] * 3] * 6] * 2},
    ],
    ids=str,
)
def test_damaged_counters_are_refused_and_change_nothing(damage: dict[str, Any]) -> None:
    physics = ElectricityPhysics(2, 1)
    physics.reset_counters(0)
    before = physics.state()

    with pytest.raises(ValueError, match="saved state"):
        physics.restore({**before, **damage})
    assert physics.state() == before
