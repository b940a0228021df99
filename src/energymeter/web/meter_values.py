"""The newest good values of all meters as Prometheus samples, piece by piece.

A metric's samples have to stand together, so this goes through all meters once for each metric.
What is the same for all meters of a kind is worked out once: 250,000 samples are to be written in
less than a second, and each piece so small that the polls in the same loop do not notice.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from math import inf
from typing import Final, NamedTuple

from energymeter.reader.reading import Quality, ReadReport, Value
from energymeter.service.sink import MeterInfo
from energymeter.service.snapshot import MeterState, Snapshot
from energymeter.site.sinks import PrometheusEntry
from energymeter.store.base import Form, Kind, Series
from energymeter.values.exposition import prometheus_name
from energymeter.web.meter_labels import MeterLabels
from energymeter.web.text_format import Dialect, Family, finite, head, label_block
from energymeter.web.text_format import Kind as MetricKind

__all__ = ["MeterValues"]

_STALE_AFTER_INTERVALS: Final = 3.0
"""A value that was not renewed for so many intervals of its meter disappears."""

_MOST_SHAPES: Final = 1000
"""Kinds of meters that are remembered; a site has fewer, unless it is changed over and over."""

_PIECE: Final = 500
"""Meters looked at for one piece of the text."""


class _Column(NamedTuple):
    """One value of all meters of a kind."""

    place: int
    """In the report."""

    metric: str
    is_counter: bool
    factor: float | None
    """What its values are multiplied by; None: they are written as they are."""

    is_odd: bool
    """Its values may be text, or True and False."""

    point: str
    """A further label, where a meter has several values of this metric; else empty."""


_Columns = tuple[_Column, ...]
_Row = tuple[str, Sequence[Value], Sequence[Quality]]
_Shape = tuple[tuple[Series, ...], tuple[tuple[str, ...] | None, ...]]


class _Known(NamedTuple):
    """What was worked out for a meter, and of what."""

    info: MeterInfo
    points: tuple[object, ...]
    columns: tuple[_Columns, ...]


class MeterValues:
    """Writes the values of a site's meters.

    Args:
        snapshot: Where the values stand.
        entry: Which of them are wanted.
        labels: Writes the labels.
        reserved: Names of metrics that are something else.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        entry: PrometheusEntry,
        labels: MeterLabels,
        reserved: Container[str],
    ) -> None:
        self._snapshot = snapshot
        self._entry = entry
        self._labels = labels
        self._reserved = reserved
        self._known: dict[str, _Known] = {}
        self._shapes: dict[_Shape, tuple[_Columns, ...]] = {}

    def pieces(self, now: datetime, dialect: Dialect) -> Iterator[str]:
        """The text, in pieces; an empty one lets others have their turn."""
        kinds: dict[int, tuple[_Columns, list[_Row]]] = {}
        yield from self._gather(now, kinds)
        metrics: dict[str, tuple[bool, list[tuple[_Column, list[_Row]]]]] = {}
        for columns, rows in kinds.values():
            for column in columns:
                _, parts = metrics.setdefault(column.metric, (column.is_counter, []))
                parts.append((column, rows))
        for metric, (is_counter, parts) in metrics.items():
            # OpenMetrics calls a counter by its name without the ending: that name is taken then.
            name = metric if f"{metric}_total" not in metrics else f"{metric}_value"
            yield from self._metric(name, is_counter, parts, dialect)

    def _gather(
        self, now: datetime, kinds: dict[int, tuple[_Columns, list[_Row]]]
    ) -> Iterator[str]:
        """Take hold of the reports as they are now, meters of a kind together."""
        links = self._labels.links()
        for gone in self._known.keys() - self._snapshot.meters.keys():
            del self._known[gone]
        for count, (name, state) in enumerate(list(self._snapshot.meters.items())):
            if count % 100 == 99:
                yield ""
            columns_of_courses = self._columns(state)
            if not columns_of_courses:
                continue
            block = self._labels.block(state.info, links.get(name, state.info.link))
            for report, interval_s, columns in zip(
                state.reports, state.intervals_s, columns_of_courses, strict=True
            ):
                if report is None or not columns:
                    continue
                limit_s = self._entry.stale_after or _STALE_AFTER_INTERVALS * interval_s
                # A good value has the time of its report.
                if report.time >= now - timedelta(seconds=limit_s):
                    # By identity: to compare them takes longer than to write them.
                    _, rows = kinds.setdefault(id(columns), (columns, []))
                    rows.append((block, report.values, report.qualities))

    def _columns(self, state: MeterState) -> tuple[_Columns, ...]:
        """What of each course of a meter is written; the same object for meters of a kind."""
        info = state.info
        points = tuple(None if each is None else each.points for each in state.reports)
        known = self._known.get(info.name)
        if known is not None and known.info is info and _are_same(known.points, points):
            return known.columns
        columns: tuple[_Columns, ...] = ()
        if any(fnmatchcase(info.name, pattern) for pattern in self._entry.meters):
            shape = (info.series, tuple(_names(report) for report in state.reports))
            columns = self._shapes.get(shape, ())
            if not columns:
                if len(self._shapes) >= _MOST_SHAPES:
                    self._shapes.clear()
                columns = self._shapes[shape] = self._work_out(*shape)
        self._known[info.name] = _Known(info, points, columns)
        return columns

    def _work_out(
        self, series: tuple[Series, ...], names: tuple[tuple[str, ...] | None, ...]
    ) -> tuple[_Columns, ...]:
        wanted = {
            each.name: each
            for each in series
            if any(fnmatchcase(each.name, pattern) for pattern in self._entry.points)
        }
        metrics: set[str] = set()
        courses = []
        for course in names:
            columns = []
            for place, name in enumerate(course or ()):
                # What tells a scale may be read by several courses: the fastest has the newest.
                each = wanted.pop(name, None)
                if each is None:
                    continue
                column = self._column(place, each, is_doubled=False)
                if column.metric in metrics:
                    column = self._column(place, each, is_doubled=True)
                metrics.add(column.metric)
                columns.append(column)
            courses.append(tuple(columns))
        return tuple(courses)

    def _column(self, place: int, series: Series, *, is_doubled: bool) -> _Column:
        is_counter = series.kind is Kind.COUNTER
        metric, factor = prometheus_name(series.name, series.unit, is_counter)
        if metric in self._reserved:
            metric = f"{metric.removesuffix('_total')}_value{'_total' if is_counter else ''}"
        if series.counts_down:
            factor = -factor
        return _Column(
            place=place,
            metric=metric,
            is_counter=is_counter,
            factor=None if factor == 1.0 else factor,
            is_odd=series.form in (Form.TEXT, Form.BOOLEAN),
            point=series.name if is_doubled else "",
        )

    def _metric(
        self,
        name: str,
        is_counter: bool,
        parts: list[tuple[_Column, list[_Row]]],
        dialect: Dialect,
    ) -> Iterator[str]:
        points = ", ".join(sorted({column.point for column, _ in parts} - {""}))
        about = name.removeprefix("energymeter_").removesuffix("_total").replace("_", " ")
        text = f"{about}, as the meter tells it{points and f'; also {points}'}"
        kind = MetricKind.COUNTER if is_counter else MetricKind.GAUGE
        start = head(Family(name, kind, text), dialect)
        for column, rows in parts:
            for first in range(0, len(rows), _PIECE):
                piece = _lines(name, column, rows[first : first + _PIECE])
                if piece:
                    yield start + finite(piece)
                    start = ""
                else:
                    yield ""


