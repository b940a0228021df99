"""`energymeter history`: a value over time, and what there is."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from tests.cli.programs import call

from energymeter.cli.kept import parse_time
from energymeter.errors import ConfigError
from energymeter.reader import Quality
from energymeter.store import Form, Kind, Layout, Series, SqliteStore, StoredPoll
from energymeter.store.base import microseconds
from energymeter.values import DataType

Capture = pytest.CaptureFixture[str]

BERLIN: Final = ZoneInfo("Europe/Berlin")
BEGIN: Final = datetime(2026, 3, 27, tzinfo=BERLIN).astimezone(UTC)
ENERGY: Final = "active_energy_import"
FAST: Final = Layout(
    (
        Series("voltage_phase_a", "V", type=DataType.FLOAT32),
        Series("status", type=DataType.STRING, form=Form.TEXT),
    )
)
SLOW: Final = Layout((Series(ENERGY, "kWh", type=DataType.UINT32, kind=Kind.COUNTER, divisor=100),))
SPAN: Final = ("--from", "2026-03-27", "--to", "2026-03-31", "--timezone", "Europe/Berlin")


def _polls() -> list[StoredPoll]:
    """Four days of Berlin with the night in which the clocks go forward, every ten minutes."""
    polls = []
    for n in range(-1, 95 * 6):
        time_us = microseconds(BEGIN + timedelta(minutes=10 * n))
        voltage = None if n == 5 else 230.10000610351562 + n % 3
        quality = Quality.WITHHELD if n == 5 else Quality.GOOD
        good = Quality.GOOD
        polls.append(StoredPoll("main", FAST, time_us, [voltage, "ok [b]"], [quality, good]))
        polls.append(StoredPoll("main@slow", SLOW, time_us, [100 + n / 10], [good]))
    polls.append(StoredPoll("cellar", SLOW, microseconds(BEGIN), [1.0], [Quality.GOOD]))
    return polls


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("history") / "site.db"
    with SqliteStore(path, survives_power_loss=False) as store:
        store.append(_polls())
    return str(path)


def _rows(text: str) -> Sequence[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_without_a_meter_all_are_listed(db: str, capsys: Capture) -> None:
    plain = call(capsys, "history", "--store", db, "--timezone", "Europe/Berlin")
    assert (plain.code, plain.err) == (0, "")
    assert [line.split() for line in plain.out.splitlines()[2:]] == [
        ["cellar", "1", "2026-03-27T00:00:00+01:00", "2026-03-27T00:00:00+01:00"],
        ["main", "3", "2026-03-26T23:50:00+01:00", "2026-03-30T23:50:00+02:00"],
    ]
    listed = json.loads(call(capsys, "history", "--store", db, "--json").out)
    assert [row["meter"] for row in listed] == ["cellar", "main"]


def test_with_a_meter_its_quantities_are_listed(db: str, capsys: Capture) -> None:
    outcome = call(capsys, "history", "main", "--store", db, "--csv")
    assert _rows(outcome.out) == [
        {
            "quantity": "voltage_phase_a",
            "kind": "gauge",
            "latest": "232.1",
            "unit": "V",
            "quality": "good",
        },
        {"quantity": "status", "kind": "gauge", "latest": "ok [b]", "unit": "", "quality": "good"},
        {
            "quantity": ENERGY,
            "kind": "counter",
            "latest": "156.90",
            "unit": "kWh",
            "quality": "good",
        },
    ]


def test_energy_is_told_by_local_days_of_23_hours_too(db: str, capsys: Capture) -> None:
    outcome = call(capsys, "history", "main", ENERGY, "--store", db, *SPAN, "--every", "1d")
    assert (outcome.code, outcome.err) == (0, "")
    title, header, _, *days, total = outcome.out.splitlines()
    assert (title, header.split()) == (f"main {ENERGY}", ["time", "kWh"])
    assert [day.split()[:2] for day in days] == [
        ["2026-03-27", "14.40"],
        ["2026-03-28", "14.40"],
        ["2026-03-29", "13.80"],
        ["2026-03-30", "14.40"],
    ]
    assert days[0].count("█") == 20
    assert total == "total 57.00 kWh"


def test_quality_is_shown_when_it_is_not_good(db: str, capsys: Capture) -> None:
    span = ("--from", "2026-03-27T00:30", "--to", "2026-03-27T01:00", *SPAN[4:])
    outcome = call(capsys, "history", "main", "voltage_phase_a", "--store", db, *span)
    assert [line.split() for line in outcome.out.splitlines()[3:]] == [
        ["2026-03-27", "00:30:00", "230.1"],
        ["2026-03-27", "00:40:00", "231.1", "█" * 20],
        ["2026-03-27", "00:50:00", "-", "withheld"],
    ]


def test_csv_and_json_have_what_the_meter_gave(db: str, capsys: Capture) -> None:
    span = ("--from", "2026-03-27T00:30", "--to", "2026-03-27T01:00", *SPAN[4:])
    where = ("history", "main", "voltage_phase_a", "--store", db, *span)
    rows = _rows(call(capsys, *where, "--csv").out)
    assert [(row["time"], row["value"], row["quality"]) for row in rows] == [
        ("2026-03-27T00:30:00.000000+01:00", "230.1", "good"),
        ("2026-03-27T00:40:00.000000+01:00", "231.1", "good"),
        ("2026-03-27T00:50:00.000000+01:00", "", "withheld"),
    ]
    document = json.loads(call(capsys, *where, "--every", "1h", "--json").out)
    (row,) = document.pop("rows")
    assert document == {
        "meter": "main",
        "quantity": "voltage_phase_a",
        "unit": "V",
        "kind": "gauge",
        "every": 3600,
        "from": "2026-03-26T23:30:00+00:00",
        "to": "2026-03-27T00:00:00+00:00",
    }
    assert (row["time"], row["quality"]) == ("2026-03-27T00:00:00+01:00", "good")
    assert row["value"] == pytest.approx(230.1 + (0 + 1 + 2 + 0 + 1) / 5)
    assert (row["lowest"], row["highest"]) == (230.10000610351562, 232.10000610351562)


def test_text_is_printed_as_it_is(db: str, capsys: Capture) -> None:
    span = ("--from", "2026-03-27T00:30", "--to", "2026-03-27T00:40", *SPAN[4:])
    outcome = call(capsys, "history", "main", "status", "--store", db, *span)
    assert outcome.out.splitlines()[-1].split(maxsplit=2)[2] == "ok [b]"


def test_the_window_fits_the_time_that_is_asked_for(db: str, capsys: Capture) -> None:
    found = {}
    for end in ("2026-03-27T01:00", "2026-03-27T10:00", "2026-03-28", "2026-03-31", "2026-05-01"):
        span = ("--from", "2026-03-27", "--to", end, *SPAN[4:])
        outcome = call(capsys, "history", "main", ENERGY, "--store", db, *span, "--json")
        found[end[5:]] = json.loads(outcome.out)["every"]
    assert list(found.values()) == [None, 60, 900, 3600, 86_400]


def test_the_last_24_hours_are_meant_when_nothing_is_said(db: str, capsys: Capture) -> None:
    outcome = call(capsys, "history", "cellar", ENERGY, "--store", db)
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.startswith(f"energymeter history: nothing of cellar {ENERGY} between ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mian",), "there is no meter 'mian'; near it: main; energymeter history lists all"),
        (("main", "voltage_phase_b"), "near it: voltage_phase_a; energymeter history main lists"),
        (("main", ENERGY, "--from", "soon"), "'soon' is not a time, write 2026-03-01"),
        (("main", ENERGY, "--from", "now", "--to", "yesterday"), "is not before --to"),
        (("main", ENERGY, "--timezone", "Mars/Base"), "'Mars/Base' is not a time zone"),
        (("main", ENERGY, "--timezone", "../passwd"), "is not a time zone"),
        (("--site", "site.toml"), "give --store or --site, not both"),
        (("main", ENERGY, "--every", "2h"), "--every"),
    ],
)
def test_wrong_usage_is_one_sentence(
    db: str, arguments: tuple[str, ...], words: str, capsys: Capture
) -> None:
    outcome = call(capsys, "history", "--store", db, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert words in outcome.err
    assert outcome.err.count("\n") == 1


def test_no_store_is_one_sentence_and_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = call(capsys, "history")
    assert outcome.code == 2
    assert outcome.err.startswith("energymeter: energymeter.db: there is no store; name it with")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "energymeter.db").write_text("once upon a time " * 100)
    damaged = call(capsys, "history")
    assert damaged.code == 1
    assert damaged.err.count("\n") == 1


def test_an_empty_store_says_so(tmp_path: Path, capsys: Capture) -> None:
    SqliteStore(tmp_path / "x.db").close()
    outcome = call(capsys, "history", "--store", str(tmp_path / "x.db"))
    assert (outcome.code, outcome.err) == (0, "energymeter history: the store is empty\n")


def test_the_store_of_a_site_is_found_from_its_folder(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    with SqliteStore(folder / "kept.db") as store:
        store.append(_polls()[-1:])
    site = folder / "site.toml"
    site.write_text('[store]\npath = "kept.db"\nkeep = "1y"\nkeep_means = "10y"\n')
    outcome = call(capsys, "history", "--site", str(site), "--csv")
    assert (outcome.code, outcome.err) == (0, "")
    assert [row["meter"] for row in _rows(outcome.out)] == ["cellar"]
    site.write_text("store = false\n")
    nothing = call(capsys, "history", "--site", str(site))
    assert nothing.code == 2
    assert "keeps no history" in nothing.err


def test_it_reads_while_another_process_writes(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "busy.db"
    writer = Path(__file__).parents[1] / "store" / "writer.py"
    with subprocess.Popen(
        [sys.executable, str(writer), str(path), "0", "False"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            span = ("--from", "1970-01-01", "--to", "1970-01-02", "--every", "1d", "--csv")
            outcome = call(capsys, "history", "a", "n", "--store", str(path), *span)
            assert process.poll() is None
        finally:
            process.kill()
    assert (outcome.code, outcome.err) == (0, "")
    assert len(_rows(outcome.out)) >= 1


NOW: Final = datetime(2026, 3, 29, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("now", BERLIN, NOW),
        ("today", BERLIN, datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("yesterday", BERLIN, datetime(2026, 3, 27, 23, tzinfo=UTC)),
        ("-24h", BERLIN, NOW - timedelta(hours=24)),
        ("-1.5h", BERLIN, NOW - timedelta(minutes=90)),
        ("2026-03-30", BERLIN, datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("2026-03-29T12:00", BERLIN, datetime(2026, 3, 29, 10, tzinfo=UTC)),
        ("2026-03-29 12:00:30.5Z", BERLIN, datetime(2026, 3, 29, 12, 0, 30, 500_000, tzinfo=UTC)),
        ("2026-03-29T12:00+05:30", None, datetime(2026, 3, 29, 6, 30, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_people_write_them(
    text: str, zone: tzinfo | None, expected: datetime
) -> None:
    assert parse_time(text, NOW, zone) == expected


@pytest.mark.parametrize(
    "text", ["", "soon", "-", "-24x", "-99999y", "2026-02-30", "0001-01-01", "12:00"]
)
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a time"):
        parse_time(text, NOW, ZoneInfo("Asia/Tokyo"))
