"""Look through the file of the embedded store, and copy it while it is in use."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from energymeter.store.chunks import Part, columns_of, decode_times, decode_values
from energymeter.store.errors import StoreCorruptError, StoreError, mapped
from energymeter.store.pool import Pool
from energymeter.store.schema import METER_BITS, chunk_tables

__all__ = ["copy_to", "problems"]

_METER: Final = (1 << METER_BITS) - 1

_ORPHANS: Final = {
    "hot polls without a round": (
        f"SELECT count(*) FROM poll WHERE id >> {METER_BITS} NOT IN (SELECT id FROM round)"  # noqa: S608
    ),
    "hot polls without a meter": (
        f"SELECT count(*) FROM poll WHERE id & {_METER} NOT IN (SELECT id FROM meter)"  # noqa: S608
    ),
}


def problems(pool: Pool) -> list[str]:
    """See `Store.check`."""
    found: list[str] = []
    try:
        with pool.reading() as connection:
            rows = connection.execute("PRAGMA integrity_check").fetchall()
            found += [str(text) for (text,) in rows if text != "ok"]
            found += _orphans(connection)
            found += _unreadable(pool, connection)
    except StoreCorruptError as error:
        found.append(error.message)
    return found


def _orphans(connection: sqlite3.Connection) -> Iterator[str]:
    for what, statement in _ORPHANS.items():
        (count,) = connection.execute(statement).fetchone()
        if count:
            yield f"{count} {what}"


def _unreadable(pool: Pool, connection: sqlite3.Connection) -> Iterator[str]:
    for table in ("poll", "latest"):
        for time_us, layout, body in connection.execute(
            f"SELECT time, layout, body FROM {table}"  # noqa: S608 - one of two names
        ):
            try:
                with mapped(pool.path):
                    pool.codec(connection, layout).decode(time_us, body)
            except StoreError as error:
                yield f"a poll of {time_us} us in {table}: {error.message}"
    for table in chunk_tables(connection):
        for key, first, last, count, body in connection.execute(
            f"SELECT id, first, last, count, body FROM {table}"  # noqa: S608 - a name of ours
        ):
            try:
                with mapped(pool.path):
                    for column, piece in enumerate(columns_of(Part(first, last, body)), first):
                        if column:
                            decode_values(piece, count)
                        else:
                            decode_times(piece, count)
            except StoreError as error:
                yield f"part {key} of a {table}: {error.message}"


def copy_to(pool: Pool, path: Path) -> None:
    """See `Store.backup`."""
    if path.resolve() == pool.path.resolve():
        msg = f"{path}: is the store itself; name another file"
        raise StoreError(msg)
    part = path.with_name(f"{path.name}.part")
    try:
        with mapped(part):
            part.unlink(missing_ok=True)
            with pool.reading() as source, closing(sqlite3.connect(part)) as target:
                source.backup(target)
                # One file, without a log beside it.
                target.execute("PRAGMA journal_mode = DELETE")
        part.replace(path)
    except OSError as error:
        msg = f"{path}: cannot be written ({error})"
        raise StoreError(msg) from error
    finally:
        part.unlink(missing_ok=True)
