"""What was counted since midnight, and the last hour: from the store, then from the meter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

from tests.web.site_of import meter_of, report_of

from energymeter.clock import ManualClock
from energymeter.profiles import Point
from energymeter.service.archive import Archive
from energymeter.service.snapshot import MeterState
from energymeter.store import SqliteStore, Store, StoredPoll, layout_of
from energymeter.store.days import midnight
from energymeter.values import DataType
from energymeter.web.pages.asker import Asker
from energymeter.web.pages.glance import Glances
from energymeter.web.pages.today import Today
from energymeter.web.pages.trend import MINUTES, Trends

NOON = midnight(datetime(2026, 11, 21).date(), None) + timedelta(hours=12)
POINTS = (
    Point(name="active_energy_import", address=0, type=DataType.FLOAT64, unit="kWh"),
    Point(name="active_power_total", address=4, type=DataType.FLOAT64, unit="W"),
)


def meter(energy: float, power: float = 500.0, time: datetime = NOON) -> MeterState:
    values = {"active_energy_import": (energy, "kWh"), "active_power_total": (power, "W")}
    return meter_of("m1", values, points=POINTS, time=time)


def kept(folder: Path) -> SqliteStore:
    """A kilowatt since the evening before, told every ten minutes."""
    store = SqliteStore(folder / "store.db")
    layout = layout_of(POINTS)
    polls = []
    for step in range(-60, 73):
        time = NOON - timedelta(hours=12) + timedelta(minutes=10 * step)
        values = [1000.0 + step / 6, 1000.0 + step]
        polls.append(StoredPoll.of("m1", layout, report_of(POINTS, values, time=time)))
    store.append(polls)
    return store


def asked(
    store: Store | None, look: Callable[[Today, Trends, Asker, ManualClock], Awaitable[None]]
) -> None:
    async def main() -> None:
        clock, asker = ManualClock(NOON), Asker()
        archive = Archive(lambda: store)
        await look(Today(archive, clock, asker), Trends(archive, clock, asker), asker, clock)
        await asker.close()

    asyncio.run(main())


async def answered(asker: Asker) -> None:
    async with asyncio.timeout(5):
        while len(asker):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.001)


def test_today_is_what_the_store_knows_and_what_came_since(tmp_path: Path) -> None:
    async def look(today: Today, _trends: Trends, asker: Asker, _clock: ManualClock) -> None:
        state = meter(1012.0)
        counters = Glances().of(state.info).counters
        assert today.amount(state, counters) is None
        await answered(asker)
        first = today.amount(state, counters)
        assert first is not None
        assert first.since is None
        assert abs(first.amount - 12_000) < 200
        later = today.amount(meter(1013.5), counters)
        assert later is not None
        assert abs(later.amount - first.amount - 1500) < 1

    store = kept(tmp_path)
    asked(store, look)
    store.close()


def test_a_store_that_begins_today_says_when(tmp_path: Path) -> None:
    async def look(today: Today, _trends: Trends, asker: Asker, _clock: ManualClock) -> None:
        state = meter(1006.0)
        counters = Glances().of(state.info).counters
        today.amount(state, counters)
        await answered(asker)
        told = today.amount(state, counters)
        assert told is not None
        assert told.since == NOON - timedelta(hours=6)

    store = SqliteStore(tmp_path / "store.db")
    layout = layout_of(POINTS)
    times = [NOON - timedelta(hours=6) + timedelta(minutes=10 * step) for step in range(36)]
    reports = [
        report_of(POINTS, [1000.0 + step / 6, 500.0], time=time) for step, time in enumerate(times)
    ]
    store.append([StoredPoll.of("m1", layout, report) for report in reports])
    asked(store, look)
    store.close()


def test_without_a_store_today_begins_with_the_first_look() -> None:
    async def look(today: Today, _trends: Trends, asker: Asker, _clock: ManualClock) -> None:
        state = meter(50.0)
        counters = Glances().of(state.info).counters
        today.amount(state, counters)
        await answered(asker)
        told = today.amount(meter(51.0), counters)
        assert told is not None
        assert told.since == NOON
        assert told.amount == 1000.0

    asked(None, look)


def test_a_new_day_begins_with_nothing() -> None:
    async def look(today: Today, _trends: Trends, asker: Asker, clock: ManualClock) -> None:
        state = meter(50.0)
        counters = Glances().of(state.info).counters
        today.amount(state, counters)
        await answered(asker)
        await clock.advance(12 * 3600 + 30)
        tomorrow = meter(58.0, time=clock.now())
        today.begin_day(tomorrow, counters)
        told = today.amount(tomorrow, counters)
        assert told is not None
        assert told.amount == 0.0
        assert told.since is None

    asked(None, look)


def test_the_last_hour_comes_from_the_store_and_goes_on_by_itself(tmp_path: Path) -> None:
    async def look(_today: Today, trends: Trends, asker: Asker, clock: ManualClock) -> None:
        state = meter(1012.0)
        main = Glances().of(state.info).main
        first = trends.look("m1", main, 500.0)
        await answered(asker)
        assert trends.look("m1", main, 700.0) != first
        values = trends.values("m1")
        assert len(values) == MINUTES - 1
        assert len([value for value in values if value is not None]) == 5
        await clock.advance(60)
        trends.look("m1", main, 900.0)
        assert trends.values("m1")[-1] == 600.0  # the mean of that minute

    store = kept(tmp_path)
    asked(store, look)
    store.close()
