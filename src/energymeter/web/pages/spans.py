"""Stretches of time that a chart shows, and how finely each is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

from energymeter.store import Every

__all__ = ["SPANS", "Span", "bars_every", "custom", "lines_every", "moved", "thinned"]

POINTS: Final = 500
"""About so many points are drawn of a line: a screen shows no more."""

_RAW_S: Final = 2 * 3600.0
"""Up to here each poll is read: ten times as many points as are drawn, at one a second."""

_LINES: Final = (
    (36 * 3600.0, Every.MINUTE),
    (14 * 86_400.0, Every.QUARTER),
    (100 * 86_400.0, Every.HOUR),
)
_BARS: Final = (
    (3 * 3600.0, Every.QUARTER),
    (3 * 86_400.0, Every.HOUR),
)


class Span(NamedTuple):
    """Some time."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.start).total_seconds()


SPANS: Final[Mapping[str, timedelta]] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=31),
    "year": timedelta(days=366),
}
"""Those that end now."""


def lines_every(span: Span) -> Every | None:
    """Windows for a line; None: each poll."""
    if span.seconds <= _RAW_S:
        return None
    return next((every for most, every in _LINES if span.seconds <= most), Every.DAY)


def bars_every(span: Span) -> Every:
    """Windows for the bars of a counter."""
    return next((every for most, every in _BARS if span.seconds <= most), Every.DAY)


def moved(span: Span, direction: int, now: datetime) -> Span:
    """The stretch of time behind (1) or before (-1) this one, as long, and not beyond now."""
    length = span.end - span.start
    try:
        end = min(span.end + direction * length, now)
        return Span(end - length, end)
    except OverflowError:
        return span


def custom(start: object, end: object) -> Span | str:
    """A span from the fields of a form; a sentence where it is none.

    Args:
        start: Such as `2026-11-21T15:00`, in the time of this computer.
        end: Likewise.
    """
    try:
        begin, stop = (datetime.fromisoformat(str(text)).astimezone() for text in (start, end))
    except (ValueError, OverflowError, OSError):
        return "give both times, such as 2026-11-21 15:00"
    if begin >= stop:
        return "the start has to be before the end"
    if stop - begin > timedelta(days=20 * 366):
        return "that is more than twenty years"
    return Span(begin, stop)


def thinned(
    times_ms: Sequence[int], values: Sequence[float | None], most: int = POINTS
) -> list[tuple[int, float | None]]:
    """Fewer points: means of neighbours, where there are more than `most`.

    A stretch without values of more than a few steps is left open.

    Args:
        times_ms: Ascending.
        values: None where there is none.
        most: Points that may be left, about.
    """
    step = max(1, -(-len(times_ms) // most))
    points: list[tuple[int, float | None]] = []
    for first in range(0, len(times_ms), step):
        known = [value for value in values[first : first + step] if value is not None]
        points.append((times_ms[first], sum(known) / len(known) if known else None))
    return _with_gaps(points)


def _with_gaps(points: list[tuple[int, float | None]]) -> list[tuple[int, float | None]]:
    if len(points) < 3:
        return points
    steps = sorted(later[0] - earlier[0] for earlier, later in pairwise(points))
    longest = 3 * steps[len(steps) // 2]
    found = points[:1]
    for earlier, later in pairwise(points):
        if later[0] - earlier[0] > longest:
            found.append((earlier[0] + 1, None))
        found.append(later)
    return found
