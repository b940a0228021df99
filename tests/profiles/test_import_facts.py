"""Collected facts become a profile and come back unchanged; the shipped profiles keep them."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.profiles.facts import FACTS, facts

from energymeter.errors import ProfileError
from energymeter.profiles import ProfileLibrary
from energymeter.profiles.convert import from_facts, load_facts, profile_name, to_facts
from energymeter.values import Encoding, Order

SHIPPED = ProfileLibrary([])
EM340 = facts(next(path for path in FACTS if path.stem == "carlo-gavazzi-em340"))

# What the notes and other sources say better than the facts' table.
RENAMED = {("bernecker-engineering/mpm3pm", "active_energy_total"): "active_energy_net"}
KEPT = ("function", "address", "type", "scale", "unit", "access", "nan", "length", "offset")


def broken(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(EM340), **changes}


def test_there_are_ninety_six_meters() -> None:
    names = {load_facts(path).name for path in FACTS}

    assert len(FACTS) == len(names) == 96


@pytest.mark.parametrize("path", FACTS, ids=lambda path: path.stem)
def test_everything_the_facts_say_survives(path: Path) -> None:
    data = facts(path)

    back = to_facts(from_facts(data, path.name))

    assert back == data
    assert list(back) == list(data)


@pytest.mark.parametrize("path", FACTS, ids=lambda path: path.stem)
def test_shipped_profile_keeps_the_facts(path: Path) -> None:
    data = facts(path)
    profile = SHIPPED.load(profile_name(data["vendor"], data["model"]))

    back = to_facts(profile)

    changed = {"registers", "notes", "identification"}
    assert {key: back[key] for key in back if key not in changed} == {
        key: data[key] for key in data if key not in changed
    }
    assert back["notes"][: len(data["notes"])] == data["notes"]
    assert len(back["registers"]) == len(data["registers"])
    for ours, theirs in zip(back["registers"], data["registers"], strict=True):
        name = RENAMED.get((profile.name, theirs["name"]), theirs["name"])
        assert ours["name"] == name
        assert {key: ours.get(key) for key in KEPT} == {key: theirs.get(key) for key in KEPT}
        assert (ours["note"] or "").startswith(theirs["note"] or "")


def test_fractions_stay_exact() -> None:
    points = SHIPPED.load("wb-map3e").points

    assert Decimal("1.52588E-7") in {point.scale for point in points}


def test_main_table_is_the_one_most_registers_are_in() -> None:
    profile = from_facts(facts(next(p for p in FACTS if p.stem.endswith("em357"))), "em357")

    assert profile.tables == ("input",)
    assert {point.tables for point in profile.points} == {("input",), ("holding",)}


def test_what_is_null_is_not_known() -> None:
    defaults = from_facts(broken(defaults=dict.fromkeys(EM340["defaults"])), "x").defaults

    assert (defaults.unit, defaults.baudrate, defaults.tcp_port) == (1, None, None)


def test_order_and_encoding_of_a_register_are_its_own() -> None:
    point = next(p for p in SHIPPED.load("dtsd422").points if p.name == "active_power_channel_1")

    assert (point.word_order, point.encoding) == (Order.LITTLE, Encoding.SIGN_MAGNITUDE)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"colour": "blue"}, "colour"),
        ({"registers": [{"name": "voltage"}]}, r"registers\[0\]: function"),
        ({"registers": [{**EM340["registers"][0], "bcd": True}]}, r"registers\[0\]: bcd"),
        ({"registers": [{**EM340["registers"][0], "function": 5}]}, r"registers\[0\].function"),
        ({"registers": [{**EM340["registers"][0], "type": "int24"}]}, "voltage_phase_a.type"),
        ({"defaults": 9600}, "defaults"),
        ({"word_order": "middle"}, "word_order"),
    ],
)
def test_what_would_be_lost_or_is_wrong_is_refused_with_its_key(
    change: dict[str, Any], key: str
) -> None:
    with pytest.raises(ProfileError, match=f"em340.json: .*{key}"):
        from_facts(broken(**change), "em340.json")


def test_missing_key_is_named() -> None:
    data = broken()
    del data["model"]

    with pytest.raises(ProfileError, match=r"^em340.json: model is missing$"):
        from_facts(data, "em340.json")


@pytest.mark.parametrize(("text", "reason"), [("{", "is not JSON"), ("[]", "object")])
def test_file_that_is_no_such_file_is_refused_by_name(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, "utf-8")

    with pytest.raises(ProfileError, match=rf"bad.json: .*{reason}"):
        load_facts(path)


def test_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"none.json: cannot be read"):
        load_facts(tmp_path / "none.json")


def test_null_and_json_numbers_load_without_decimals(tmp_path: Path) -> None:
    path = tmp_path / "em340.json"
    path.write_text(json.dumps(EM340, default=float), "utf-8")

    assert load_facts(path) == from_facts(EM340, "em340.json")
