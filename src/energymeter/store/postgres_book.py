"""What the writer of the store in PostgreSQL knows by heart: numbers, and days with a partition.

What is new is made and committed before the polls that need it, so that programs that write at
the same time wait for each other only there, and in one order. A number without polls does no harm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from energymeter.store.base import Layout, StoredPoll
from energymeter.store.errors import StoreError
from energymeter.store.layouts import layout_text
from energymeter.store.postgres_schema import DAY_US, Schema

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

__all__ = ["Book", "is_text"]


class Book:
    """Numbers of meters and layouts, and the days that are there; used by who writes only.

    Args:
        schema: Where they stand.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._generation = -1
        self._meters: dict[str, int] = {}
        self._layouts: dict[Layout, int] = {}
        self._pairs: set[tuple[int, int]] = set()
        self._days: set[int] = set()

    def turn_to(self, generation: int) -> None:
        """Forget all when another connection writes: what was made may have come to nothing."""
        if generation != self._generation:
            self._generation = generation
            self._meters.clear()
            self._layouts.clear()
            self._pairs.clear()
            self.forget_days()

    def forget_days(self) -> None:
        """Another program may have dropped some."""
        self._days.clear()

    def enter(
        self, connection: Connection, polls: Sequence[StoredPoll]
    ) -> tuple[list[int], list[int]]:
        """The numbers of each poll's meter and layout; makes what is not there yet."""
        self._know_meters(connection, {poll.meter for poll in polls} - self._meters.keys())
        for layout in {poll.layout for poll in polls} - self._layouts.keys():
            self._layouts[layout] = self._number_of(connection, layout)
        meters = [self._meters[poll.meter] for poll in polls]
        layouts = [self._layouts[poll.layout] for poll in polls]
        self._know_pairs(connection, set(zip(meters, layouts, strict=True)) - self._pairs)
        days = {poll.time_us // DAY_US for poll in polls}
        if not days <= self._days:
            self._days = self._schema.add_days(connection, days)
        return meters, layouts

    def _know_meters(self, connection: Connection, keys: Iterable[str]) -> None:
        new = sorted(keys)
        if not new:
            return
        for key in new:
            if not is_text(key):
                msg = f"a meter called {key!r} has a character that PostgreSQL does not keep"
                raise StoreError(msg)
        s = self._schema.quoted
        known = f"SELECT key, id FROM {s}.meter WHERE key = ANY(%s)"  # noqa: S608 - a checked name
        found: dict[str, int] = dict(connection.execute(known, (new,)).fetchall())
        missing = [key for key in new if key not in found]
        if missing:
            connection.execute(
                f"INSERT INTO {s}.meter (key) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING",
                (missing,),
            )
            found |= dict(connection.execute(known, (missing,)).fetchall())
        self._meters |= found

    def _number_of(self, connection: Connection, layout: Layout) -> int:
        text = layout_text(layout)
        digest = hashlib.sha256(text.encode()).digest()
        s = self._schema.quoted
        with connection.transaction():
            row = connection.execute(
                f"INSERT INTO {s}.layout (digest, body) VALUES (%s, %s) "  # noqa: S608
                "ON CONFLICT DO NOTHING RETURNING id",
                (digest, text),
            ).fetchone()
            if row is not None:
                series = layout.series
                connection.execute(
                    f"INSERT INTO {s}.series SELECT %s, * FROM "  # noqa: S608
                    "unnest(%s::int[], %s::text[], %s::text[], %s::text[])",
                    (
                        row[0],
                        list(range(1, len(series) + 1)),
                        [each.name for each in series],
                        [each.unit for each in series],
                        [each.kind.value for each in series],
                    ),
                )
        if row is None:
            row = connection.execute(
                f"SELECT id FROM {s}.layout WHERE digest = %s",  # noqa: S608
                (digest,),
            ).fetchone()
        assert row is not None  # noqa: S101 - layouts are never deleted
        return int(row[0])

    def _know_pairs(self, connection: Connection, pairs: set[tuple[int, int]]) -> None:
        if not pairs:
            return
        meters, layouts = zip(*sorted(pairs), strict=True)
        connection.execute(
            f"INSERT INTO {self._schema.quoted}.meter_layout "  # noqa: S608 - a checked name
            "SELECT * FROM unnest(%s::int[], %s::int[]) ON CONFLICT DO NOTHING",
            (list(meters), list(layouts)),
        )
        self._pairs |= pairs


def is_text(text: str) -> bool:
    """Whether PostgreSQL takes it: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)
