"""Collected facts about a meter, one JSON file each, to a profile and back, without a loss.

The form is that of the files in tests/facts; its README says what each key means. What a profile
can say beyond it (mirrored tables, holes, codes of a scale register) is not in the facts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from energymeter.codec.codes import Table
from energymeter.errors import ProfileError
from energymeter.profiles.convert.naming import profile_name
from energymeter.profiles.load import parse_profile
from energymeter.profiles.model import Fingerprint, Point, Profile
from energymeter.values import Encoding

__all__ = ["from_facts", "load_facts", "to_facts"]

_TABLES: Final = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}
_FUNCTIONS: Final = {table: function for function, table in _TABLES.items()}

_METER_KEYS: Final = (
    "vendor",
    "model",
    "description",
    "kind",
    "phases",
    "transport",
    "sources",
    "confidence",
    "defaults",
    "byte_order",
    "word_order",
    "max_registers_per_read",
    "one_register_group_only",
    "identification",
    "registers",
    "notes",
)
_DEFAULTS_KEYS: Final = {
    "unit_id": "unit",
    "baudrate": "baudrate",
    "parity": "parity",
    "stopbits": "stopbits",
    "tcp_port": "tcp_port",
}
_REGISTER_KEYS: Final = (
    "name",
    "function",
    "address",
    "type",
    "scale",
    "unit",
    "access",
    "nan",
    "note",
)
_MORE_REGISTER_KEYS: Final = ("scale_register", "word_order", "encoding", "length", "offset")
_SAME_KEYS: Final = ("name", "address", "type", "scale", "access")
_IDENTIFICATION_KEYS: Final = ("function", "address", "type", "expect", "note")


def load_facts(path: Path) -> Profile:
    """The profile of a file of facts.

    Raises:
        ProfileError: It cannot be read or holds no such facts; names file, key and reason.
    """
    try:
        data = json.loads(path.read_text("utf-8"), parse_float=Decimal)
    except (OSError, UnicodeError) as error:
        msg = f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        raise ProfileError(msg) from error
    except json.JSONDecodeError as error:
        msg = f"{path}: is not JSON: {error}"
        raise ProfileError(msg) from error
    return from_facts(data, str(path))


def from_facts(data: Any, origin: str) -> Profile:  # noqa: ANN401 - JSON of any shape
    """The profile of facts as JSON gives them; fractions as Decimal.

    Raises:
        ProfileError: A key is missing, unknown or wrong; names origin, key and reason.
    """
    _check_keys(data, _METER_KEYS, (), origin)
    registers = [
        _point(register, f"{origin}: registers[{index}]")
        for index, register in enumerate(data["registers"])
    ]
    defaults = data["defaults"]
    _check_keys(defaults, (), _DEFAULTS_KEYS, f"{origin}: defaults")
    main = [Counter(p["tables"][0] for p in registers).most_common(1)[0][0]] if registers else []
    identification = data["identification"]
    return parse_profile(
        {
            "name": profile_name(str(data["vendor"]), str(data["model"])),
            "vendor": data["vendor"],
            "model": data["model"],
            "description": data["description"],
            "kind": data["kind"],
            "phases": data["phases"],
            "transports": str(data["transport"]).lower().split("/"),
            "confidence": data["confidence"],
            "sources": data["sources"],
            "notes": data["notes"],
            "byte_order": data["byte_order"],
            "word_order": data["word_order"],
            "tables": main or [Table.HOLDING],
            "max_read_words": data["max_registers_per_read"],
            "gaps": "refused" if data["one_register_group_only"] else "zero",
            "fingerprints": []
            if identification is None
            else [_fingerprint(identification, f"{origin}: identification")],
            "defaults": {
                ours: defaults[theirs]
                for theirs, ours in _DEFAULTS_KEYS.items()
                if defaults.get(theirs) is not None
            },
            "points": registers,
        },
        origin,
    )


def to_facts(profile: Profile) -> dict[str, Any]:
    """The facts of a profile: `to_facts(from_facts(x)) == x`."""
    defaults = profile.defaults
    return {
        "vendor": profile.vendor,
        "model": profile.model,
        "description": profile.description,
        "kind": profile.kind,
        "phases": profile.phases,
        "transport": "/".join(profile.transports).upper(),
        "sources": list(profile.sources),
        "confidence": profile.confidence,
        "defaults": {theirs: getattr(defaults, ours) for theirs, ours in _DEFAULTS_KEYS.items()},
        "byte_order": str(profile.byte_order),
        "word_order": str(profile.word_order),
        "max_registers_per_read": profile.max_read_words,
        "one_register_group_only": True if profile.gaps == "refused" else None,
        "identification": _identification(profile.fingerprints),
        "registers": [_register(point) for point in profile.points],
        "notes": list(profile.notes),
    }


def _check_keys(
    data: Any,  # noqa: ANN401 - JSON of any shape
    needed: Sequence[str],
    possible: Sequence[str] | Mapping[str, str],
    place: str,
) -> None:
    if not isinstance(data, Mapping):
        msg = f"{place}: an object was expected"
        raise ProfileError(msg)
    missing = [key for key in needed if key not in data]
    if missing:
        msg = f"{place}: {missing[0]} is missing"
        raise ProfileError(msg)
    unknown = [key for key in data if key not in needed and key not in possible]
    if unknown:
        msg = f"{place}: {unknown[0]} is no key of this form and would be lost"
        raise ProfileError(msg)


def _table(function: Any, place: str) -> Table:  # noqa: ANN401 - JSON of any shape
    if function not in _TABLES:
        msg = f"{place}.function: {function!r} reads nothing, write 3 for holding or 4 for input"
        raise ProfileError(msg)
    return _TABLES[function]


def _point(register: Any, place: str) -> dict[str, Any]:  # noqa: ANN401 - JSON of any shape
    _check_keys(register, _REGISTER_KEYS, _MORE_REGISTER_KEYS, place)
    point = {key: register[key] for key in _SAME_KEYS}
    point |= {
        key: register[key]
        for key in ("length", "offset", "encoding", "word_order")
        if key in register
    }
    point["tables"] = [_table(register["function"], place)]
    point["unit"] = register["unit"] or ""
    point["note"] = register["note"] or ""
    if register["nan"] is not None:
        point["not_available"] = [f"0x{str(register['nan'])[2:].upper()}"]
    if "scale_register" in register:
        point["scale_from"] = {"point": register["scale_register"]}
    return point


def _register(point: Point) -> dict[str, Any]:
    register: dict[str, Any] = {
        "name": point.name,
        "function": _FUNCTIONS[point.table],
        "address": point.address,
        "type": str(point.type),
        "scale": point.scale,
        "unit": point.unit or None,
        "access": point.access,
        "nan": point.not_available[0] if point.not_available else None,
        "note": point.note or None,
    }
    if point.scale_from is not None and not point.scale_from.codes:
        register["scale_register"] = point.scale_from.point
    if point.word_order is not None:
        register["word_order"] = str(point.word_order)
    if point.encoding is not Encoding.PLAIN:
        register["encoding"] = str(point.encoding)
    if point.length is not None:
        register["length"] = point.length
    if point.offset:
        register["offset"] = point.offset
    return register


def _fingerprint(data: Any, place: str) -> dict[str, Any]:  # noqa: ANN401 - JSON of any shape
    _check_keys(data, _IDENTIFICATION_KEYS, ("length",), place)
    fingerprint = {key: data[key] for key in data if key not in ("function", "note")}
    fingerprint["tables"] = [_table(data["function"], place)]
    fingerprint["note"] = data["note"] or ""
    return fingerprint


def _identification(fingerprints: Sequence[Fingerprint]) -> dict[str, Any] | None:
    if not fingerprints:
        return None
    first = fingerprints[0]
    data = {
        "function": _FUNCTIONS[first.tables[0]],
        "address": first.address,
        "type": str(first.type),
        "expect": list(first.expect),
        "note": first.note or None,
    }
    if first.length is not None:
        data["length"] = first.length
    return data
