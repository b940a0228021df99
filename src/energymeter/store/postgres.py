"""The store in a PostgreSQL server: many programs may write and read it, on many machines.

One row a poll in a partition for each day, written by binary COPY. Whatever is asked is computed
by the same code as for the embedded store, so both give the same answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Self

from energymeter.store.base import (
    Every,
    History,
    Latest,
    Layout,
    StoredPoll,
    keys_of,
    microseconds,
)
from energymeter.store.errors import StoreError
from energymeter.store.postgres_book import Book
from energymeter.store.postgres_pool import Pool
from energymeter.store.postgres_reading import Reading
from energymeter.store.postgres_rows import Batch
from energymeter.store.postgres_schema import DAY_US, Schema

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

__all__ = ["PostgresStore"]

_COPY: Final = (
    "COPY {table} (meter, time, layout, numbers, ratings, others) FROM STDIN (FORMAT binary)"
)

_UPSERT: Final = """
INSERT INTO {s}.latest SELECT * FROM newest ORDER BY meter
ON CONFLICT (meter) DO UPDATE
SET time = excluded.time, layout = excluded.layout, numbers = excluded.numbers,
    ratings = excluded.ratings, others = excluded.others
WHERE excluded.time >= latest.time
"""


class PostgresStore:
    """A `Store` in a PostgreSQL database, 13 or newer.

    A server that was stopped is connected to again with the next call after it came back.

    Args:
        url: Where it is, `postgresql://user:password@host/database`; what it may say besides is
            what libpq takes. The password stands in no message.
        schema: Name of the schema in the database that holds the tables; made when it is not
            there. Small letters, digits and underscores.

    Raises:
        StoreError: The driver is missing, or the address or the name cannot be one.
        StoreUnavailableError: The server does not answer, or does not let us in.
        StoreCorruptError: The schema holds something else.
        StoreVersionError: A newer version made it, or the server is too old.
    """

    def __init__(self, url: str, *, schema: str = "energymeter") -> None:
        self._schema = Schema(schema)
        self._book = Book(self._schema)
        self._pool = Pool(url, self._schema.prepare)
        self._reading = Reading(self._pool, self._schema)
        self._upkeep = Lock()
        self._upsert = _UPSERT.format(s=self._schema.quoted)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, polls: Sequence[StoredPoll]) -> None:
        """See `Store.append`.

        Raises:
            StoreUnavailableError: The server cannot be reached. Where it was lost in the moment
                of its acknowledgement, it may have kept the polls: the same call again keeps
                them twice.
            StoreBusyError: Another program holds the tables for longer than ten seconds.
        """
        batch = Batch(polls)
        if not polls:
            return
        with self._pool.writing() as connection:
            self._book.turn_to(self._pool.generation)
            batch.number(*self._book.enter(connection, polls))
            try:
                self._write(connection, batch)
            except Exception as error:
                if not self._pool.is_missing_partition(error):
                    raise
                self._book.forget_days()
                self._book.enter(connection, polls)
                self._write(connection, batch)

    def latest(self, meters: Iterable[str] | None = None) -> dict[str, Latest]:
        """See `Store.latest`."""
        return self._reading.latest(meters)

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
        return self._reading.history(keys_of(meter), quantity, start_us, end_us, every)

    def meters(self) -> dict[str, Layout]:
        """See `Store.meters`."""
        return self._reading.meters()

    def first(self, meter: str) -> datetime | None:
        """See `Store.first`."""
        return self._reading.first(meter)

    def compact(self, before: datetime) -> bool:
        """See `Store.compact`; there is nothing to do."""
        microseconds(before)
        return False

    def expire(self, before: datetime) -> bool:
        """See `Store.expire`; a slice is one day (UTC), and only whole days go.

        Raises:
            StoreBusyError: Someone reads or writes the polls for longer than half a second.
        """
        last = microseconds(before) // DAY_US
        with self._upkeep, self._pool.writing() as connection:
            days = sorted(day for day in self._schema.days(connection) if day < last)
            if days:
                self._book.forget_days()
                self._schema.drop_day(connection, days[0])
            return len(days) > 1

    def check(self) -> list[str]:
        """See `Store.check`; reads all rows."""
        return self._reading.problems()

    def backup(self, path: Path) -> None:
        """Not done here: the server's own program does it better.

        Raises:
            StoreError: Always; it says what to call.
        """
        msg = (
            f"{path}: a store in PostgreSQL is copied by the server's own program; "
            f"call pg_dump --format=custom --schema={self._schema.name} with its address"
        )
        raise StoreError(msg)

    def close(self) -> None:
        """See `Store.close`."""
        self._pool.close()

    def _write(self, connection: Connection, batch: Batch) -> None:
        newest = _newest(batch.polls)
        data = batch.copy_data()
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy(_COPY.format(table=f"{self._schema.quoted}.poll")) as copy:
                copy.write(data)
            if len(newest) < len(batch.polls):
                data = batch.copy_data(newest)
            with cursor.copy(_COPY.format(table="newest")) as copy:
                copy.write(data)
            cursor.execute(self._upsert)


def _newest(polls: Sequence[StoredPoll]) -> list[int]:
    """Where the newest poll of each meter stands."""
    found: dict[str, int] = {}
    for place, poll in enumerate(polls):
        before = found.get(poll.meter)
        if before is None or poll.time_us >= polls[before].time_us:
            found[poll.meter] = place
    return list(found.values())
