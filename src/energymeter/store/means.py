"""What is left of polls that go: readings of counters, means of gauges. Pure; knows no database.

Of counters a few polls stay as they were: the last one of each quarter of an hour, and those round
each step that is none (a rollover, a replacement, a fall). A window told from them is the same
window, digit by digit, for between them the counter just went on.

Of gauges each quarter keeps the sum and number of its good values, the smallest and the largest.
Sums of 32-bit floats are rounded to such, which costs no digit that the register had.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from energymeter.store.base import Every, Form, Kind, Layout, Series
from energymeter.store.downsample import (
    MARK_BITS,
    Polls,
    Windows,
    begins_of,
    is_good,
    odd_steps,
    regrouped,
    windows_of,
)
from energymeter.store.rows import Columns
from energymeter.values import DataType

__all__ = ["WINDOW_COLUMNS", "Shape", "Table", "means_of", "shape_of", "tallies_of", "windows_from"]

QUARTER_US: Final = Every.QUARTER * 1_000_000

WINDOW_COLUMNS: Final = 4
"""Of each gauge: sum (with its bytes of quality), count, lowest, highest."""


class Table(NamedTuple):
    """Polls of one layout in columns, by ascending time."""

    times_us: NDArray[np.int64]
    columns: Columns


class Shape:
    """How the rests of the polls of a layout stand in columns.

    Args:
        layout: That of the polls.
    """

    def __init__(self, layout: Layout) -> None:
        places = range(len(layout))
        self.counters = [p for p in places if layout.series[p].kind is Kind.COUNTER]
        self.gauges = [p for p in places if layout.series[p].kind is not Kind.COUNTER]
        self.tally = Layout(layout.series[place] for place in self.counters)
        """Columns of readings."""

        self.mean = Layout(
            Series(f"{number} {layout.series[place].name}", divisor=layout.series[place].divisor)
            for place in self.gauges
            for number in range(WINDOW_COLUMNS)
        )
        """Columns of windows."""

        self.series = layout.series

    def tally_column(self, place: int) -> int | None:
        """The column of a chunk of readings in which this value of the layout stands."""
        return self.counters.index(place) + 1 if place in self.counters else None

    def mean_column(self, place: int) -> int | None:
        """The first of its columns in a chunk of windows."""
        if place not in self.gauges:
            return None
        return self.gauges.index(place) * WINDOW_COLUMNS + 1


@lru_cache(maxsize=1000)
def shape_of(layout: Layout) -> Shape:
    """The shape of a layout, made once."""
    return Shape(layout)


def tallies_of(shape: Shape, tables: Sequence[Table], kept: Sequence[Table]) -> Table | None:
    """The readings to keep of a day; None for a layout without counters.

    Args:
        shape: That of the polls.
        tables: Polls that go, with all columns.
        kept: What was kept of that day before.
    """
    if not shape.counters:
        return None
    every = [*kept, *(_some(table, shape.counters) for table in tables)]
    times = np.concatenate([table.times_us for table in every])
    order = np.argsort(times, kind="stable")
    times = times[order]
    ratings = np.concatenate([table.columns.ratings for table in every], axis=1)[:, order]
    numbers = [
        _one_type([table.columns.numbers[place] for table in every])[order]
        for place in range(len(shape.counters))
    ]
    stays = np.zeros(len(times), np.bool_)
    stays[_ends(times)] = True
    for series, column, rated in zip(shape.tally.series, numbers, ratings, strict=True):
        _mark_needed(series, Polls(times, column, rated), stays)
    rows = np.flatnonzero(stays)
    return Table(times[rows], Columns([column[rows] for column in numbers], ratings[:, rows]))


def means_of(shape: Shape, tables: Sequence[Table], kept: Sequence[Table]) -> Table | None:
    """The windows to keep of a day; None for a layout without gauges. Arguments as above."""
    if not shape.gauges:
        return None
    numbers: list[NDArray[Any]] = []
    ratings: list[NDArray[np.uint8]] = []
    times = np.empty(0, np.int64)
    for number, place in enumerate(shape.gauges):
        first = number * WINDOW_COLUMNS
        old = [
            windows_from(
                table.times_us,
                table.columns.numbers[first : first + WINDOW_COLUMNS],
                table.columns.ratings[first],
            )
            for table in kept
        ]
        new = [
            windows_of(
                Polls(table.times_us, table.columns.numbers[place], table.columns.ratings[place]),
                QUARTER_US,
            )
            for table in tables
        ]
        windows = regrouped([*old, *new], QUARTER_US)
        times = windows.times_us
        numbers += _columns_of(windows, shape.series[place])
        plain = np.zeros(len(times), np.uint8)
        ratings += [windows.ratings, plain, plain, plain]
    return Table(times, Columns(numbers, np.array(ratings, np.uint8)))


def windows_from(
    times_us: NDArray[np.int64], numbers: Sequence[NDArray[Any]], ratings: NDArray[np.uint8]
) -> Windows:
    """The windows of a gauge from its columns."""
    sums, counts, lows, highs = numbers
    has_any = counts > 0
    return Windows(
        times_us,
        np.where(has_any, sums, 0.0),
        counts,
        np.where(has_any, lows, np.inf),
        np.where(has_any, highs, -np.inf),
        ratings,
    )


def _columns_of(windows: Windows, series: Series) -> list[NDArray[Any]]:
    has_any = windows.counts > 0
    sums = windows.sums
    if series.type is DataType.FLOAT32 and series.form is Form.FLOAT:
        with np.errstate(over="ignore"):
            rounded = sums.astype(np.float32).astype(np.float64)
        # A window of one poll, and what no such float holds, stays as it is.
        sums = np.where((windows.counts > 1) & np.isfinite(rounded), rounded, sums)
    return [
        sums,
        windows.counts,
        np.where(has_any, windows.lows, 0.0),
        np.where(has_any, windows.highs, 0.0),
    ]


def _some(table: Table, places: Sequence[int]) -> Table:
    columns = table.columns
    return Table(
        table.times_us,
        Columns([columns.numbers[place] for place in places], columns.ratings[list(places)]),
    )


def _one_type(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    if len({column.dtype for column in columns}) > 1:
        columns = [column.astype(np.object_) for column in columns]
    return np.concatenate(columns)


def _ends(times_us: NDArray[np.int64]) -> NDArray[np.intp]:
    """The last row of each quarter that has one."""
    return np.append(begins_of(times_us, QUARTER_US)[1:], len(times_us)) - 1


def _mark_needed(series: Series, polls: Polls, stays: NDArray[np.bool_]) -> None:
    """Say which polls a counter cannot do without."""
    stays |= (polls.ratings & MARK_BITS) != 0
    rows = np.flatnonzero(is_good(polls))
    if not len(rows):
        return
    # How the day goes on from the one before is not known here: its first reading stays.
    stays[rows[0]] = True
    stays[rows[_ends(polls.times_us[rows])]] = True
    odd = odd_steps(series, polls.at(rows))
    stays[rows[odd]] = True
    stays[rows[odd + 1]] = True
