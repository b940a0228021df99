"""The file of the embedded store: its tables, how it is opened, which version it has.

    meter    key and number of each meter
    layout   what stands in the polls of a meter, as JSON; equal layouts once
    round    polls of one hour, at most one a meter; `job` once it is being compacted
    poll     hot rows, one a poll, in time order: round and meter make the key
    latest   the newest poll of each meter
    job      an hour that is being compacted, and the last meter that is done
    chunk    a meter's hour, compressed, in parts: meter, hour and number make the key
    tally    like chunk, a day: readings of counters that outlive their polls (means.py)
    mean     like chunk, a day: means of gauges that outlive their polls

Keys are numbers put together, so that one B-tree has rows in the order they are written and is
searched by meter too: the polls of a meter are one search in each round.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from energymeter.store.errors import StoreCorruptError, StoreVersionError

__all__ = [
    "HOUR_US",
    "METER_BITS",
    "PART_BITS",
    "chunk_key",
    "chunk_tables",
    "connect",
    "hour_of_chunk",
    "meter_of_chunk",
    "prepare",
]

VERSION: Final = 2
APPLICATION: Final = 0x454D5354
"""`EMST`, so that `file` and we know it from another SQLite file."""

METER_BITS: Final = 21
"""Two million meters."""

HOUR_BITS: Final = 23
"""Hours since 1970, for 950 years."""

PART_BITS: Final = 19
HOUR_US: Final = 3_600_000_000

_BUSY_MS: Final = 10_000
_CHECKPOINT_PAGES: Final = 2000

_TABLES: Final = """
CREATE TABLE meter (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE layout (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE);
CREATE TABLE round (
    id INTEGER PRIMARY KEY AUTOINCREMENT, hour INTEGER NOT NULL, job INTEGER);
CREATE INDEX round_hour ON round (hour);
CREATE TABLE poll (
    id INTEGER PRIMARY KEY, time INTEGER NOT NULL, layout INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE latest (
    meter INTEGER PRIMARY KEY, time INTEGER NOT NULL, layout INTEGER NOT NULL,
    body BLOB NOT NULL);
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT, hour INTEGER NOT NULL, done INTEGER NOT NULL,
    last INTEGER NOT NULL);
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY, layout INTEGER NOT NULL, head INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, body BLOB NOT NULL);
"""

_TABLES_SINCE_2: Final = """
CREATE TABLE tally (
    id INTEGER PRIMARY KEY, layout INTEGER NOT NULL, head INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE mean (
    id INTEGER PRIMARY KEY, layout INTEGER NOT NULL, head INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, body BLOB NOT NULL);
"""


def chunk_key(meter: int, hour: int, number: int = 0) -> int:
    """The key of a part; with an hour one higher, the end of the hour's parts."""
    return ((meter << HOUR_BITS) + hour << PART_BITS) + number


def hour_of_chunk(key: int) -> int:
    """The hour since 1970 of a part."""
    return key >> PART_BITS & (1 << HOUR_BITS) - 1


def meter_of_chunk(key: int) -> int:
    """The number of the meter of a part."""
    return key >> PART_BITS + HOUR_BITS


def chunk_tables(connection: sqlite3.Connection) -> list[str]:
    """The tables of chunks that are there; a file of version 1 has those of means not yet."""
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE name IN ('chunk', 'tally', 'mean') ORDER BY name"
    )
    return [name for (name,) in rows]


def connect(path: Path, *, is_reader: bool) -> sqlite3.Connection:
    """A connection in autocommit, for any one thread at a time."""
    connection = sqlite3.connect(
        path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False
    )
    if is_reader:
        connection.execute("PRAGMA query_only = 1")
    return connection


def prepare(
    connection: sqlite3.Connection, path: Path, *, survives_power_loss: bool, may_renew: bool = True
) -> None:
    """Make the tables of a new file, or see that an old one is ours.

    Args:
        connection: One that writes.
        path: The file.
        survives_power_loss: Whether each commit waits for the disk.
        may_renew: Whether a file of an older version becomes one of this; who only reads leaves
            that to the program that writes.

    Raises:
        StoreVersionError: It is of a newer version.
        StoreCorruptError: It is something else, or empty and only read.
    """
    version = _version(connection, path)
    if version == 0 and not may_renew:
        msg = f"{path}: is empty, nothing was ever kept there"
        raise StoreCorruptError(msg)
    if version == 0:
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("PRAGMA journal_mode = WAL")
    if version == 0 or (version < VERSION and may_renew):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have been quicker.
            _renew(connection, _version(connection, path))
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if survives_power_loss else 'NORMAL'}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute("PRAGMA cache_size = -32768")


def _renew(connection: sqlite3.Connection, version: int) -> None:
    tables = (_TABLES if version < 1 else "") + (_TABLES_SINCE_2 if version < 2 else "")
    for statement in filter(str.strip, tables.split(";")):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application == 0 and version == 0 and tables == 0:
        return 0
    if application != APPLICATION:
        msg = f"{path}: is no store but some other SQLite file; name another one"
        raise StoreCorruptError(msg)
    if version > VERSION:
        msg = (
            f"{path}: is of version {version}, this program knows up to {VERSION}; "
            "install the newer program again or name another file"
        )
        raise StoreVersionError(msg)
    return int(version)
