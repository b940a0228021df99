"""Old readings are compressed and dropped beside the polls, in a process that ends with them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from tests.daemon.housing import eventually, link, living, meter, site
from tests.service.benching import texts
from tests.store.support import FAR, START, after, plant_poll
from tests.support.loops import on_each_loop, run

from energymeter.clock import ManualClock
from energymeter.daemon import tending
from energymeter.daemon.tending import ServerTender, StoreTender
from energymeter.service.events import EventStream, Level
from energymeter.service.feeder import StoreFeeder
from energymeter.site.model import SqliteStoreEntry
from energymeter.store import Every, SqliteStore
from energymeter.store.errors import StoreUnavailableError

HOUR_S = 3600.0


class Bench:
    """A tender of a file, at a time of its own."""

    def __init__(self, path: Path, now: datetime = START, **entry: Any) -> None:
        self.clock = ManualClock(now)
        self.events = EventStream(self.clock)
        self.path = path
        self.tender = StoreTender(
            SqliteStoreEntry(path=path, **entry), events=self.events, clock=self.clock
        )

    def fill(self, hours: int) -> None:
        """A poll a minute, from `START` on."""
        with SqliteStore(self.path, survives_power_loss=False) as store:
            store.append([plant_poll(60 * n, n) for n in range(60 * hours)])

    def hot(self) -> int:
        """Polls that are not compressed."""
        with closing(sqlite3.connect(self.path)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM poll").fetchone()
        return int(count)

    def kept(self) -> list[Any]:
        with SqliteStore(self.path, read_only=True) as store:
            found = store.history("main", "active_energy_import", START, FAR)
        assert found is not None
        return list(found.values)


@on_each_loop
def test_whole_hours_are_compressed_once_no_late_poll_can_come(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path / "site.db", after(3 * HOUR_S + 300))
        bench.fill(3)
        await bench.tender.tend()
        # The third hour ended five minutes ago.
        assert bench.hot() == 60
        assert bench.kept() == list(range(180))
        await bench.clock.advance(300)
        await bench.tender.tend()
        assert bench.hot() == 0
        assert bench.kept() == list(range(180))
        assert texts(bench.events) == []

    run(scenario(), loop)


def test_what_is_too_old_goes_and_its_means_stay_for_as_long_as_they_shall(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path / "site.db", after(6 * HOUR_S), keep="4h", keep_means="30d")
        bench.fill(6)
        await bench.tender.tend()
        assert bench.kept() == list(range(120, 360))
        assert bench.hot() == 60
        await bench.clock.advance(HOUR_S)
        await bench.tender.tend()
        assert bench.kept() == list(range(180, 360))

        def hours() -> list[Any]:
            with SqliteStore(bench.path, read_only=True) as store:
                found = store.history("main", "active_energy_import", START, FAR, Every.HOUR)
            assert found is not None
            return list(found.values)

        assert hours() == [59, *[60] * 5]
        await bench.clock.advance(32 * 24 * HOUR_S)
        await bench.tender.tend()
        assert hours() == []

    run(scenario())


def test_a_service_compresses_what_an_earlier_one_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tending, "_FIRST_S", 0.0)
    now = datetime.now(UTC)

    async def scenario() -> None:
        bench = Bench(tmp_path / "energymeter.db")
        begun_s = (now - START).total_seconds() - 4 * HOUR_S
        with SqliteStore(bench.path, survives_power_loss=False) as store:
            store.append([plant_poll(begun_s + 60 * n, n) for n in range(120)])
        assert bench.hot() == 120
        async with living(tmp_path, site(link("left", "a"), meter("l1", "left", 1))) as house:
            await eventually(lambda: bench.hot() < 60)
            await house.polled("l1")
            assert house.installation.snapshot.meters["l1"].skipped == 0
        with SqliteStore(bench.path, read_only=True) as store:
            found = store.history("main", "active_energy_import", now - timedelta(hours=5), now)
            assert store.check() == []
        assert found is not None
        assert list(found.values) == list(range(120))

    run(scenario())


def test_a_store_that_is_written_all_the_while_loses_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path / "site.db", after(2 * HOUR_S + 900))
        bench.fill(2)
        with SqliteStore(bench.path, survives_power_loss=False) as store:
            tended = asyncio.create_task(bench.tender.tend())
            count = 120
            while not tended.done():
                store.append([plant_poll(60 * count, count)])
                count += 1
                await asyncio.sleep(0.01)
        assert bench.hot() == count - 120
        assert bench.kept() == list(range(count))

    run(scenario())


def test_it_begins_two_minutes_after_the_service_and_comes_every_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, times = Bench(tmp_path / "site.db"), list[float]()

    async def tend() -> None:
        times.append(bench.clock.monotonic())
        await bench.clock.sleep_until(bench.clock.monotonic() + 60)

    monkeypatch.setattr(bench.tender, "tend", tend)

    async def scenario() -> None:
        task = asyncio.create_task(bench.tender.run())
        for _ in range(300):
            await bench.clock.advance(30)
        task.cancel()
        await asyncio.wait([task])

    run(scenario())
    assert times == [120.0, 3720.0, 7320.0]


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda _: None, "there is no store"),
        (lambda path: path.write_text("once upon a time " * 100), "is damaged or no store"),
    ],
    ids=["gone", "none"],
)
def test_a_failure_is_told_with_its_reason(
    prepare: Callable[[Path], object], reason: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path / "site.db")
        prepare(bench.path)
        await bench.tender.tend()
        (event,) = bench.events.newest()
        assert event.level is Level.ERROR
        assert event.text.startswith("old readings could not be compressed: ")
        assert reason in event.text

    run(scenario())


def test_a_process_that_cannot_be_started_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))

    async def scenario() -> None:
        bench = Bench(tmp_path / "site.db")
        await bench.tender.tend()
        (text,) = texts(bench.events)
        assert text == "old readings could not be compressed: No such file or directory"

    run(scenario())


@pytest.fixture
def endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tending that does not end by itself; the file gets the number of its process."""
    place = tmp_path / "pid"
    program = tmp_path / "program"
    program.write_text(
        f'#!/bin/sh\necho $$ > "{place}.new"; mv "{place}.new" "{place}"\nexec sleep 60\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return place


def pid_in(place: Path) -> int:
    return int(place.read_text("ascii"))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such shell")
@on_each_loop
def test_a_process_that_is_at_it_is_ended_when_the_service_stops(
    loop: str, endless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tending, "_FIRST_S", 0.0)

    async def scenario() -> None:
        async with living(tmp_path, site(link("left", "a"), meter("l1", "left", 1))) as house:
            await eventually(endless.exists)
            pid = pid_in(endless)
            assert is_running(pid)
            # Ctrl-C in a terminal is for the service, which ends it.
            assert os.getsid(pid) != os.getsid(0)
            await house.polled("l1")
        assert not is_running(pid)
        assert not [event.text for event in house.events if "compressed" in event.text]

    run(scenario(), loop)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such shell")
def test_a_process_that_does_not_listen_is_killed(
    endless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tending, "_PATIENCE_S", 0.1)
    program = Path(sys.executable)
    text = program.read_text("utf-8")
    program.write_text(text.replace("\n", "\ntrap '' TERM\n", 1))

    async def scenario() -> None:
        task = asyncio.create_task(Bench(tmp_path / "site.db").tender.tend())
        await eventually(endless.exists)
        pid = pid_in(endless)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert not is_running(pid)

    run(scenario())


class Server:
    """A store on another machine that has so many days to drop."""

    def __init__(self, days: int) -> None:
        self.days = days
        self.asked: list[datetime] = []
        self.fault: Exception | None = None

    def expire(self, before: datetime) -> bool:
        self.asked.append(before)
        if self.fault is not None:
            raise self.fault
        self.days -= 1
        return self.days > 0


class Feeder:
    """Has a store, or not yet."""

    def __init__(self) -> None:
        self.store: Server | None = None


def test_a_store_on_another_machine_drops_days_once_it_is_there() -> None:
    async def scenario() -> None:
        clock, feeder, server = ManualClock(START), Feeder(), Server(3)
        tender = ServerTender(cast(StoreFeeder, feeder), 30 * 86_400.0, clock=clock)
        task = asyncio.create_task(tender.run())
        await clock.advance(130)
        feeder.store = server
        await clock.advance(HOUR_S)
        await eventually(lambda: server.days == 0)
        then = START + timedelta(seconds=120 + HOUR_S) - timedelta(days=30)
        assert server.asked == [then] * 3
        server.fault = StoreUnavailableError("it is away")
        await clock.advance(HOUR_S)
        await eventually(lambda: len(server.asked) == 4)
        # It comes again, whatever happened.
        server.fault, server.days = None, 1
        await clock.advance(HOUR_S)
        await eventually(lambda: server.days == 0)
        task.cancel()
        await asyncio.wait([task])

    run(scenario())
