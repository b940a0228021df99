"""What stands in which column: meters, the values of one, links, events, frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from energymeter.tui.grid import Column, Row, Table
from energymeter.tui.source import EventRow, Figure, LinkRow, MeterRow, ValueRow
from energymeter.tui.trace import TraceRow
from energymeter.tui.words import (
    age_text,
    clock_text,
    figure_text,
    lateness_text,
    part_text,
    thought_text,
)

__all__ = ["EVENTS", "FRAMES", "LINKS", "METERS", "SORTS", "VALUES", "is_found", "is_sorted_down"]


def _meter(meter: MeterRow) -> Row:
    style = {"silent": "bad", "waiting": "dim"}.get(meter.state, "")
    if not style and meter.quality == "stale":
        style = "dim"
    return Row(
        (
            meter.name,
            meter.state,
            figure_text(meter.now),
            figure_text(meter.total),
            meter.quality.replace("_", " "),
            age_text(meter.age_s),
            lateness_text(meter.lateness_s if meter.polls else None),
            str(meter.polls),
            meter.link,
            meter.fault or meter.profile,
        ),
        style,
    )


METERS: Final = Table(
    (
        Column("meter", 15, weight=3),
        Column("state", 7),
        Column("now", 15, is_right=True),
        Column("counted", 17, is_right=True),
        Column("quality", 8),
        Column("age", 6, is_right=True),
        Column("late", 6, is_right=True),
        Column("polls", 8, is_right=True, rank=2),
        Column("link", 16, weight=1, rank=3),
        Column("profile, or what is wrong", 25, weight=5, rank=1),
    ),
    key=lambda meter: meter.name,
    row=_meter,
)


def _value(value: ValueRow) -> Row:
    style = {"good": "", "stale": "dim", "not_available": "dim"}.get(value.quality, "bad")
    return Row(
        (
            value.name,
            value.text,
            value.unit,
            value.quality.replace("_", " "),
            age_text(value.age_s),
            value.reason,
        ),
        style,
    )


VALUES: Final = Table(
    (
        Column("value", 30, weight=1),
        Column("", 14, is_right=True),
        Column("unit", 6),
        Column("quality", 13),
        Column("age", 6, is_right=True),
        Column("why", 6, weight=3, rank=1),
    ),
    key=lambda value: value.name,
    row=_value,
)


def _link(link: LinkRow) -> Row:
    is_narrow = link.wanted > 1
    return Row(
        (
            link.name,
            "lost" if link.fault else "open" if link.is_open else "closed",
            str(link.meters),
            part_text(link.utilisation),
            part_text(link.wanted),
            thought_text(link.latency_s),
            str(link.requests),
            str(link.timeouts),
            str(link.refusals),
            str(link.faults),
            str(link.skipped),
            link.fault or link.url,
        ),
        "bad" if link.fault or is_narrow else "",
    )


LINKS: Final = Table(
    (
        Column("link", 12, weight=2),
        Column("state", 6),
        Column("meters", 6, is_right=True),
        Column("busy", 5, is_right=True),
        Column("wanted", 6, is_right=True),
        Column("answers", 7, is_right=True),
        Column("asked", 10, is_right=True),
        Column("timeout", 7, is_right=True),
        Column("refused", 7, is_right=True),
        Column("wrong", 5, is_right=True),
        Column("skipped", 7, is_right=True, rank=2),
        Column("where, or what is wrong", 24, weight=3, rank=1),
    ),
    key=lambda link: link.name,
    row=_link,
)


def _event(event: EventRow) -> Row:
    style = {"error": "bad", "warning": "bold"}.get(event.level, "")
    return Row(
        (
            clock_text(event.time),
            event.level,
            f"{event.topic} {event.name}".rstrip(),
            event.text,
        ),
        style,
    )


EVENTS: Final = Table(
    (
        Column("time", 8),
        Column("level", 7),
        Column("about", 18, weight=1),
        Column("what", 20, weight=4),
    ),
    key=lambda event: str(event.number),
    row=_event,
)

_ARROWS: Final = {"sent": ">", "received": "<", "opened": "*", "timed_out": "?", "lost": "!"}
"""As `--trace` has them."""


def _frame(frame: TraceRow) -> Row:
    style = "bad" if frame.kind in ("timed_out", "lost") else ""
    return Row(
        (
            clock_text(frame.time, is_fine=True),
            _ARROWS.get(frame.kind, ""),
            frame.words,
            frame.data,
        ),
        style,
    )


FRAMES: Final = Table(
    (
        Column("time", 12),
        Column("", 1),
        Column("frames", 60, weight=1),
        Column("bytes", 30, weight=1, rank=1),
    ),
    key=lambda frame: str(frame.number),
    row=_frame,
)


def _number(figure: Figure | None) -> tuple[Any, ...]:
    """Those of one unit stand together, the largest first."""
    if figure is None or figure.value is None:
        return (1, "", 0.0)
    return (0, figure.unit, -figure.value)


_STATES: Final = ("silent", "waiting", "alive")

SORTS: Final[tuple[tuple[int, Callable[[MeterRow], Any]], ...]] = (
    (0, lambda meter: meter.name.lower()),
    (1, lambda meter: _STATES.index(meter.state) if meter.state in _STATES else 0),
    (2, lambda meter: _number(meter.now)),
    (3, lambda meter: _number(meter.total)),
    (4, lambda meter: (meter.quality == "good", meter.quality)),
    (5, lambda meter: -(meter.age_s or 0.0)),
    (6, lambda meter: -meter.lateness_s),
    (7, lambda meter: -meter.polls),
    (8, lambda meter: (meter.link.lower(), meter.unit)),
)
"""The columns meters can be sorted by, and by what: first what one looks for."""


def is_sorted_down(column: int, *, is_turned: bool) -> bool:
    """Whether the largest stands first."""
    return (column in (2, 3, 5, 6, 7)) != is_turned


def is_found(meter: MeterRow, words: Sequence[str]) -> bool:
    """Whether all of these words, in lower case, stand in what is known of a meter."""
    if not words:
        return True
    text = f"{meter.name} {meter.state} {meter.link} {meter.profile} {meter.labels} {meter.fault}"
    lower = text.lower()
    return all(word in lower for word in words)
