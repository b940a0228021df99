"""The tables of the store in PostgreSQL: made, opened, and the day partitions of the polls.

    store         the version, one row
    meter         key and number of each meter
    layout        what stands in the polls of a meter, as JSON; equal layouts once
    series        the same for people and for SQL: place, name and unit of each value
    meter_layout  which layouts a meter ever had
    poll          one row a poll, in a partition for each day (UTC)
    latest        the newest poll of each meter
    reading, latest_reading, wide    views for people, with names

Partitions are made apart and then attached, which stops neither who reads nor who writes.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from energymeter.store.base import EPOCH
from energymeter.store.errors import StoreCorruptError, StoreError, StoreVersionError
from energymeter.store.rows import QUALITY_OF

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

__all__ = ["DAY_US", "Schema"]

VERSION: Final = 1
OLDEST_SERVER: Final = 130_000
"""PostgreSQL 13."""

DAY_US: Final = 86_400_000_000

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_PARTITION: Final = re.compile(r"poll_(\d{4})(\d\d)(\d\d)")
_LAST_DAY: Final = 2_932_896
"""9999-12-31."""

_COLUMNS: Final = """
    meter int NOT NULL, time timestamptz NOT NULL, layout int NOT NULL,
    numbers float8[] NOT NULL, ratings bytea, others jsonb
"""

_TABLES: Final = f"""
CREATE TABLE {{s}}.store (version int NOT NULL);
INSERT INTO {{s}}.store VALUES ({VERSION});
CREATE TABLE {{s}}.meter (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL UNIQUE);
CREATE TABLE {{s}}.layout (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, digest bytea NOT NULL UNIQUE,
    body text NOT NULL);
CREATE TABLE {{s}}.series (
    layout int NOT NULL, place int NOT NULL, name text NOT NULL, unit text NOT NULL,
    kind text NOT NULL, PRIMARY KEY (layout, place), UNIQUE (layout, name));
CREATE TABLE {{s}}.meter_layout (
    meter int NOT NULL, layout int NOT NULL, PRIMARY KEY (meter, layout));
CREATE TABLE {{s}}.poll ({_COLUMNS}) PARTITION BY RANGE (time);
CREATE INDEX poll_meter_time ON {{s}}.poll (meter, time);
CREATE TABLE {{s}}.latest ({_COLUMNS}, PRIMARY KEY (meter)) WITH (fillfactor = 45);
COMMENT ON TABLE {{s}}.poll IS 'one row a poll; the views reading and wide have names';
COMMENT ON TABLE {{s}}.latest IS 'the newest poll of each meter; see the view latest_reading';
"""  # noqa: S608 - a number of ours

_QUALITIES: Final = ", ".join(f"'{QUALITY_OF[code]}'" for code in sorted(QUALITY_OF))

_VIEW: Final = f"""
CREATE VIEW {{s}}.{{view}} AS
SELECT m.key AS meter, p.time, s.name, p.numbers[s.place] AS value, s.unit,
    CASE WHEN p.ratings IS NULL THEN 'good'
        ELSE (ARRAY[{_QUALITIES}])[1 + (get_byte(p.ratings, s.place - 1) & 15)] END AS quality,
    p.others ->> s.place::text AS text
FROM {{s}}.{{table}} p JOIN {{s}}.meter m ON m.id = p.meter
    JOIN {{s}}.series s ON s.layout = p.layout;
"""  # noqa: S608 - names of ours

_WIDE: Final = """
CREATE VIEW {s}.wide AS
SELECT m.key AS meter, p.time, (
    SELECT jsonb_object_agg(
        s.name, coalesce(p.others -> s.place::text, to_jsonb(p.numbers[s.place])))
    FROM {s}.series s WHERE s.layout = p.layout) AS readings
FROM {s}.poll p JOIN {s}.meter m ON m.id = p.meter;
"""

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
"""Held by who makes tables, so that several programs may begin at a time."""

_PARTITIONS: Final = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass(%s)
"""


