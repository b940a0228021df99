"""The embedded store: one SQLite file that one process writes and others may read.

Hot polls stand in time order, one row a poll, in rounds (schema.py); older hours are compressed
(compaction.py). What an `append` has kept outlives `kill -9` at once, and a power cut too
unless that is given up for speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection
from threading import Lock
from typing import Final, Self

from energymeter.store.base import (
    Every,
    History,
    Latest,
    Layout,
    StoredPoll,
    datetime_of,
    keys_of,
    microseconds,
)
from energymeter.store.compaction import compact_slice, expire_slice
from energymeter.store.errors import StoreError
from energymeter.store.layouts import layout_text
from energymeter.store.means_expiry import expire_into_means, expire_means_slice
from energymeter.store.pool import Pool
from energymeter.store.reading import meters, read_first, read_history, read_latest
from energymeter.store.rows import RowCodec
from energymeter.store.schema import HOUR_US, METER_BITS
from energymeter.store.upkeep import copy_to, problems

__all__ = ["SqliteStore"]

_OPEN_HOURS: Final = 8
"""Hours that take polls at a time, as when old ones are delivered late."""

_INSERT: Final = "INSERT INTO poll (id, time, layout, body) VALUES (?, ?, ?, ?)"

_UPSERT: Final = """
INSERT INTO latest (meter, time, layout, body) VALUES (?, ?, ?, ?)
ON CONFLICT (meter) DO UPDATE
SET time = excluded.time, layout = excluded.layout, body = excluded.body
WHERE excluded.time >= latest.time
"""


class SqliteStore:
    """A `Store` in one file.

    Args:
        path: The file; made when it is not there.
        read_only: Another process writes it; the file has to be there.
        survives_power_loss: Each append waits until the disk has it. False: what was appended in
            the last seconds before a power cut may be lost, never by a crash of the process.

    Raises:
        StoreError: It cannot be opened.
        StoreCorruptError: It is damaged or no store.
        StoreVersionError: A newer version wrote it.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, survives_power_loss: bool = True
    ) -> None:
        self.path = path
        self._pool = Pool(path, read_only=read_only, survives_power_loss=survives_power_loss)
        self._book = _Book()
        self._codecs: dict[Layout, RowCodec] = {}
        self._upkeep = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, polls: Sequence[StoredPoll]) -> None:
        """See `Store.append`."""
        encoded = [(poll, self._codec(poll.layout).encode(poll)) for poll in polls]
        if any(poll.time_us < 0 for poll in polls):
            msg = "a poll from before 1970"
            raise ValueError(msg)
        if not encoded:
            return
        with self._pool.writing() as connection:
            self._book.turn_to(connection, self._pool.failures)
            rows, newest = self._book.enter(connection, encoded)
            connection.executemany(_INSERT, rows)
            connection.executemany(_UPSERT, newest)

    def latest(self, meters: Iterable[str] | None = None) -> dict[str, Latest]:
        """See `Store.latest`."""
        return read_latest(self._pool, meters)

    def history(
        self,
        meter: str | Sequence[str],
        quantity: str,
        start: datetime,
        end: datetime,
        every: Every | None = None,
    ) -> History | None:
        """See `Store.history`."""
        start_us, end_us = microseconds(start), microseconds(end)
        return read_history(self._pool, keys_of(meter), quantity, start_us, end_us, every)

    def meters(self) -> dict[str, Layout]:
        """See `Store.meters`."""
        return meters(self._pool)

    def compact(self, before: datetime) -> bool:
        """See `Store.compact`; whole hours, about a tenth of a second a slice."""
        with self._upkeep:
            return compact_slice(self._pool, microseconds(before), self._book.close_hour)

    def expire(self, before: datetime, *, keep_means: bool = True) -> bool:
        """See `Store.expire`.

        Args:
            before: Whole hours before that go.
            keep_means: Windows of 15 minutes and more are told for ever, or until `expire_means`.
                Where the disk is full, hours go without; see `hours_without_means`.
        """
        expire = expire_into_means if keep_means else expire_slice
        with self._upkeep:
            return expire(self._pool, microseconds(before), self._book.close_hour)

    def expire_means(self, before: datetime) -> bool:
        """Drop one slice of means of whole days (UTC) before that; returns whether there is more.

        Means of polls that are still there are not kept, so they stay.
        """
        with self._upkeep:
            return expire_means_slice(self._pool, microseconds(before))

    @property
    def hours_without_means(self) -> int:
        """Hours that `expire` dropped without a mean since the file was opened: no room."""
        return self._pool.hours_without_means

    def first(self, meter: str) -> datetime | None:
        """See `Store.first`."""
        time_us = read_first(self._pool, meter)
        return None if time_us is None else datetime_of(time_us)

    def check(self) -> list[str]:
        """See `Store.check`."""
        return problems(self._pool)

    def backup(self, path: Path) -> None:
        """See `Store.backup`."""
        copy_to(self._pool, path)

    def close(self) -> None:
        """See `Store.close`."""
        self._pool.close()

    def _codec(self, layout: Layout) -> RowCodec:
        codec = self._codecs.get(layout)
        if codec is None:
            codec = self._codecs[layout] = RowCodec(layout)
        return codec


