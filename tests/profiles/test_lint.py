"""What lint finds, one fault at a time; and the shipped profiles are without errors."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from energymeter.profiles import ProfileLibrary, parse_profile
from energymeter.profiles.lint import Finding, lint_file, lint_profile
from energymeter.profiles.template import new_profile_text

LIBRARY = ProfileLibrary([])
POINT = {"name": "voltage_phase_a", "address": 0, "type": "uint16", "unit": "V", "scale": "0.1"}
METER = {"name": "v/m", "vendor": "v", "model": "m", "phases": 1, "sources": ["manual, page 3"]}
CODE = {"name": "code", "address": 40, "type": "uint16", "value": 0}


def found(
    point: dict[str, Any] | None = None, *more: dict[str, Any], **meter: Any
) -> list[Finding]:
    points = [{**POINT, **(point or {})}, *more]
    return lint_profile(parse_profile({**METER, "points": points, **meter}, "test"))


def levels(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.place) for finding in findings]


def test_sound_profile_has_no_findings() -> None:
    assert found() == []


@pytest.mark.parametrize("name", LIBRARY.names())
def test_shipped_profile_has_no_errors(name: str) -> None:
    errors = [f for f in lint_profile(LIBRARY.load(name)) if f.level == "error"]

    assert errors == []


@pytest.mark.parametrize(
    "point",
    [
        {"unit": "A"},
        {"unit": "Volt"},
        {"scale": "1000000"},
        {"scale": "0.0001"},
        {"minimum": "300", "maximum": "200"},
        {"value": "230"},
        {"value": 70000},
        {"type": "int16", "value": 40000},
    ],
)
def test_point_that_cannot_be_true_is_an_error(point: dict[str, Any]) -> None:
    assert ("error", "voltage_phase_a") in levels(found(point))


@pytest.mark.parametrize(
    "point",
    [
        {"unit": ""},
        {"maximum": "9000000"},
        {"name": "current_phase_a", "unit": "A", "minimum": "-900000"},
    ],
)
def test_point_that_is_odd_is_a_warning(point: dict[str, Any]) -> None:
    findings = found(point)

    assert [finding.level for finding in findings] == ["warning"]


def test_unknown_quantity_is_a_warning() -> None:
    assert levels(found({"name": "wobble"})) == [("warning", "wobble")]


@pytest.mark.parametrize(
    "point",
    [
        {"type": "string", "length": 2, "name": "colour", "scale": "1"},
        {"name": "model_code_x", "value": 3},
        {"name": "wobble_limit", "access": "rw"},
    ],
)
def test_text_constants_and_settings_need_no_known_quantity(point: dict[str, Any]) -> None:
    assert found(point) == []


def test_four_quadrant_power_factor_may_go_to_two() -> None:
    point = {"name": "power_factor_total", "unit": "", "minimum": "-2", "maximum": "2"}

    assert found({**point, "type": "float32", "scale": "1"}) == []


@pytest.mark.parametrize(
    ("meter", "place"),
    [
        ({"sources": []}, "sources"),
        ({"sources": [" "]}, "sources"),
        ({"holes": [{"first": 0, "last": 3}]}, "holes"),
        ({"fingerprints": [{"address": 9, "type": "string"}]}, "fingerprints"),
        ({"readable": [{"first": 8, "last": 9}]}, "voltage_phase_a"),
        ({"even_reads": True}, "voltage_phase_a"),
    ],
)
def test_meter_that_contradicts_itself_is_an_error(meter: dict[str, Any], place: str) -> None:
    assert ("error", place) in levels(found(**meter))


def test_value_longer_than_the_longest_read_is_an_error() -> None:
    point = {"name": "serial_number", "type": "string", "length": 9, "scale": "1", "unit": ""}

    assert levels(found(point, max_read_words=8)) == [("error", "serial_number")]


def test_electricity_meter_without_phases_is_a_warning() -> None:
    assert levels(found(phases=0)) == [("warning", "phases")]


def test_scale_register_within_one_read_is_fine() -> None:
    assert found({"scale_from": {"point": "code"}}, CODE) == []


@pytest.mark.parametrize(
    "code",
    [{"address": 400}, {"tables": ["input"]}, {"address": 60}],
)
def test_scale_register_out_of_reach_is_a_warning(code: dict[str, Any]) -> None:
    findings = found({"scale_from": {"point": "code"}}, {**CODE, **code}, max_read_words=50)

    assert levels(findings) == [("warning", "code")]


@pytest.mark.parametrize("code", [{"type": "float32"}, {"scale": Decimal("0.1")}, {"offset": 3}])
def test_scale_register_that_is_no_code_is_an_error(code: dict[str, Any]) -> None:
    findings = found({"scale_from": {"point": "code"}}, {**CODE, **code})

    assert ("error", "voltage_phase_a") in levels(findings)


def test_divisor_of_a_scale_is_checked_likewise() -> None:
    over = {**CODE, "name": "full_scale", "address": 500}
    source = {"point": "code", "form": "factor", "over": "full_scale"}

    assert levels(found({"scale_from": source}, CODE, over)) == [("warning", "full_scale")]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ('type = "int24"', "points.voltage_phase_a.type"),
        ("address = 70000", "points.voltage_phase_a.address"),
        ('not_available = ["0xFFFFFFFF"]', "4 hexadecimal digits"),
        ("colour = 3", "points.voltage_phase_a.colour"),
    ],
)
def test_file_that_does_not_load_is_one_error_with_its_key(
    tmp_path: Path, change: str, text: str
) -> None:
    keys = {"type": '"uint16"', "address": "0"}
    key, _, value = change.partition(" = ")
    keys[key] = value
    path = tmp_path / "m.toml"
    point = ", ".join(f"{name} = {value}" for name, value in keys.items())
    path.write_text(
        'vendor = "v"\nmodel = "m"\npoints = [{ name = "voltage_phase_a", ' + point + " }]\n",
        "utf-8",
    )

    (finding,) = lint_file(path)

    assert finding.level == "error"
    assert text in finding.text


def test_overlapping_points_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    point = (
        '{ name = "a", address = 0, type = "int32" }, { name = "b", address = 1, type = "int16" }'
    )
    path.write_text(f'vendor = "v"\nmodel = "m"\npoints = [{point}]\n', "utf-8")

    (finding,) = lint_file(path)

    assert "a (int32, 0..1) and b (int16, 1..1) overlap" in finding.text


def test_new_profile_is_sound() -> None:
    data = tomllib.loads(new_profile_text('The "V"', "M 1"), parse_float=Decimal)

    assert data["vendor"] == 'The "V"'
    assert lint_profile(parse_profile({"name": "v/m", **data}, "new")) == []