def _lines(name: str, column: _Column, rows: list[_Row]) -> str:
    place, factor, good = column.place, column.factor, Quality.GOOD
    if column.is_odd:
        rows = [(block, _numbers(values), qualities) for block, values, qualities in rows]
    if column.point:
        further = label_block({"point": column.point})[1:]
        rows = [(f"{block[:-1]},{further}", values, qualities) for block, values, qualities in rows]
    # A counter below zero would make the whole page invalid. What is no number is at least nothing.
    least = 0.0 if column.is_counter else -inf
    if factor is None:
        return "".join(
            f"{name}{block} {value!r}\n"
            for block, values, qualities in rows
            if qualities[place] is good and (value := values[place]) is not None and value >= least  # type: ignore[operator]
        )
    return "".join(
        f"{name}{block} {number:.15g}\n"
        for block, values, qualities in rows
        if qualities[place] is good
        and (value := values[place]) is not None
        and (number := value * factor) >= least  # type: ignore[operator]
    )


def _numbers(values: Sequence[Value]) -> Sequence[Value]:
    """Values with 1 and 0 for True and False, and None for text."""
    return [
        None if isinstance(value, str) else int(value) if isinstance(value, bool) else value
        for value in values
    ]


def _names(report: ReadReport | None) -> tuple[str, ...] | None:
    return None if report is None else tuple(point.name for point in report.points)


def _are_same(some: tuple[object, ...], others: tuple[object, ...]) -> bool:
    return len(some) == len(others) and all(
        one is other for one, other in zip(some, others, strict=True)
    )
