"""The history as pages and routes ask for it: by a meter's own name, beside the polls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from tests.store.support import FAR, START, after, plant_poll
from tests.support.loops import on_each_loop, run, until

from energymeter.service.archive import Archive
from energymeter.store import Every, SqliteStore, Store
from energymeter.store.errors import StoreBusyError, StoreError, StoreUnavailableError


@asynccontextmanager
async def archive(folder: Path) -> AsyncIterator[tuple[Archive, SqliteStore]]:
    with SqliteStore(folder / "site.db", survives_power_loss=False) as store:
        yield Archive(lambda: store), store


@on_each_loop
def test_a_meter_that_is_read_at_several_rates_is_one(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with archive(tmp_path) as (asked, store):
            store.append([plant_poll(n, n, "main") for n in range(10)])
            store.append([plant_poll(60 * n, n, "main@slow") for n in range(3)])
            store.append([plant_poll(5, 1, "other")])
            assert sorted(await asked.layouts()) == ["main", "main@slow", "other"]
            newest = await asked.latest("main")
            assert [found.time for found in newest] == [after(9), after(120)]
            history = await asked.history("main", "voltage", START, FAR)
            assert history is not None
            assert len(history) == 13
            assert history.times_us.tolist() == sorted(history.times_us.tolist())
            # By its key one rate alone.
            slow = await asked.history("main@slow", "voltage", START, FAR)
            assert slow is not None
            assert len(slow) == 3

    run(scenario(), loop)


@on_each_loop
def test_what_is_not_kept_is_not_there(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with archive(tmp_path) as (asked, store):
            assert await asked.layouts() == {}
            assert await asked.latest("main") == []
            store.append([plant_poll(0, 0, "main"), plant_poll(0, 0, "mainland")])
            assert await asked.latest("mai") == []
            assert await asked.history("gone", "voltage", START, FAR) is None
            assert await asked.history("main", "colour", START, FAR) is None
            late = await asked.history("main", "voltage", after(10), FAR)
            assert late is not None
            assert len(late) == 0

    run(scenario(), loop)


def test_windows_are_told_and_days_begin_where_it_is_asked(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with archive(tmp_path) as (asked, store):
            # From 22:00 UTC on, which is 23:00 in Berlin, for four hours.
            store.append([plant_poll(60 * n, n) for n in range(240)])

            async def sizes(every: Every, zone: str) -> list[Any]:
                found = await asked.history(
                    "main", "active_energy_import", START, FAR, every=every, zone=ZoneInfo(zone)
                )
                assert found is not None
                return list(found.values)

            assert await sizes(Every.HOUR, "UTC") == [59, 60, 60, 60]
            assert await sizes(Every.DAY, "UTC") == [119, 120]
            assert await sizes(Every.DAY, "Europe/Berlin") == [59, 180]

    run(scenario())


@on_each_loop
def test_without_a_store_it_says_so(loop: str) -> None:
    async def scenario() -> None:
        asked = Archive(lambda: None)
        questions = (
            asked.layouts(),
            asked.latest("main"),
            asked.history("main", "voltage", START, FAR),
        )
        for question in questions:
            with pytest.raises(StoreUnavailableError, match="the site has no store, or it cannot"):
                await question

    run(scenario(), loop)


def test_a_store_that_comes_later_is_found(tmp_path: Path) -> None:
    async def scenario() -> None:
        there: list[Store] = []
        asked = Archive(lambda: there[0] if there else None)
        with pytest.raises(StoreError):
            await asked.layouts()
        async with archive(tmp_path) as (_, store):
            there.append(store)
            assert await asked.layouts() == {}

    run(scenario())


class SlowStore:
    """Answers once it may, and counts who waits for it."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked = self.at_once = self.most_at_once = 0
        self.fault: Exception | None = None
        self._lock = threading.Lock()

    def meters(self) -> dict[str, Any]:
        with self._lock:
            self.asked += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.gate.wait(10)
        with self._lock:
            self.at_once -= 1
        if self.fault is not None:
            raise self.fault
        return {}


@on_each_loop
def test_many_questions_take_turns_and_hold_up_nobody(loop: str) -> None:
    async def scenario() -> None:
        store = SlowStore()
        asked = Archive(lambda: cast(Store, store))
        questions = [asyncio.create_task(asked.layouts()) for _ in range(12)]
        await until(lambda: store.asked == 4)
        # One who goes away makes room for nobody as long as his question is being answered.
        questions.pop().cancel()
        await asyncio.sleep(0.02)
        assert store.asked == 4
        store.gate.set()
        assert await asyncio.gather(*questions) == [{}] * 11
        assert store.most_at_once <= 4

    run(scenario(), loop)


@on_each_loop
def test_a_question_that_fails_gives_its_turn_back(loop: str) -> None:
    async def scenario() -> None:
        store = SlowStore()
        asked = Archive(lambda: cast(Store, store))
        store.gate.set()
        store.fault = StoreBusyError("it is busy")
        for _ in range(6):
            with pytest.raises(StoreBusyError):
                await asked.layouts()
        store.fault = None
        assert await asked.layouts() == {}

    run(scenario(), loop)


@on_each_loop
def test_one_who_is_cancelled_while_he_is_answered_takes_up_no_second_place(loop: str) -> None:
    async def scenario() -> None:
        store = SlowStore()
        asked = Archive(lambda: cast(Store, store))
        for _ in range(8):
            question = asyncio.create_task(asked.layouts())
            await asyncio.sleep(0.005)
            question.cancel()
            await asyncio.wait([question])
        # Pages that are opened and closed in a hurry do not fill the threads.
        assert store.asked <= 4
        store.gate.set()
        assert await asked.layouts() == {}
        await until(lambda: store.at_once == 0)

    run(scenario(), loop)
