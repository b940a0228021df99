"""What is wrong with a site file, in words and places of the file. Opens nothing.

A value is never repeated where it could be a secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from energymeter.site.model import (
    Defaults,
    LinkEntry,
    LogEntry,
    MeterEntry,
    PostgresStoreEntry,
    Rates,
    Site,
    SqliteStoreEntry,
    WebEntry,
)
from energymeter.site.secret import SecretSource
from energymeter.site.sinks import SinkEntry

__all__ = ["Fault", "Steps", "complaint", "faults_of", "place_of"]

Steps = tuple[str | int, ...]
"""A place in the file: keys and, in lists, numbers from 0."""

_MOST_SHOWN: Final = 20

_PRIVATE: Final = frozenset({"password", "token", "headers", "url"})
"""Below these keys a value may be a secret, or hold one."""

_LISTS: Final = ("link", "meter", "sink")

_STORES: Final[dict[str, type[BaseModel]]] = {
    "sqlite": SqliteStoreEntry,
    "postgres": PostgresStoreEntry,
}

_SINKS: Final[dict[str, type[BaseModel]]] = {
    get_args(part.model_fields["type"].annotation)[0]: part
    for part in get_args(get_args(SinkEntry)[0])
}

_TABLES: Final[dict[Steps, type[BaseModel]]] = {
    (): Site,
    ("defaults",): Defaults,
    ("log",): LogEntry,
    ("web",): WebEntry,
    ("link",): LinkEntry,
    ("meter",): MeterEntry,
    ("meter", "rates"): Rates,
}


class Fault(NamedTuple):
    """One thing that is wrong."""

    where: Steps
    text: str
    """What it is, and what to try."""


def complaint(
    faults: Sequence[Fault],
    origin: str,
    data: Mapping[str, Any],
    line_of: Callable[[Steps], int | None] = lambda _where: None,
) -> str:
    """All faults as one message, a line for each, in the order of the file.

    Args:
        faults: One or more.
        origin: What the file is called.
        data: As TOML gives it; tells the names of what is in lists.
        line_of: Where in the file a place is; None: not known.
    """
    numbered = [(line_of(fault.where), fault) for fault in faults]
    lines = []
    for line, fault in sorted(numbered, key=lambda found: found[0] or 0)[:_MOST_SHOWN]:
        start = origin if line is None else f"{origin}:{line}"
        lines.append(": ".join(filter(None, (start, place_of(fault.where, data), fault.text))))
    if len(faults) > _MOST_SHOWN:
        lines.append(f"{origin}: and {len(faults) - _MOST_SHOWN} more")
    return "\n".join(lines)


def place_of(where: Steps, data: Mapping[str, Any]) -> str:
    """A place as people find it: `meter[3] "main" interval`, the third `[[meter]]`."""
    if len(where) < 2 or not isinstance(where[1], int):
        return ".".join(map(str, where))
    table, number = str(where[0]), where[1]
    entry = data[table][number] if isinstance(data.get(table), (list, tuple)) else None
    name = (entry.get("name") or entry.get("type")) if isinstance(entry, Mapping) else None
    parts = [f"{table}[{number + 1}]"]
    if isinstance(name, str):
        parts.append(f'"{name}"')
    if where[2:]:
        parts.append(_dotted(where[2:]))
    return " ".join(parts)


def _dotted(steps: Steps) -> str:
    texts = (f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in steps)
    return "".join(texts).removeprefix(".")


def faults_of(error: ValidationError, data: Mapping[str, Any]) -> list[Fault]:
    """What pydantic found, in order."""
    return [
        Fault(where, _reason(fault, where, data))
        for fault in error.errors(include_url=False)
        for where in [_place(fault, data)]
    ]


def _place(fault: Mapping[str, Any], data: Mapping[str, Any]) -> Steps:
    """Where it is; what pydantic names of its own (the kind of a sink) left out."""
    location, is_of_key = fault["loc"], fault["type"] in ("extra_forbidden", "missing")
    steps: list[str | int] = []
    here: Any = data
    for number, step in enumerate(location, start=1):
        if isinstance(step, int):
            here = here[step] if isinstance(here, (list, tuple)) and step < len(here) else None
        elif isinstance(here, Mapping) and step in here:
            here = here[step]
        elif not (is_of_key and number == len(location)):
            continue
        steps.append(step)
    return tuple(steps)


_FIXED: Final = {
    "missing": "this key is needed",
    "finite_number": "a finite number was expected",
    "secret": 'a secret is a text, { env = "NAME" } or { file = "PATH" }',
}

_EXPECTED: Final = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "path": "a path",
    "dict": "a table",
    "model": "a table",
    "tuple": "a list",
}


def _reason(fault: Mapping[str, Any], where: Steps, data: Mapping[str, Any]) -> str:
    kind, context, value = str(fault["type"]), fault.get("ctx", {}), fault["input"]
    shown = "" if _PRIVATE.intersection(map(str, where)) else f", not {_shown(value)}"
    match kind:
        case "extra_forbidden":
            return _unknown_key(str(where[-1]), _keys_at(where[:-1], data))
        case "union_tag_invalid" | "union_tag_not_found":
            return _unknown_type(value, [*(_SINKS if where[0] == "sink" else _STORES)])
        case "value_error":
            return str(fault["msg"]).removeprefix("Value error, ")
        case "string_pattern_mismatch" if where[-1] == "name":
            return f"{value!r} is no name: no space in front, and none of / # + @ in it"
        case "literal_error":
            return f"{context['expected']} was expected{shown}"
        case "tuple_type" if where[-1] in _LISTS and isinstance(value, Mapping):
            return f"write [[{where[-1]}]] with two brackets, there may be several"
        case _ if kind in _FIXED:
            return _FIXED[kind]
    expected = _EXPECTED.get(kind.partition("_")[0])
    if expected is not None and kind.endswith(("_type", "_parsing", "_from_float")):
        is_whole = expected in ("a table", "a list") and isinstance(value, str)
        return f"{expected} was expected{', not a text' if is_whole else shown}"
    text = str(fault["msg"]).removeprefix("Input ")
    return f"{text[:1].lower()}{text[1:]}{shown}"


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever the file holds
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            return repr(value if len(value) < 60 else f"{value[:57]}...")
        case Mapping():
            return "a table"
        case list() | tuple():
            return "a list"
    return f"a {type(value).__name__}"


def _unknown_key(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key.lower(), known, n=1)
    if near:
        return f"unknown key, did you mean {near[0]}?"
    return f"unknown key, the known ones are {', '.join(known)}"


def _unknown_type(value: Any, known: Sequence[str]) -> str:  # noqa: ANN401 - whatever it holds
    kind = value.get("type") if isinstance(value, Mapping) else None
    listed = ", ".join(known)
    if not isinstance(value, Mapping):
        return "a table was expected"
    if not isinstance(kind, str):
        return f"a type is needed: one of {listed}"
    near = difflib.get_close_matches(kind.lower(), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {listed}"
    return f"type {kind!r} is unknown, {hint}"


def _keys_at(where: Steps, data: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys a table may have."""
    names = tuple(step for step in where if isinstance(step, str))
    part = _TABLES.get(names)
    if part is None and names in (("store",), ("sink",)):
        entry: Any = data
        for step in where:
            entry = entry[step]
        part = _STORES[entry.get("type", "sqlite")] if len(where) == 1 else _SINKS[entry["type"]]
    return tuple((part or SecretSource).model_fields)
