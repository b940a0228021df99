"""How people write things in a site file: `10s`, `15m`, `100MB`, units `1-32`, relative paths."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema

__all__ = [
    "FOLDER",
    "ByteSize",
    "Duration",
    "LocalPath",
    "UnitNumbers",
    "from_folder",
    "parse_bytes",
    "parse_duration",
    "parse_units",
]

FOLDER: Final = "folder"
"""Under this name the context of a validation holds the folder that relative paths start from."""

_SECONDS: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
    "w": 604_800.0,
    "y": 31_536_000.0,
}
_BYTES: Final = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS: Final = re.compile(r"\s*(\d{1,3})\s*(?:-\s*(\d{1,3})\s*)?")
_LARGEST_UNIT: Final = 255
_NUMBER: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")


def parse_duration(value: Any) -> float:  # noqa: ANN401 - whatever the file holds
    """Seconds, more than 0.

    Args:
        value: A number of seconds, or a text such as `500ms`, `10s`, `15m`, `1h`, `7d`, `2w`, `1y`
            (of 365 days).

    Raises:
        ValueError: It is none of these.
    """
    seconds = _scaled(value, _SECONDS)
    if seconds is None or not (math.isfinite(seconds) and seconds > 0):
        msg = f"{value!r} is not a duration, write 500ms, 10s, 15m, 1h, 7d or 2y"
        raise ValueError(msg)
    return seconds


def parse_bytes(value: Any) -> int:  # noqa: ANN401 - whatever the file holds
    """Bytes, 1 or more.

    Args:
        value: A number of bytes, or a text such as `500kB`, `100MB`, `2GB` (powers of ten).

    Raises:
        ValueError: It is none of these.
    """
    size = _scaled(value, _BYTES)
    if size is None or not (math.isfinite(size) and size >= 1):
        msg = f"{value!r} is not a size, write 500kB, 100MB or 2GB"
        raise ValueError(msg)
    return int(size)


def parse_units(value: Any) -> tuple[int, ...]:  # noqa: ANN401 - whatever the file holds
    """Unit numbers, ascending, each once, 0 to 255.

    Args:
        value: A text such as `1-32` or `1,5,10-20`, or a list of numbers.

    Raises:
        ValueError: It is neither, or holds none.
    """
    parts = value.split(",") if isinstance(value, str) else value
    numbers: set[int] = set()
    for part in parts if isinstance(parts, (list, tuple)) else ():
        match = None if isinstance(part, bool) else _UNITS.fullmatch(str(part))
        first, last = (0, -1) if match is None else (int(match[1]), int(match[2] or match[1]))
        if not first <= last <= _LARGEST_UNIT:
            numbers.clear()
            break
        numbers.update(range(first, last + 1))
    if not numbers:
        msg = f"{value!r} are no units, write 1-32 or 1,5,10-20 with numbers from 0 to 255"
        raise ValueError(msg)
    return tuple(sorted(numbers))


def from_folder(path: Path, info: ValidationInfo) -> Path:
    """The path, from the folder in the context on; `~` is the user's home.

    Raises:
        ValueError: There is no such home.
    """
    folder = (info.context or {}).get(FOLDER)
    try:
        path = path.expanduser()
    except RuntimeError as error:
        msg = f"{path}: there is no such home, write the whole path"
        raise ValueError(msg) from error
    return path if folder is None else Path(folder) / path


def _scaled(value: Any, scales: dict[str, Any]) -> float | None:  # noqa: ANN401
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    number, unit = match.groups()
    scale = scales.get(unit) if unit else 1.0
    return None if scale is None else float(number) * scale


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d|w|y)?\s*$"},
            ],
            "description": "Seconds, or 500ms, 10s, 15m, 1h, 7d, 2w, 1y.",
        }
    ),
]
"""Seconds; written as a number or as `10s`."""

ByteSize = Annotated[
    int,
    BeforeValidator(parse_bytes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(B|kB|MB|GB|TB)?\s*$"},
            ],
            "description": "Bytes, or 500kB, 100MB, 2GB.",
        }
    ),
]
"""Bytes; written as a number or as `100MB`."""

UnitNumbers = Annotated[
    tuple[int, ...],
    BeforeValidator(parse_units),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\s*\d+[\d\s,-]*$"},
                {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
            ],
        }
    ),
]
"""Unit numbers; written as `1-32` or as a list."""

LocalPath = Annotated[Path, AfterValidator(from_folder)]
"""A path; relative ones start from the site file's folder."""
