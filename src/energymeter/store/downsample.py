"""From every poll to one row a window: means of gauges, differences of counters. Pure.

Only good values count. What a counter went on belongs to the window of the later of two readings,
so that the windows add up to the whole. Where it rolled over, the way through its top is counted;
where it was replaced, or fell far without a word, it begins anew and nothing is counted. Where it
fell a little without a word, the computer's clock was set back, and polls stand between others that
were made before or after: what it fell is taken away, for it is counted once more on the way up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from energymeter.reader.reading import EventKind, Quality
from energymeter.store.base import Every, History, Kind, Series
from energymeter.store.rows import MARK_OF, NULL, QUALITY_OF, rating_of

__all__ = [
    "MARK_BITS",
    "Polls",
    "Windows",
    "begins_of",
    "downsample",
    "history_of",
    "is_good",
    "join",
    "last_good",
    "odd_steps",
    "picked",
    "regrouped",
    "told",
    "whole_numbers",
    "windows_of",
]

_EXACT: Final = 2.0**53
MARK_BITS: Final = 0x30
"""Of a byte of quality: rolled over, replaced."""

_ROLLED_OVER: Final = rating_of(0, Quality.GOOD, EventKind.COUNTER_ROLLED_OVER)
_NEAR: Final = 1e-3
"""A rollover begins within this share of the top; below that the top is not known."""

_DISORDER: Final = 0.1
"""A counter that fell by no more than this share of itself, without a mark, is the same meter."""


class Polls(NamedTuple):
    """One value of some polls by ascending time."""

    times_us: NDArray[np.int64]
    numbers: NDArray[Any]
    ratings: NDArray[np.uint8]

    def at(self, rows: Any) -> Polls:  # noqa: ANN401 - whatever an array is indexed with
        """Some of them."""
        return Polls(self.times_us[rows], self.numbers[rows], self.ratings[rows])


class Windows(NamedTuple):
    """A gauge in windows that can be put together, by ascending time."""

    times_us: NDArray[np.int64]
    sums: NDArray[np.float64]
    """Of the good values."""

    counts: NDArray[np.int64]
    """How many those are."""

    lows: NDArray[np.float64]
    """The smallest of them, infinite where there is none; `highs` likewise."""

    highs: NDArray[np.float64]
    ratings: NDArray[np.uint8]
    """Bytes of quality: the last one of each window that has no good value, and marks."""

    def at(self, rows: Any) -> Windows:  # noqa: ANN401 - whatever an array is indexed with
        """Some of them."""
        columns: list[NDArray[Any]] = [column[rows] for column in self]
        return Windows(*columns)


def history_of(series: Series, polls: Polls) -> History:
    """Each poll as a row."""
    return History(
        series=series,
        times_us=polls.times_us,
        numbers=polls.numbers,
        is_null=(polls.ratings & NULL) != 0,
        qualities=_qualities(polls.ratings),
        marks=_marks(polls.ratings),
    )


def last_good(polls: Polls) -> Polls | None:
    """The last of these polls with a good number; None when there is none."""
    places = np.flatnonzero(is_good(polls))
    if not len(places):
        return None
    return polls.at(slice(int(places[-1]), int(places[-1]) + 1))


def downsample(
    series: Series,
    polls: Polls,
    every: Every,
    before: Polls | None,
    means: Sequence[Windows] = (),
) -> History:
    """One row for each window that has a poll.

    Args:
        series: What it is.
        polls: Those of whole windows.
        every: The window.
        before: The last good poll earlier than these, for a counter; None when there is none.
        means: Of a gauge: shorter windows whose polls are gone, of the same whole windows.
    """
    window_us = every * 1_000_000
    if series.kind is not Kind.COUNTER:
        return told(series, regrouped([*means, _each_alone(polls)], window_us))
    if not len(polls.times_us):
        return history_of(series, polls)
    begins = begins_of(polls.times_us, window_us)
    sums, has = _steps(series, polls, is_good(polls), before)
    is_null = np.add.reduceat(has.astype(np.int64), begins) == 0
    ratings = _ratings_of(polls.ratings, begins, is_null)
    return History(
        series=series,
        times_us=polls.times_us[begins] // window_us * window_us,
        numbers=_sum_of(sums, begins, series),
        is_null=is_null,
        qualities=_qualities(ratings),
        marks=_marks(ratings),
    )


def windows_of(polls: Polls, window_us: int) -> Windows:
    """Polls of a gauge as windows."""
    return regrouped([_each_alone(polls)], window_us)


def regrouped(pieces: Sequence[Windows], window_us: int) -> Windows:
    """Windows of a gauge as longer ones; of one window, more than one piece may tell.

    Args:
        pieces: Each by ascending time.
        window_us: Length of the longer ones.
    """
    filled = [piece for piece in pieces if len(piece.times_us)]
    if not filled:
        return pieces[0]
    whole = filled[0] if len(filled) == 1 else _in_order(filled)
    begins = begins_of(whole.times_us, window_us)
    counts = np.add.reduceat(whole.counts, begins)
    return Windows(
        times_us=whole.times_us[begins] // window_us * window_us,
        sums=np.add.reduceat(whole.sums, begins),
        counts=counts,
        lows=np.minimum.reduceat(whole.lows, begins),
        highs=np.maximum.reduceat(whole.highs, begins),
        ratings=_ratings_of(whole.ratings, begins, counts == 0),
    )


def told(series: Series, windows: Windows) -> History:
    """Windows of a gauge as a history."""
    is_null = windows.counts == 0
    return History(
        series=series,
        times_us=windows.times_us,
        numbers=windows.sums / np.maximum(windows.counts, 1),
        is_null=is_null,
        qualities=_qualities(windows.ratings),
        marks=_marks(windows.ratings),
        counts=windows.counts,
        lows=windows.lows,
        highs=windows.highs,
    )


def join(pieces: Sequence[History]) -> History:
    """Pieces of one history, at least one, as one."""
    filled = [piece for piece in pieces if len(piece)]
    if len(filled) < 2:
        return filled[0] if filled else pieces[0]
    firsts = accumulate((len(piece) for piece in filled), initial=0)
    return History(
        series=filled[0].series,
        times_us=np.concatenate([piece.times_us for piece in filled]),
        numbers=np.concatenate([piece.numbers for piece in filled]),
        is_null=np.concatenate([piece.is_null for piece in filled]),
        qualities=[quality for piece in filled for quality in piece.qualities],
        marks={
            first + row: mark
            for first, piece in zip(firsts, filled, strict=False)
            for row, mark in piece.marks.items()
        },
        counts=_joined([piece.counts for piece in filled]),
        lows=_joined([piece.lows for piece in filled]),
        highs=_joined([piece.highs for piece in filled]),
    )


def picked(history: History, rows: NDArray[np.intp]) -> History:
    """Some rows of a history, in this order."""
    places = {row: place for place, row in enumerate(rows.tolist())}
    return replace(
        history,
        times_us=history.times_us[rows],
        numbers=history.numbers[rows],
        is_null=history.is_null[rows],
        qualities=[history.qualities[row] for row in places],
        marks={places[row]: mark for row, mark in history.marks.items() if row in places},
        counts=None if history.counts is None else history.counts[rows],
        lows=None if history.lows is None else history.lows[rows],
        highs=None if history.highs is None else history.highs[rows],
    )


def odd_steps(series: Series, polls: Polls) -> NDArray[np.intp]:
    """Where good values of a counter do not just go on: places of the value before.

    Args:
        series: What it is.
        polls: Good ones only.
    """
    whole, _ = whole_numbers(polls.numbers, series.divisor)
    return _odd(series, np.diff(whole), polls.ratings)


def _joined(columns: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
    told = [column for column in columns if column is not None]
    return np.concatenate(told) if len(told) == len(columns) else None


def _in_order(pieces: Sequence[Windows]) -> Windows:
    columns: list[NDArray[Any]] = [np.concatenate(each) for each in zip(*pieces, strict=True)]
    return Windows(*columns).at(np.argsort(columns[0], kind="stable"))


def _each_alone(polls: Polls) -> Windows:
    """Polls of a gauge as windows of one poll."""
    good = is_good(polls)
    has_all = bool(good.all())
    numbers = polls.numbers if has_all else np.where(good, polls.numbers, 0)
    sums = numbers.astype(np.float64, copy=False)
    return Windows(
        times_us=polls.times_us,
        sums=sums,
        counts=good.astype(np.int64),
        lows=sums if has_all else np.where(good, sums, np.inf),
        highs=sums if has_all else np.where(good, sums, -np.inf),
        ratings=polls.ratings,
    )


def _ratings_of(
    ratings: NDArray[np.uint8], begins: NDArray[np.intp], is_null: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The byte of quality of each window: that of its last poll where it has no value."""
    ends = np.append(begins[1:], len(ratings)) - 1
    found = np.where(is_null, ratings[ends] & 0x0F | NULL, 0).astype(np.uint8)
    found[found == NULL] = rating_of(None, Quality.NOT_AVAILABLE, None)
    for row in np.flatnonzero(ratings & MARK_BITS).tolist():
        window = int(np.searchsorted(begins, row, side="right")) - 1
        found[window] = found[window] & (0xFF ^ MARK_BITS) | ratings[row] & MARK_BITS
    return found


