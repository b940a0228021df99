"""The published JSON Schema is the model's, and says what a file may hold."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from energymeter.profiles import ProfileLibrary
from energymeter.profiles.schema import profile_schema, schema_text

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "profile.schema.json"
LIBRARY = ProfileLibrary([])
SCHEMA = profile_schema()
KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}


def faults(data: Any, schema: dict[str, Any], place: str = "") -> list[str]:
    """A small validator: the parts of JSON Schema that ours uses."""
    if "$ref" in schema:
        return faults(data, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], place)
    if "anyOf" in schema:
        tries = [faults(data, option, place) for option in schema["anyOf"]]
        return [] if [] in tries else [f"{place}: none of the choices"]
    found = []
    if "enum" in schema and data not in schema["enum"]:
        found.append(f"{place}: {data!r} is not in {schema['enum']}")
    kind = schema.get("type")
    if kind and (
        not isinstance(data, KINDS[kind]) or isinstance(data, bool) != (kind == "boolean")
    ):
        return [*found, f"{place}: {data!r} is no {kind}"]
    if isinstance(data, dict):
        known = schema.get("properties", {})
        other = schema.get("additionalProperties", True)
        found += [
            f"{place}.{key} is missing" for key in schema.get("required", []) if key not in data
        ]
        for key, value in data.items():
            if key in known:
                found += faults(value, known[key], f"{place}.{key}")
            elif isinstance(other, dict):
                found += faults(value, other, f"{place}.{key}")
            elif not other:
                found.append(f"{place}.{key} is unknown")
    if isinstance(data, list):
        for index, item in enumerate(data):
            found += faults(item, schema.get("items", {}), f"{place}[{index}]")
    return found


def test_published_schema_is_the_models() -> None:
    assert PUBLISHED.read_text("utf-8") == schema_text(), "energymeter profile schema -o ..."


@pytest.mark.parametrize("name", LIBRARY.names())
def test_shipped_file_fits_the_schema(name: str) -> None:
    data = tomllib.loads(LIBRARY.path_of(name).read_text("utf-8"))

    assert faults(data, SCHEMA) == []


@pytest.mark.parametrize(
    "change",
    [
        {"colour": "blue"},
        {"kind": "steam"},
        {"phases": "three"},
        {"points": [{"name": "a", "address": 0}]},
        {"points": [{"name": "a", "address": 0, "type": "int24"}]},
        {"points": [{"name": "a", "address": 0, "type": "int16", "scale": "0.1"}]},
        {"points": [{"name": "a", "address": 0, "type": "int16", "scale_from": 3}]},
        {"defaults": {"parity": "X"}},
        {"scales": {"x": {"point": "y"}}},
    ],
)
def test_schema_refuses_what_does_not_load(change: dict[str, Any]) -> None:
    data = tomllib.loads(LIBRARY.path_of("pm8000").read_text("utf-8"))

    assert faults({**data, **change}, SCHEMA) != []


def test_name_is_the_files_place_and_no_key() -> None:
    assert "name" not in SCHEMA["properties"]
    assert SCHEMA["required"] == ["vendor", "model", "points"]


def test_keys_are_described_for_editors() -> None:
    point = SCHEMA["$defs"]["Point"]["properties"]

    assert point["address"]["description"] == "Zero-based, as on the wire."
    assert point["scale"]["type"] == "number"
    assert "null" not in json.dumps(SCHEMA)
