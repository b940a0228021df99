"""What the embedded store is asked: the newest polls, and one value over time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from energymeter.store.base import Every, History, Latest, Layout, Series
from energymeter.store.chunks import Part, columns_of, decode_times, decode_values
from energymeter.store.downsample import Polls
from energymeter.store.history import Mean, Segment, tell
from energymeter.store.means import WINDOW_COLUMNS, shape_of, windows_from
from energymeter.store.pool import Pool
from energymeter.store.schema import HOUR_US, METER_BITS, chunk_key, chunk_tables, hour_of_chunk

__all__ = ["meters", "read_first", "read_history", "read_latest"]

_HOT: Final = f"""
SELECT p.time, p.layout, p.body
FROM round r LEFT JOIN job j ON j.id = r.job CROSS JOIN poll p ON p.id = (r.id << {METER_BITS}) + ?
WHERE r.hour BETWEEN ? AND ? AND (j.id IS NULL OR j.done < ?)
ORDER BY r.id
"""  # noqa: S608 - a number of ours

_TIMES: Final = """
SELECT id, layout, head, last, count, body FROM {} WHERE id >= ? AND id < ? AND first = 0
"""

_VALUES: Final = """
SELECT id, head, first, last, body FROM {}
WHERE id >= ? AND id < ? AND layout = ? AND first <= ? AND last >= ? AND first > 0
"""

_OLDEST_HOT: Final = f"""
SELECT p.time FROM round r CROSS JOIN poll p ON p.id = (r.id << {METER_BITS}) + ?
ORDER BY r.hour, p.time LIMIT 1
"""  # noqa: S608 - a number of ours

_LATEST: Final = """
SELECT m.key, l.time, l.layout, l.body FROM latest l JOIN meter m ON m.id = l.meter
"""

_NEWEST: Final = "SELECT time, layout FROM latest WHERE meter = ?"

_DAY_US: Final = 24 * HOUR_US


class _Found(NamedTuple):
    """Neighbouring columns of a chunk."""

    series: Series
    times_us: NDArray[np.int64]
    columns: list[tuple[NDArray[Any], NDArray[np.uint8]]]


def read_latest(pool: Pool, asked: Iterable[str] | None) -> dict[str, Latest]:
    """See `Store.latest`."""
    found: dict[str, Latest] = {}
    with pool.reading() as connection:
        if asked is None:
            rows: Iterable[tuple[str, int, int, bytes]] = connection.execute(_LATEST)
        else:
            rows = (
                row
                for key in asked
                for row in connection.execute(f"{_LATEST} WHERE m.key = ?", (key,))
            )
        for key, time_us, layout, body in rows:
            found[key] = pool.codec(connection, layout).decode(time_us, body)
    return found


def meters(pool: Pool) -> dict[str, Layout]:
    """See `Store.meters`."""
    with pool.reading() as connection:
        return {
            key: pool.codec(connection, layout).layout
            for key, _, layout, _ in connection.execute(f"{_LATEST} ORDER BY m.key")
        }


def read_history(  # noqa: PLR0913, PLR0917 - what is asked for
    pool: Pool,
    keys: Sequence[str],
    quantity: str,
    start_us: int,
    end_us: int,
    every: Every | None,
) -> History | None:
    """See `Store.history`."""
    with pool.reading() as connection:
        meters = [
            number
            for key in keys
            for (number,) in connection.execute("SELECT id FROM meter WHERE key = ?", (key,))
        ]
        if not meters:
            return None
        reader = _Reader(pool, connection, meters, quantity)
        return tell(reader, start_us, end_us, every, reader)


def read_first(pool: Pool, meter: str) -> int | None:
    """The time of the oldest poll, or window, that is there of a meter, us; None for none."""
    with pool.reading() as connection:
        found = connection.execute("SELECT id FROM meter WHERE key = ?", (meter,)).fetchone()
        if found is None:
            return None
        (number,) = found
        times = [time for (time,) in connection.execute(_OLDEST_HOT, (number,))]
        keys = chunk_key(number, 0), chunk_key(number + 1, 0)
        for table in chunk_tables(connection):
            for _, _, _, last, count, body in connection.execute(
                f"{_TIMES.format(table)} ORDER BY id LIMIT 1", keys
            ):
                times.append(int(decode_times(columns_of(Part(0, last, body))[0], count)[0]))
    return min(times, default=None)


def _column_of_chunk(_layout: Layout, place: int) -> int | None:
    return place + 1


def _column_of_tally(layout: Layout, place: int) -> int | None:
    return shape_of(layout).tally_column(place)


def _column_of_mean(layout: Layout, place: int) -> int | None:
    return shape_of(layout).mean_column(place)


class _Reader:
    """One value of one meter within a transaction: a `Source`, and its `Rests`.

    Args:
        pool: Knows the layouts.
        connection: Within a transaction.
        meters: Numbers of the keys the meter is kept under.
        quantity: Name of the value.
    """

    def __init__(
        self, pool: Pool, connection: sqlite3.Connection, meters: Sequence[int], quantity: str
    ) -> None:
        self._pool = pool
        self._connection = connection
        self._meters = meters
        self._quantity = quantity
        self._tables = chunk_tables(connection)

    def segments(self, start_us: int, end_us: int) -> Iterator[Segment]:
        """See `Source.segments`."""
        yield from self._chunks(start_us, end_us)
        yield from self._hot(start_us, end_us)

    def tallies(self, start_us: int, end_us: int) -> Iterator[Segment]:
        """See `Rests.tallies`."""
        days = max(start_us // _DAY_US, 0), max(-(-end_us // _DAY_US), 0)
        for series, times_us, columns in self._found("tally", days, _column_of_tally, 1):
            yield Segment(series, Polls(times_us, *columns[0]))

    def means(self, start_us: int, end_us: int) -> Iterator[Mean]:
        """See `Rests.means`."""
        days = max(start_us // _DAY_US, 0), max(-(-end_us // _DAY_US), 0)
        for series, times_us, columns in self._found("mean", days, _column_of_mean, WINDOW_COLUMNS):
            numbers = [values for values, _ in columns]
            yield Mean(series, windows_from(times_us, numbers, columns[0][1]))

    def newest(self) -> Series | None:
        """See `Source.newest`."""
        latest = sorted(
            (row for meter in self._meters for row in self._connection.execute(_NEWEST, (meter,))),
            reverse=True,
        )
        # A value that the newest polls have not: any layout the meter ever had.
        older = self._connection.execute("SELECT id FROM layout ORDER BY id DESC").fetchall()
        newest = [layout for _, layout in latest]
        for number in dict.fromkeys([*newest, *(layout for (layout,) in older)]):
            layout = self._pool.codec(self._connection, number).layout
            place = layout.place(self._quantity)
            if place is None:
                continue
            if number in newest or any(self._has_used(meter, number) for meter in self._meters):
                return layout.series[place]
        return None

    def _has_used(self, meter: int, layout: int) -> bool:
        low, high = chunk_key(meter, 0), chunk_key(meter + 1, 0)
        connection = self._connection
        for table in self._tables:
            statement = f"SELECT 1 FROM {table} WHERE id >= ? AND id < ? AND layout = ? LIMIT 1"  # noqa: S608 - a name of ours
            if connection.execute(statement, (low, high, layout)).fetchone() is not None:
                return True
        statement = (
            f"SELECT 1 FROM round r CROSS JOIN poll p ON p.id = (r.id << {METER_BITS}) + ? "  # noqa: S608
            "WHERE p.layout = ? LIMIT 1"
        )
        return connection.execute(statement, (meter, layout)).fetchone() is not None

    def _hot(self, start_us: int, end_us: int) -> Iterator[Segment]:
        hours = (start_us // HOUR_US, (end_us - 1) // HOUR_US)
        by_layout: dict[int, tuple[list[int], list[bytes]]] = {}
        for meter in self._meters:
            for time_us, number, body in self._connection.execute(_HOT, (meter, *hours, meter)):
                times, bodies = by_layout.setdefault(number, ([], []))
                times.append(time_us)
                bodies.append(body)
        for number, (times, bodies) in by_layout.items():
            codec = self._pool.codec(self._connection, number)
            place = codec.layout.place(self._quantity)
            if place is None:
                continue
            columns = codec.columns(bodies)
            yield Segment(
                codec.layout.series[place],
                Polls(np.array(times, np.int64), columns.numbers[place], columns.ratings[place]),
            )

    def _chunks(self, start_us: int, end_us: int) -> Iterator[Segment]:
        hours = max(start_us // HOUR_US, 0), max(-(-end_us // HOUR_US), 0)
        for series, times_us, columns in self._found("chunk", hours, _column_of_chunk, 1):
            yield Segment(series, Polls(times_us, *columns[0]))

    def _found(
        self,
        table: str,
        periods: tuple[int, int],
        column_of: Callable[[Layout, int], int | None],
        width: int,
    ) -> Iterator[_Found]:
        """The columns of the value in the chunks of some hours (of means: days)."""
        first, end = periods
        if table not in self._tables or end <= first:
            return
        for meter in self._meters:
            keys = chunk_key(meter, first), chunk_key(meter, end)
            yield from self._found_between(table, keys, column_of, width)

    def _found_between(
        self,
        table: str,
        keys: tuple[int, int],
        column_of: Callable[[Layout, int], int | None],
        width: int,
    ) -> Iterator[_Found]:
        heads = self._connection.execute(_TIMES.format(table), keys).fetchall()
        wanted: dict[int, tuple[Series, range]] = {}
        for number in {head[1] for head in heads}:
            layout = self._pool.codec(self._connection, number).layout
            place = layout.place(self._quantity)
            column = None if place is None else column_of(layout, place)
            if place is not None and column is not None:
                wanted[number] = layout.series[place], range(column, column + width)
        pieces = {
            (hour_of_chunk(key), head, column): piece
            for number, (_, columns) in wanted.items()
            for key, head, first, last, body in self._connection.execute(
                _VALUES.format(table), (*keys, number, columns[-1], columns[0])
            )
            for column, piece in enumerate(columns_of(Part(first, last, body)), first)
            if column in columns
        }
        for key, number, head, last, count, body in heads:
            if number not in wanted:
                continue
            series, columns = wanted[number]
            with_times = columns_of(Part(0, last, body))
            here = hour_of_chunk(key), head
            yield _Found(
                series,
                decode_times(with_times[0], count),
                [
                    decode_values(with_times[c] if c <= last else pieces[*here, c], count)
                    for c in columns
                ],
            )
