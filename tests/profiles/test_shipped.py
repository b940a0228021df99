"""The shipped profiles say what their documents say."""

from __future__ import annotations

from decimal import Decimal

import pytest

from energymeter.codec.codes import Table
from energymeter.devices.example_meter import ExampleMeter
from energymeter.profiles import Point, Profile, ProfileLibrary
from energymeter.values import IDENTITY, Order, WireOrder, quantity_of, unit_factor

LIBRARY = ProfileLibrary([])
# Their sources do not say the unit of every value.
UNITS_UNKNOWN = ("elkor/wattson-mark-ii", "kamstrup/multical-603", "satec/pm180")
ENERGYMETER = ("energymeter/electric", "energymeter/water", "energymeter/gas")

# The example meter of the original reader: name, printed index, registers, type.
PRINTED = [
    ("current_phase_a", 3000, 2, "float32"),
    ("current_phase_b", 3002, 2, "float32"),
    ("current_phase_c", 3004, 2, "float32"),
    ("voltage_phase_a", 3028, 2, "float32"),
    ("voltage_phase_b", 3030, 2, "float32"),
    ("voltage_phase_c", 3032, 2, "float32"),
    ("active_power_phase_a", 3054, 2, "float32"),
    ("active_power_phase_b", 3056, 2, "float32"),
    ("active_power_phase_c", 3058, 2, "float32"),
    ("active_power_total", 3060, 2, "float32"),
    ("reactive_power_phase_a", 3062, 2, "float32"),
    ("reactive_power_phase_b", 3064, 2, "float32"),
    ("reactive_power_phase_c", 3066, 2, "float32"),
    ("reactive_power_total", 3068, 2, "float32"),
    ("apparent_power_phase_a", 3070, 2, "float32"),
    ("apparent_power_phase_b", 3072, 2, "float32"),
    ("apparent_power_phase_c", 3074, 2, "float32"),
    ("apparent_power_total", 3076, 2, "float32"),
    ("frequency", 3110, 2, "float32"),
    ("active_energy_import", 3204, 4, "uint64"),
    ("active_energy_export", 3208, 4, "uint64"),
    ("reactive_energy_import", 3220, 4, "uint64"),
    ("reactive_energy_export", 3224, 4, "uint64"),
    ("apparent_energy_import", 3236, 4, "uint64"),
    ("apparent_energy_export", 3240, 4, "uint64"),
]

# DESIGN section 3: address, registers, raw value per unit of the value, offset.
LONG = 2
ELECTRIC = {
    "active_energy_import_total": (0, LONG, 100, "kWh"),
    "active_power_total": (2, LONG, 10, "W"),
    "voltage_phase_a": (10, 1, 10, "V"),
    "voltage_phase_b": (11, 1, 10, "V"),
    "voltage_phase_c": (12, 1, 10, "V"),
    "current_phase_a": (13, 1, 100, "A"),
    "current_phase_b": (14, 1, 100, "A"),
    "current_phase_c": (15, 1, 100, "A"),
    "frequency": (16, 1, 100, "Hz"),
    "power_factor_total": (17, 1, 1000, ""),
    "online": (100, 1, 1, ""),
    "meter_type": (101, 1, 1, ""),
}
FLUID = {
    "volume_total": (0, LONG, 100, "m3"),
    "flow_rate": (2, LONG, 10, "L/min"),
    "int_flow_rate": (20, 1, 10, "L/min"),
    "temperature": (21, 1, 10, "degC"),
    "online": (100, 1, 1, ""),
    "meter_type": (101, 1, 1, ""),
}
WATER = {**FLUID, "pressure": (22, 1, 100, "bar")}
GAS = {**FLUID, "pressure": (22, 1, 100, "mbar")}
BITS = {
    "status_online": (0, ("coil", "discrete"), "r"),
    "status_no_alarms": (1, ("coil", "discrete"), "r"),
    "status_communication_ok": (2, ("coil", "discrete"), "r"),
    "reset_counters": (10, ("coil",), "w"),
    "power_outage": (10, ("discrete",), "r"),
    "over_voltage": (11, ("discrete",), "r"),
    "under_voltage": (12, ("discrete",), "r"),
}


def registers_of(profile: Profile) -> list[Point]:
    return [point for point in profile.points if not point.table.is_bits]


def point_of(profile: Profile, name: str) -> Point:
    [found] = [point for point in profile.points if point.name == name]
    return found


def test_pm8000_has_the_registers_of_the_example_meter_at_their_wire_addresses() -> None:
    points = LIBRARY.load("pm8000").points

    assert [(p.name, p.address + 1, p.count, p.type.value) for p in points] == PRINTED
    assert len(points) == 25


def test_pm8000_is_read_from_holding_registers_high_word_first_as_it_stands() -> None:
    profile = LIBRARY.load("pm8000")

    for point in profile.points:
        assert point.tables == (Table.HOLDING,)
        assert profile.order_of(point) == WireOrder(Order.BIG, Order.BIG)
        assert point.exact_scale == IDENTITY


def test_example_meter_in_python_is_the_pm8000() -> None:
    registers = [(r.name, r.index, r.length) for r in ExampleMeter.registers]

    assert registers == [(name, index - 1, length) for name, index, length, _ in PRINTED]


