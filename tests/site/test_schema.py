"""The published JSON Schema of a site file is the model's, and says what a file may hold."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.site.files import BUS

from energymeter.site.schema import schema_text, site_schema
from energymeter.site.write import FoundLink, FoundMeter, new_site_text, site_text

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "site.schema.json"
SCHEMA = site_schema()
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
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        tries = [faults(data, option, place) for option in options]
        return [] if [] in tries else [f"{place}: none of the choices", *min(tries, key=len)]
    found = []
    if "const" in schema and (data != schema["const"] or type(data) is not type(schema["const"])):
        found.append(f"{place}: {data!r} is not {schema['const']!r}")
    if "enum" in schema and data not in schema["enum"]:
        found.append(f"{place}: {data!r} is not in {schema['enum']}")
    kind = schema.get("type")
    if kind and (
        not isinstance(data, KINDS[kind]) or isinstance(data, bool) != (kind == "boolean")
    ):
        return [*found, f"{place}: {data!r} is no {kind}"]
    if "pattern" in schema and not re.search(schema["pattern"], data):
        found.append(f"{place}: {data!r} does not match {schema['pattern']}")
    if data_is_below(data, schema):
        found.append(f"{place}: {data!r} is out of range")
    if isinstance(data, dict):
        found += faults_of_table(data, schema, place)
    if isinstance(data, list):
        for index, item in enumerate(data):
            found += faults(item, schema.get("items", {}), f"{place}[{index}]")
    return found


def data_is_below(data: Any, schema: dict[str, Any]) -> bool:
    """Whether a number is too small or too large."""
    if not isinstance(data, (int, float)):
        return False
    low, high = schema.get("minimum", data), schema.get("maximum", data)
    return not low <= data <= high or data <= schema.get("exclusiveMinimum", data - 1)


def faults_of_table(data: dict[str, Any], schema: dict[str, Any], place: str) -> list[str]:
    known, other = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = [f"{place}.{key} is missing" for key in schema.get("required", []) if key not in data]
    for key, value in data.items():
        if key in known:
            found += faults(value, known[key], f"{place}.{key}")
        elif isinstance(other, dict):
            found += faults(value, other, f"{place}.{key}")
        elif not other:
            found.append(f"{place}.{key} is unknown")
    return found


EVERYTHING = """
name = "plant"
state = "state"
web = false

[defaults]
interval = 5
rated_current = 63
labels = { a = "b" }

[log]
level = "debug"
format = "json"

[store]
type = "postgres"
url = { env = "DATABASE" }
keep = "2y"

[[link]]
name = "bus1"
url = "rtu:///dev/ttyUSB0"
timeout = "500ms"

[[meter]]
name = "m-{unit}"
link = "bus1"
units = "1-32"
profile = "pm8000"
rates = { fast = "1s", slow = 60 }
points = ["*"]
ct = "100/5"
pt = 20

[[sink]]
type = "mqtt"
host = "broker"
password = "word"

[[sink]]
type = "influx"
url = "http://h"
token = { file = "token" }

[[sink]]
type = "webhook"
url = "http://h"
headers = { a = "b" }

[[sink]]
type = "csv"
folder = "out"
buffer = "1GB"

[[sink]]
type = "json"

[[sink]]
type = "prometheus"
stale_after = "1m"
"""


def test_published_schema_is_the_models() -> None:
    assert PUBLISHED.read_text("utf-8") == schema_text(), "energymeter site schema -o ... --force"


@pytest.mark.parametrize(
    "text",
    [
        "",
        BUS,
        EVERYTHING,
        new_site_text(),
        site_text([FoundLink("192.0.2.1", (FoundMeter(1, ("pm8000",)),))]),
    ],
)
def test_schema_takes_what_loads(text: str) -> None:
    assert faults(tomllib.loads(text), SCHEMA) == []


@pytest.mark.parametrize(
    "text",
    [
        'colour = "blue"',
        "name = 5",
        "web = true",
        "store = 0",
        '[store]\ntype = "oracle"',
        '[defaults]\ninterval = "soon"',
        "[defaults]\ninterval = 0",
        '[[meter]]\nname = "a"',
        '[[meter]]\nname = "a/b"\nprofile = "p"',
        '[[meter]]\nname = "a"\nprofile = "p"\nunit = 256',
        '[[meter]]\nname = "a"\nprofile = "p"\nunits = "all"',
        '[[sink]]\nhost = "h"',
        '[[sink]]\ntype = "mqtt"\nhost = "h"\nqos = 3',
        '[[sink]]\ntype = "mqtt"\nhost = "h"\npassword = 5',
        '[[sink]]\ntype = "mqtt"\nhost = "h"\nbuffer = "1 ton"',
    ],
)
def test_schema_refuses_what_does_not_load(text: str) -> None:
    assert faults(tomllib.loads(text), SCHEMA) != []


def test_every_key_and_table_is_described_for_editors() -> None:
    tables = {"Site": SCHEMA, **SCHEMA["$defs"]}
    silent = [
        f"{name}.{key}"
        for name, table in tables.items()
        for key, entry in table["properties"].items()
        if key != "type" and not ("description" in entry or "$ref" in entry)
    ]

    assert silent == []
    assert all(table["description"] for table in tables.values())


def test_toml_has_no_null() -> None:
    assert "null" not in json.dumps(SCHEMA)
