"""The tables of the reference page, as they have to be: made from the schema."""

from __future__ import annotations

from typing import Any, Final

from energymeter.site.schema import site_schema

__all__ = ["PARTS", "SHARED", "table_of"]

_SCHEMA: Final = site_schema()

PARTS: Final[dict[str, dict[str, Any]]] = {"Site": _SCHEMA, **_SCHEMA["$defs"]}
"""Every table of a site file by the name of its class."""

SHARED: Final = ("name", "meters", "points", "buffer", "every")
"""Keys that sinks have in common."""

_KINDS: Final = {
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "string": "text",
}

_LINKS: Final = {
    "Defaults": "[table](#defaults)",
    "LogEntry": "[table](#log)",
    "WebEntry": "[table](#web)",
    "SqliteStoreEntry": "[table](#store)",
    "PostgresStoreEntry": "[table](#store)",
    "LinkEntry": "[link](#link)",
    "MeterEntry": "[meter](#meter)",
    "Rates": "[table](#rates)",
    "SecretSource": "[secret](#secrets)",
}

_FORMS: Final = {"(ms|s|m|h|d|w|y)": "duration", "(B|kB|MB|GB|TB)": "size"}


def table_of(*names: str, leave: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> str:
    """A table of the page: the keys of these parts but for `type`, a line each."""
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name in names:
        part = PARTS[name]
        for key, schema in part["properties"].items():
            if key in (*leave, "type") or (only and key not in only):
                continue
            default = "needed" if key in part.get("required", []) else _default(schema)
            meaning = schema.get("description") or PARTS[_target(schema)]["description"]
            lines.append(f"| `{key}` | {_kind(schema)} | {default} | {meaning} |")
    return "\n".join(dict.fromkeys(lines)) + "\n"


def _target(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _LINKS.get(_target(schema), "[sink](#sink)")
    if "anyOf" in schema or "oneOf" in schema:
        kinds = [_kind(option) for option in schema.get("anyOf") or schema["oneOf"]]
        found = next((kind for kind in kinds if kind in _FORMS.values()), None)
        # A secret may be a text as well, which its own section says.
        secret = next((kind for kind in kinds if kind.startswith("[secret]")), None)
        return found or secret or " or ".join(dict.fromkeys(kinds))
    if "const" in schema:
        return f"`{schema['const']}`".lower()
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    form = next((kind for mark, kind in _FORMS.items() if mark in schema.get("pattern", "")), None)
    if form is not None:
        return form
    match schema["type"]:
        case "array":
            return f"list of {_kind(schema['items'])}"
        case "object":
            return "table of text"
        case "integer" if "maximum" in schema:
            return f"{schema['minimum']} to {schema['maximum']}"
        case "string" if schema.get("format") == "path":
            return "path"
    return _KINDS[schema["type"]]


def _default(schema: dict[str, Any]) -> str:
    value = schema.get("default")
    match value:
        case None | []:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(f"`{item}`" for item in value)
        case float() if _kind(schema) == "duration":
            return f"{value:g}s"
        case int() if _kind(schema) == "size":
            return f"{value / 1e9:g}GB" if value >= 10**9 else f"{value / 1e6:g}MB"
    return f"{value}"
