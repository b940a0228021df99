"""A profile written as a file is the same profile when it is loaded."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from tests.profiles.facts import FACTS

from energymeter.profiles import Point, Profile, ProfileLibrary, ScaleSource, load_profile
from energymeter.profiles.convert import load_facts, profile_name, to_toml
from energymeter.profiles.convert.naming import slug
from energymeter.values import DataType

LIBRARY = ProfileLibrary([])


def saved(profile: Profile, folder: Path) -> Profile:
    path = folder / f"{profile.name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_toml(profile), "utf-8")
    return load_profile(path)


def profile_of(*points: Point) -> Profile:
    return Profile(name="v/m", vendor="v", model="m", points=points)


@pytest.mark.parametrize("name", LIBRARY.names())
def test_shipped_profile_survives_writing(name: str, tmp_path: Path) -> None:
    profile = LIBRARY.load(name)

    assert saved(profile, tmp_path) == profile


@pytest.mark.parametrize("path", FACTS, ids=lambda path: path.stem)
def test_imported_facts_survive_writing(path: Path, tmp_path: Path) -> None:
    profile = load_facts(path)

    assert saved(profile, tmp_path) == profile


def test_only_what_differs_from_the_defaults_is_written() -> None:
    point = Point(name="voltage", address=3, type=DataType.UINT16, tables=("holding",))

    text = to_toml(profile_of(point))

    assert tomllib.loads(text) == {
        "vendor": "v",
        "model": "m",
        "kind": "electricity",
        "phases": 0,
        "points": [{"name": "voltage", "address": 3, "type": "uint16"}],
    }
    assert '  { name = "voltage", address = 3, type = "uint16" },\n' in text


@pytest.mark.parametrize(
    "text",
    ['say "hi" \\ twice', "tab\tand\nline", "delete \x7f", "Leistung in kW, größer", "#[=]"],
)
def test_any_text_survives(text: str, tmp_path: Path) -> None:
    point = Point(name="x", address=0, type=DataType.UINT16, tables=("holding",), note=text)

    assert saved(profile_of(point), tmp_path).points[0].note == text


@pytest.mark.parametrize("scale", ["0.1", "1000", "1E+3", "1.52588E-7", "-0.25", "4.536453645"])
def test_any_scale_survives_exactly(scale: str, tmp_path: Path) -> None:
    exact = Decimal(scale)
    point = Point(name="x", address=0, type=DataType.UINT16, tables=("holding",), scale=exact)

    assert saved(profile_of(point), tmp_path).points[0].scale == exact


def test_scale_shared_by_points_is_written_once(tmp_path: Path) -> None:
    source = ScaleSource(point="code", codes={0: Decimal("0.1"), 1: Decimal(10)})
    points = [
        Point(name=name, address=n, type=DataType.UINT16, tables=("holding",), scale_from=source)
        for n, name in enumerate(("voltage_phase_a", "voltage_phase_b"))
    ]
    code = Point(name="code", address=9, type=DataType.UINT16, tables=("holding",))
    profile = profile_of(*points, code)

    text = to_toml(profile)

    assert text.count("codes") == 1
    assert text.count('scale_from = "code"') == 2
    assert saved(profile, tmp_path) == profile


def test_scales_that_differ_are_written_with_their_points(tmp_path: Path) -> None:
    codes = ({0: Decimal(1)}, {0: Decimal(2)})
    points = [
        Point(
            name=f"x{n}",
            address=n,
            type=DataType.UINT16,
            tables=("holding",),
            scale_from=ScaleSource(point="code", codes=table),
        )
        for n, table in enumerate(codes)
    ]
    code = Point(name="code", address=9, type=DataType.UINT16, tables=("holding",))
    profile = profile_of(*points, code)

    assert saved(profile, tmp_path) == profile


@pytest.mark.parametrize(
    ("vendor", "model", "name"),
    [
        ("B+G e-tech", "DS100", "bg-e-tech/ds100"),
        ("F&F", "LE-01MR", "ff/le-01mr"),
        ("SolarEdge", "Inverter meter 1 (SunSpec)", "solaredge/inverter-meter-1"),
        ("Müller & Söhne", "Zähler 3", "muller-sohne/zahler-3"),
    ],
)
def test_names_of_files_are_plain(vendor: str, model: str, name: str) -> None:
    assert profile_name(vendor, model) == name


def test_name_of_nothing_is_still_a_name() -> None:
    assert slug("(?)") == "unnamed"