class _Round:
    """Polls of one hour, at most one a meter."""

    __slots__ = ("key", "meters")

    def __init__(self, number: int) -> None:
        self.key = number << METER_BITS
        self.meters: set[int] = set()


_Row = tuple[int, int, int, bytes]


class _Book:
    """What the writer knows by heart: numbers of meters and layouts, and the open rounds.

    Used within write transactions only; forgotten when one fails or another process wrote.
    """

    def __init__(self) -> None:
        self._meters: dict[str, int] = {}
        self._layouts: dict[Layout, int] = {}
        self._rounds: dict[int, _Round] = {}
        self._known = (-1, -1)

    def turn_to(self, connection: Connection, failures: int) -> None:
        """Begin a transaction: what others changed, or what came to nothing, is asked again."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if (version, failures) != self._known:
            self._known = (version, failures)
            self._layouts.clear()
            self._rounds.clear()
            self._meters = dict(connection.execute("SELECT key, id FROM meter").fetchall())

    def close_hour(self, hour: int) -> None:
        """Let no more polls into the open round of this hour."""
        self._rounds.pop(hour, None)

    def enter(
        self, connection: Connection, encoded: Sequence[tuple[StoredPoll, bytes]]
    ) -> tuple[list[_Row], list[_Row]]:
        """The rows of these polls: hot ones by ascending key, and the newest of each meter."""
        rows: list[_Row] = []
        newest: dict[int, _Row] = {}
        meters, layouts = self._meters, self._layouts
        for poll, body in encoded:
            time_us = poll.time_us
            meter = meters.get(poll.meter)
            if meter is None:
                meter = self._add_meter(connection, poll.meter)
            layout = layouts.get(poll.layout)
            if layout is None:
                layout = self._add_layout(connection, poll.layout)
            hour = time_us // HOUR_US
            current = self._rounds.get(hour)
            if current is None or meter in current.meters:
                current = self._open_round(connection, hour)
            current.meters.add(meter)
            rows.append((current.key + meter, time_us, layout, body))
            before = newest.get(meter)
            if before is None or time_us >= before[1]:
                newest[meter] = (meter, time_us, layout, body)
        rows.sort()
        return rows, list(newest.values())

    def _add_meter(self, connection: Connection, key: str) -> int:
        number = connection.execute("INSERT INTO meter (key) VALUES (?)", (key,)).lastrowid
        if number is None or number >= 1 << METER_BITS:
            msg = f"{key} is one meter too many, a store holds {(1 << METER_BITS) - 1}"
            raise StoreError(msg)
        self._meters[key] = number
        return number

    def _add_layout(self, connection: Connection, layout: Layout) -> int:
        text = layout_text(layout)
        connection.execute("INSERT OR IGNORE INTO layout (body) VALUES (?)", (text,))
        (number,) = connection.execute("SELECT id FROM layout WHERE body = ?", (text,)).fetchone()
        self._layouts[layout] = number
        return int(number)

    def _open_round(self, connection: Connection, hour: int) -> _Round:
        number = connection.execute("INSERT INTO round (hour) VALUES (?)", (hour,)).lastrowid
        assert number is not None  # noqa: S101 - an INSERT has one
        self._rounds.pop(hour, None)
        while len(self._rounds) >= _OPEN_HOURS:
            del self._rounds[next(iter(self._rounds))]
        current = self._rounds[hour] = _Round(number)
        return current
