"""From quantities to registers: scales, signs, counters, orders and holes."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from energymeter.codec import Table
from energymeter.profiles import Profile, ProfileLibrary, parse_profile
from energymeter.simulator import ImageMaker
from energymeter.simulator.image import source_of
from energymeter.simulator.physics import create_physics

LIBRARY = ProfileLibrary([])
KNOWN = ("voltage_phase_a", "active_power_total", "active_energy_import_total", "online")


def profile_of(points: Sequence[dict[str, Any]], **keys: Any) -> Profile:
    return parse_profile(
        {"name": "test/meter", "vendor": "test", "model": "meter", "points": points, **keys}, "test"
    )


def image_of(profile: Profile, *tables: Table, **state: float) -> dict[int, bytes]:
    (table,) = tables or (Table.HOLDING,)
    maker = ImageMaker(profile, KNOWN)
    full = {**dict.fromkeys(KNOWN, 0.0), **state}
    image = maker.image(full)
    return dict(image.holding if table is Table.HOLDING else image.input)


def one(point: dict[str, Any], **state: float) -> bytes:
    return image_of(profile_of([{"address": 0, **point}]), **state)[0]


@pytest.mark.parametrize(
    ("scale", "value", "raw"), [("0.1", 230.04, 2300), ("0.1", 230.06, 2301), ("1", 230.6, 231)]
)
def test_a_measured_value_is_rounded_to_the_resolution(scale: str, value: float, raw: int) -> None:
    point = {"name": "voltage_phase_a", "type": "uint16", "unit": "V", "scale": scale}

    assert one(point, voltage_phase_a=value) == raw.to_bytes(2, "big")


@pytest.mark.parametrize(("energy_wh", "raw"), [(19_999.0, 1999), (20_000.0, 2000), (0.0, 0)])
def test_a_counter_shows_only_what_is_complete(energy_wh: float, raw: int) -> None:
    point = {
        "name": "active_energy_import_total",
        "type": "uint32",
        "unit": "kWh",
        "scale": "0.01",
    }

    assert one(point, active_energy_import_total=energy_wh) == raw.to_bytes(4, "big")


def test_a_counter_whose_digits_run_out_starts_again_at_zero() -> None:
    point = {"name": "active_energy_import_total", "type": "uint16", "unit": "kWh"}

    assert one(point, active_energy_import_total=65_535_000.0) == b"\xff\xff"
    assert one(point, active_energy_import_total=65_537_000.0) == b"\x00\x01"


def test_a_value_too_large_for_its_registers_stops_at_their_end() -> None:
    point = {"name": "active_power_total", "type": "int16", "unit": "W"}

    assert one(point, active_power_total=1e9) == b"\x7f\xff"
    assert one(point, active_power_total=-1e9) == b"\x80\x00"


def test_a_negative_value_is_negative_on_the_wire() -> None:
    point = {"name": "active_power_total", "type": "int32", "unit": "W", "scale": "0.1"}

    assert one(point, active_power_total=-12.3) == (-123).to_bytes(4, "big", signed=True)


@pytest.mark.parametrize(("unit", "value"), [("W", 1500.0), ("kW", 1.5), ("MW", 0.0015)])
def test_a_value_is_shown_in_the_unit_of_its_point(unit: str, value: float) -> None:
    point = {"name": "active_power_total", "type": "float32", "unit": unit}

    assert one(point, active_power_total=1500.0) == struct.pack(">f", value)


def test_a_float_beyond_its_range_stays_finite() -> None:
    point = {"name": "active_power_total", "type": "float32", "unit": "W"}

    (value,) = struct.unpack(">f", one(point, active_power_total=1e300))
    assert math.isfinite(value)


@pytest.mark.parametrize(
    ("byte_order", "word_order", "data"),
    [
        ("big", "big", "01020304"),
        ("big", "little", "03040102"),
        ("little", "big", "02010403"),
        ("little", "little", "04030201"),
    ],
)
def test_words_and_bytes_stand_in_the_order_of_the_profile(
    byte_order: str, word_order: str, data: str
) -> None:
    profile = profile_of(
        [{"name": "active_power_total", "address": 0, "type": "uint32", "unit": "W"}],
        byte_order=byte_order,
        word_order=word_order,
    )

    assert image_of(profile, active_power_total=0x01020304)[0].hex() == data


def test_a_point_with_a_fixed_value_always_shows_it() -> None:
    assert one({"name": "meter_type", "type": "uint16", "value": 2}) == b"\x00\x02"


def test_a_text_with_a_fixed_value_is_shown_and_padded() -> None:
    point = {"name": "model", "type": "string", "length": 4, "value": "EM3"}

    assert one(point).rstrip(b"\0 ") == b"EM3"
    assert len(one(point)) == 8


@pytest.mark.parametrize("data_type", ["uint16", "int32", "uint64"])
def test_a_whole_number_without_physics_is_zero(data_type: str) -> None:
    data = one({"name": "cosmic_rays", "type": data_type})

    assert data == bytes(len(data))


def test_a_float_without_physics_is_no_number() -> None:
    (value,) = struct.unpack(">f", one({"name": "cosmic_rays", "type": "float32"}))

    assert math.isnan(value)


def test_readable_addresses_without_a_point_are_zero_and_others_do_not_exist() -> None:
    profile = profile_of(
        [{"name": "voltage_phase_a", "address": 5, "type": "uint16", "unit": "V"}],
        readable=[{"first": 3, "last": 8}, {"first": 20, "last": 21}],
    )
    image = image_of(profile, voltage_phase_a=230.0)

    assert image == {3: b"\x00\x00\x00\x00\x00\xe6" + bytes(6), 20: bytes(4)}


def test_a_point_of_two_tables_is_in_both() -> None:
    profile = profile_of(
        [
            {
                "name": "voltage_phase_a",
                "address": 5,
                "type": "uint16",
                "unit": "V",
                "tables": ["holding", "input"],
            }
        ]
    )

    assert image_of(profile, Table.INPUT, voltage_phase_a=230.0) == {5: b"\x00\xe6"}
    assert image_of(profile, Table.HOLDING, voltage_phase_a=230.0) == {5: b"\x00\xe6"}


def test_bits_show_states_and_free_addresses_are_off() -> None:
    profile = profile_of(
        [{"name": "status_online", "address": 4, "type": "bool", "tables": ["coil"]}],
        readable=[{"first": 3, "last": 5, "tables": ["coil"]}],
    )
    maker = ImageMaker(profile, KNOWN)

    image = maker.image({"online": 1.0})
    assert image.coils == [(3, False), (4, True), (5, False)]
    assert image.discrete == []
    assert maker.image({"online": 0.0}).coils == [(3, False), (4, False), (5, False)]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("voltage_phase_a", "voltage_phase_a"),
        ("int_voltage_phase_a", "voltage_phase_a"),
        ("status_online", "online"),
        ("active_power", "active_power_total"),
        ("cosmic_rays", None),
    ],
)
def test_a_point_is_fed_by_the_quantity_of_its_name(name: str, source: str | None) -> None:
    (point,) = profile_of([{"name": name, "address": 0, "type": "uint16"}]).points

    assert source_of(point, KNOWN) == source


def test_a_command_and_a_constant_are_fed_by_nothing() -> None:
    points = profile_of(
        [
            {"name": "online", "address": 0, "type": "uint16", "access": "w"},
            {"name": "voltage_phase_a", "address": 1, "type": "uint16", "value": 7},
        ]
    ).points

    assert [source_of(point, KNOWN) for point in points] == [None, None]


def test_only_quantities_that_are_used_are_asked_for() -> None:
    profile = profile_of([{"name": "voltage_phase_a", "address": 0, "type": "uint16", "unit": "V"}])

    assert ImageMaker(profile, KNOWN).sources == {"voltage_phase_a"}


@pytest.mark.parametrize("name", LIBRARY.names())
def test_many_meters_at_once_show_what_each_would_by_itself(name: str) -> None:
    profile = LIBRARY.load(name)
    physics = create_physics(profile.kind, 3, seed=7)
    physics.step(3600.0)
    quantities = {**physics.quantities(), "online": np.array([1, 0, 1])}
    maker = ImageMaker(profile, tuple(quantities))
    alone = [
        maker.image({source: quantities[source][place].item() for source in maker.sources})
        for place in range(3)
    ]
    assert list(maker.images(quantities, 3)) == alone
    assert alone[0] != alone[2] or not maker.sources


def test_what_is_not_finite_is_no_whole_number() -> None:
    point = {"name": "active_power_total", "type": "int32", "unit": "W"}
    with pytest.raises(ValueError, match="no int32 number"):
        one(point, active_power_total=math.nan)
