"""CSV files as people open them."""

from __future__ import annotations

import csv
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sinks.polls import (
    ENERGY,
    MODEL,
    ONLINE,
    POWER,
    START,
    VOLTAGE,
    batch,
    meter_info,
    poll_of,
)
from tests.sinks.test_appending import largest_file
from tests.support.loops import run

from energymeter.clock import ManualClock
from energymeter.errors import SinkUnavailableError
from energymeter.reader import Quality
from energymeter.service.sink import MeterInfo, SinkPoll, SinkValue
from energymeter.sinks.csv_file import CsvSink
from energymeter.sinks.csv_rows import columns_of, header_line, parse_header, row_line
from energymeter.site.sinks import CsvEntry
from energymeter.store import Form, Series
from energymeter.values import DataType

DAY_FILE = "main_2026-01-31.csv"


@asynccontextmanager
async def csv_sink(
    folder: Path,
    *meters: MeterInfo,
    clock: ManualClock | None = None,
    **other: Any,
) -> AsyncIterator[CsvSink]:
    entry = CsvEntry.model_validate({"type": "csv", "folder": str(folder), **other})
    sink = CsvSink(entry, clock)
    await sink.open({each.name: each for each in meters or [meter_info()]})
    try:
        yield sink
    finally:
        await sink.close()


def write(folder: Path, *polls: SinkPoll, **other: Any) -> None:
    """As one life of the program would."""

    async def main() -> None:
        async with csv_sink(folder, **other) as sink:
            await sink.send(polls)

    run(main())


def table(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, strict=True))


def test_a_day_of_a_meter_is_one_table(tmp_path: Path) -> None:
    write(tmp_path, *batch(2))
    assert (tmp_path / "main" / DAY_FILE).read_bytes() == (
        b"time [UTC],voltage_phase_a [V],active_power_total [kW],active_energy_import [Wh],"
        b"online,model,not good\r\n"
        b"2026-01-31 12:00:00.000,230.1,1.5,12345,1,PM8000,\r\n"
        b"2026-01-31 12:00:01.000,230.1,1.5,12345,1,PM8000,\r\n"
    )


def test_values_that_are_not_good_are_empty_and_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        poll_of(
            0,
            SinkValue(VOLTAGE, 230.1, Quality.GOOD),
            SinkValue(POWER, 1.5, Quality.STALE),
            SinkValue(ENERGY, None, Quality.WITHHELD),
            SinkValue(ONLINE, None, Quality.STALE),
        ),
        poll_of(1, quality=Quality.NOT_READ),
        poll_of(2, SinkValue(POWER, math.nan, Quality.GOOD), SinkValue(ONLINE, 0, Quality.GOOD)),
    )
    _, first, second, third = table(tmp_path / "main" / DAY_FILE)
    stale = "stale: active_power_total online; withheld: active_energy_import"
    assert first[1:] == ["230.1", "", "", "", "", stale]
    assert second[1:] == ["", "", "", "", "", "not_read: all"]
    assert third[1:] == ["", "", "", "0", "", "not_available: active_power_total"]


def test_polls_of_some_values_leave_the_other_columns_empty(tmp_path: Path) -> None:
    write(
        tmp_path,
        poll_of(0, SinkValue(VOLTAGE, 230.0, Quality.GOOD)),
        poll_of(1, SinkValue(ENERGY, 7, Quality.GOOD)),
    )
    rows = [row[1:4] for row in table(tmp_path / "main" / DAY_FILE)[1:]]
    assert rows == [["230", "", ""], ["", "", "7"]]


def test_only_values_that_are_wanted_have_columns(tmp_path: Path) -> None:
    poll = poll_of(0, SinkValue(VOLTAGE, 230.0, Quality.GOOD))
    write(tmp_path, poll, points=["volt*"])
    header, _ = table(tmp_path / "main" / DAY_FILE)
    assert header == ["time [UTC]", "voltage_phase_a [V]", "not good"]


@pytest.mark.parametrize(
    ("rotate", "names"),
    [
        ("hour", ["main_2026-01-31T12.csv", "main_2026-01-31T23.csv", "main_2026-02-01T00.csv"]),
        ("day", ["main_2026-01-31.csv", "main_2026-02-01.csv"]),
        ("month", ["main_2026-01.csv", "main_2026-02.csv"]),
    ],
)
def test_a_new_period_is_a_new_file(tmp_path: Path, rotate: str, names: list[str]) -> None:
    moments = [0, 11 * 3600 + 3599, 12 * 3600]
    write(tmp_path, *(poll_of(moment) for moment in moments), rotate=rotate)
    paths = sorted((tmp_path / "main").iterdir())
    assert [path.name for path in paths] == names
    assert sum(len(table(path)) - 1 for path in paths) == 3


def test_a_new_column_is_a_new_file_and_fewer_columns_are_not(tmp_path: Path) -> None:
    async def main() -> None:
        changes = ((VOLTAGE, POWER), (VOLTAGE,), (VOLTAGE, ENERGY), (VOLTAGE, ENERGY))
        for second, series in enumerate(changes):
            async with csv_sink(tmp_path, meter_info(series=series)) as sink:
                await sink.send([poll_of(second, series=series)])

    run(main())
    paths = sorted((tmp_path / "main").iterdir())
    assert [path.name for path in paths] == ["main_2026-01-31.2.csv", DAY_FILE]
    second, first = (table(path) for path in paths)
    assert [len(first), len(second)] == [3, 3]
    assert second[0] == [
        "time [UTC]",
        "voltage_phase_a [V]",
        "active_energy_import [Wh]",
        "not good",
    ]


