"""What the embedded store is asked: the newest polls, and one value over time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from energymeter.reader.reading import Quality
from energymeter.store.base import Every, History, Kind, Latest, Layout, Series
from energymeter.store.chunks import Part, columns_of, decode_times, decode_values
from energymeter.store.downsample import Polls, downsample, history_of, join, last_good
from energymeter.store.pool import Pool
from energymeter.store.rows import rating_of
from energymeter.store.schema import HOUR_US, METER_BITS, chunk_key, hour_of_chunk
from energymeter.values import quantity_of, unit_factor

__all__ = ["meters", "read_history", "read_latest"]

_HOT: Final = f"""
SELECT p.time, p.layout, p.body
FROM round r LEFT JOIN job j ON j.id = r.job CROSS JOIN poll p ON p.id = (r.id << {METER_BITS}) + ?
WHERE r.hour BETWEEN ? AND ? AND (j.id IS NULL OR j.done < ?)
ORDER BY r.id
"""  # noqa: S608 - a number of ours

_TIMES: Final = """
SELECT id, layout, head, last, count, body FROM chunk WHERE id >= ? AND id < ? AND first = 0
"""

_VALUES: Final = """
SELECT id, head, first, last, body FROM chunk
WHERE id >= ? AND id < ? AND layout = ? AND first <= ? AND last >= ? AND first > 0
"""

_LATEST: Final = """
SELECT m.key, l.time, l.layout, l.body FROM latest l JOIN meter m ON m.id = l.meter
"""

_LOOK_BACK: Final = (1, 24, 24 * 32)
"""Hours in which the good value of a counter before a window is looked for, one after the other."""

_DAY_US: Final = 24 * HOUR_US
_MOST_STEPS: Final = 64

_NO_VALUE: Final = rating_of(None, Quality.NOT_AVAILABLE, None)


class _Segment(NamedTuple):
    series: Series
    polls: Polls


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
    pool: Pool, meter: str, quantity: str, start_us: int, end_us: int, every: Every | None
) -> History | None:
    """See `Store.history`."""
    if every is not None:
        window_us = every * 1_000_000
        start_us = start_us // window_us * window_us
        end_us = -(-end_us // window_us) * window_us
    with pool.reading() as connection:
        found = connection.execute("SELECT id FROM meter WHERE key = ?", (meter,)).fetchone()
        if found is None:
            return None
        reader = _Reader(pool, connection, found[0], quantity)
        series = reader.newest()
        if series is None:
            return None
        if every is None:
            return history_of(series, reader.polls(start_us, end_us))
        return _windows(reader, series, start_us, end_us, every)


def _windows(reader: _Reader, series: Series, start_us: int, end_us: int, every: Every) -> History:
    """Some days at a time: polls that stay in the processor's cache take half the time."""
    before = reader.before(start_us) if series.kind is Kind.COUNTER else None
    step_us = _DAY_US * max(-(-(end_us - start_us) // (_MOST_STEPS * _DAY_US)), 1)
    pieces = []
    for begin_us in range(start_us // _DAY_US * _DAY_US, max(end_us, start_us + 1), step_us):
        polls = reader.polls(max(begin_us, start_us), min(begin_us + step_us, end_us))
        pieces.append(downsample(series, polls, every, before))
        before = (last_good(polls) or before) if series.kind is Kind.COUNTER else None
    return join(pieces)


class _Reader:
    """Reads one value of one meter within a transaction."""

    def __init__(
        self, pool: Pool, connection: sqlite3.Connection, meter: int, quantity: str
    ) -> None:
        self._pool = pool
        self._connection = connection
        self._meter = meter
        self._quantity = quantity
        self._series: Series | None = None

    def newest(self) -> Series | None:
        """What the value is in the newest poll that has it; None when none has."""
        if self._series is None:
            self._series = self._find_newest()
        return self._series

    def polls(self, start_us: int, end_us: int) -> Polls:
        """All of them in this time, by time."""
        segments = [*self._chunks(start_us, end_us), *self._hot(start_us, end_us)]
        series = self.newest()
        if not segments or series is None:
            empty = np.empty(0, np.int64)
            return Polls(empty, np.empty(0), empty.astype(np.uint8))
        columns = [_in_unit(segment, series) for segment in segments]
        if len({each.numbers.dtype for each in columns}) > 1:
            columns = [c._replace(numbers=c.numbers.astype(np.object_)) for c in columns]
        times, numbers, ratings = (np.concatenate(column) for column in zip(*columns, strict=True))
        return _cut(Polls(times, numbers, ratings), start_us, end_us)

    def before(self, time_us: int) -> Polls | None:
        """The last good poll before this time, within 32 days."""
        end_us = time_us
        for hours in _LOOK_BACK:
            start_us = time_us - hours * HOUR_US
            found = last_good(self.polls(start_us, end_us))
            if found is not None:
                return found
            end_us = start_us
        return None

    def _find_newest(self) -> Series | None:
        connection, meter = self._connection, self._meter
        row = connection.execute("SELECT layout FROM latest WHERE meter = ?", (meter,)).fetchone()
        numbers = [] if row is None else [row[0]]
        # A value that the newest poll has not: any layout the meter ever had.
        for (layout,) in connection.execute("SELECT id FROM layout ORDER BY id DESC"):
            numbers.append(layout)
        for number in dict.fromkeys(numbers):
            layout = self._pool.codec(connection, number).layout
            place = layout.place(self._quantity)
            if place is None:
                continue
            if (row is not None and number == row[0]) or self._has_used(number):
                return layout.series[place]
        return None

    def _has_used(self, layout: int) -> bool:
        low, high = chunk_key(self._meter, 0), chunk_key(self._meter + 1, 0)
        statement = "SELECT 1 FROM chunk WHERE id >= ? AND id < ? AND layout = ? LIMIT 1"
        connection = self._connection
        if connection.execute(statement, (low, high, layout)).fetchone() is not None:
            return True
        statement = (
            f"SELECT 1 FROM round r CROSS JOIN poll p ON p.id = (r.id << {METER_BITS}) + ? "  # noqa: S608
            "WHERE p.layout = ? LIMIT 1"
        )
        return connection.execute(statement, (self._meter, layout)).fetchone() is not None

    def _hot(self, start_us: int, end_us: int) -> Iterator[_Segment]:
        hours = (start_us // HOUR_US, (end_us - 1) // HOUR_US)
        by_layout: dict[int, tuple[list[int], list[bytes]]] = {}
        for time_us, number, body in self._connection.execute(
            _HOT, (self._meter, *hours, self._meter)
        ):
            times, bodies = by_layout.setdefault(number, ([], []))
            times.append(time_us)
            bodies.append(body)
        for number, (times, bodies) in by_layout.items():
            codec = self._pool.codec(self._connection, number)
            place = codec.layout.place(self._quantity)
            if place is None:
                continue
            columns = codec.columns(bodies)
            yield _Segment(
                codec.layout.series[place],
                Polls(np.array(times, np.int64), columns.numbers[place], columns.ratings[place]),
            )

    def _chunks(self, start_us: int, end_us: int) -> Iterator[_Segment]:
        first, last = max(start_us // HOUR_US, 0), max((end_us - 1) // HOUR_US, -1)
        keys = (chunk_key(self._meter, first), chunk_key(self._meter, last + 1))
        if last < first:
            return
        heads = self._connection.execute(_TIMES, keys).fetchall()
        columns: dict[int, tuple[Series, int]] = {}
        for number in {head[1] for head in heads}:
            layout = self._pool.codec(self._connection, number).layout
            place = layout.place(self._quantity)
            if place is not None:
                columns[number] = layout.series[place], place + 1
        pieces = {
            (hour_of_chunk(key), head): columns_of(Part(first, last, body))[column - first]
            for number, (_, column) in columns.items()
            for key, head, first, last, body in self._connection.execute(
                _VALUES, (*keys, number, column, column)
            )
        }
        for key, number, head, last, count, body in heads:
            if number not in columns:
                continue
            series, column = columns[number]
            with_times = columns_of(Part(0, last, body))
            piece = with_times[column] if column <= last else pieces.get((hour_of_chunk(key), head))
            if piece is None:
                msg = f"column {column} of a chunk is not there"
                raise ValueError(msg)
            values, ratings = decode_values(piece, count)
            yield _Segment(series, Polls(decode_times(with_times[0], count), values, ratings))


def _cut(polls: Polls, start_us: int, end_us: int) -> Polls:
    """Those of this time, by time; of one time in the order they came."""
    times = polls.times_us
    if (times[1:] < times[:-1]).any():
        order = np.argsort(times, kind="stable")
        polls = polls.at(order)
        times = polls.times_us
    at = slice(*np.searchsorted(times, (start_us, end_us), side="left").tolist())
    return polls.at(at)


def _in_unit(segment: _Segment, series: Series) -> Polls:
    """The polls in the unit of the newest; null where the two units have nothing in common."""
    polls, unit = segment.polls, segment.series.unit
    if unit == series.unit:
        return polls
    factor = _factor(segment.series, series)
    if factor is None or polls.numbers.dtype == np.object_:
        return polls._replace(ratings=np.full(len(polls.ratings), _NO_VALUE, np.uint8))
    numbers: NDArray[Any] = polls.numbers * factor if factor >= 1 else polls.numbers / (1 / factor)
    return polls._replace(numbers=numbers)


def _factor(old: Series, new: Series) -> float | None:
    quantity = quantity_of(new.name)
    if quantity is None:
        return None
    base = quantity.unit
    first, second = unit_factor(old.unit, base), unit_factor(new.unit, base)
    return None if first is None or second is None else first / second
