"""What every store offers, and the plain types it takes and gives. Knows no database.

A store keeps polls: all values of a meter at one time, with the quality of each. Which values
those are, and in which order, a `Layout` says; a meter may have another one tomorrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from energymeter.profiles import Point
from energymeter.reader.reading import EventKind, Quality, ReadReport, Value
from energymeter.values import DataType, quantity_of

__all__ = [
    "EPOCH",
    "Every",
    "Form",
    "History",
    "Kind",
    "Latest",
    "Layout",
    "Series",
    "Store",
    "StoredPoll",
    "datetime_of",
    "keys_of",
    "layout_of",
    "microseconds",
]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MARKS: Final = (EventKind.COUNTER_ROLLED_OVER, EventKind.COUNTER_REPLACED)
_NO_MARKS: Final[Mapping[int, EventKind]] = {}
_NO_TOPS: Final[Mapping[str, Sequence[float]]] = {}


def microseconds(time: datetime) -> int:
    """Microseconds since 1970, exact; raises `ValueError` for a time without a zone."""
    if time.tzinfo is None:
        msg = f"{time} has no time zone"
        raise ValueError(msg)
    return (time - EPOCH) // _MICROSECOND


def datetime_of(time_us: int) -> datetime:
    """The time that many microseconds after 1970, UTC."""
    return EPOCH + timedelta(microseconds=int(time_us))


def keys_of(meter: str | Sequence[str]) -> Sequence[str]:
    """The keys that are meant where one may be named, or several."""
    return (meter,) if isinstance(meter, str) else meter


class Kind(StrEnum):
    """What a mean of it is."""

    GAUGE = "gauge"
    """The arithmetic mean of its good values."""
    COUNTER = "counter"
    """How far it went on."""


class Form(StrEnum):
    """What its values are when they come out again."""

    FLOAT = "float"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"


class Every(IntEnum):
    """Lengths of the windows a history can be told in, in seconds.

    They begin at whole multiples of their length since 1970, so days are those of UTC.
    """

    MINUTE = 60
    QUARTER = 900
    HOUR = 3600
    DAY = 86_400


class Series(NamedTuple):
    """One value of a layout."""

    name: str
    """The point's name."""

    unit: str = ""
    type: DataType = DataType.FLOAT64
    kind: Kind = Kind.GAUGE
    form: Form = Form.FLOAT
    divisor: int = 1
    """Its values are whole numbers divided by this, where they are exact decimals."""

    tops: tuple[float, ...] = ()
    """Where a counter may start again from zero, ascending."""

    counts_down: bool = False
    """A counter that runs from zero into the negative."""


class Layout:
    """The values of a meter's polls in their order; equal layouts are kept once.

    Args:
        series: In the order of the values; names are different.
    """

    __slots__ = ("_hash", "_places", "series")

    def __init__(self, series: Iterable[Series]) -> None:
        self.series = tuple(series)
        self._places = {each.name: place for place, each in enumerate(self.series)}
        self._hash = hash(self.series)
        if len(self._places) != len(self.series):
            msg = "two values of a layout have one name"
            raise ValueError(msg)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.series == other.series

    def __hash__(self) -> int:
        return self._hash

    def __len__(self) -> int:
        return len(self.series)

    def __repr__(self) -> str:
        return f"Layout({', '.join(self._places)})"

    def place(self, name: str) -> int | None:
        """Where the value of this name stands; None when it is not there."""
        return self._places.get(name)


def layout_of(points: Sequence[Point], tops: Mapping[str, Sequence[float]] = _NO_TOPS) -> Layout:
    """The layout of the polls of these points; make it once for each reader.

    Args:
        points: In the order of the values.
        tops: Where each counter may start again from zero, by name, as `reader.counters` knows.
    """
    return Layout(_series(point, tops.get(point.name, ())) for point in points)


def _series(point: Point, tops: Sequence[float]) -> Series:
    quantity = quantity_of(point.name)
    is_counter = quantity is not None and quantity.is_counter and point.type.words > 0
    divisor = point.exact_scale.divisor
    if point.type is DataType.STRING:
        form = Form.TEXT
    elif point.type is DataType.BOOL:
        form = Form.BOOLEAN
    elif point.type.is_integer and divisor == 1 and point.scale_from is None and not point.ratio:
        form = Form.INTEGER
    else:
        form = Form.FLOAT
    return Series(
        name=point.name,
        unit=point.unit,
        type=point.type,
        kind=Kind.COUNTER if is_counter else Kind.GAUGE,
        form=form,
        divisor=divisor,
        tops=tuple(sorted(tops)),
        counts_down=point.counts_down,
    )