def begins_of(times_us: NDArray[np.int64], window_us: int) -> NDArray[np.intp]:
    """The first row of each window that has one; there is at least one row."""
    first, last = int(times_us[0]) // window_us, int(times_us[-1]) // window_us
    if last - first >= len(times_us):
        window = times_us // window_us
        return np.flatnonzero(np.diff(window, prepend=window[0] - 1))
    # Looking up the windows in many polls is quicker than dividing all their times.
    rows = np.searchsorted(times_us, np.arange(first, last + 1) * window_us)
    has_any = np.diff(rows, append=len(times_us)) > 0
    return rows[has_any]


class _Sums(NamedTuple):
    amounts: NDArray[Any]
    """What each poll adds: whole numbers where they are exact, else floats."""

    divisor: int


def _steps(
    series: Series, polls: Polls, good: NDArray[np.bool_], before: Polls | None
) -> tuple[_Sums, NDArray[np.bool_]]:
    """What each poll adds to its counter, and whether it can be told."""
    rows = np.flatnonzero(good)
    numbers, ratings = polls.numbers[rows], polls.ratings[rows]
    if before is not None:
        numbers = np.concatenate((before.numbers, numbers))
        ratings = np.concatenate((before.ratings, ratings))
    else:
        rows = rows[1:]
    whole, divisor = whole_numbers(numbers, series.divisor)
    steps = np.diff(whole)
    for place in _odd(series, steps, ratings).tolist():
        steps[place] = _step_over(series, whole, place, divisor, ratings[place + 1])
    amounts = np.zeros(len(good), steps.dtype)
    amounts[rows] = steps
    has = np.zeros(len(good), np.bool_)
    has[rows] = True
    return _Sums(amounts, divisor), has


