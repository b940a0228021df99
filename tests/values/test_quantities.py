"""Names and units: what a value is of, and what one unit is in another."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from energymeter.values import quantity_of, unit_factor
from energymeter.values.quantities import Sign, quantities

SUFFIXES = (
    "",
    "_total",
    "_average",
    "_phase_a",
    "_phase_b",
    "_phase_c",
    "_channel_1",
    "_channel_12",
    "_tariff_1",
    "_tariff_10",
    "_l1",
    "_l2",
    "_l3",
    "_1",
    "_2",
    "_3",
)
NAMES = (
    "voltage",
    "voltage_ll",
    "current",
    "current_neutral",
    "active_power",
    "reactive_power",
    "apparent_power",
    "demand_active_power",
    "max_demand_active_power",
    "power_factor",
    "phase_angle",
    "frequency",
    "thd_voltage",
    "thd_current",
    "active_energy",
    "active_energy_import",
    "active_energy_export",
    "active_energy_net",
    "reactive_energy",
    "reactive_energy_import",
    "reactive_energy_export",
    "apparent_energy",
    "apparent_energy_import",
    "apparent_energy_export",
    "volume",
    "flow_rate",
    "temperature",
    "pressure",
)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", NAMES)
def test_name_with_any_suffix_is_of_its_quantity(name: str, suffix: str) -> None:
    for written in (name + suffix, f"int_{name}{suffix}", (name + suffix).upper()):
        quantity = quantity_of(written)
        assert quantity is not None
        assert quantity.name == name


@pytest.mark.parametrize("phases", ["ab", "bc", "ca"])
def test_voltage_between_phases_is_the_line_to_line_voltage(phases: str) -> None:
    quantity = quantity_of(f"voltage_phase_{phases}")

    assert quantity is not None
    assert quantity.name == "voltage_ll"


def test_distortion_between_phases_stays_a_distortion() -> None:
    quantity = quantity_of("thd_voltage_phase_ab")

    assert quantity is not None
    assert quantity.name == "thd_voltage"


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("active_energy_import_tariff_2_phase_a", "active_energy_import"),
        ("active_power_channel_3_phase_b", "active_power"),
        ("int_voltage_phase_ca_average", "voltage_ll"),
    ],
)
def test_suffixes_may_be_stacked(name: str, of: str) -> None:
    quantity = quantity_of(name)

    assert quantity is not None
    assert quantity.name == of


@pytest.mark.parametrize(
    "name",
    [
        "",
        "int_",
        "online",
        "meter_typo",
        "status_online",
        "voltage_",
        "voltages",
        "my_voltage",
        "voltage_phase_d",
        "voltage_phase_ba",
        "voltage_l4",
        "active_energy_tariff_",
        "_total",
        "total",
    ],
)
def test_unknown_name_is_of_no_quantity(name: str) -> None:
    assert quantity_of(name) is None


@pytest.mark.parametrize("name", NAMES)
def test_typical_values_lie_inside_the_possible_range(name: str) -> None:
    quantity = quantity_of(name)

    assert quantity is not None
    assert quantity.low < quantity.high
    assert quantity.typical is not None
    assert quantity.low <= quantity.typical[0] < quantity.typical[1] <= quantity.high


def test_energies_and_volumes_count_and_the_rest_does_not() -> None:
    counters = {name for name in NAMES if (q := quantity_of(name)) is not None and q.is_counter}
    energies = {name for name in NAMES if "_energy" in name} - {"active_energy_net"}

    assert counters == energies | {"volume"}


@pytest.mark.parametrize(
    ("unit", "base", "factor"),
    [
        ("V", "V", 1),
        ("", "", 1),
        ("%", "%", 1),
        ("kV", "V", 1000),
        ("mV", "V", 0.001),
        ("mA", "A", 0.001),
        ("kW", "W", 1000),
        ("MW", "W", 1_000_000),
        ("kvar", "var", 1000),
        ("kVA", "VA", 1000),
        ("kWh", "Wh", 1000),
        ("MWh", "Wh", 1_000_000),
        ("kvarh", "varh", 1000),
        ("kVAh", "VAh", 1000),
        ("m3/h", "L/min", 1000 / 60),
        ("L/h", "L/min", 1 / 60),
        ("L", "m3", 0.001),
        ("mbar", "bar", 0.001),
        ("kPa", "bar", 0.01),
        ("%", "", 0.01),
    ],
)
def test_unit_is_so_much_in_the_base_unit(unit: str, base: str, factor: float) -> None:
    assert unit_factor(unit, base) == pytest.approx(factor, rel=1e-15)


@pytest.mark.parametrize(
    ("unit", "base"),
    [("kWh", "W"), ("kW", "Wh"), ("", "V"), ("V", ""), ("kwh", "Wh"), ("Wh", "kWh"), ("A", "V")],
)
def test_units_of_different_dimensions_do_not_match(unit: str, base: str) -> None:
    assert unit_factor(unit, base) is None


FACTS = sorted((Path(__file__).parents[1] / "facts").glob("*.json"))


@pytest.mark.parametrize("path", FACTS, ids=lambda path: path.stem)
def test_every_name_of_the_collected_meters_is_of_a_quantity(path: Path) -> None:
    for register in json.loads(path.read_text("utf-8"))["registers"]:
        quantity = quantity_of(register["name"])
        assert quantity is not None, register["name"]
        if register["unit"] is not None:
            assert unit_factor(register["unit"], quantity.unit) is not None, register["name"]


def test_names_of_the_table_are_different_and_its_ranges_hold_something() -> None:
    names = [quantity.name for quantity in quantities()]

    assert len({*names}) == len(names)
    for quantity in quantities():
        assert quantity_of(quantity.name) is quantity
        assert quantity.low < quantity.high
        assert quantity.low < 0 or quantity.sign is Sign.NONE or quantity.is_setting


def test_what_is_not_a_counter_has_no_growth_and_a_setting_never_counts() -> None:
    for quantity in quantities():
        assert quantity.is_counter == (quantity.growth_per_s < math.inf)
        assert not (quantity.is_counter and quantity.is_setting)