@pytest.mark.parametrize(
    ("name", "documented"),
    [
        ("energymeter/electric", ELECTRIC),
        ("energymeter/water", WATER),
        ("energymeter/gas", GAS),
    ],
)
def test_simulated_meters_registers_are_the_documented_ones(
    name: str, documented: dict[str, tuple[int, int, int, str]]
) -> None:
    points = registers_of(LIBRARY.load(name))

    assert all(1 % point.scale == 0 for point in points)
    found = {p.name: (p.address, p.count, int(1 / p.scale), p.unit) for p in points}

    assert found == documented


@pytest.mark.parametrize("name", ENERGYMETER)
def test_simulated_meters_registers_are_mirrored_low_word_first(name: str) -> None:
    profile = LIBRARY.load(name)

    for point in registers_of(profile):
        assert point.tables == (Table.HOLDING, Table.INPUT)
        assert profile.order_of(point) == WireOrder(Order.BIG, Order.LITTLE)


@pytest.mark.parametrize("name", ENERGYMETER)
def test_simulated_meters_counters_and_levels_have_no_sign(name: str) -> None:
    signed = {p.name for p in registers_of(LIBRARY.load(name)) if p.type.value.startswith("int")}

    # Power flows both ways, and the power factor with it; nothing else can be negative.
    assert signed == ({"active_power_total", "power_factor_total"} if "electric" in name else set())


@pytest.mark.parametrize("name", ["energymeter/water", "energymeter/gas"])
def test_temperature_is_stored_50_degrees_up(name: str) -> None:
    temperature = point_of(LIBRARY.load(name), "temperature")

    assert temperature.offset == Decimal(-50)
    assert temperature.exact_scale.to_value((21 + 50) * 10) == 21.0


@pytest.mark.parametrize(("name", "code"), list(zip(ENERGYMETER, (0, 1, 2), strict=True)))
def test_meter_type_is_told_by_its_register(name: str, code: int) -> None:
    assert point_of(LIBRARY.load(name), "meter_type").value == code


@pytest.mark.parametrize("name", ENERGYMETER)
def test_simulated_meters_bits_are_the_documented_ones(name: str) -> None:
    bits = [point for point in LIBRARY.load(name).points if point.table.is_bits]

    assert {p.name: (p.address, p.tables, p.access) for p in bits} == BITS


@pytest.mark.parametrize("name", ENERGYMETER)
def test_simulated_meters_answer_from_0_to_101_without_a_hole(name: str) -> None:
    profile = LIBRARY.load(name)

    assert profile.readable_in(Table.HOLDING) == ((0, 102),)
    assert profile.readable_in(Table.INPUT) == ((0, 102),)
    assert profile.defaults.tcp_port == 5020


@pytest.mark.parametrize("name", LIBRARY.names())
def test_unit_of_every_known_quantity_is_one_of_its_units(name: str) -> None:
    for point in LIBRARY.load(name).points:
        quantity = quantity_of(point.name)
        if quantity is not None and (point.unit or name not in UNITS_UNKNOWN):
            assert unit_factor(point.unit, quantity.unit) is not None, point.name


@pytest.mark.parametrize("name", LIBRARY.names())
def test_every_shipped_profile_says_where_its_facts_come_from(name: str) -> None:
    assert all(source.strip() for source in LIBRARY.load(name).sources)
    assert LIBRARY.load(name).sources


@pytest.mark.parametrize("name", LIBRARY.names())
def test_every_point_of_a_shipped_profile_lies_where_the_meter_answers(name: str) -> None:
    profile = LIBRARY.load(name)

    for point in profile.points:
        for table in point.tables:
            stretches = profile.readable_in(table)
            assert any(a <= point.address and point.end <= b for a, b in stretches), point.name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("eastron/sdm72d-m", 60),
        ("eastron/sdm72d-m-v2", 60),
        ("eastron/sdm230", 80),
        ("eastron/sdm630", 80),
    ],
)
def test_eastron_meters_refuse_reads_longer_than_their_documents_allow(
    name: str, words: int
) -> None:
    assert LIBRARY.load(name).max_read_words == words


def test_the_em540_answers_functions_3_and_4_alike() -> None:
    profile = LIBRARY.load("carlo-gavazzi/em540")

    assert {point.tables for point in profile.points} == {(Table.HOLDING, Table.INPUT)}


def test_the_export_counter_of_the_em24_din_may_be_missing() -> None:
    profile = LIBRARY.load("carlo-gavazzi/em24-din")

    assert [point.name for point in profile.points if point.optional] == ["active_energy_export"]


def test_the_ds100_has_its_total_export_energy_where_the_layout_has_it() -> None:
    profile = LIBRARY.load("bg-e-tech/ds100")
    export = point_of(profile, "active_energy_export")

    # Of every group the import counter comes first, the export counter ten registers on.
    for suffix in ("", "_phase_a", "_phase_b", "_phase_c"):
        imported = point_of(profile, f"active_energy_import{suffix}")
        exported = point_of(profile, f"active_energy_export{suffix}")
        assert exported.address == imported.address + 10
    assert (export.address, export.unit, export.scale) == (0x118, "kWh", Decimal("0.01"))


def test_the_p1_bridge_answers_up_to_its_last_register() -> None:
    assert LIBRARY.load("nmakel/esp-p1-modbus-bridge").readable_in(Table.HOLDING) == ((0, 62),)


def test_power_that_a_solaredge_meter_exports_is_negative_like_every_exported_power() -> None:
    profile = LIBRARY.load("solaredge/inverter-meter-1")

    powers = [point for point in profile.points if point.name.startswith("active_power_")]

    # The register is positive for what leaves the site.
    assert [point.exact_scale.to_value(2600) for point in powers] == [-2600.0] * 4
