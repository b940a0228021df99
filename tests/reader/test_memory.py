"""What was learned is kept whole or not at all, and a broken file is no fault of reading."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from energymeter.codec.codes import Table
from energymeter.reader.memory import (
    Fact,
    FactKind,
    FileMemory,
    Knowledge,
    SavedCount,
    Spacing,
    memory_folder,
)

KNOWN = Knowledge(
    facts=[
        Fact(kind=FactKind.HOLE, table=Table.INPUT, first=5, count=3, reason="n", due=9, pause_s=6),
        Fact(kind=FactKind.LONGEST, table=Table.HOLDING, first=0, count=9, at=5, due=1, pause_s=2),
    ],
    spacing=Spacing.TOUCHING,
    spacing_due=12.5,
    is_checked=True,
    counts={"active_energy_import": SavedCount(2**60 + 1, 3.5), "b": SavedCount(0.25, 4.0)},
)  # fmt: skip


def memory(folder: Path, unit: int = 1, profile: str = "a/b") -> FileMemory:
    return FileMemory("192.0.2.7:502", unit, profile, folder=folder)


def test_what_is_saved_comes_back_with_all_its_digits(tmp_path: Path) -> None:
    memory(tmp_path / "new").save(KNOWN)

    assert memory(tmp_path / "new").load() == KNOWN


def test_meters_do_not_share_a_memory(tmp_path: Path) -> None:
    memory(tmp_path).save(KNOWN)

    assert memory(tmp_path, unit=2).load() is None
    assert memory(tmp_path, profile="a-b").load() is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        "{",
        '"x"',
        json.dumps({"format": 1}),
        '{"format": 1, "meter": {}}',
        "[" * 100_000,
    ],
)
def test_broken_file_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    kept = memory(tmp_path)
    kept.save(KNOWN)
    kept.path.write_text(text)

    assert kept.load() is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("facts", [{"kind": "hole"}]),
        ("facts", 7),
        ("spacing", "elsewhere"),
        ("counts", {"a": ["many", 1.0]}),
        ("counts", [1]),
        ("spacing_due", None),
    ],
)
def test_file_with_a_broken_part_is_told_and_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str, value: object
) -> None:
    kept = memory(tmp_path)
    kept.save(KNOWN)
    document = json.loads(kept.path.read_text())
    kept.path.write_text(json.dumps({**document, key: value}))

    with caplog.at_level(logging.WARNING):
        assert kept.load() is None
    assert str(kept.path) in caplog.text


def test_file_of_another_format_is_left_alone(tmp_path: Path) -> None:
    kept = memory(tmp_path)
    kept.save(KNOWN)
    document = json.loads(kept.path.read_text())
    kept.path.write_text(json.dumps({**document, "format": 99}))

    assert kept.load() is None


def test_folder_that_cannot_be_written_is_told_and_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")

    with caplog.at_level(logging.WARNING):
        memory(tmp_path / "file").save(KNOWN)
    assert "cannot be written" in caplog.text


def test_saving_leaves_no_other_file_behind(tmp_path: Path) -> None:
    memory(tmp_path).save(KNOWN)
    memory(tmp_path).save(Knowledge())

    assert list(tmp_path.iterdir()) == [memory(tmp_path).path]


def test_saving_that_fails_leaves_no_other_file_behind(tmp_path: Path) -> None:
    kept = memory(tmp_path)
    kept.path.mkdir()  # nothing can be put in its place
    kept.save(KNOWN)

    assert list(tmp_path.iterdir()) == [kept.path]


@pytest.mark.parametrize(
    ("state", "expected"),
    [("/var/x", "/var/x"), ("", "~/.local/state"), ("relative", "~/.local/state")],
)
def test_folder_follows_the_xdg_rules(
    monkeypatch: pytest.MonkeyPatch, state: str, expected: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", state)

    assert memory_folder() == Path(expected).expanduser() / "energymeter" / "meters"