def test_a_value_in_another_unit_is_another_column(tmp_path: Path) -> None:
    other = VOLTAGE._replace(unit="kV")
    write(tmp_path, poll_of(0), poll_of(1, SinkValue(other, 0.23, Quality.GOOD)))
    header, first, second = table(tmp_path / "main" / DAY_FILE)
    assert header[-2] == "voltage_phase_a [kV]"
    assert (first[-2], second[-2], second[1]) == ("", "0.23", "")


def test_a_poll_of_a_meter_that_left_the_site_is_kept_too(tmp_path: Path) -> None:
    write(tmp_path, poll_of(0, meter="gone"))
    assert len(table(tmp_path / "gone" / "gone_2026-01-31.csv")) == 2


def test_rows_that_come_again_after_a_crash_stand_there_once(tmp_path: Path) -> None:
    write(tmp_path, *batch(5))
    path = tmp_path / "main" / DAY_FILE
    path.write_bytes(path.read_bytes()[:-7])
    write(tmp_path, *batch(8))
    rows = table(path)
    assert [row[0][-6:] for row in rows[1:]] == [f"{second:02}.000" for second in range(8)]


def test_half_a_header_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "main" / DAY_FILE
    path.parent.mkdir()
    path.write_bytes(b"time [UTC],volta")
    write(tmp_path, *batch(1))
    assert len(table(path)) == 2
    assert len(list(path.parent.iterdir())) == 1


def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "main" / DAY_FILE
    path.parent.mkdir()
    path.write_text("mine,yours\n1,2\n")
    write(tmp_path, *batch(1))
    assert path.read_text() == "mine,yours\n1,2\n"
    assert len(table(tmp_path / "main" / "main_2026-01-31.2.csv")) == 2


def test_a_full_disk_leaves_whole_rows_and_the_rest_comes_later(tmp_path: Path) -> None:
    async def main() -> None:
        async with csv_sink(tmp_path, meter_info("a"), meter_info("b")) as sink:
            await sink.send([*batch(3, meter="a"), *batch(1, meter="b")])
            path = tmp_path / "b" / "b_2026-01-31.csv"
            room = (tmp_path / "a" / "a_2026-01-31.csv").stat().st_size + 60
            second = [*batch(1, 3, "a"), *batch(20, 3, "b")]
            with largest_file(room), pytest.raises(SinkUnavailableError):
                await sink.send(second)
            assert len(table(path)) == 2
            await sink.send(second)
            assert len(table(path)) == 22
            assert len(table(tmp_path / "a" / "a_2026-01-31.csv")) == 5

    run(main())


def test_files_that_are_too_old_are_deleted_and_no_others(tmp_path: Path) -> None:
    async def main() -> None:
        write_old = [
            "main/main_2026-01-27.csv",
            "main/main_2026-01-27.2.csv",
            "main/main_2025-12.csv",
            "gone/gone_2026-01-01T05.csv",
        ]
        keep = ["main/main_2026-01-28.csv", "main/other_2020-01-01.csv", "main/notes.txt", "x.csv"]
        for name in (*write_old, *keep):
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("x\n")
        clock = ManualClock(START)
        async with csv_sink(tmp_path, clock=clock, keep="3d") as sink:
            assert not any((tmp_path / name).exists() for name in write_old)
            assert all((tmp_path / name).exists() for name in keep)
            await clock.advance(timedelta(days=1).total_seconds())
            await sink.send(batch(1, first=86_400))
            assert not (tmp_path / keep[0]).exists()

    run(main())


def test_a_folder_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "x").write_text("")
        with pytest.raises(SinkUnavailableError, match="cannot write to"):
            async with csv_sink(tmp_path / "x" / "y"):
                pass

    run(main())


TEXTS = st.text(st.sampled_from("=+-@\t\r\n ,;\"'a0\u2028\x00\ud800") | st.characters(), max_size=9)


@given(TEXTS, TEXTS, TEXTS)
def test_no_text_is_a_formula_and_each_row_is_one_line(name: str, unit: str, text: str) -> None:
    columns = columns_of([Series(f"x{name}", unit), MODEL])
    values: Sequence[SinkValue] = [
        SinkValue(Series(f"x{name}", unit), None, Quality.WITHHELD),
        SinkValue(MODEL, text, Quality.GOOD),
    ]
    headings = {value.series: column for value, column in zip(values, columns, strict=True)}
    lines = [header_line(columns), row_line(poll_of(0, *values), columns, headings)]
    assert parse_header(lines[0]) == columns
    for line in lines:
        assert line.endswith(b"\r\n")
        assert len(line.decode().splitlines()) == 1
        (cells,) = csv.reader([line.decode()], strict=True)
        assert len(cells) == 4
        assert not any(cell.lstrip()[:1] in tuple("=+-@") for cell in cells)


def test_a_formula_is_shown_as_it_is_behind_a_quote() -> None:
    poll = poll_of(0, SinkValue(MODEL, "=1+1", Quality.GOOD))
    assert row_line(poll, ["model"], {MODEL: "model"}).endswith(b",'=1+1,\r\n")


def test_a_negative_number_is_a_number() -> None:
    series = Series("active_power_total", "W", DataType.INT32, form=Form.INTEGER)
    poll = poll_of(0, SinkValue(series, -5, Quality.GOOD))
    assert row_line(poll, ["x"], {series: "x"}).endswith(b",-5,\r\n")
