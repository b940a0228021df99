"""A profile as a TOML file in the house form: one line a point, only what differs from defaults."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel

from energymeter.codec.codes import Table
from energymeter.profiles.model import Profile

__all__ = ["to_toml", "value_text"]

_ALWAYS: Final = ("vendor", "model", "kind", "phases")
_MAP: Final = ("byte_order", "word_order", "tables", "max_read_words", "even_reads", "gaps")
_LISTS: Final = ("sources", "notes")
_TABLES: Final = ("defaults", "identification")
_LINE: Final = 100


def to_toml(profile: Profile) -> str:
    """The text of a profile's file; `load_profile` makes the same profile of it."""
    plain = _plain(profile, profile.tables)
    plain.pop("name")
    points = plain.pop("points")
    tables = {f"scales.{name}": scale for name, scale in _shared_scales(points).items() if scale}
    tables |= {key: plain.pop(key) for key in _TABLES if key in plain}
    first_of_map = next((key for key in plain if key in _MAP), None)
    lines: list[str] = []
    for key, value in plain.items():
        if key == first_of_map or (first_of_map is None and _is_parts(value)):
            first_of_map = key
            lines.append("")
        lines.append(f"{key} = {_list_of(value) if isinstance(value, list) else value_text(value)}")
    lines += ["", "points = [", *(f"  {value_text(point)}," for point in points), "]"]
    for key, table in tables.items():
        lines += [
            "",
            f"[{key}]",
            *(f"{name} = {value_text(value)}" for name, value in table.items()),
        ]
    return "\n".join(lines) + "\n"


def _plain(part: BaseModel, inherited: tuple[Table, ...]) -> dict[str, Any]:
    """What differs from the defaults, in the order of the model; `tables` after `name`."""
    fields = type(part).model_fields
    names = sorted(fields, key=lambda name: (name != "name", name != "tables"))
    if isinstance(part, Profile):
        names = list(fields)
    data: dict[str, Any] = {}
    for name in names:
        value, field = getattr(part, name), fields[name]
        is_default = not field.is_required() and value == field.get_default()
        if not isinstance(part, Profile) and name == "tables":
            is_default = value == inherited
        if not is_default or (isinstance(part, Profile) and name in _ALWAYS):
            data[name] = _simple(value, inherited)
    return data


def _simple(value: Any, inherited: tuple[Table, ...]) -> Any:  # noqa: ANN401 - any field's value
    if isinstance(value, BaseModel):
        return _plain(value, inherited)
    if isinstance(value, (tuple, list)):
        return [_simple(item, inherited) for item in value]
    return value


def _shared_scales(points: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Take out what all points that take their scale from the same point say of it."""
    sources = [point["scale_from"] for point in points if "scale_from" in point]
    shared = {
        source["point"]: {key: value for key, value in source.items() if key != "point"}
        for source in sources
        if all(other == source for other in sources if other["point"] == source["point"])
    }
    for point in points:
        if point.get("scale_from", {}).get("point") in shared:
            point["scale_from"] = point["scale_from"]["point"]
    return shared


def _is_parts(value: Any) -> bool:  # noqa: ANN401 - any plain value
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _list_of(items: list[Any]) -> str:
    """On one line where it fits and holds one item, or none of any length."""
    line = value_text(items)
    is_short = len(line) < _LINE - 20
    if (len(items) == 1 and (is_short or not _is_parts(items))) or (
        is_short and not _is_parts(items) and all(len(value_text(item)) < 20 for item in items)
    ):
        return line
    return "\n".join(["[", *(f"  {value_text(item)}," for item in items), "]"])


def value_text(value: Any) -> str:  # noqa: ANN401 - any plain value
    """A value as TOML writes it, tables inline."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case Decimal():
            return _number(value)
        case str():
            return _text(value)
        case Mapping():
            return f"{{ {', '.join(_pairs(value))} }}"
        case _:
            return f"[{', '.join(value_text(item) for item in value)}]"


def _pairs(table: Mapping[Any, Any]) -> Iterable[str]:
    return (f"{key} = {value_text(value)}" for key, value in table.items())


def _number(number: Decimal) -> str:
    """All its digits: 0.1 and not 0.10000000000000001, 1000 and not 1E+3."""
    if number == number.to_integral_value():
        return str(int(number))
    plain = f"{number:f}"
    return plain if len(plain) <= 14 else str(number).replace("E", "e")


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but for the delete character.
    return json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007F")
