"""Killed at any moment, nothing acknowledged is lost; others read meanwhile."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from tests.store.support import FAR
from tests.store.writer import poll

from energymeter.store import SqliteStore, StoreError

WRITER: Final = Path(__file__).with_name("writer.py")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
KILLS: Final = 10


@contextmanager
def _writer(path: Path, first: int, *, survives: bool) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(WRITER), str(path), str(first), str(survives)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def _acknowledged(process: subprocess.Popen[str]) -> int:
    """The last number that is acknowledged, once the writer is dead."""
    process.kill()
    assert process.stdout is not None
    whole = [line for line in process.stdout.read().split("\n")[:-1] if line]
    return int(whole[-1]) if whole else 0


def _kept(store: SqliteStore, meter: str) -> list[object]:
    found = store.history(meter, "n", EPOCH, FAR)
    assert found is not None
    return list(found.values)


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    first = 0
    for kill in range(KILLS):
        with _writer(path, first, survives=bool(kill % 2)) as process:
            time.sleep(chance.uniform(0.0, 0.25))
            acknowledged = max(_acknowledged(process), first)
        with SqliteStore(path) as store:
            assert store.check() == []
            for meter in ("a", "b"):
                numbers = _kept(store, meter)
                assert len(numbers) >= acknowledged
                # Whole batches, each number once, also where compaction was under way.
                assert numbers == list(range(len(numbers)))
            first = len(numbers)
            assert store.latest()["a"].values == (first - 1, (first - 1) / 2)
    assert first > 0


def test_another_process_reads_while_one_writes_and_compacts(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    with _writer(path, 0, survives=False) as process, SqliteStore(path, read_only=True) as store:
        seen = 0
        end = time.monotonic() + 1.0
        reads = 0
        while time.monotonic() < end:
            numbers = _kept(store, "a")
            assert numbers == list(range(len(numbers)))
            assert len(numbers) >= seen
            seen = len(numbers)
            assert store.latest()["b"].values[0] >= seen - 1  # type: ignore[operator]
            reads += 1
        assert process.poll() is None
    assert reads > 3
    assert seen > 100


def test_two_processes_that_write_do_not_harm_each_other(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    with _writer(path, 0, survives=False) as process, SqliteStore(path) as store:
        from_here = 0
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            latest = store.latest()["a"]
            meter = f"mine-{from_here % 3}"
            store.append([poll(meter, 0)._replace(time_us=latest.time_us)])
            from_here += 1
        acknowledged = _acknowledged(process)
        numbers = _kept(store, "a")
        assert len(numbers) >= acknowledged
        assert numbers == list(range(len(numbers)))
        mine = [_kept(store, meter) for meter in store.meters() if meter.startswith("mine")]
        assert sum(map(len, mine)) == from_here
        assert store.check() == []


def test_a_store_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        SqliteStore(tmp_path / "site.db", read_only=True)
    assert list(tmp_path.iterdir()) == []
