"""Histories over real HTTP, from a real store."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import quote

import httpx
import pytest
from tests.support.loops import run
from tests.web.populated import NAMES, WEEK, busy_snapshot, fill
from tests.web.serving import bench
from tests.web.site_of import NOW

from energymeter.store import SqliteStore
from energymeter.web.api.answers import HistoryAnswer

MAIN = f"/meters/{NAMES[0]}/history"
VOLTAGE = "quantity=voltage_phase_a"
LAST_WEEK = f"from={(NOW - WEEK).isoformat()}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path_factory.mktemp("store") / "site.db") as kept:
        fill(kept)
        yield kept


@asynccontextmanager
async def api(store: SqliteStore | None) -> AsyncIterator[httpx.AsyncClient]:
    async with bench(busy_snapshot(), store=store) as bed:
        bed.http.base_url = httpx.URL(f"{bed.server}/api/v1")
        yield bed.http


def test_polls_windows_and_days_are_told(store: SqliteStore) -> None:
    wanted = {"poll": 96, "1m": 96, "15m": 96, "1h": 24, "1d": 2}

    async def scenario() -> None:
        async with api(store) as http:
            for every, rows in wanted.items():
                query = f"{VOLTAGE}&every={every}&max_points=2000"
                answer = await http.get(f"{MAIN}?{query}")
                assert answer.status_code == 200, answer.text
                told = HistoryAnswer.model_validate_json(answer.content)
                (series,) = told.series
                assert len(series.times) == len(series.values) == rows, every
                assert told.end - told.start == timedelta(days=1)
                assert (series.lows is None) == (every == "poll")

    run(scenario())


def test_readings_are_told_with_the_digits_the_meter_gave(store: SqliteStore) -> None:
    async def scenario() -> None:
        async with api(store) as http:
            (polls,) = (await http.get(f"{MAIN}?{VOLTAGE}")).json()["series"]
            (hours,) = (await http.get(f"{MAIN}?{VOLTAGE}&every=1h")).json()["series"]
        assert set(polls["values"]) == {230.1, 231.1}
        assert set(hours["lows"]) == {230.1}
        assert set(hours["highs"]) == {231.1}

    run(scenario())


def test_several_values_are_told_at_once_in_the_order_asked_for(store: SqliteStore) -> None:
    async def scenario() -> None:
        async with api(store) as http:
            query = "quantity=serial_number&quantity=active_energy_import&quantity=frequency"
            told = (await http.get(f"/meters/{quote(NAMES[1])}/history?{query}")).json()
        serial, energy, frequency = told["series"]
        assert [each["quantity"] for each in told["series"]] == [
            "serial_number",
            "active_energy_import",
            "frequency",
        ]
        assert set(serial["values"]) == {"A1"}
        assert energy["kind"] == "counter"
        assert set(frequency["values"]) == {None}
        assert set(frequency["qualities"]) == {"not_available"}

    run(scenario())


def test_days_begin_where_the_time_zone_says(store: SqliteStore) -> None:
    async def scenario() -> None:
        async with api(store) as http:
            query = f"{VOLTAGE}&every=1d&{LAST_WEEK.replace('+', '%2B')}&timezone=Europe/Berlin"
            told = (await http.get(f"{MAIN}?{query}")).json()
        times = told["series"][0]["times"]
        assert all(each.endswith("T00:00:00+01:00") for each in times)
        assert told["timezone"] == "Europe/Berlin"

    run(scenario())


def test_a_moment_without_a_zone_is_of_the_zone_asked_for(store: SqliteStore) -> None:
    async def scenario() -> None:
        async with api(store) as http:
            query = f"{VOLTAGE}&from=2026-11-20T10:00&to=2026-11-20T12:00&timezone=Europe/Berlin"
            told = (await http.get(f"{MAIN}?{query}")).json()
        assert told["start"] == "2026-11-20T10:00:00+01:00"
        assert told["series"][0]["times"][0] == "2026-11-20T10:00:00+01:00"
        assert len(told["series"][0]["times"]) == 8

    run(scenario())


def test_a_plus_that_came_as_a_blank_is_a_plus(store: SqliteStore) -> None:
    async def scenario() -> None:
        async with api(store) as http:
            query = f"{VOLTAGE}&from=2026-11-20T10:00:00+01:00&to=2026-11-20T12:00:00+01:00"
            told = (await http.get(f"{MAIN}?{query}")).json()
        assert told["start"] == "2026-11-20T09:00:00Z"

    run(scenario())


REFUSED = [
    ("", 422, "quantity: "),
    ("quantity=nothing", 404, "no value called nothing of main"),
    (f"{VOLTAGE}&from=yesterday", 422, "from: "),
    (f"{VOLTAGE}&from=2027-01-01T00:00Z", 422, "is not before to"),
    (f"{VOLTAGE}&from=0001-01-01T00:00Z", 422, "from: is not between 1970 and 2200"),
    (f"{VOLTAGE}&to=9999-01-01T00:00Z", 422, "to: is not between"),
    (f"{VOLTAGE}&every=2h", 422, "every: "),
    (f"{VOLTAGE}&timezone=Mars", 422, "'Mars' is not known"),
    (f"{VOLTAGE}&timezone=../../etc/passwd", 422, "is not known"),
    (f"{VOLTAGE}&timezone=", 422, "is not known"),
    (f"{VOLTAGE}&from=1970-01-01T00:00Z&every=1m", 422, "rows of each value are more than"),
    (f"{VOLTAGE}&every=1h&max_points=5", 422, "24 rows of each value are more than 5"),
    (f"{VOLTAGE}&max_points=1000000", 422, "max_points: "),
]


def test_what_cannot_be_told_is_refused(store: SqliteStore) -> None:
    async def scenario() -> None:
        async with api(store) as http:
            for query, status, words in REFUSED:
                answer = await http.get(f"{MAIN}?{query}")
                assert answer.status_code == status, query
                assert words in answer.json()["detail"]

    run(scenario())


def test_what_was_never_kept_is_not_there(store: SqliteStore) -> None:
    async def scenario() -> None:
        async with api(store) as http:
            answer = await http.get(f"/meters/nobody/history?{VOLTAGE}&max_points=100000")
        assert answer.status_code == 404
        assert "no meter called nobody" in answer.json()["detail"]

    run(scenario())


def test_without_a_store_there_is_no_history() -> None:
    async def scenario() -> None:
        async with api(None) as http:
            answer = await http.get(f"{MAIN}?{VOLTAGE}")
        assert answer.status_code == 503
        assert "there is no history" in answer.json()["detail"]
        assert answer.headers["retry-after"] == "5"

    run(scenario())


def test_a_week_in_quarters_of_an_hour_comes_quickly(store: SqliteStore) -> None:
    async def scenario() -> None:
        async with api(store) as http:
            query = f"{VOLTAGE}&every=15m&from={quote((NOW - WEEK).isoformat())}"
            took = []
            for _ in range(5):
                begun = time.perf_counter()
                answer = await http.get(f"{MAIN}?{query}")
                took.append(time.perf_counter() - begun)
        assert len(answer.json()["series"][0]["times"]) == 7 * 96
        assert min(took) < 0.2  # 0.01 s where nothing else runs

    run(scenario())
