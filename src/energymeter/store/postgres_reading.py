"""What the store in PostgreSQL is asked: the newest polls, one value over time, what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from energymeter.store.base import Every, History, Latest, Layout, Series, datetime_of, microseconds
from energymeter.store.downsample import Polls
from energymeter.store.errors import StoreError
from energymeter.store.history import Segment, tell
from energymeter.store.layouts import parse_layout
from energymeter.store.postgres_book import is_text
from energymeter.store.postgres_pool import Pool
from energymeter.store.postgres_rows import POSTGRES_EPOCH_US, column_of, decode
from energymeter.store.postgres_schema import DAY_US, Schema
from energymeter.store.rows import NULL

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

__all__ = ["Reading"]

_LATEST: Final = """
SELECT m.key, l.time, l.layout, l.numbers, l.ratings, l.others
FROM {s}.latest l JOIN {s}.meter m ON m.id = l.meter
"""

_PLACES: Final = """
SELECT m.id, s.layout, s.place
FROM {s}.meter m JOIN {s}.meter_layout u ON u.meter = m.id
    JOIN {s}.series s ON s.layout = u.layout AND s.name = %s
    JOIN {s}.latest l ON l.meter = m.id
WHERE m.key = ANY(%s) ORDER BY s.layout <> l.layout, l.time DESC, s.layout DESC
"""
"""Where the value stands in each layout the meter ever had, the newest poll's first."""

_COLUMN: Final = """
SELECT array_agg(time), array_agg(layout), array_agg(coalesce(number, 'NaN')),
    array_agg(coalesce(rating, 0)), CASE WHEN count(other) > 0 THEN array_agg(other) END
FROM (
    SELECT time, layout, numbers[place] AS number, get_byte(ratings, place - 1) AS rating,
        (others -> place::text)::text AS other
    FROM (
        SELECT *, CASE layout {places} END AS place FROM {s}.poll
        WHERE meter IN ({meters}) AND time >= '{start}' AND time < '{end}') AS polls
    WHERE place IS NOT NULL) AS cells
"""

_FIRST: Final = """
SELECT min(time) FROM {s}.poll WHERE meter = (SELECT id FROM {s}.meter WHERE key = %s)
"""

_SLICE_US: Final = 8 * DAY_US
"""Rows are fetched some days at a time: an array of the server's ends at 1 GB."""

_ARRAY_HEAD: Final = 20
"""Bytes before the first value of an array of one dimension."""

_PROBLEMS: Final = {
    "polls whose columns have not the length of their layout": """
        SELECT count(*) FROM {s}.{table} p LEFT JOIN (
            SELECT layout, count(*) AS width FROM {s}.series GROUP BY layout) s USING (layout)
        WHERE cardinality(p.numbers) IS DISTINCT FROM s.width
            OR (p.ratings IS NOT NULL AND octet_length(p.ratings) <> s.width)""",
    "polls without a meter": """
        SELECT count(*) FROM {s}.{table} p LEFT JOIN {s}.meter m ON m.id = p.meter
        WHERE m.id IS NULL""",
}

_LATE: Final = """
SELECT count(*) FROM {s}.meter m LEFT JOIN {s}.latest l ON l.meter = m.id
WHERE EXISTS (SELECT 1 FROM {s}.poll p
    WHERE p.meter = m.id AND (l.time IS NULL OR p.time > l.time))
"""


