"""From every poll to one row a window: means of gauges, differences of counters. Pure.

Only good values count. What a counter went on belongs to the window of the later of two readings,
so that the windows add up to the whole. Where it rolled over, the way through its top is counted;
where it was replaced, or fell without a word, it begins anew and nothing is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from energymeter.reader.reading import EventKind, Quality
from energymeter.store.base import Every, History, Kind, Series
from energymeter.store.rows import MARK_OF, NULL, QUALITY_OF, rating_of

__all__ = ["Polls", "downsample", "history_of", "join", "last_good"]

_EXACT: Final = 2.0**53
_MARK_BITS: Final = 0x30
_ROLLED_OVER: Final = rating_of(0, Quality.GOOD, EventKind.COUNTER_ROLLED_OVER)
_NEAR: Final = 1e-3
"""A rollover begins within this share of the top; below that the top is not known."""


class Polls(NamedTuple):
    """One value of some polls by ascending time."""

    times_us: NDArray[np.int64]
    numbers: NDArray[Any]
    ratings: NDArray[np.uint8]

    def at(self, rows: Any) -> Polls:  # noqa: ANN401 - whatever an array is indexed with
        """Some of them."""
        return Polls(self.times_us[rows], self.numbers[rows], self.ratings[rows])


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
    places = np.flatnonzero(_is_good(polls))
    if not len(places):
        return None
    return polls.at(slice(int(places[-1]), int(places[-1]) + 1))


def downsample(series: Series, polls: Polls, every: Every, before: Polls | None) -> History:
    """One row for each window that has a poll.

    Args:
        series: What it is.
        polls: Those of whole windows.
        every: The window.
        before: The last good poll earlier than these, for a counter; None when there is none.
    """
    if not len(polls.times_us):
        return history_of(series, polls)
    window_us = every * 1_000_000
    begins = _begins(polls.times_us, window_us)
    is_good = _is_good(polls)
    if series.kind is Kind.COUNTER:
        sums, has = _steps(series, polls, is_good, before)
        counts = np.add.reduceat(has.astype(np.int64), begins)
        numbers = _sum_of(sums, begins, series)
    else:
        good = polls.numbers if is_good.all() else np.where(is_good, polls.numbers, 0)
        good = good.astype(np.float64, copy=False)
        counts = np.add.reduceat(is_good.astype(np.int64), begins)
        total = np.add.reduceat(good, begins)
        numbers = total / np.maximum(counts, 1)
    is_null = counts == 0
    # A window without a value says why as its last poll does.
    ends = np.append(begins[1:], len(is_good)) - 1
    ratings = np.where(is_null, polls.ratings[ends], 0).astype(np.uint8)
    is_baseline = is_null & ((ratings & 0x0F) == 0)
    ratings[is_baseline] = rating_of(None, Quality.NOT_AVAILABLE, None)
    return History(
        series=series,
        times_us=polls.times_us[begins] // window_us * window_us,
        numbers=numbers,
        is_null=is_null,
        qualities=_qualities(ratings),
        marks={
            int(np.searchsorted(begins, row, side="right")) - 1: mark
            for row, mark in _marks(polls.ratings).items()
        },
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
    )


def _begins(times_us: NDArray[np.int64], window_us: int) -> NDArray[np.intp]:
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
    series: Series, polls: Polls, is_good: NDArray[np.bool_], before: Polls | None
) -> tuple[_Sums, NDArray[np.bool_]]:
    """What each poll adds to its counter, and whether it can be told."""
    rows = np.flatnonzero(is_good)
    numbers, ratings = polls.numbers[rows], polls.ratings[rows]
    if before is not None:
        numbers = np.concatenate((before.numbers, numbers))
        ratings = np.concatenate((before.ratings, ratings))
    else:
        rows = rows[1:]
    whole, divisor = _whole(numbers, series.divisor)
    steps = np.diff(whole)
    for place in _odd(series, steps, ratings).tolist():
        steps[place] = _step_over(series, whole, place, divisor, ratings[place + 1])
    amounts = np.zeros(len(is_good), steps.dtype)
    amounts[rows] = steps
    has = np.zeros(len(is_good), np.bool_)
    has[rows] = True
    return _Sums(amounts, divisor), has


def _odd(series: Series, steps: NDArray[Any], ratings: NDArray[np.uint8]) -> NDArray[Any]:
    """The steps that are none: a mark, or the wrong way."""
    is_back = steps > 0 if series.counts_down else steps < 0
    return np.flatnonzero(is_back | ((ratings[1:] & _MARK_BITS) != 0))


def _step_over(series: Series, whole: NDArray[Any], place: int, divisor: int, rating: int) -> Any:  # noqa: ANN401 - whole number or float, as the counter's
    if (rating & _MARK_BITS) != (_ROLLED_OVER & _MARK_BITS):
        return 0
    sign = -1 if series.counts_down else 1
    last, now = whole[place] * sign, whole[place + 1] * sign
    for top in series.tops:
        end = top * divisor
        if last <= end and end - last <= _NEAR * end:
            step = (round(end) if whole.dtype == np.int64 else end) - last + now
            return step * sign
    return 0


def _whole(numbers: NDArray[Any], divisor: int) -> tuple[NDArray[Any], int]:
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


def _is_good(polls: Polls) -> NDArray[np.bool_]:
    """Good and a number."""
    is_good: NDArray[np.bool_] = (polls.ratings & (NULL | 0x0F)) == 0
    if polls.numbers.dtype == np.object_:
        is_number = [isinstance(each, (int, float)) for each in polls.numbers.tolist()]
        is_good &= np.array(is_number, np.bool_)
    elif polls.numbers.dtype == np.float64:
        is_good &= np.isfinite(polls.numbers)
    return is_good


def _qualities(ratings: NDArray[np.uint8]) -> Sequence[Quality]:
    codes = ratings & 0x0F
    if not codes.any():
        return [Quality.GOOD] * len(codes)
    return [QUALITY_OF[code] for code in codes.tolist()]


def _marks(ratings: NDArray[np.uint8]) -> Mapping[int, EventKind]:
    marks = ratings & _MARK_BITS
    return {row: MARK_OF[int(marks[row])] for row in np.flatnonzero(marks).tolist()}
