"""The file of the embedded store: its tables, how it is opened, which version it has.

    meter    key and number of each meter
    layout   what stands in the polls of a meter, as JSON; equal layouts once
    round    polls of one hour, at most one a meter; `job` once it is being compacted
    poll     hot rows, one a poll, in time order: round and meter make the key
    latest   the newest poll of each meter
    job      an hour that is being compacted, and the last meter that is done
    chunk    a meter's hour, compressed, in parts: meter, hour and number make the key

Keys are numbers put together, so that one B-tree has rows in the order they are written and is
searched by meter too: the polls of a meter are one search in each round.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any, Final

from energymeter.store.base import Form, Kind, Layout, Series
from energymeter.store.errors import StoreCorruptError, StoreVersionError
from energymeter.values import DataType

__all__ = [
    "HOUR_US",
    "METER_BITS",
    "PART_BITS",
    "chunk_key",
    "connect",
    "hour_of_chunk",
    "layout_text",
    "parse_layout",
    "prepare",
]

VERSION: Final = 1
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


def chunk_key(meter: int, hour: int, number: int = 0) -> int:
    """The key of a part; with an hour one higher, the end of the hour's parts."""
    return ((meter << HOUR_BITS) + hour << PART_BITS) + number


def hour_of_chunk(key: int) -> int:
    """The hour since 1970 of a part."""
    return key >> PART_BITS & (1 << HOUR_BITS) - 1


def connect(path: Path, *, is_reader: bool) -> sqlite3.Connection:
    """A connection in autocommit, for any one thread at a time."""
    connection = sqlite3.connect(
        path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False
    )
    if is_reader:
        connection.execute("PRAGMA query_only = 1")
    return connection


def prepare(connection: sqlite3.Connection, path: Path, *, survives_power_loss: bool) -> None:
    """Make the tables of a new file, or see that an old one is ours.

    Raises:
        StoreVersionError: It is of a newer version.
        StoreCorruptError: It is something else.
    """
    if _version(connection, path) == 0:
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have been quicker.
            if _version(connection, path) == 0:
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if survives_power_loss else 'NORMAL'}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute("PRAGMA cache_size = -32768")


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


def layout_text(layout: Layout) -> str:
    """A layout as it is kept."""
    return json.dumps([list(series) for series in layout.series], separators=(",", ":"))


def parse_layout(text: str) -> Layout:
    """The layout again; raises `ValueError` for other text."""
    rows: list[list[Any]] = json.loads(text)
    return Layout(
        Series(
            name=name,
            unit=unit,
            type=DataType(data_type),
            kind=Kind(kind),
            form=Form(form),
            divisor=divisor,
            tops=tuple(tops),
            counts_down=counts_down,
        )
        for name, unit, data_type, kind, form, divisor, tops, counts_down in rows
    )
