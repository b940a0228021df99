"""The JSON Schema of a profile file, made from the model, for editors."""

from __future__ import annotations

import ast
import inspect
import json
from types import ModuleType
from typing import Any, Final

from energymeter.profiles import model, point
from energymeter.profiles.model import Profile

__all__ = ["profile_schema", "schema_text"]

_SCALES: Final = (
    'What `scale_from = "name"` stands for: form, codes, bits, over, by the name of the point '
    "the scale is read from"
)


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(profile_schema(), indent=2, ensure_ascii=False) + "\n"


def profile_schema() -> dict[str, Any]:
    """The schema of a TOML file; descriptions are the docstrings of the model."""
    schema = Profile.model_json_schema()
    parts = {**schema.pop("$defs"), "Profile": schema}
    for module in (model, point):
        for part, texts in _docstrings(module).items():
            for key, text in texts.items():
                if key in parts.get(part, {}).get("properties", {}):
                    parts[part]["properties"][key]["description"] = text
    # The name is the file's place, and what every part inherits need not be written.
    del schema["properties"]["name"]
    schema["required"].remove("name")
    source = parts["ScaleSource"]
    parts["Scale"] = {
        **source,
        "title": "Scale",
        "properties": {k: v for k, v in source["properties"].items() if k != "point"},
        "required": [],
    }
    schema["properties"]["scales"] = {
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/Scale"},
        "default": {},
        "description": _SCALES,
    }
    scale_from = parts["Point"]["properties"]["scale_from"]
    scale_from["anyOf"] = [{"type": "string"}, {"$ref": "#/$defs/ScaleSource"}]
    for part in parts.values():
        _simplify(part)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "energymeter profile",
        "description": "A meter as data, see docs/reference/profile-format.md",
        **{key: value for key, value in schema.items() if key not in ("title", "description")},
        "$defs": {name: part for name, part in sorted(parts.items()) if name != "Profile"},
    }


def _docstrings(module: ModuleType) -> dict[str, dict[str, str]]:
    """The text under each field of each class."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        texts = found.setdefault(node.name, {})
        for field, after in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                texts[field.target.id] = inspect.cleandoc(str(after.value.value))
    return found


def _simplify(part: Any) -> None:  # noqa: ANN401 - a schema is of any shape
    """Decimals are numbers in TOML, and there is no null."""
    if isinstance(part, list):
        for item in part:
            _simplify(item)
    if not isinstance(part, dict):
        return
    choices = [
        option
        for option in part.get("anyOf", [])
        if option.get("type") != "null"
        and not (option.get("type") == "string" and _has_number(part))
    ]
    if len(choices) == 1:
        del part["anyOf"]
        part |= choices[0]
    elif choices:
        part["anyOf"] = choices
    default = part.get("default", "")
    if default is None or isinstance(default, dict):
        del part["default"]
    if isinstance(part.get("default"), str) and part.get("type") == "number":
        part["default"] = float(part["default"])
    for value in part.values():
        _simplify(value)


def _has_number(part: dict[str, Any]) -> bool:
    return any(option.get("type") == "number" for option in part["anyOf"])
