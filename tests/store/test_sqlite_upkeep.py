"""What the store in a file does in its own way: whole hours go, and a backup is a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.store.support import FAR, START, after, compact_all, plant_poll, rows_kept

from energymeter.store import SqliteStore

DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "site.db", survives_power_loss=False) as store:
        yield store


def test_what_is_too_old_goes_by_whole_hours(store: SqliteStore) -> None:
    store.append([plant_poll(600 * n, n, meter) for n in range(24) for meter in ("a", "b")])
    compact_all(store, after(7200))
    while store.expire(after(3601)):
        pass
    for meter in ("a", "b"):
        found = store.history(meter, "active_energy_import", START - DAY, FAR)
        assert found is not None
        assert found.values == list(range(6, 24))
    while store.expire(FAR):
        pass
    empty = store.history("a", "active_energy_import", START - DAY, FAR)
    assert empty is not None
    assert empty.values == []
    assert store.latest(["a"])["a"].values[1] == 23
    assert store.check() == []
    store.append([plant_poll(1, 1)])
    assert len(rows_kept(store, "main", "voltage")) == 1


def test_a_backup_is_a_store_and_later_polls_are_not_in_it(
    store: SqliteStore, tmp_path: Path
) -> None:
    store.append([plant_poll(n, n) for n in range(5)])
    other = tmp_path / "other"
    other.mkdir()
    store.backup(other / "site.db")
    store.append([plant_poll(n, n) for n in range(5, 9)])
    store.backup(other / "second.db")
    with closing(SqliteStore(other / "site.db")) as copy:
        assert copy.check() == []
        assert len(rows_kept(copy, "main", "voltage")) == 5
    assert {path.name for path in other.iterdir()} == {"site.db", "second.db"}
