"""Drop what is too old, but keep its means; in slices, as compaction does.

A slice reads some compressed hours of meters and what was kept of their days before, makes both
into what is kept now, outside of any write transaction; then one transaction puts that in the
place of both. So each poll stands in the file either whole or in the means, whatever happens. If
another process changed one of them meanwhile, the slice is left and done again.

Hours that were never compressed are compressed first. Where the disk has no room for that or for
the means, the polls go without: retention has to make room.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from energymeter.store.chunks import Part, parts_of, whole
from energymeter.store.compaction import compact_slice, drop_rounds, parts_before, write_parts
from energymeter.store.errors import StoreFullError
from energymeter.store.means import Table, means_of, shape_of, tallies_of
from energymeter.store.pool import Pool
from energymeter.store.schema import HOUR_US, PART_BITS, chunk_key, hour_of_chunk, meter_of_chunk

__all__ = ["expire_into_means", "expire_means_slice"]

_HOURS: Final = 24
_DAY_US: Final = _HOURS * HOUR_US
_SLICE_PARTS: Final = 30
"""Parts of chunks that are taken up in one slice."""

_SLICE_MEANS: Final = 1000
_LAST_NUMBER: Final = (1 << PART_BITS) - 10_000
"""Numbers of the parts of a day begin anew before they end."""

_TABLES: Final = ("tally", "mean")


class _Row(NamedTuple):
    id: int
    layout: int
    head: int
    part: Part
    polls: int


class _Day(NamedTuple):
    """Some hours of a meter, all of one day."""

    meter: int
    day: int
    first_hour: int
    end_hour: int


def expire_into_means(pool: Pool, before_us: int, close_hour: Callable[[int], None]) -> bool:
    """See `Store.expire`, keeping means.

    Args:
        pool: The file.
        before_us: Hours that end until then go.
        close_hour: As in `compact_slice`.
    """
    hour = max(before_us // HOUR_US, 0)
    with pool.reading() as connection:
        parts = parts_before(connection, hour, _SLICE_PARTS)
        hot = connection.execute("SELECT 1 FROM round WHERE hour < ? LIMIT 1", (hour,)).fetchone()
    try:
        for day in _days_of(parts):
            _turn_into_means(pool, day)
        if not parts and hot:
            return compact_slice(pool, hour * HOUR_US, close_hour)
    except StoreFullError:
        if not _drop_without_means(pool, hour, parts, close_hour):
            raise
        return True
    return bool(parts)


def expire_means_slice(pool: Pool, before_us: int) -> bool:
    """Drop one slice of the means of whole days (UTC) before that; returns whether there is more.

    Args:
        pool: The file.
        before_us: Days that end until then go.
    """
    day = max(before_us // _DAY_US, 0)
    has_more = False
    for table in _TABLES:
        with pool.reading() as connection:
            found = parts_before(connection, day, _SLICE_MEANS, table)
        if found:
            has_more = True
            with pool.writing() as connection:
                _delete(connection, table, found)
    return has_more


def _days_of(parts: Sequence[int]) -> list[_Day]:
    days: dict[tuple[int, int], list[int]] = {}
    for key in parts:
        hour = hour_of_chunk(key)
        days.setdefault((meter_of_chunk(key), hour // _HOURS), []).append(hour)
    return [_Day(meter, day, min(hours), max(hours) + 1) for (meter, day), hours in days.items()]


def _turn_into_means(pool: Pool, day: _Day) -> None:
    hours = chunk_key(day.meter, day.first_hour), chunk_key(day.meter, day.end_hour)
    keys = chunk_key(day.meter, day.day), chunk_key(day.meter, day.day + 1)
    with pool.reading() as connection:
        raw = _rows(connection, "chunk", hours)
        kept = {table: _rows(connection, table, keys) for table in _TABLES}
        made = _made(pool, connection, raw, kept)
    with pool.writing() as connection:
        still_there = set(_ids(connection, "chunk", hours)).issuperset(row.id for row in raw)
        if not still_there or any(
            _ids(connection, table, keys) != [row.id for row in kept[table]] for table in _TABLES
        ):
            return
        _delete(connection, "chunk", [row.id for row in raw])
        for table in _TABLES:
            _delete(connection, table, [row.id for row in kept[table]])
            # Other keys than before tell another process that the day was changed.
            key = max((row.id for row in kept[table]), default=keys[0] - 1) + 1
            if key - keys[0] > _LAST_NUMBER:
                key = keys[0]
            for layout, rest, parts in made[table]:
                write_parts(connection, table, keys[0], key, (layout, len(rest.times_us)), parts)
                key += len(parts)


_Made = dict[str, list[tuple[int, Table, list[Part]]]]


def _made(
    pool: Pool, connection: sqlite3.Connection, raw: Sequence[_Row], kept: dict[str, list[_Row]]
) -> _Made:
    """What is to be kept of these hours and of what was kept before, by table."""
    polls, old = _tables(raw), {table: _tables(kept[table]) for table in _TABLES}
    made: _Made = {table: [] for table in _TABLES}
    for number in sorted({*polls, *old["tally"], *old["mean"]}):
        shape = shape_of(pool.codec(connection, number).layout)
        new = polls.get(number, [])
        tally = tallies_of(shape, new, old["tally"].get(number, []))
        mean = means_of(shape, new, old["mean"].get(number, []))
        for table, layout, rest in (("tally", shape.tally, tally), ("mean", shape.mean, mean)):
            if rest is not None:
                made[table].append((number, rest, parts_of(layout, *rest)))
    return made


def _rows(connection: sqlite3.Connection, table: str, keys: tuple[int, int]) -> list[_Row]:
    return [
        _Row(key, layout, head, Part(first, last, body), polls)
        for key, layout, head, first, last, polls, body in connection.execute(
            f"SELECT id, layout, head, first, last, count, body FROM {table} "  # noqa: S608 - ours
            "WHERE id >= ? AND id < ?",
            keys,
        )
    ]


def _ids(connection: sqlite3.Connection, table: str, keys: tuple[int, int]) -> list[int]:
    found = connection.execute(f"SELECT id FROM {table} WHERE id >= ? AND id < ?", keys)  # noqa: S608
    return [number for (number,) in found]


def _delete(connection: sqlite3.Connection, table: str, ids: Sequence[int]) -> None:
    connection.executemany(f"DELETE FROM {table} WHERE id = ?", ((each,) for each in ids))  # noqa: S608


def _tables(rows: Sequence[_Row]) -> dict[int, list[Table]]:
    """Whole chunks by the number of their layout."""
    chunks: dict[tuple[int, int, int], list[_Row]] = {}
    for row in rows:
        chunks.setdefault((row.layout, hour_of_chunk(row.id), row.head), []).append(row)
    tables: dict[int, list[Table]] = {}
    for (layout, _, _), each in chunks.items():
        # What is left of a chunk that was half dropped has no times.
        if each[0].part.first == 0:
            table = Table(*whole([row.part for row in each], each[0].polls))
            tables.setdefault(layout, []).append(table)
    return tables


def _drop_without_means(
    pool: Pool, hour: int, parts: Sequence[int], close_hour: Callable[[int], None]
) -> bool:
    """Make room at any price; returns whether something went."""
    with pool.writing() as connection:
        if parts:
            _delete(connection, "chunk", parts)
            pool.hours_without_means += len({key >> PART_BITS for key in parts})
            return True
        rounds = connection.execute(
            "SELECT id, hour FROM round WHERE hour < ? ORDER BY id LIMIT 1000", (hour,)
        ).fetchall()
        for each in {each for _, each in rounds}:
            close_hour(each)
            pool.hours_without_means += 1
        drop_rounds(connection, [number for number, _ in rounds])
        return bool(rounds)
