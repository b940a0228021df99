"""The JSON Schema of a site file, made from the model, for editors and for the reference."""

from __future__ import annotations

import json
from typing import Any, Final

from energymeter.site.model import Site

__all__ = ["schema_text", "site_schema"]

_MAY_BE_FALSE: Final = ("web", "store")
"""Parts that are there by default and can be switched off."""


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(site_schema(), indent=2, ensure_ascii=False) + "\n"


def site_schema() -> dict[str, Any]:
    """The schema of a TOML file; descriptions are the docstrings of the model."""
    schema = Site.model_json_schema()
    parts: dict[str, Any] = schema.pop("$defs")
    for part in (schema, *parts.values()):
        _simplify(part)
    for name in _MAY_BE_FALSE:
        entry = schema["properties"][name]
        entry["anyOf"] = [*_options_of(entry), {"const": False}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "energymeter site",
        "description": "Everything the service does, see docs/reference/site-file.md",
        "type": "object",
        "additionalProperties": False,
        "properties": schema["properties"],
        "$defs": dict(sorted(parts.items())),
    }


def _options_of(entry: dict[str, Any]) -> list[Any]:
    """Take out what it may be."""
    for key in ("anyOf", "oneOf"):
        if key in entry:
            options: list[Any] = entry.pop(key)
            return options
    return [{"$ref": entry.pop("$ref")}]


def _simplify(part: Any) -> None:  # noqa: ANN401 - a schema is of any shape
    """There is no null in TOML, and the titles are the keys in capitals."""
    if isinstance(part, list):
        for item in part:
            _simplify(item)
    if not isinstance(part, dict):
        return
    if isinstance(part.get("title"), str):
        del part["title"]
    if isinstance(part.get("description"), str):
        part["description"] = " ".join(part["description"].split())
    options = [option for option in part.get("anyOf", []) if option.get("type") != "null"]
    if len(options) == 1:
        del part["anyOf"]
        # What the key means is said of the key, not of its type.
        part |= {**options[0], **part}
    elif options:
        part["anyOf"] = options
    if part.get("default", "") is None or isinstance(part.get("default"), dict):
        del part["default"]
    for value in part.values():
        _simplify(value)