class StoredPoll(NamedTuple):
    """One poll of one meter, as it goes into a store."""

    meter: str
    """The meter's key, as the site names it."""

    layout: Layout
    time_us: int
    """When it was read: microseconds since 1970, UTC."""

    values: Sequence[Value]
    qualities: Sequence[Quality]
    marks: Mapping[int, EventKind] = _NO_MARKS
    """Places of counters that rolled over or were replaced with this poll."""

    @classmethod
    def of(cls, meter: str, layout: Layout, report: ReadReport) -> StoredPoll:
        """What a report gives to keep; `layout` is that of its points."""
        marks = _NO_MARKS
        if report.events:
            marks = {
                place: event.kind
                for event in report.events
                if event.kind in _MARKS and (place := layout.place(event.name)) is not None
            }
        time_us = microseconds(report.time)
        return cls(meter, layout, time_us, report.values, report.qualities, marks)


class Latest(NamedTuple):
    """The newest poll of a meter."""

    layout: Layout
    time_us: int
    """Microseconds since 1970, UTC."""

    values: Sequence[Value]
    qualities: Sequence[Quality]

    @property
    def time(self) -> datetime:
        """When it was read, UTC."""
        return datetime_of(self.time_us)


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """One value of a meter over time, in columns of equal length, by ascending time."""

    series: Series
    """What it is, as the newest poll has it."""

    times_us: NDArray[np.int64]
    """Microseconds since 1970, UTC; of windows their beginnings."""

    numbers: NDArray[Any]
    """float64, int64 or bool; objects for text and for whole numbers beyond 64 bits. Without
    meaning where `is_null`."""

    is_null: NDArray[np.bool_]
    qualities: Sequence[Quality]
    marks: Mapping[int, EventKind]
    """Rows at which the counter rolled over or was replaced."""

    counts: NDArray[np.int64] | None = None
    """How many good values stand behind each mean; None where nobody counted."""

    lows: NDArray[np.float64] | None = None
    """The smallest good value of each window of a gauge, without meaning where `is_null`."""

    highs: NDArray[np.float64] | None = None
    """The largest one, likewise."""

    def __len__(self) -> int:
        return len(self.times_us)

    @property
    def values(self) -> list[Value]:
        """The values, None where there is none."""
        values: list[Value] = self.numbers.tolist()
        for row in np.flatnonzero(self.is_null).tolist():
            values[row] = None
        return values

    @property
    def times(self) -> list[datetime]:
        """The times, UTC."""
        return [EPOCH + timedelta(microseconds=time) for time in self.times_us.tolist()]

    def rows(self) -> Iterator[tuple[datetime, Value, Quality]]:
        """Row by row."""
        return zip(self.times, self.values, self.qualities, strict=True)


class Store(Protocol):
    """Keeps polls. Calls block and may come from any thread; they raise `StoreError`s only."""

    def append(self, polls: Sequence[StoredPoll]) -> None:
        """Keep these polls, all or none; once it returns they outlive a crash.

        Order and repetition of meters and times are free; nothing is replaced.

        Raises:
            StoreFullError: There is no room; nothing was kept, the same call may come again.
            ValueError: A poll has not as many values and qualities as its layout.
        """
        ...

    def latest(self, meters: Iterable[str] | None = None) -> dict[str, Latest]:
        """The newest poll of each of these meters (None: of all) that has one, by key."""
        ...

    def history(
        self,
        meter: str | Sequence[str],
        quantity: str,
        start: datetime,
        end: datetime,
        every: Every | None = None,
    ) -> History | None:
        """One value over time; None when the store knows no such value of such a meter.

        Args:
            meter: Its key, or the keys of a meter that is kept under several: their polls are one
                history then.
            quantity: Name of the point.
            start: The first moment; with `every`, the window it lies in is told whole.
            end: The first moment that is not asked for; likewise.
            every: None: each poll. Else one row for each window with a poll: the mean of the
                good values, of a counter how far it went on since the good value before.
        """
        ...

    def meters(self) -> dict[str, Layout]:
        """The keys of all meters, each with the layout of its newest poll."""
        ...

    def first(self, meter: str) -> datetime | None:
        """When the oldest of a meter was read that can still be told, UTC; None for none."""
        ...

    def compact(self, before: datetime) -> bool:
        """Do one slice of making older polls small; returns whether there is more to do."""
        ...

    def expire(self, before: datetime) -> bool:
        """Drop one slice of what is older, by whole hours or days; returns whether there is more.

        The newest poll of a meter stays.
        """
        ...

    def check(self) -> list[str]:
        """Look through everything; one sentence for each thing that is wrong."""
        ...

    def backup(self, path: Path) -> None:
        """Write all that is kept now to another place, whole or not at all, while it runs."""
        ...

    def close(self) -> None:
        """Let go of everything; calling it again does nothing."""
        ...
