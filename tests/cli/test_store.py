"""`energymeter store`: what is kept is checked and copied, also while somebody writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.programs import call
from tests.store.support import plant_poll

from energymeter.store import SqliteStore

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "energymeter.db"
    with SqliteStore(path) as store:
        store.append([plant_poll(n) for n in range(100)])
    return path


def test_a_sound_store_is_said_to_be_well(path: Path, capsys: Capture) -> None:
    outcome = call(capsys, "store", "check", "--store", str(path))
    assert (outcome.code, outcome.out, outcome.err) == (0, "everything is well: 1 meter\n", "")


def test_a_damaged_store_is_told_and_ends_with_1(path: Path, capsys: Capture) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
    path.write_bytes(data)
    outcome = call(capsys, "store", "check", "--store", str(path))
    assert outcome.code == 1
    assert outcome.err
    assert "Traceback" not in outcome.err


def test_a_copy_made_while_somebody_writes_is_whole(path: Path, capsys: Capture) -> None:
    copy = path.with_name("copy.db")
    with SqliteStore(path) as store:
        store.append([plant_poll(100)])
        outcome = call(capsys, "store", "backup", str(copy), "--store", str(path))
        store.append([plant_poll(101)])
    assert outcome.code == 0
    assert str(copy) in outcome.out
    with SqliteStore(copy, read_only=True) as kept:
        assert kept.check() == []
        assert kept.latest()["main"].time_us == plant_poll(100).time_us


def test_a_file_that_is_there_is_not_overwritten_unasked(path: Path, capsys: Capture) -> None:
    copy = path.with_name("copy.db")
    copy.write_text("precious")
    outcome = call(capsys, "store", "backup", str(copy), "--store", str(path))
    assert outcome.code == 2
    assert "--force" in outcome.err
    assert copy.read_text() == "precious"
    assert call(capsys, "store", "backup", str(copy), "--store", str(path), "--force").code == 0


def test_a_store_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: Capture) -> None:
    outcome = call(capsys, "store", "check", "--store", str(tmp_path / "none.db"))
    assert outcome.code in (1, 2)
    assert outcome.err.count("\n") == 1
