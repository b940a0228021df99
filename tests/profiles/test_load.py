"""A profile that exists makes sense; one that does not is refused with file, key and reason."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from energymeter.codec.codes import Table
from energymeter.errors import ConfigError, ProfileError
from energymeter.profiles import Profile, load_profile, parse_profile
from energymeter.values import DataType, Order, Scale, WireOrder

HEAD = 'vendor = "Acme"\nmodel = "M1"\n'
POINT: dict[str, Any] = {"name": "voltage", "address": 3, "type": "uint16"}


def parse(*points: dict[str, Any], **keys: Any) -> Profile:
    data = {"name": "acme/m1", "vendor": "Acme", "model": "M1", "points": list(points), **keys}
    return parse_profile(data, "acme.toml")


def refusal_of(*points: dict[str, Any], **keys: Any) -> str:
    with pytest.raises(ProfileError) as caught:
        parse(*points, **keys)
    assert caught.value.message.startswith("acme.toml: ")
    return caught.value.message


def write(folder: Path, text: str, name: str = "acme/m1.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_smallest_profile_is_a_vendor_a_model_and_one_point(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + 'points = [{ name = "voltage", address = 3, type = "uint16" }]\n')

    profile = load_profile(path)

    assert profile.name == "acme/m1"
    assert [(p.name, p.address, p.type, p.tables) for p in profile.points] == [
        ("voltage", 3, DataType.UINT16, (Table.HOLDING,))
    ]


def test_fractions_of_a_file_are_exact(tmp_path: Path) -> None:
    point = '{ name = "t", address = 0, type = "int16", scale = 0.1, offset = -0.3 }'
    profile = load_profile(write(tmp_path, f"{HEAD}points = [{point}]\n"))

    assert profile.points[0].scale == Decimal("0.1")
    assert profile.points[0].exact_scale == Scale(1, -3, 10)


def test_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nobody.toml"

    with pytest.raises(ProfileError) as caught:
        load_profile(path)

    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    "content",
    [b"vendor = \n", b"\xff\xfe", b"points = [\n"],
    ids=["no value", "not UTF-8", "not closed"],
)
def test_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)

    with pytest.raises(ProfileError) as caught:
        load_profile(path)

    assert caught.value.message.startswith(f"{path}: ")


def test_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="cannot be read"):
        load_profile(tmp_path)


def test_fault_of_a_file_names_file_point_and_key(tmp_path: Path) -> None:
    path = write(
        tmp_path, HEAD + 'points = [{ name = "voltage", address = 70000, type = "uint16" }]\n'
    )

    with pytest.raises(ProfileError) as caught:
        load_profile(path)

    assert caught.value.message.startswith(f"{path}: points.voltage.address: ")


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("address", {"address": -1}),
    ("address", {"address": 65536}),
    ("address", {"address": "here"}),
    ("address", {"address": 1.5}),
    ("type", {"type": "uint8"}),
    ("type", {"type": None}),
    ("tables.[0]", {"tables": ["holdings"]}),
    ("length", {"type": "string", "length": 0}),
    ("length", {"type": "string", "length": 126}),
    ("scale", {"scale": "ten"}),
    ("scale", {"scale": Decimal("NaN")}),
    ("offset", {"offset": Decimal("Infinity")}),
    ("byte_order", {"byte_order": "middle"}),
    ("word_order", {"word_order": "swapped"}),
    ("access", {"access": "x"}),
    ("adress", {"adress": 3}),
]


@pytest.mark.parametrize(("key", "fault"), FAULTS, ids=str)
def test_fault_of_a_point_names_the_point_and_the_key(key: str, fault: dict[str, Any]) -> None:
    assert f"points.voltage.{key}: " in refusal_of({**POINT, **fault})


@pytest.mark.parametrize(
    "fault",
    [
        {"type": "string"},
        {"length": 2},
        {"type": "float32", "length": 2},
        {"address": 65535, "type": "uint32"},
        {"scale": 0},
    ],
    ids=str,
)
def test_point_that_contradicts_itself_is_named(fault: dict[str, Any]) -> None:
    assert "points.voltage: " in refusal_of({**POINT, **fault})


@pytest.mark.parametrize("key", ["address", "type"])
def test_missing_key_of_a_point_is_named(key: str) -> None:
    point = {name: value for name, value in POINT.items() if name != key}

    assert f"points.voltage.{key}: " in refusal_of(point)


def test_point_without_a_name_is_known_by_its_place() -> None:
    assert "points.[1].name: " in refusal_of(POINT, {"address": 4, "type": "uint16"})
    assert "points.[1]: " in refusal_of(POINT, "voltage")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("colour", {"colour": "red"}),
        ("kind", {"kind": "steam"}),
        ("phases", {"phases": 4}),
        ("max_read_words", {"max_read_words": 0}),
        ("max_read_words", {"max_read_words": 126}),
        ("byte_order", {"byte_order": "auto"}),
        ("tables.[0]", {"tables": ["holdings"]}),
        ("tables", {"tables": "holding"}),
        ("defaults.unit", {"defaults": {"unit": 256}}),
        ("defaults.tcp_port", {"defaults": {"tcp_port": 0}}),
        ("identification.serial", {"identification": {"serial": "1"}}),
        ("readable.[0].first", {"readable": [{"first": -1, "last": 3}]}),
        ("readable.[1].last", {"readable": [{"first": 0, "last": 3}, {"first": 5}]}),
        ("readable.[0]", {"readable": [{"first": 4, "last": 3}]}),
    ],
)
def test_fault_of_a_profile_names_the_key(key: str, keys: dict[str, Any]) -> None:
    assert refusal_of(POINT, **keys).startswith(f"acme.toml: {key}: ")


def test_profile_without_points_or_tables_is_refused() -> None:
    assert "points" in refusal_of()
    assert "tables" in refusal_of({**POINT, "tables": ["holding"]}, tables=[])


def test_further_faults_are_counted() -> None:
    assert refusal_of({**POINT, "address": -1, "type": "uint8"}).endswith("(and 1 more)")


def test_single_fault_of_the_only_point_is_counted_once() -> None:
    assert "more)" not in refusal_of({**POINT, "address": -1})


def test_name_used_twice_is_refused() -> None:
    assert "'voltage'" in refusal_of(POINT, {**POINT, "address": 9})


@pytest.mark.parametrize(
    "second",
    [
        {"address": 3, "type": "int16"},
        {"address": 3, "type": "bits16"},
        {"address": 2, "type": "uint32"},
        {"address": 3, "type": "uint32"},
        {"address": 0, "type": "float64"},
        {"address": 1, "type": "string", "length": 10},
    ],
    ids=str,
)
def test_overlap_of_different_types_or_places_is_refused_with_both_names(
    second: dict[str, Any],
) -> None:
    message = refusal_of(POINT, {"name": "other", **second})

    assert "voltage" in message
    assert "other" in message
    assert "overlap" in message


def test_overlap_behind_twins_is_found() -> None:
    pair = {"address": 0, "type": "uint32"}

    message = refusal_of({"name": "a", **pair}, {"name": "b", **pair}, {**POINT, "address": 1})

    assert "voltage" in message


def test_twins_of_one_place_and_type_are_allowed() -> None:
    profile = parse(POINT, {**POINT, "name": "int_voltage", "scale": Decimal("0.1")})

    assert [point.address for point in profile.points] == [3, 3]


def test_same_address_in_different_tables_is_no_overlap() -> None:
    profile = parse(POINT, {**POINT, "name": "other", "type": "int16", "tables": ["input"]})

    assert len(profile.points) == 2


def test_mirrored_points_overlap_in_any_table_they_share() -> None:
    both = {**POINT, "tables": ["holding", "input"]}

    assert "overlap" in refusal_of(
        both, {"name": "other", "address": 3, "type": "int16", "tables": ["input"]}
    )


@pytest.mark.parametrize(
    ("data_type", "table"), [("bool", "holding"), ("uint16", "coil"), ("uint16", "discrete")]
)
def test_bits_and_registers_are_not_mixed(data_type: str, table: str) -> None:
    assert "voltage" in refusal_of({**POINT, "type": data_type, "tables": [table]})


def test_points_and_ranges_are_where_the_profile_says_unless_they_say_it_themselves() -> None:
    profile = parse(
        POINT,
        {**POINT, "name": "other", "tables": ["holding"]},
        tables=["input"],
        readable=[{"first": 0, "last": 5}, {"first": 0, "last": 7, "tables": ["holding"]}],
    )

    assert [point.table for point in profile.points] == [Table.INPUT, Table.HOLDING]
    assert profile.readable_in(Table.INPUT) == ((0, 6),)
    assert profile.readable_in(Table.HOLDING) == ((0, 8),)
    assert profile.readable_in(Table.COIL) == ()


def test_without_ranges_all_from_the_first_point_to_the_last_is_readable() -> None:
    profile = parse(POINT, {"name": "energy", "address": 20, "type": "uint64"})

    assert profile.readable_in(Table.HOLDING) == ((3, 24),)


def test_point_takes_the_profiles_order_unless_it_has_its_own() -> None:
    own = {"name": "own", "address": 5, "type": "uint32", "word_order": "big"}
    profile = parse(POINT, own, byte_order="little", word_order="little")

    assert [profile.order_of(point) for point in profile.points] == [
        WireOrder(Order.LITTLE, Order.LITTLE),
        WireOrder(Order.LITTLE, Order.BIG),
    ]


@pytest.mark.parametrize(
    ("data_type", "length", "count"),
    [("int16", None, 1), ("float32", None, 2), ("uint64", None, 4), ("string", 10, 10)],
)
def test_point_ends_after_its_registers(data_type: str, length: int | None, count: int) -> None:
    point = {**POINT, "type": data_type} | ({} if length is None else {"length": length})

    assert (parse(point).points[0].count, parse(point).points[0].end) == (count, 3 + count)


def test_data_given_is_not_changed() -> None:
    data: dict[str, Any] = {
        "name": "acme/m1",
        "vendor": "Acme",
        "model": "M1",
        "tables": ["input"],
        "points": [dict(POINT)],
    }

    parse_profile(data, "test")

    assert data["points"] == [POINT]


def test_profile_error_is_an_error_of_what_the_user_wrote() -> None:
    assert issubclass(ProfileError, ConfigError)
    assert issubclass(ProfileError, ValueError)
