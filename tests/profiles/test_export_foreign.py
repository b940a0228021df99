"""Profiles in the forms of other programs: read back they are the same as far as the form goes."""

from __future__ import annotations

import csv
import io
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from energymeter.codec.codes import MAX_READ_WORDS
from energymeter.profiles import Point, Profile, ProfileLibrary
from energymeter.profiles.convert.draft import name_from
from energymeter.profiles.convert.formats import EXPORTS, export_profile, import_profile
from energymeter.values import DataType

LIBRARY = ProfileLibrary([])
NAMES = LIBRARY.names()
CANNOT_SAY = {"modbus-exporter": DataType.STRING, "modpoll": DataType.BOOL}
ENDINGS = {
    "telegraf": ".conf",
    "home-assistant": ".yaml",
    "modbus-exporter": ".yml",
    "modpoll": ".csv",
}


def back(profile: Profile, form: str, folder: Path) -> Profile:
    path = folder / f"x{ENDINGS[form]}"
    path.write_text(export_profile(profile, form).text, "utf-8")
    return import_profile(path).profile


def facts_of(profile: Profile, point: Point) -> dict[str, Any]:
    """What every form can say of a point."""
    is_bit = point.type is DataType.BOOL
    order = profile.order_of(point)
    words = point.type.words
    return {
        "name": name_from(point.name),
        "table": point.table,
        "address": point.address,
        "type": DataType.UINT16 if point.type is DataType.BITS16 else point.type,
        "length": point.length,
        "scale": point.scale,
        "byte": None if is_bit else order.byte,
        "word": order.word if words > 1 else None,
    }


@pytest.mark.parametrize("form", EXPORTS)
@pytest.mark.parametrize("name", NAMES)
def test_exported_profile_is_imported_again(name: str, form: str, tmp_path: Path) -> None:
    profile = LIBRARY.load(name)
    wanted = [
        facts_of(profile, point)
        for point in profile.readable_points
        if point.type is not CANNOT_SAY.get(form)
    ]

    again = back(profile, form, tmp_path)

    found = {point.name: facts_of(again, point) for point in again.points}
    assert found == {facts["name"]: facts for facts in wanted}


@pytest.mark.parametrize("name", NAMES)
def test_telegraf_requests_stay_within_what_the_meter_answers(name: str) -> None:
    profile = LIBRARY.load(name)
    longest = profile.max_read_words or MAX_READ_WORDS

    text = export_profile(profile, "telegraf").text

    (plugin,) = tomllib.loads(text)["inputs"]["modbus"]
    by_name = {point.name: point for point in profile.points}
    for request in plugin["request"]:
        points = [by_name[field["name"]] for field in request["fields"]]
        first, end = points[0].address, max(point.end for point in points)
        assert end - first <= longest
        stretches = profile.readable_in(points[0].table)
        assert len(points) == 1 or any(a <= first and end <= b for a, b in stretches)


def test_modpoll_blocks_cover_their_references() -> None:
    rows = list(csv.reader(io.StringIO(export_profile(LIBRARY.load("sdm630"), "modpoll").text)))

    first = count = 0
    for row in rows:
        if row[0] == "poll":
            first, count = int(row[2]), int(row[3])
            assert count <= 80
        elif row[0] == "ref":
            assert first <= int(row[2]) < first + count
    assert rows[0] == ["device", "sdm630", "1"]


def test_a_text_in_modpoll_is_counted_in_characters() -> None:
    profile = LIBRARY.load("solaredge/inverter-meter-1")

    rows = list(csv.reader(io.StringIO(export_profile(profile, "modpoll").text)))

    (maker,) = [row for row in rows if row[:2] == ["ref", "manufacturer"]]
    assert maker[2:4] == ["40123", "string32"]


def test_home_assistant_gets_units_classes_and_patterns() -> None:
    (hub,) = yaml.safe_load(export_profile(LIBRARY.load("em340"), "home-assistant").text)["modbus"]
    sensors = {sensor["name"]: sensor for sensor in hub["sensors"]}

    assert (hub["type"], hub["baudrate"]) == ("serial", 9600)
    energy = sensors["active_energy_import"]
    assert (energy["device_class"], energy["state_class"]) == ("energy", "total_increasing")
    assert energy["nan_value"] == 0x7FFFFFFF
    assert (energy["swap"], energy["scale"], energy["precision"]) == ("word", 0.1, 1)
    assert "swap" not in sensors["frequency"]


def test_udp_meter_is_a_udp_hub() -> None:
    text = export_profile(LIBRARY.load("vm-3p75ct"), "home-assistant").text

    assert yaml.safe_load(text)["modbus"][0]["type"] == "udp"


def test_modbus_exporter_addresses_begin_with_the_function() -> None:
    text = export_profile(LIBRARY.load("em340"), "modbus-exporter").text

    metrics = {m["name"]: m for m in yaml.safe_load(text)["modules"][0]["metrics"]}

    assert metrics["voltage_phase_b"]["address"] == 400002
    assert metrics["active_energy_import"]["metricType"] == "counter"
    assert metrics["voltage_phase_b"]["endianness"] == "yolo"


@pytest.mark.parametrize(
    ("name", "form", "word"),
    [
        ("kostal/smart-energy-meter", "modpoll", "factor"),
        ("igen/dtsd422", "telegraf", "encoding"),
        ("satec/pm180", "telegraf", "offset"),
        ("em340", "modbus-exporter", "patterns"),
        ("energymeter/electric", "modpoll", "status_online"),
        ("shelly/pro-3em", "modbus-exporter", "left out"),
        ("sdm630", "telegraf", "unit"),
        ("kdk/pro20-u-2pu-ct", "home-assistant", "ratio"),
        ("schneider-electric/acti9-powertag-link", "home-assistant", "patterns"),
    ],
)
def test_what_a_form_cannot_say_is_said(name: str, form: str, word: str) -> None:
    warnings = export_profile(LIBRARY.load(name), form).warnings

    assert any(word in warning for warning in warnings)


def test_plain_meter_is_exported_without_a_warning() -> None:
    assert export_profile(LIBRARY.load("pm8000"), "home-assistant").warnings == ()
