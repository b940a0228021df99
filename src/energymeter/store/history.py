"""One value over time, told the same way by SQLite and PostgreSQL. Pure; knows no database.

A store is a `Source`: it gives the polls of some time in segments, one layout each, in any order.
Here they are put in order, brought to one unit, and made into windows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from energymeter.reader.reading import Quality
from energymeter.store.base import Every, History, Kind, Series
from energymeter.store.downsample import (
    Polls,
    Windows,
    downsample,
    history_of,
    join,
    last_good,
    picked,
)
from energymeter.store.rows import NULL, TYPES, rating_of
from energymeter.values import quantity_of, unit_factor

__all__ = ["Mean", "Rests", "Segment", "Source", "tell"]

_HOUR_US: Final = 3_600_000_000
_DAY_US: Final = 24 * _HOUR_US

_LOOK_BACK: Final = (1, 24, 24 * 32)
"""Hours in which the good value of a counter before a window is looked for, one after the other."""

_MOST_STEPS: Final = 64

_NO_VALUE: Final = rating_of(None, Quality.NOT_AVAILABLE, None)


class Segment(NamedTuple):
    """Polls of one layout."""

    series: Series
    polls: Polls


class Mean(NamedTuple):
    """Windows of a gauge of one layout, whose polls are gone."""

    series: Series
    windows: Windows


class Source(Protocol):
    """One value of one meter in some store, at one moment."""

    def newest(self) -> Series | None:
        """What the value is in the newest poll that has it; None when none has."""
        ...

    def segments(self, start_us: int, end_us: int) -> Iterable[Segment]:
        """Its polls of this time, of a layout in the order they came; others may be among them."""
        ...


class Rests(Protocol):
    """What a store has of polls that are gone, of the same value; see `means`."""

    def tallies(self, start_us: int, end_us: int) -> Iterable[Segment]:
        """The readings of a counter that stayed, as `Source.segments` gives polls."""
        ...

    def means(self, start_us: int, end_us: int) -> Iterable[Mean]:
        """The windows of 15 minutes of a gauge; others may be among them."""
        ...


def tell(
    source: Source, start_us: int, end_us: int, every: Every | None, rests: Rests | None = None
) -> History | None:
    """See `Store.history`.

    Args:
        source: The polls.
        start_us: Microseconds since 1970, as the rest.
        end_us: Likewise.
        every: See there.
        rests: Of a store that keeps something of polls that are gone.
    """
    series = source.newest()
    if series is None:
        return None
    if every is None:
        segments = source.segments(start_us, end_us)
        return history_of(series, _in_order(segments, series, start_us, end_us))
    window_us = every * 1_000_000
    start_us = start_us // window_us * window_us
    end_us = -(-end_us // window_us) * window_us
    return _windows(_Teller(source, series, rests), start_us, end_us, every)


def _windows(teller: _Teller, start_us: int, end_us: int, every: Every) -> History:
    """Some days at a time: polls that stay in the processor's cache take half the time."""
    series, is_counter = teller.series, teller.series.kind is Kind.COUNTER
    before = teller.before(start_us) if is_counter else None
    step_us = _DAY_US * max(-(-(end_us - start_us) // (_MOST_STEPS * _DAY_US)), 1)
    pieces = []
    for begin_us in range(start_us // _DAY_US * _DAY_US, max(end_us, start_us + 1), step_us):
        span = max(begin_us, start_us), min(begin_us + step_us, end_us)
        own, polls = teller.polls(*span)
        means = teller.means(*span) if every >= Every.QUARTER and not is_counter else []
        found = downsample(series, polls, every, before, means)
        if every < Every.QUARTER and polls is not own:
            # A reading that stayed is where a shorter window begins, but makes none itself.
            has_own = np.isin(
                found.times_us, own.times_us // (every * 1_000_000) * every * 1_000_000
            )
            found = picked(found, np.flatnonzero(has_own))
        pieces.append(found)
        before = (last_good(polls) or before) if is_counter else None
    return join(pieces)


class _Teller(NamedTuple):
    source: Source
    series: Series
    rests: Rests | None

    def polls(self, start_us: int, end_us: int) -> tuple[Polls, Polls]:
        """Those of this time, and those with the readings of a counter that stayed."""
        times = start_us, end_us
        segments = list(self.source.segments(*times))
        own = _in_order(segments, self.series, *times)
        if self.series.kind is Kind.COUNTER and self.rests is not None:
            tallies = _in_order(self.rests.tallies(*times), self.series, *times)
            if len(tallies.times_us):
                stayed = Segment(self.series, tallies)
                return own, _in_order([*segments, stayed], self.series, *times)
        return own, own

    def means(self, start_us: int, end_us: int) -> list[Windows]:
        """The windows of polls that are gone, in the unit of the newest."""
        if self.rests is None:
            return []
        times = start_us, end_us
        return [
            _windows_in_unit(_windows_of(mean.windows, *times), mean.series, self.series)
            for mean in self.rests.means(*times)
        ]

    def before(self, time_us: int) -> Polls | None:
        """The last good poll before this time, within 32 days."""
        end_us = time_us
        for hours in _LOOK_BACK:
            start_us = time_us - hours * _HOUR_US
            found = last_good(self.polls(start_us, end_us)[1])
            if found is not None:
                return found
            end_us = start_us
        return None


def _in_order(segments: Iterable[Segment], series: Series, start_us: int, end_us: int) -> Polls:
    """The polls of this time, by time."""
    columns = [_in_unit(segment, series) for segment in segments]
    if not columns:
        empty = np.empty(0, TYPES[series.form])
        return Polls(np.empty(0, np.int64), empty, np.empty(0, np.uint8))
    if len({each.numbers.dtype for each in columns}) > 1:
        columns = [c._replace(numbers=c.numbers.astype(np.object_)) for c in columns]
    times, numbers, ratings = (np.concatenate(column) for column in zip(*columns, strict=True))
    return _in_form(_cut(Polls(times, numbers, ratings), start_us, end_us), series)


def _in_form(polls: Polls, series: Series) -> Polls:
    """The polls in the form of the newest where all fit it; what else was read has no say."""
    numbers, form = polls.numbers, TYPES[series.form]
    if numbers.dtype == form:
        return polls
    known = np.where((polls.ratings & NULL) != 0, 0, numbers)
    try:
        with np.errstate(invalid="ignore"):
            column = known.astype(form)
    except (ValueError, TypeError, OverflowError):
        return polls._replace(numbers=numbers.astype(np.object_))
    is_same = column.tolist() == known.tolist()
    return polls._replace(numbers=column if is_same else numbers.astype(np.object_))


def _cut(polls: Polls, start_us: int, end_us: int) -> Polls:
    """Those of this time, by time; of one time in the order they came."""
    times = polls.times_us
    if (times[1:] < times[:-1]).any():
        order = np.argsort(times, kind="stable")
        polls = polls.at(order)
        times = polls.times_us
    at = slice(*np.searchsorted(times, (start_us, end_us), side="left").tolist())
    return polls.at(at)


def _in_unit(segment: Segment, series: Series) -> Polls:
    """The polls in the unit of the newest; null where the two units have nothing in common."""
    polls, unit = segment.polls, segment.series.unit
    if unit == series.unit:
        return polls
    factor = _factor(segment.series, series)
    if factor is None or polls.numbers.dtype == np.object_:
        return polls._replace(ratings=np.full(len(polls.ratings), _NO_VALUE, np.uint8))
    numbers: NDArray[Any] = polls.numbers * factor if factor >= 1 else polls.numbers / (1 / factor)
    return polls._replace(numbers=numbers)


def _windows_of(windows: Windows, start_us: int, end_us: int) -> Windows:
    return windows.at(slice(*np.searchsorted(windows.times_us, (start_us, end_us)).tolist()))


def _windows_in_unit(windows: Windows, old: Series, series: Series) -> Windows:
    if old.unit == series.unit:
        return windows
    factor = _factor(old, series)
    if factor is not None:
        return windows._replace(
            sums=windows.sums * factor, lows=windows.lows * factor, highs=windows.highs * factor
        )
    count = len(windows.times_us)
    return Windows(
        windows.times_us,
        np.zeros(count),
        np.zeros(count, np.int64),
        np.full(count, np.inf),
        np.full(count, -np.inf),
        np.full(count, _NO_VALUE, np.uint8),
    )


def _factor(old: Series, new: Series) -> float | None:
    quantity = quantity_of(new.name)
    if quantity is None:
        return None
    base = quantity.unit
    first, second = unit_factor(old.unit, base), unit_factor(new.unit, base)
    return None if first is None or second is None else first / second
