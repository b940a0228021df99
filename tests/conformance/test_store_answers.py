"""The store in a file and the one in a server give the same answers, to the bit."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.postgres import Postgres, schema_of
from tests.store.support import START, after, exact, histories, plant_poll, polls

from energymeter.reader import EventKind, Quality
from energymeter.store import Every, History, SqliteStore, Store, StoredPoll
from energymeter.store.postgres import PostgresStore

ENERGY = "active_energy_import"


def _told(found: History | None) -> object:
    """All there is to a history, floats by their bits."""
    if found is None:
        return None
    nulls = np.asarray(found.is_null).tolist()
    values = [None if null else exact(v) for null, v in zip(nulls, found.values, strict=True)]
    columns = [each for each in (found.counts, found.lows, found.highs) if each is not None]
    return (
        found.series,
        found.numbers.dtype,
        found.times_us.tolist(),
        [(type(value), value) for value in values],
        list(found.qualities),
        dict(found.marks),
        [column.tobytes() for column in columns],
    )


def _assert_alike(one: Store, other: Store, given_polls: list[StoredPoll], days: int) -> None:
    assert one.meters() == other.meters()
    for meter, name in histories(one, given_polls):
        for every in (None, *Every):
            for first in (-3600.0, 1800.5):
                span = after(first), START + timedelta(days=days)
                told = [_told(store.history(meter, name, *span, every)) for store in (one, other)]
                assert told[0] == told[1]


@settings(max_examples=15, deadline=None)
@given(given_polls=polls())
def test_whatever_was_given(postgres: Postgres, given_polls: list[StoredPoll]) -> None:
    # Of one time, the order among layouts is nobody's promise.
    given_polls = list({(p.meter, p.time_us): p for p in given_polls}.values())
    with (
        TemporaryDirectory() as folder,
        closing(SqliteStore(Path(folder) / "s.db", survives_power_loss=False)) as one,
        closing(PostgresStore(postgres.url, schema=schema_of(Path(folder)))) as other,
    ):
        one.append(given_polls)
        other.append(given_polls)
        _assert_alike(one, other, given_polls, 1)


@settings(max_examples=15, deadline=None)
@given(
    amounts=st.lists(st.integers(0, 60) | st.integers(999_990, 1_000_000), min_size=1, max_size=40),
    marked=st.dictionaries(
        st.integers(0, 39),
        st.sampled_from((EventKind.COUNTER_ROLLED_OVER, EventKind.COUNTER_REPLACED)),
        max_size=4,
    ),
    gaps=st.sets(st.integers(0, 39), max_size=8),
)
def test_counters_that_roll_over_and_are_replaced(
    postgres: Postgres, amounts: list[int], marked: dict[int, EventKind], gaps: set[int]
) -> None:
    given_polls = [
        plant_poll(
            977.3 * n,
            None if n in gaps else amount,
            quality=Quality.WITHHELD if n in gaps else Quality.GOOD,
            mark=None if n in gaps else marked.get(n),
            voltage=amount / 7,
        )
        for n, amount in enumerate(amounts)
    ]
    with (
        TemporaryDirectory() as folder,
        closing(SqliteStore(Path(folder) / "s.db", survives_power_loss=False)) as one,
        closing(PostgresStore(postgres.url, schema=schema_of(Path(folder)))) as other,
    ):
        one.append(given_polls)
        other.append(given_polls)
        _assert_alike(one, other, given_polls, 2)
