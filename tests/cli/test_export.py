"""`energymeter export`: files for other programs."""

from __future__ import annotations

import csv
import io
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from pyarrow import parquet  # type: ignore[import-untyped]
from tests.cli.programs import call, start

from energymeter.reader import Quality
from energymeter.store import Form, Kind, Layout, Series, SqliteStore, StoredPoll
from energymeter.store.base import microseconds

Capture = pytest.CaptureFixture[str]

BEGIN_US: Final = microseconds(datetime(2026, 3, 1, tzinfo=UTC))
LAYOUT: Final = Layout(
    (
        Series("active_energy_import", "Wh", kind=Kind.COUNTER, form=Form.INTEGER),
        Series("voltage_phase_a", "V", divisor=10),
    )
)
GOOD: Final = (Quality.GOOD, Quality.GOOD)


def _fill(path: Path, count: int, step_s: int = 60) -> None:
    with SqliteStore(path, survives_power_loss=False) as store:
        store.append(
            [
                StoredPoll(
                    meter, LAYOUT, BEGIN_US + n * step_s * 1_000_000, [n, 230 + n % 7 / 10], GOOD
                )
                for n in range(count)
                for meter in ("house-1", "house-2", "barn")
            ]
        )


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("export") / "site.db"
    _fill(path, 180)
    return str(path)


def test_a_csv_file_is_written(db: str, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "all.csv"
    outcome = call(capsys, "export", str(path), "--store", db)
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == f"energymeter export: wrote {path}, 1,080 values of 3 meters\n"
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert len(rows) == 1080
    assert rows[0] == {
        "time": "2026-03-01T00:00:00.000000Z",
        "meter": "barn",
        "quantity": "active_energy_import",
        "value": "0",
        "unit": "Wh",
        "quality": "good",
    }
    assert list(tmp_path.iterdir()) == [path]


def test_stdout_takes_csv(db: str, capsys: Capture) -> None:
    options = ("--meter", "house-*", "--quantity", "*energy*", "--every", "1h", "--wide")
    outcome = call(capsys, "export", "-", "--store", db, *options)
    assert (outcome.code, outcome.err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    assert [tuple(row.values())[:3] for row in rows] == [
        (f"2026-03-01T0{hour}:00:00Z", meter, energy)
        for meter in ("house-1", "house-2")
        for hour, energy in enumerate(("59", "60", "60"))
    ]


def test_parquet_is_written_by_its_name_or_by_option(
    db: str, tmp_path: Path, capsys: Capture
) -> None:
    span = ("--from", "2026-03-01T01:00Z", "--to", "2026-03-01T02:00Z", "--meter", "barn")
    for name, *options in (("x.parquet",), ("x", "--parquet"), ("x.csv", "--parquet", "--wide")):
        path = tmp_path / name
        outcome = call(capsys, "export", str(path), "--store", db, *span, *options)
        assert outcome.code == 0
        table = parquet.read_table(path)
        assert table.num_rows == (60 if "--wide" in options else 120)
        assert table.column("time")[0].as_py() == datetime(2026, 3, 1, 1, tzinfo=UTC)


def test_days_are_told_with_their_zone(db: str, capsys: Capture) -> None:
    options = ("--meter", "barn", "--quantity", "active*", "--every", "1d")
    outcome = call(capsys, "export", "-", "--store", db, *options, "--timezone", "America/New_York")
    (row,) = csv.DictReader(io.StringIO(outcome.out))
    assert (row["time"], row["value"]) == ("2026-02-28T00:00:00-05:00", "179")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("x.txt",), "unknown format for x.txt: name it .parquet or .csv"),
        (("x.csv", "--parquet", "--csv"), "give --parquet or --csv, not both"),
        (("-", "--parquet"), "stdout takes CSV only"),
        (("/no/such/folder/x.csv",), "cannot write /no/such/folder/x.csv"),
        (("/no/such/folder/x.parquet",), "cannot write /no/such/folder/x.parquet"),
        (("x.csv", "--meter", "hose-1"), "no meter 'hose-1'; near it: house-1"),
        (("x.csv", "--quantity", "voltage"), "no quantity 'voltage'; near it: voltage_phase_a"),
        (("x.csv", "--from", "whenever"), "'whenever' is not a time"),
    ],
)
def test_wrong_usage_is_one_sentence_and_writes_nothing(
    db: str,
    arguments: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = call(capsys, "export", "--store", db, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_it_says_what_to_install(
    db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    outcome = call(capsys, "export", str(tmp_path / "x.parquet"), "--store", db)
    assert outcome.code == 2
    assert outcome.err == "energymeter: Parquet needs pyarrow: pip install 'energymeter[arrow]'\n"
    assert list(tmp_path.iterdir()) == []


def test_interrupted_it_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    store = tmp_path / "big.db"
    _fill(store, 20_000, 1)
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / "x.csv"
    target.write_text("old")
    with start("export", str(target), "--store", str(store)) as program:
        deadline = time.monotonic() + 20
        while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        outcome = program.end(signal.SIGINT)
    assert outcome.code == 130
    assert target.read_text() == "old"
    assert list(folder.iterdir()) == [target]
