"""What goes out comes back: long and wide, CSV and Parquet, digit by digit."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from pyarrow import parquet  # type: ignore[import-untyped]
from tests.store.support import (
    FAR,
    PLANT,
    START,
    START_US,
    after,
    compact_all,
    exact,
    plant_poll,
    polls,
)

from energymeter.errors import ConfigError
from energymeter.reader import Quality
from energymeter.store import Every, Form, Kind, Layout, Series, SqliteStore, StoredPoll
from energymeter.store.export import (
    Block,
    CsvWriter,
    Export,
    columns_of,
    replacing,
    subjects_of,
)
from energymeter.store.export_parquet import ParquetWriter
from energymeter.values import DataType

ENERGY = "active_energy_import"
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "site.db", survives_power_loss=False) as store:
        yield store


def to_csv(
    store: SqliteStore,
    *,
    wide: bool = False,
    every: Every | None = None,
    zone: tzinfo = UTC,
    start: datetime | None = None,
    names: Sequence[str] = (),
) -> list[dict[str, str]]:
    subjects = subjects_of(store, [], names)
    file = io.StringIO(newline="")
    writer = CsvWriter(file, columns_of(subjects) if wide else None, every, zone)
    export = Export(store, subjects, start=start, end=FAR, every=every, zone=zone)
    count = export.run(writer, lambda *_: None)
    rows = list(csv.DictReader(io.StringIO(file.getvalue(), newline="")))
    assert wide or count == len(rows)
    return rows


def to_parquet(
    store: SqliteStore, path: Path, *, wide: bool = False, every: Every | None = None
) -> Any:
    subjects = subjects_of(store)
    writer = ParquetWriter(path, columns_of(subjects) if wide else None, every, BERLIN)
    Export(store, subjects, start=None, end=FAR, every=every, zone=BERLIN).run(
        writer, lambda *_: None
    )
    writer.close()
    return parquet.read_table(path)


def test_a_long_csv_has_a_row_for_each_value(store: SqliteStore) -> None:
    store.append([plant_poll(0.5, 2**62 + 1), plant_poll(60, None, quality=Quality.WITHHELD)])
    rows = to_csv(store, names=[ENERGY, "voltage", "online"])
    assert rows[0] == {
        "time": "2026-03-01T22:00:00.500000Z",
        "meter": "main",
        "quantity": "voltage",
        "value": "230.1",
        "unit": "V",
        "quality": "good",
    }
    assert [(row["quantity"], row["value"], row["quality"]) for row in rows[2:]] == [
        (ENERGY, str(2**62 + 1), "good"),
        (ENERGY, "", "withheld"),
        ("online", "1", "good"),
        ("online", "1", "good"),
    ]


def test_a_wide_csv_has_a_row_for_each_time(store: SqliteStore) -> None:
    slow = Layout((Series("serial_number", form=Form.TEXT),))
    store.append([plant_poll(0, 1), plant_poll(60, None, quality=Quality.WITHHELD)])
    store.append([StoredPoll("main@once", slow, START_US, ['A, "1"'], [Quality.GOOD])])
    rows = to_csv(store, wide=True, names=[ENERGY, "voltage", "serial_number"])
    assert rows == [
        {
            "time": "2026-03-01T22:00:00.000000Z",
            "meter": "main",
            "voltage [V]": "230.1",
            f"{ENERGY} [Wh]": "1",
            "serial_number": 'A, "1"',
            "quality": "",
        },
        {
            "time": "2026-03-01T22:01:00.000000Z",
            "meter": "main",
            "voltage [V]": "230.1",
            f"{ENERGY} [Wh]": "",
            "serial_number": "",
            "quality": f"{ENERGY}=withheld",
        },
    ]


@pytest.mark.parametrize("text", ["\r", "two\nlines", "\r\n", ",", '"', " ", "\u2028"])
def test_texts_of_any_kind_stay_in_their_cell(store: SqliteStore, text: str) -> None:
    layout = Layout((Series("note", form=Form.TEXT),))
    for second in range(2):
        time_us = START_US + second * 1_000_000
        store.append([StoredPoll("main", layout, time_us, [text], [Quality.GOOD])])
    for wide, column in ((False, "value"), (True, "note")):
        assert [row[column] for row in to_csv(store, wide=wide)] == [text] * 2


def test_windows_have_their_extremes_and_days_their_zone(store: SqliteStore) -> None:
    store.append([plant_poll(600 * n, 10 * n, voltage=230.0 + n % 2) for n in range(24)])
    (day, next_day) = to_csv(store, every=Every.DAY, zone=BERLIN, names=["voltage"])
    # START is 23:00 in Berlin.
    assert (day["time"], next_day["time"]) == (
        "2026-03-01T00:00:00+01:00",
        "2026-03-02T00:00:00+01:00",
    )
    assert (day["value"], day["lowest"], day["highest"]) == ("230.5", "230.0", "231.0")
    energy = to_csv(store, every=Every.HOUR, names=[ENERGY])
    assert [row["value"] for row in energy] == ["50", "60", "60", "60"]
    assert energy[0]["lowest"] == ""


def test_slices_tell_each_window_once(store: SqliteStore) -> None:
    store.append([plant_poll(3600 * n, n) for n in range(24 * 9)])
    compact_all(store)
    rows = to_csv(store, every=Every.MINUTE, names=[ENERGY])
    assert len({row["time"] for row in rows}) == len(rows) == 24 * 9
    assert sum(int(row["value"] or 0) for row in rows) == 24 * 9 - 1
    raw = to_csv(store, names=[ENERGY], start=after(1800))
    assert [row["value"] for row in raw] == [str(n) for n in range(1, 24 * 9)]


@settings(max_examples=30, deadline=None)
@given(given_polls=polls())
def test_everything_comes_back_from_csv_and_parquet(
    tmp_path_factory: pytest.TempPathFactory, given_polls: list[StoredPoll]
) -> None:
    folder = tmp_path_factory.mktemp("export")
    # Polls of one time have no order among layouts.
    given_polls = list({(poll.meter, poll.time_us): poll for poll in given_polls}.values())
    with SqliteStore(folder / "site.db", survives_power_loss=False) as store:
        store.append(given_polls)
        rows = to_csv(store)
        table = to_parquet(store, folder / "long.parquet").to_pylist()
        kept = [
            (meter, series.name, value, quality)
            for meter, layout in store.meters().items()
            for series in layout.series
            for _, value, quality in _history(store, meter, series.name)
        ]
        assert len(rows) == len(table) == len(kept)
        by_name = sorted(kept, key=lambda row: row[:2])
        for csv_row, row, (meter, name, value, quality) in zip(
            sorted(rows, key=lambda r: (r["meter"], r["quantity"])),
            sorted(table, key=lambda r: (r["meter"], r["quantity"])),
            by_name,
            strict=True,
        ):
            assert (row["meter"], row["quantity"], row["quality"]) == (meter, name, quality.value)
            assert csv_row["quality"] == quality.value
            _assert_same(value, csv_row["value"], row["value"], row["text"])


def _history(store: SqliteStore, meter: str, name: str) -> list[tuple[datetime, Any, Quality]]:
    found = store.history(meter, name, START - timedelta(days=1), FAR)
    assert found is not None
    return list(found.rows())


def _assert_same(value: Any, cell: str, number: float | None, text: str | None) -> None:
    if value is None:
        assert (cell, number, text) == ("", None, None)
    elif isinstance(value, str):
        assert (cell, number, text) == (value, None, value)
    elif isinstance(value, float):
        assert exact(float(cell)) == exact(number) == exact(value)
    else:
        assert int(cell) == int(value)
        assert (int(text) if text is not None else number) == int(value)


def test_a_long_parquet_says_what_it_is(store: SqliteStore, tmp_path: Path) -> None:
    store.append([plant_poll(60 * n, n) for n in range(30)])
    table = to_parquet(store, tmp_path / "x.parquet", every=Every.QUARTER)
    assert table.column_names == [
        *("time", "meter", "quantity", "value", "text", "unit", "quality", "lowest", "highest")
    ]
    assert str(table.schema.field("time").type) == "timestamp[us, tz=Europe/Berlin]"
    assert table.schema.metadata[b"energymeter.window_s"] == b"900"
    first = table.to_pylist()[0]
    assert first["time"] == START
    assert (first["quantity"], first["unit"]) == ("voltage", "V")
    assert first["value"] == pytest.approx(230.1)


def test_a_wide_parquet_has_types_and_units(store: SqliteStore, tmp_path: Path) -> None:
    store.append([plant_poll(0, 2**62 + 1), plant_poll(60, None, quality=Quality.STALE)])
    table = to_parquet(store, tmp_path / "x.parquet", wide=True)
    types = {field.name: str(field.type) for field in table.schema}
    assert types["voltage"] == types["power"] == "double"
    assert types[ENERGY] == "int64"
    assert types["online"] == "bool"
    assert table.schema.field(ENERGY).metadata == {b"unit": b"Wh", b"kind": b"counter"}
    first, second = table.to_pylist()
    assert (first[ENERGY], first["quality"], first["other"]) == (2**62 + 1, "", None)
    assert (second[ENERGY], second["quality"]) == (None, f"{ENERGY}=stale")


def test_what_does_not_fit_its_column_stands_beside_it(store: SqliteStore, tmp_path: Path) -> None:
    store.append([plant_poll(0, 1), plant_poll(60, 2**70), plant_poll(120, 3)])
    table = to_parquet(store, tmp_path / "x.parquet", wide=True).to_pylist()
    assert [row[ENERGY] for row in table] == [1, None, 3]
    assert json.loads(table[1]["other"]) == {ENERGY: 2**70}


def test_one_quantity_in_two_units_has_two_columns(store: SqliteStore, tmp_path: Path) -> None:
    other = Layout((Series(ENERGY, "kWh", type=DataType.FLOAT32, kind=Kind.COUNTER),))
    store.append([plant_poll(0, 1), StoredPoll("b", other, START_US, [1.5], [Quality.GOOD])])
    table = to_parquet(store, tmp_path / "x.parquet", wide=True).to_pylist()
    assert [(row[f"{ENERGY} [Wh]"], row[f"{ENERGY} [kWh]"]) for row in table] == [
        (None, 1.5),
        (1, None),
    ]


def test_patterns_choose_and_one_that_means_nothing_is_refused(store: SqliteStore) -> None:
    old = Layout((Series("former", "V"),))
    store.append([StoredPoll("house-1", old, START_US - 9, [1.0], [Quality.GOOD])])
    store.append([plant_poll(0, 1, meter) for meter in ("house-1", "house-2", "barn")])

    chosen = subjects_of(store, ["house-*"], ["*energy*", "former"])
    assert [(each.meter, [s.name for s in each.series]) for each in chosen] == [
        ("house-1", [ENERGY, "former"]),
        ("house-2", [ENERGY]),
    ]
    with pytest.raises(ConfigError, match="'hause-1'; near it: house-1, house-2"):
        subjects_of(store, ["hause-1"])
    with pytest.raises(ConfigError, match="quantity 'voltag'; near it: voltage"):
        subjects_of(store, [], ["voltag"])


def test_memory_does_not_grow_with_the_time(store: SqliteStore, tmp_path: Path) -> None:
    store.append([plant_poll(20 * n, n) for n in range(180 * 24)])
    compact_all(store)
    subjects = subjects_of(store)

    def peak(hours: int) -> int:
        tracemalloc.start()
        try:
            with (tmp_path / "x.csv").open("w", newline="") as file:
                export = Export(store, subjects, start=START, end=after(3600 * hours))
                export.run(CsvWriter(file, None, None), lambda *_: None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(6)
    assert peak(24) < 1.5 * peak(6)


def test_progress_goes_from_nothing_to_all(store: SqliteStore) -> None:
    store.append([plant_poll(3600 * n, n, meter) for n in range(20) for meter in ("a", "b")])
    told: list[tuple[float, int]] = []
    export = Export(store, subjects_of(store), start=None, end=FAR)
    values = export.run(
        CsvWriter(io.StringIO(), None, None), lambda share, count: told.append((share, count))
    )
    assert told == sorted(told)
    assert told[-1] == (1.0, values)
    assert values == 20 * 2 * len(PLANT)


def test_a_file_is_replaced_when_it_is_whole_and_never_before(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    with replacing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ConfigError, match="cannot write"), replacing(tmp_path / "no" / "x") as part:
        part.write_text("")


class _Nowhere:
    def write(self, block: Block) -> int:
        return sum(len(history) for _, history in block.histories)

    def close(self) -> None:
        pass


def test_means_that_outlived_their_polls_are_exported(store: SqliteStore) -> None:
    store.append([plant_poll(60 * n, n) for n in range(60 * 30)])
    while store.expire(after(3600 * 20)):
        pass
    rows = to_csv(store, every=Every.QUARTER, names=[ENERGY])
    assert len(rows) == 30 * 4
    assert sum(int(row["value"]) for row in rows) == 60 * 30 - 1
    export = Export(store, subjects_of(store, [], [ENERGY]), start=None, end=FAR)
    assert export.run(_Nowhere(), lambda *_: None) == 600
