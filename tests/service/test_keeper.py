"""What polls bring is kept: first in the journal, then in the store, and never twice."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from tests.service.benching import PLAIN, DayClock, ListStore, report_of, texts
from tests.support.loops import on_each_loop, run, turns, until

from energymeter.service import keeper as keeper_module
from energymeter.service.events import EventStream
from energymeter.service.keeper import Keeper
from energymeter.service.snapshot import StoreState
from energymeter.store import StoredPoll, layout_of
from energymeter.store.errors import StoreCorruptError, StoreFullError

LAYOUT = layout_of(PLAIN.readable_points)
START = datetime(2026, 1, 1, tzinfo=UTC)


def poll_of(number: int) -> StoredPoll:
    return StoredPoll.of("m1", LAYOUT, report_of(START + timedelta(seconds=number)))


def numbers(polls: Sequence[StoredPoll]) -> list[int]:
    return [poll.time_us // 1_000_000 - int(START.timestamp()) for poll in polls]


class Book:
    """A journal that only remembers."""

    def __init__(self) -> None:
        self.polls: list[StoredPoll] = []
        self.before: Callable[[], None] = lambda: None

    def append(self, polls: Sequence[StoredPoll]) -> None:
        self.before()
        self.polls += polls


class Bench:
    """A keeper with a store and a journal that do as they are told."""

    def __init__(self, *, has_store: bool = True) -> None:
        self.clock = DayClock()
        self.store, self.book = ListStore(), Book()
        self.state = StoreState()
        self.events = EventStream(self.clock)
        self.told_journal = 0
        self.keeper = Keeper(
            store=self.store.as_store() if has_store else None,
            journal=self.book,
            state=self.state,
            events=self.events,
            on_journal=self._on_journal,
            clock=self.clock,
        )

    def put(self, *which: int) -> None:
        for number in which:
            self.keeper.put(poll_of(number))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.keeper.run())
        yield
        await self.keeper.close()
        await self.pass_time(1)
        await task

    async def pass_time(self, seconds: float, step_s: float = 0.5) -> None:
        """Let time pass, and whatever the thread has to do with it."""
        until_s = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until_s:
            await self.clock.advance(step_s)
            await self.settled()

    async def settled(self) -> None:
        """Nothing is being written now."""
        await until(lambda: not self.keeper._writing.locked())

    def _on_journal(self) -> None:
        self.told_journal += 1


def full() -> None:
    raise StoreFullError("x.db: the disk is full; make room and it goes on")


@on_each_loop
def test_polls_reach_journal_and_store_soon_and_together(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.running():
            bench.put(1, 2)
            await bench.clock.advance(0.3)
            bench.put(3)
            assert bench.store.polls == []
            await bench.pass_time(0.5)
            assert numbers(bench.store.polls) == numbers(bench.book.polls) == [1, 2, 3]
            assert bench.store.calls == bench.told_journal == 1
            assert (bench.state.stored, bench.state.waiting) == (3, 0)

    run(scenario(), loop)


@on_each_loop
def test_the_journal_has_every_poll_before_the_store(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        ahead = []
        bench.store.before = lambda: ahead.append(len(bench.book.polls) - len(bench.store.polls))
        async with bench.running():
            for number in range(10):
                bench.put(number)
                await bench.pass_time(0.5)
        assert len(ahead) == 10
        assert min(ahead) > 0

    run(scenario(), loop)


@on_each_loop
def test_a_full_store_is_told_once_and_polls_wait_until_it_has_room(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.store.before = full
        async with bench.running():
            for number in range(30):
                bench.put(number)
                await bench.pass_time(1)
            assert texts(bench.events) == [
                "x.db: the disk is full; make room and it goes on; polls wait in memory and go on"
            ]
            assert bench.state.fault.endswith("make room and it goes on")
            assert bench.state.fault_since is not None
            assert bench.state.waiting == 30
            # Longer and longer pauses: 0.75, 1.5, 3, 6, 12 s.
            assert 4 <= bench.store.calls <= 6
            bench.store.before = lambda: None
            await bench.pass_time(30)
            assert numbers(bench.store.polls) == list(range(30))
            assert bench.state.fault == ""
            assert (bench.state.waiting, bench.state.dropped) == (0, 0)
            told = texts(bench.events)
            assert len(told) == 2
            assert told[1].startswith("the store takes readings again after ")

    run(scenario(), loop)


@on_each_loop
def test_sinks_are_served_while_the_store_is_full(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.store.before = full
        async with bench.running():
            for number in range(40):
                bench.put(number)
                await bench.pass_time(1)
                assert numbers(bench.book.polls) == list(range(number + 1))
            bench.store.before = lambda: None

    run(scenario(), loop)


@on_each_loop
def test_a_store_that_failed_again_is_told_again(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.running():
            for trouble in (full, lambda: None, full, lambda: None):
                bench.store.before = trouble
                bench.put(1)
                await bench.pass_time(60)
            assert len(texts(bench.events)) == 4
            assert len(bench.store.polls) == 4

    run(scenario(), loop)


@on_each_loop
def test_beyond_the_bound_the_oldest_are_lost_and_counted(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "_MOST_WAITING", 10)

    async def scenario() -> None:
        bench = Bench()
        bench.store.before = full
        async with bench.running():
            for number in range(25):
                bench.put(number)
                await bench.pass_time(1)
            assert bench.state.waiting == 10
            assert bench.state.dropped == 15
            assert len([text for text in texts(bench.events) if "are lost so far" in text]) == 1
            bench.store.before = lambda: None
            await bench.pass_time(40)
            assert numbers(bench.store.polls) == list(range(15, 25))
            # The journal lost none.
            assert numbers(bench.book.polls) == list(range(25))

    run(scenario(), loop)


@on_each_loop
def test_a_store_that_blocks_never_delays_who_puts(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "_MOST_WAITING", 5000)

    async def scenario() -> None:
        bench = Bench()
        gate = threading.Event()
        bench.store.before = lambda: None if gate.wait(10) else full()
        task = asyncio.create_task(bench.keeper.run())
        bench.put(0)
        await bench.clock.advance(0.6)
        await until(lambda: bench.store.calls == 1)
        began = time.perf_counter()
        for number in range(1, 8000):
            bench.put(number)
        assert time.perf_counter() - began < 2
        # It does not come back: then memory is bounded all the same, and that is told.
        assert bench.state.dropped == 3000
        assert "3000 polls" not in texts(bench.events)[0]
        assert "are lost so far: the store takes none" in texts(bench.events)[0]
        gate.set()
        await bench.pass_time(2)
        assert numbers(bench.store.polls) == [0, *range(3001, 8000)]
        await bench.keeper.close()
        await bench.pass_time(1)
        await task

    run(scenario(), loop)


@on_each_loop
def test_closing_writes_everything(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.running():
            bench.put(1, 2, 3)
            await bench.keeper.close()
            assert numbers(bench.store.polls) == numbers(bench.book.polls) == [1, 2, 3]
        assert texts(bench.events) == []

    run(scenario(), loop)


@on_each_loop
def test_closing_tries_a_store_once_more_that_had_failed(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.store.before = full
        async with bench.running():
            bench.put(1)
            await bench.pass_time(10)
            bench.store.before = lambda: None
            bench.put(2)
            await bench.keeper.close()
            assert numbers(bench.store.polls) == [1, 2]

    run(scenario(), loop)


@on_each_loop
def test_closing_with_a_full_store_says_what_is_lost_once(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.store.before = full
        async with bench.running():
            bench.put(1, 2)
            await bench.pass_time(1)
            await bench.keeper.close()
            await bench.keeper.close()
        assert [text for text in texts(bench.events) if "could not be kept" in text] == [
            "2 polls could not be kept: x.db: the disk is full; make room and it goes on"
        ]

    run(scenario(), loop)


@on_each_loop
def test_closing_while_a_full_store_is_being_tried_ends_in_peace(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        gate = threading.Event()

        def slow() -> None:
            gate.wait(10)
            full()

        bench.store.before = slow
        running = asyncio.create_task(bench.keeper.run())
        bench.put(1)
        await bench.clock.advance(0.6)
        await until(lambda: bench.store.calls == 1)
        closing = asyncio.create_task(bench.keeper.close())
        await bench.clock.advance(5)
        gate.set()
        await closing
        await bench.clock.advance(5)
        await running
        assert bench.store.calls == 2

    run(scenario(), loop)


@on_each_loop
def test_a_fault_of_the_program_in_the_store_does_not_stop_the_end(loop: str) -> None:
    async def scenario() -> None:
        def broken() -> None:
            raise ZeroDivisionError("somewhere deep")

        bench = Bench()
        bench.store.before = broken
        bench.put(1)
        await bench.keeper.close()
        assert "1 polls could not be kept: a fault of the program (somewhere deep)" in texts(
            bench.events
        )
        assert numbers(bench.book.polls) == [1]

    run(scenario(), loop)


@on_each_loop
def test_any_trouble_of_the_store_is_waited_out(loop: str) -> None:
    async def scenario() -> None:
        def damaged() -> None:
            raise StoreCorruptError("x.db: is damaged")

        bench = Bench()
        bench.store.before = damaged
        async with bench.running():
            bench.put(1)
            await bench.pass_time(5)
            bench.store.before = lambda: None  # somebody put a backup in its place
            await bench.pass_time(30)
            assert numbers(bench.store.polls) == [1]

    run(scenario(), loop)


@on_each_loop
def test_without_a_store_the_journal_alone_gets_polls_and_the_state_is_left_alone(
    loop: str,
) -> None:
    async def scenario() -> None:
        bench = Bench(has_store=False)
        bench.state.waiting = 77  # somebody else feeds a store from the journal
        async with bench.running():
            bench.put(1)
            await bench.pass_time(1)
            assert numbers(bench.book.polls) == [1]
            assert bench.state.waiting == 77
            assert bench.state.stored == 0

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("where", ["store", "journal"])
@pytest.mark.parametrize("cancellations", [1, 3])
def test_cancelled_in_the_middle_nothing_is_kept_twice(
    loop: str, where: str, cancellations: int
) -> None:
    async def scenario() -> None:
        bench = Bench()
        gate = threading.Event()
        began = asyncio.Event()
        here = asyncio.get_running_loop()

        def wait() -> None:
            here.call_soon_threadsafe(began.set)
            gate.wait(10)

        target = bench.store if where == "store" else bench.book
        target.before = wait
        bench.put(1, 2)
        flushing = asyncio.create_task(bench.keeper.flush())
        await began.wait()
        for _ in range(cancellations):
            flushing.cancel()
            await turns(3)
        assert not flushing.done()
        gate.set()
        await asyncio.wait([flushing])
        assert flushing.cancelled()
        target.before = lambda: None
        bench.put(3)
        await bench.keeper.close()
        assert numbers(bench.store.polls) == [1, 2, 3]
        assert numbers(bench.book.polls) == [1, 2, 3]
        assert bench.state.stored == 3

    run(scenario(), loop)


@on_each_loop
def test_cancelled_while_the_store_fails_nothing_is_lost(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        gate = threading.Event()

        def slow() -> None:
            gate.wait(10)
            full()

        bench.store.before = slow
        bench.put(1)
        flushing = asyncio.create_task(bench.keeper.flush())
        await until(lambda: bench.store.calls == 1)
        flushing.cancel()
        await turns(3)
        gate.set()
        await asyncio.wait([flushing])
        assert flushing.cancelled()
        assert bench.state.waiting == 1
        bench.store.before = lambda: None
        await bench.keeper.close()
        assert numbers(bench.store.polls) == [1]

    run(scenario(), loop)