def _odd(series: Series, steps: NDArray[Any], ratings: NDArray[np.uint8]) -> NDArray[Any]:
    """The steps that are none: a mark, or the wrong way."""
    is_back = steps > 0 if series.counts_down else steps < 0
    return np.flatnonzero(is_back | ((ratings[1:] & MARK_BITS) != 0))


def _step_over(series: Series, whole: NDArray[Any], place: int, divisor: int, rating: int) -> Any:  # noqa: ANN401 - whole number or float, as the counter's
    sign = -1 if series.counts_down else 1
    last, now = whole[place] * sign, whole[place + 1] * sign
    if not rating & MARK_BITS:
        return (now - last) * sign if last - now <= _DISORDER * last else 0
    if (rating & MARK_BITS) != (_ROLLED_OVER & MARK_BITS):
        return 0
    for top in series.tops:
        end = top * divisor
        if last <= end and end - last <= _NEAR * end:
            step = (round(end) if whole.dtype == np.int64 else end) - last + now
            return step * sign
    return 0


def whole_numbers(numbers: NDArray[Any], divisor: int) -> tuple[NDArray[Any], int]:
    """Whole numbers and what they are divided by, where the values are such; else floats."""
    if numbers.dtype == np.int64:
        return numbers, 1
    if numbers.dtype == np.bool_:
        return numbers.astype(np.int64), 1
    floats = numbers.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(floats * divisor)
        if (np.abs(scaled) < _EXACT).all() and (scaled / divisor == floats).all():
            return scaled.astype(np.int64), divisor
    return floats, 1


def _sum_of(sums: _Sums, begins: NDArray[Any], series: Series) -> NDArray[Any]:
    total: NDArray[Any] = np.add.reduceat(sums.amounts, begins)
    is_float = series.form.value == "float"
    return total / sums.divisor if sums.divisor != 1 or is_float else total


def is_good(polls: Polls) -> NDArray[np.bool_]:
    """Which of them are good and a number."""
    good: NDArray[np.bool_] = (polls.ratings & (NULL | 0x0F)) == 0
    if polls.numbers.dtype == np.object_:
        is_number = [isinstance(each, (int, float)) for each in polls.numbers.tolist()]
        good &= np.array(is_number, np.bool_)
    elif polls.numbers.dtype == np.float64:
        good &= np.isfinite(polls.numbers)
    return good


def _qualities(ratings: NDArray[np.uint8]) -> Sequence[Quality]:
    codes = ratings & 0x0F
    if not codes.any():
        return [Quality.GOOD] * len(codes)
    return [QUALITY_OF[code] for code in codes.tolist()]


def _marks(ratings: NDArray[np.uint8]) -> Mapping[int, EventKind]:
    marks = ratings & MARK_BITS
    return {row: MARK_OF[int(marks[row])] for row in np.flatnonzero(marks).tolist()}
