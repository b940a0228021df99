"""The file itself: versions, damage, a full disk, and what `check` finds."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.store.support import FAR, START, compact_all, plant_poll

from energymeter.store import (
    SqliteStore,
    StoreCorruptError,
    StoredPoll,
    StoreError,
    StoreFullError,
    StoreVersionError,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.db"


@pytest.fixture
def filled(path: Path) -> Path:
    """A file with compressed hours and hot polls, closed."""
    with SqliteStore(path, survives_power_loss=False) as store:
        store.append([_poll(n) for n in range(0, 7200, 20)])
        compact_all(store)
        store.append([_poll(n) for n in range(7200, 10_000, 20)])
    return path


def _poll(second: int) -> StoredPoll:
    return plant_poll(second, second, voltage=second**0.5)


def _execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_a_newer_version_is_refused_and_left_alone(filled: Path) -> None:
    _execute(filled, "PRAGMA user_version = 99")
    before = filled.read_bytes()
    for read_only in (False, True):
        with pytest.raises(StoreVersionError):
            SqliteStore(filled, read_only=read_only)
    assert filled.read_bytes() == before


def test_another_program_s_database_is_refused_and_left_alone(path: Path) -> None:
    _execute(path, "CREATE TABLE precious (id)")
    before = path.read_bytes()
    with pytest.raises(StoreCorruptError):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"once upon a time " * 1000)
    with pytest.raises(StoreCorruptError):
        SqliteStore(path)
    assert path.read_bytes().startswith(b"once")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        SqliteStore(tmp_path / "nowhere" / "site.db")


def test_a_store_open_for_reading_takes_nothing(filled: Path) -> None:
    with SqliteStore(filled, read_only=True) as store:
        for write in (
            lambda: store.append([_poll(1)]),
            lambda: store.compact(FAR),
            lambda: store.expire(FAR),
        ):
            with pytest.raises(StoreError):
                write()
        assert len(store.latest()) == 1


def _ask_everything(path: Path) -> None:
    with SqliteStore(path, survives_power_loss=False) as store:
        store.check()
        store.meters()
        store.latest()
        for name in ("voltage", "active_energy_import", "power"):
            store.history("main", name, START, FAR)
        store.append([_poll(20_000)])
        compact_all(store)


@pytest.mark.parametrize("seed", range(40))
def test_damage_gives_one_clear_error_and_nothing_else(filled: Path, seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(filled.read_bytes())
    if seed % 4 == 0:
        del data[chance.randrange(100, len(data)) :]
    for _ in range(chance.choice((1, 20, 400))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    filled.write_bytes(data)
    with suppress(StoreError):
        _ask_everything(filled)


def test_a_bit_flipped_in_a_chunk_is_found(filled: Path) -> None:
    _execute(
        filled,
        "UPDATE chunk SET body = CAST(substr(body, 1, 60) || x'ff' || substr(body, 62) AS BLOB) "
        "WHERE id = (SELECT max(id) FROM chunk)",
    )
    with SqliteStore(filled) as store:
        assert len(store.check()) == 1
        with pytest.raises(StoreCorruptError):
            store.history("main", "voltage", START, FAR)
        assert len(store.latest()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE poll SET body = x'' WHERE id = (SELECT min(id) FROM poll)",
        "UPDATE poll SET body = x'07' WHERE id = (SELECT min(id) FROM poll)",
        "UPDATE poll SET body = 'text' WHERE id = (SELECT min(id) FROM poll)",
        "UPDATE poll SET body = CAST(x'ff' AS TEXT) WHERE id = (SELECT min(id) FROM poll)",
        "UPDATE poll SET layout = 99 WHERE id = (SELECT min(id) FROM poll)",
        "UPDATE latest SET body = x'0100'",
        "DELETE FROM round WHERE id = (SELECT min(id) FROM round)",
        "DELETE FROM meter",
    ],
)
def test_rows_that_are_wrong_are_found(filled: Path, statement: str) -> None:
    _execute(filled, statement)
    with SqliteStore(filled) as store:
        assert store.check() != []


@pytest.fixture
def small(path: Path) -> Iterator[SqliteStore]:
    """A store on a disk of 200 pages."""
    with SqliteStore(path, survives_power_loss=False) as store:
        _limit(store, 200)
        yield store


def _limit(store: SqliteStore, pages: int) -> None:
    with store._pool.writing() as connection:
        connection.execute(f"PRAGMA max_page_count = {pages}")


def _fill(store: SqliteStore, batches: Iterable[list[StoredPoll]]) -> int:
    """Append until the disk is full; returns how many batches it took."""
    for taken, batch in enumerate(batches):
        try:
            store.append(batch)
        except StoreFullError:
            return taken
    pytest.fail("the disk was never full")


def test_a_full_disk_keeps_what_was_acknowledged_and_goes_on_with_room(
    small: SqliteStore,
) -> None:
    kept = 100 * _fill(small, ([_poll(100 * n + m) for m in range(100)] for n in range(1000)))
    assert small.latest()["main"].values[1] == kept - 1
    with pytest.raises(StoreFullError) as caught:
        small.append([_poll(kept + m) for m in range(100)])
    assert caught.value.retryable
    _limit(small, 100_000)
    # The same polls again, of the same meter and of one that is new.
    small.append([_poll(kept + m) for m in range(100)])
    small.append([plant_poll(0, 1, "another")])
    found = small.history("main", "active_energy_import", START, FAR)
    assert found is not None
    assert found.values == list(range(kept + 100))
    assert small.check() == []


def test_a_new_meter_that_found_no_room_is_taken_later(small: SqliteStore) -> None:
    batches = [[plant_poll(n, n, f"meter-{n}-{m}") for m in range(100)] for n in range(100)]
    failed = batches[_fill(small, batches)]
    assert failed[0].meter not in small.latest()
    _limit(small, 100_000)
    small.append(failed)
    assert failed[0].meter in small.latest()
    assert small.check() == []


def test_retention_makes_room_on_a_full_disk(small: SqliteStore) -> None:
    kept = 100 * _fill(small, ([_poll(100 * n + m) for m in range(100)] for n in range(1000)))
    while small.expire(FAR):
        pass
    small.append([_poll(kept)])
    assert small.latest()["main"].values[1] == kept


def test_a_backup_of_a_damaged_file_leaves_nothing_behind(filled: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with SqliteStore(filled) as store, pytest.raises(StoreError):
        store.backup(filled)
    shutil.copy(filled, other / "whole.db")
    with SqliteStore(filled) as store:
        store.backup(other / "copy.db")
    with SqliteStore(other / "copy.db") as copy:
        assert copy.check() == []
    assert {each.name for each in other.iterdir()} == {"whole.db", "copy.db"}


def test_an_empty_file_is_told_and_stays_empty_for_whoever_only_reads(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    path.touch()
    with pytest.raises(StoreCorruptError, match="is empty"):
        SqliteStore(path, read_only=True)
    assert path.stat().st_size == 0


def test_a_place_that_cannot_be_opened_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be opened .* have to be writable"):
        SqliteStore(tmp_path)