class Reading:
    """Answers from one store.

    Args:
        pool: Its connections.
        schema: Its tables.
    """

    def __init__(self, pool: Pool, schema: Schema) -> None:
        self._pool = pool
        self._schema = schema
        self._layouts: dict[int, Layout] = {}

    def latest(self, asked: Iterable[str] | None) -> dict[str, Latest]:
        """See `Store.latest`."""
        statement = _LATEST.format(s=self._schema.quoted)
        params: tuple[list[str], ...] = ()
        if asked is not None:
            statement += " WHERE m.key = ANY(%s)"
            params = ([key for key in asked if is_text(key)],)
        with self._pool.reading() as connection:
            rows = connection.cursor(binary=True).execute(statement, params or None).fetchall()
            layouts = self._parsed(connection, {row[2] for row in rows})
            return {
                key: decode(layouts[layout], microseconds(time), numbers, ratings, others)
                for key, time, layout, numbers, ratings, others in rows
            }

    def first(self, meter: str) -> datetime | None:
        """See `Store.first`."""
        if not is_text(meter):
            return None
        statement = _FIRST.format(s=self._schema.quoted)
        with self._pool.reading() as connection:
            row = connection.cursor(binary=True).execute(statement, (meter,)).fetchone()
        return None if row is None or row[0] is None else row[0].astimezone(UTC)

    def meters(self) -> dict[str, Layout]:
        """See `Store.meters`."""
        s = self._schema.quoted
        with self._pool.reading() as connection:
            rows = connection.execute(
                f"SELECT m.key, l.layout FROM {s}.latest l JOIN {s}.meter m ON m.id = l.meter"  # noqa: S608 - a checked name
            ).fetchall()
            layouts = self._parsed(connection, {layout for _, layout in rows})
            return {key: layouts[layout] for key, layout in sorted(rows)}

    def history(
        self, keys: Sequence[str], quantity: str, start_us: int, end_us: int, every: Every | None
    ) -> History | None:
        """See `Store.history`."""
        keys = [key for key in keys if is_text(key)]
        if not (keys and is_text(quantity)):
            return None
        with self._pool.reading() as connection:
            statement = _PLACES.format(s=self._schema.quoted)
            rows = connection.execute(statement, (quantity, keys)).fetchall()
            if not rows:
                return None
            layouts = self._parsed(connection, {layout for _, layout, _ in rows})
            places = {layout: place for _, layout, place in rows}
            series = {layout: layouts[layout].series[place - 1] for layout, place in places.items()}
            meters = {meter for meter, _, _ in rows}
            source = _Column(connection, self._schema, meters, places, series)
            return tell(source, start_us, end_us, every)

    def problems(self) -> list[str]:
        """See `Store.check`."""
        found: list[str] = []
        s = self._schema.quoted
        with self._pool.reading() as connection:
            for (number,) in connection.execute(f"SELECT id FROM {s}.layout").fetchall():  # noqa: S608
                try:
                    self._parsed(connection, {number})
                except (StoreError, ValueError, TypeError) as error:
                    found.append(f"layout {number} cannot be read: {error}")
            statements = {
                f"{what} in {table}": statement.format(s=s, table=table)
                for table in ("poll", "latest")
                for what, statement in _PROBLEMS.items()
            }
            statements["meters whose newest poll is not in latest"] = _LATE.format(s=s)
            for what, statement in statements.items():
                row = connection.execute(statement).fetchone()
                if row != (0,):
                    found.append(f"{row[0] if row else '?'} {what}")
        return found

    def _parsed(self, connection: Connection, numbers: set[int]) -> dict[int, Layout]:
        """The layouts of these numbers."""
        missing = numbers - self._layouts.keys()
        if missing:
            rows = connection.execute(
                f"SELECT id, body FROM {self._schema.quoted}.layout WHERE id = ANY(%s)",  # noqa: S608
                (list(missing),),
            ).fetchall()
            self._layouts |= {number: parse_layout(body) for number, body in rows}
        return {number: self._layouts[number] for number in numbers}


class _Column:
    """One value of one meter within a transaction: a `Source`."""

    def __init__(
        self,
        connection: Connection,
        schema: Schema,
        meters: Iterable[int],
        places: dict[int, int],
        series: dict[int, Series],
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._meters = ", ".join(map(str, meters))
        self._series = series
        self._cases = " ".join(f"WHEN {layout} THEN {place}" for layout, place in places.items())
        days = schema.days(connection)
        self._first_us = min(days, default=0) * DAY_US
        self._end_us = (max(days, default=-1) + 1) * DAY_US

    def newest(self) -> Series | None:
        """See `Source.newest`."""
        return next(iter(self._series.values()))

    def segments(self, start_us: int, end_us: int) -> Iterator[Segment]:
        """See `Source.segments`."""
        start_us, end_us = max(start_us, self._first_us), min(end_us, self._end_us)
        for begin_us in range(start_us, end_us, _SLICE_US):
            yield from self._slice(begin_us, min(begin_us + _SLICE_US, end_us))

    def _slice(self, start_us: int, end_us: int) -> Iterator[Segment]:
        statement = _COLUMN.format(
            s=self._schema.quoted,
            places=self._cases,
            meters=self._meters,
            start=_timestamp(start_us),
            end=_timestamp(end_us),
        )
        result = self._connection.cursor(binary=True).execute(statement).pgresult
        assert result is not None  # noqa: S101 - a SELECT has one
        cells = [result.get_value(0, column) for column in range(5)]
        others = _texts(cells.pop() or b"")
        filled = [cell for cell in cells if cell is not None]
        if not filled:
            return
        times, layouts, numbers, ratings = map(_array, filled, (">i8", ">i4", ">f8", ">i4"))
        times, ratings = times + POSTGRES_EPOCH_US, ratings.astype(np.uint8)
        for layout, series in self._series.items():
            rows = np.flatnonzero(layouts == layout)
            if not len(rows):
                continue
            mine = {place: others[row] for place, row in enumerate(rows.tolist()) if row in others}
            rated = ratings[rows]
            values = column_of(series.form, numbers[rows], (rated & NULL) != 0, mine)
            yield Segment(series, Polls(times[rows], values, rated))


def _timestamp(time_us: int) -> str:
    """A time as PostgreSQL reads it."""
    try:
        return datetime_of(time_us).isoformat()
    except OverflowError:
        return "infinity"


def _array(data: bytes, number: str) -> NDArray[Any]:
    """An array of the server's, without nulls, as one of ours."""
    cells = np.frombuffer(data, [("bytes", ">i4"), ("value", number)], offset=_ARRAY_HEAD)
    return cells["value"].astype(np.dtype(number).newbyteorder("="))


def _texts(data: bytes) -> dict[int, str]:
    """What is not null in an array of texts, by place."""
    found: dict[int, str] = {}
    at, place = _ARRAY_HEAD, 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], signed=True)
        at += 4
        if size >= 0:
            found[place] = data[at : at + size].decode()
            at += size
        place += 1
    return found
