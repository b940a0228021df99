"""Numbers and times in few characters; texts without what would move a terminal's cursor."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from energymeter.tui.source import Figure

__all__ = [
    "age_text",
    "clean",
    "clock_text",
    "figure_text",
    "lateness_text",
    "part_text",
    "thought_text",
]

_SPANS: Final = ((1, 0, "<1 s"), (120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h"))
_DAY_S: Final = 86_400


def clean(text: str) -> str:
    """The text with spaces for what cannot be printed: names and reasons may hold anything."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)


def age_text(seconds: float | None) -> str:
    """How long ago: `<1 s`, `12 s`, `5 min`, `3 h`, `4 d`; a dash when that is not known."""
    if seconds is None:
        return "-"
    for limit, size, word in _SPANS:
        if seconds < limit:
            return f"{seconds / size:.0f} {word}" if size else word
    return f"{seconds / _DAY_S:.0f} d"


def lateness_text(seconds: float | None) -> str:
    """`3 ms`, `1.2 s`; a dash when it is not known."""
    if seconds is None:
        return "-"
    return f"{1000 * seconds:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"


def thought_text(seconds: float | None) -> str:
    """The same, finer: `0.3 ms`, `12 ms`."""
    if seconds is None or seconds >= 0.00995:
        return lateness_text(seconds)
    return f"{1000 * seconds:.1f} ms"


def part_text(part: float) -> str:
    """`42%`."""
    return f"{part:.0%}"


def clock_text(time: datetime, *, is_fine: bool = False) -> str:
    """The time of day as this machine's clock shows it; `is_fine`: with milliseconds."""
    local = time.astimezone()
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}" if is_fine else f"{local:%H:%M:%S}"


def figure_text(figure: Figure | None) -> str:
    """Value and unit, so that the units of a column stand below each other."""
    if figure is None or figure.text == "-":
        return "-     "
    return f"{figure.text} {clean(figure.unit):<5}"
