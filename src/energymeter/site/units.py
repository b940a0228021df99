"""Durations and sizes as people write them in a site file: `10s`, `15m`, `2y`, `100MB`."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

__all__ = ["ByteSize", "Duration", "parse_bytes", "parse_duration"]

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
        msg = f"{value!r} is no duration, write 500ms, 10s, 15m, 1h, 7d or 2y"
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
        msg = f"{value!r} is no size, write 500kB, 100MB or 2GB"
        raise ValueError(msg)
    return int(size)


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
