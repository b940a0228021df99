"""Make old polls small, and drop what is too old; in slices, so that no writer waits long.

An hour becomes a job: its rounds take no more polls. Slice by slice the polls of some meters are
read and compressed outside of any write transaction, then their chunks are written and `job.done`
goes up, in one. From then on readers take these meters from their chunks. When all are done, the
hot rows go, round by round. A crash leaves a job half done; it is taken up again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from energymeter.store.chunks import Part, parts_of
from energymeter.store.pool import Pool
from energymeter.store.schema import HOUR_US, METER_BITS, chunk_key

__all__ = ["compact_slice", "drop_rounds", "expire_slice", "parts_before", "write_parts"]

_SLICE_POLLS: Final = 10_000
"""Polls compressed in one slice: about a tenth of a second."""

_SLICE_METERS: Final = 25
"""Meters compressed in one slice: with few polls each it is they that take the time."""

_SLICE_ROWS: Final = 10_000
"""Hot rows dropped in one slice, or chunk parts a tenth of that."""

_POLLS: Final = f"""
SELECT p.id & {(1 << METER_BITS) - 1}, p.layout, p.time, p.body
FROM round r CROSS JOIN poll p
ON p.id BETWEEN (r.id << {METER_BITS}) + ? AND (r.id << {METER_BITS}) + ?
WHERE r.hour = ? AND r.job = ? ORDER BY r.id
"""  # noqa: S608 - numbers of ours

_PARTS_BEFORE: Final = """
SELECT c.id FROM meter m CROSS JOIN {} c ON c.id >= ? + (m.id << ?) AND c.id < ? + (m.id << ?)
LIMIT ?
"""

_SHIFT: Final = chunk_key(1, 0).bit_length() - 1


class _Job(NamedTuple):
    id: int
    hour: int
    done: int
    last: int


class _Chunk(NamedTuple):
    meter: int
    layout: int
    polls: int
    parts: Sequence[Part]


def compact_slice(pool: Pool, before_us: int, close_hour: Callable[[int], None]) -> bool:
    """See `Store.compact`.

    Args:
        pool: The file.
        before_us: Hours that end until then are compacted.
        close_hour: Called within the transaction that turns an hour into a job.
    """
    with pool.reading() as connection:
        row = connection.execute("SELECT id, hour, done, last FROM job LIMIT 1").fetchone()
    if row is None:
        return _begin(pool, before_us, close_hour)
    job = _Job(*row)
    if job.done >= job.last:
        _drop_rounds(pool, job)
    else:
        _compress(pool, job)
    return True


def expire_slice(pool: Pool, before_us: int, close_hour: Callable[[int], None]) -> bool:
    """See `Store.expire`, keeping no means; `close_hour` as above, for hours that are dropped."""
    hour = max(before_us // HOUR_US, 0)
    with pool.reading() as connection:
        parts = parts_before(connection, hour, _SLICE_ROWS // 10)
        rounds = connection.execute(
            "SELECT id, hour FROM round WHERE hour < ? AND job IS NULL ORDER BY id LIMIT 1000",
            (hour,),
        ).fetchall()
    if parts:
        with pool.writing() as connection:
            connection.executemany("DELETE FROM chunk WHERE id = ?", ((part,) for part in parts))
        return True
    if rounds:
        with pool.writing() as connection:
            for each in {each for _, each in rounds}:
                close_hour(each)
            drop_rounds(connection, [number for number, _ in rounds])
        return True
    return False


def parts_before(
    connection: sqlite3.Connection, period: int, count: int, table: str = "chunk"
) -> list[int]:
    """Keys of parts before an hour (of means: a day), by meter and time, up to that many."""
    low, high = chunk_key(0, 0), chunk_key(0, period)
    rows = connection.execute(_PARTS_BEFORE.format(table), (low, _SHIFT, high, _SHIFT, count))
    return [key for (key,) in rows]


def _begin(pool: Pool, before_us: int, close_hour: Callable[[int], None]) -> bool:
    with pool.reading() as connection:
        row = connection.execute(
            "SELECT hour FROM round WHERE job IS NULL AND hour < ? ORDER BY hour LIMIT 1",
            (before_us // HOUR_US,),
        ).fetchone()
    if row is None:
        return False
    (hour,) = row
    with pool.writing() as connection:
        close_hour(hour)
        job = connection.execute(
            "INSERT INTO job (hour, done, last) SELECT ?, 0, max(id) FROM meter", (hour,)
        ).lastrowid
        connection.execute("UPDATE round SET job = ? WHERE hour = ? AND job IS NULL", (job, hour))
    return True


def _compress(pool: Pool, job: _Job) -> None:
    with pool.reading() as connection:
        (rounds,) = connection.execute(
            "SELECT count(*) FROM round WHERE hour = ? AND job = ?", (job.hour, job.id)
        ).fetchone()
        meters = min(max(_SLICE_POLLS // max(rounds, 1), 1), _SLICE_METERS)
        done = min(job.done + meters, job.last)
        rows = connection.execute(_POLLS, (job.done + 1, done, job.hour, job.id)).fetchall()
        chunks = _chunks_of(pool, connection, rows)
    with pool.writing() as connection:
        # Another process may have been quicker.
        changed = connection.execute(
            "UPDATE job SET done = ? WHERE id = ? AND done = ?", (done, job.id, job.done)
        )
        if changed.rowcount == 1:
            for chunk in chunks:
                _write(connection, chunk, job.hour)


def _chunks_of(
    pool: Pool, connection: sqlite3.Connection, rows: Sequence[tuple[int, int, int, bytes]]
) -> list[_Chunk]:
    groups: dict[tuple[int, int], tuple[list[int], list[bytes]]] = {}
    for meter, layout, time_us, body in rows:
        times, bodies = groups.setdefault((meter, layout), ([], []))
        times.append(time_us)
        bodies.append(body)
    chunks = []
    for (meter, layout), (times, bodies) in groups.items():
        times_us = np.array(times, np.int64)
        if (times_us[1:] < times_us[:-1]).any():
            order = np.argsort(times_us, kind="stable")
            times_us = times_us[order]
            in_order = [bodies[place] for place in order.tolist()]
        else:
            in_order = bodies
        codec = pool.codec(connection, layout)
        parts = parts_of(codec.layout, times_us, codec.columns(in_order))
        chunks.append(_Chunk(meter, layout, len(times), parts))
    return chunks


def _write(connection: sqlite3.Connection, chunk: _Chunk, hour: int) -> None:
    first, end = chunk_key(chunk.meter, hour), chunk_key(chunk.meter, hour + 1)
    (newest,) = connection.execute(
        "SELECT max(id) FROM chunk WHERE id >= ? AND id < ?", (first, end)
    ).fetchone()
    key = first if newest is None else newest + 1
    write_parts(connection, "chunk", first, key, (chunk.layout, chunk.polls), chunk.parts)


def write_parts(  # noqa: PLR0913, PLR0917 - what stands in a row
    connection: sqlite3.Connection,
    table: str,
    first: int,
    key: int,
    layout_and_count: tuple[int, int],
    parts: Sequence[Part],
) -> None:
    """Write the parts of a chunk, from `key` on; `first` is the lowest key of its hour or day."""
    layout, count = layout_and_count
    connection.executemany(
        f"INSERT INTO {table} (id, layout, head, first, last, count, body) "  # noqa: S608 - ours
        "VALUES (?,?,?,?,?,?,?)",
        (
            (key + number, layout, key - first, part.first, part.last, count, part.body)
            for number, part in enumerate(parts)
        ),
    )


def _drop_rounds(pool: Pool, job: _Job) -> None:
    with pool.writing() as connection:
        rounds = connection.execute(
            "SELECT id FROM round WHERE hour = ? AND job = ? ORDER BY id LIMIT 1000",
            (job.hour, job.id),
        ).fetchall()
        if rounds:
            drop_rounds(connection, [number for (number,) in rounds])
        else:
            connection.execute("DELETE FROM job WHERE id = ?", (job.id,))


def drop_rounds(connection: sqlite3.Connection, rounds: Sequence[int]) -> None:
    """Drop the first of these rounds, until a slice is full."""
    dropped = 0
    for number in rounds:
        first = number << METER_BITS
        dropped += connection.execute(
            "DELETE FROM poll WHERE id BETWEEN ? AND ?", (first, first + (1 << METER_BITS) - 1)
        ).rowcount
        connection.execute("DELETE FROM round WHERE id = ?", (number,))
        if dropped >= _SLICE_ROWS:
            break