class Schema:
    """The tables below one name.

    Args:
        name: The schema in the database: small letters, digits, underscores.

    Raises:
        StoreError: The name is none.
    """

    def __init__(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            msg = f"{name!r} is no name of a schema; use small letters, digits and underscores"
            raise StoreError(msg)
        self.name = name
        self.quoted = f'"{name}"'
        """As it stands in statements: a name may be a word of SQL."""

    def prepare(self, connection: Connection, place: str) -> None:
        """Make the tables where there are none, or see that they are ours.

        Raises:
            StoreVersionError: They are of a newer version, or the server is too old.
            StoreCorruptError: They are something else.
        """
        if connection.info.server_version < OLDEST_SERVER:
            msg = f"{place}: runs an older server than PostgreSQL 13; upgrade it"
            raise StoreVersionError(msg)
        if self._version(connection, place) == 0:
            with connection.transaction():
                connection.execute(_LOCK, (self.name,))
                # Another program may have been quicker.
                if self._version(connection, place) == 0:
                    self._make(connection)
        connection.execute(f"CREATE TEMP TABLE newest ({_COLUMNS}) ON COMMIT DELETE ROWS")

    def add_days(self, connection: Connection, days: Collection[int]) -> set[int]:
        """Make the partitions of these days and of those after them; returns all there are.

        Args:
            connection: Outside of a transaction.
            days: Since 1970.
        """
        wanted = {day for each in days for day in (each, each + 1) if day <= _LAST_DAY}
        with connection.transaction():
            missing = wanted - self.days(connection)
            if missing:
                connection.execute(_LOCK, (self.name,))
            present = self.days(connection)
            for day in sorted(missing - present):
                self._add_day(connection, day)
        return present | wanted

    def days(self, connection: Connection) -> set[int]:
        """The days since 1970 that have a partition."""
        rows = connection.execute(_PARTITIONS, (f"{self.quoted}.poll",)).fetchall()
        found = (_PARTITION.fullmatch(name) for (name,) in rows)
        return {_day_of(match) for match in found if match is not None}

    def drop_day(self, connection: Connection, day: int) -> None:
        """Drop a day with its polls; waits half a second at most for who reads or writes."""
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout TO '500ms'")
            connection.execute(f"DROP TABLE IF EXISTS {self._partition(day)}")

    def _add_day(self, connection: Connection, day: int) -> None:
        name = self._partition(day)
        start, end = (f"to_timestamp({each * 86_400})" for each in (day, day + 1))
        connection.execute(f"CREATE TABLE {name} (LIKE {self.quoted}.poll INCLUDING ALL)")
        connection.execute(
            f"ALTER TABLE {self.quoted}.poll ATTACH PARTITION {name} "
            f"FOR VALUES FROM ({start}) TO ({end})"
        )

    def _partition(self, day: int) -> str:
        return f"{self.quoted}.poll_{EPOCH + timedelta(days=day):%Y%m%d}"

    def _version(self, connection: Connection, place: str) -> int:
        row = connection.execute(
            "SELECT to_regclass(%s) IS NOT NULL, EXISTS "
            "(SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace(%s))",
            (f"{self.quoted}.store", self.quoted),
        ).fetchone()
        if row == (False, False):
            return 0
        found = None
        if row == (True, True):
            found = connection.execute(f"SELECT * FROM {self.quoted}.store").fetchall()  # noqa: S608 - a checked name
        if not found or len(found) != 1 or not isinstance(found[0][0], int):
            msg = f"{place}: the schema {self.name} holds something else; name another one"
            raise StoreCorruptError(msg)
        version: int = found[0][0]
        if version > VERSION:
            msg = (
                f"{place}: the schema {self.name} is of version {version}, this program knows up "
                f"to {VERSION}; install the newer program again or name another schema"
            )
            raise StoreVersionError(msg)
        return version

    def _make(self, connection: Connection) -> None:
        row = connection.execute("SELECT to_regnamespace(%s) IS NULL", (self.quoted,)).fetchone()
        if row == (True,):
            # Asked first: who may not make schemas may still use one made for it.
            connection.execute(f"CREATE SCHEMA {self.quoted}")
        connection.execute(
            _TABLES.format(s=self.quoted)
            + _VIEW.format(s=self.quoted, view="reading", table="poll")
            + _VIEW.format(s=self.quoted, view="latest_reading", table="latest")
            + _WIDE.format(s=self.quoted)
        )


def _day_of(match: re.Match[str]) -> int:
    year, month, day = map(int, match.groups())
    return (EPOCH.replace(year=year, month=month, day=day) - EPOCH).days
