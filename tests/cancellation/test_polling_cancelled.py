"""Cancelling a reading or a poller: it stops, and what it stood on goes on working."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support import scripted
from tests.support.cancelling import at_every_step, cancel_at
from tests.support.loops import on_each_loop, run, turns, until
from tests.support.scripted import ScriptedServer, word_at

from energymeter.client import Link
from energymeter.clock import ManualClock
from energymeter.profiles import parse_profile
from energymeter.reader import MeterReader
from energymeter.service import Poll, Poller
from energymeter.transports import TcpEndpoint

METER = parse_profile(
    {
        "name": "test/meter",
        "vendor": "test",
        "model": "meter",
        "readable": [{"first": 10, "last": 11}, {"first": 90, "last": 91}],
        "points": [{"name": f"at_{a}", "address": a, "type": "uint16"} for a in (10, 90)],
    },
    "test",
)
RIGHT = {"at_10": word_at(1, 10), "at_90": word_at(1, 90)}


@asynccontextmanager
async def reader_of(server: ScriptedServer) -> AsyncIterator[MeterReader]:
    async with server, Link(TcpEndpoint("127.0.0.1", server.port), timeout_s=5) as link:
        await link.open()
        yield MeterReader(link.unit(1), METER)


@on_each_loop
@at_every_step
def test_a_reading_cancelled_anywhere_leaves_the_reader_usable(step: int, loop: str) -> None:
    async def scenario() -> None:
        async with reader_of(ScriptedServer()) as reader:
            await cancel_at(step, reader.read())
            assert (await reader.read()).as_dict() == RIGHT

    run(scenario(), loop)


@on_each_loop
def test_a_cancelled_reading_is_not_reported_as_a_failure(loop: str) -> None:
    async def scenario() -> None:
        server = ScriptedServer(scripted.never)
        async with reader_of(server) as reader:
            task = asyncio.create_task(reader.read())
            await until(lambda: len(server.asked) == 1)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert len(server.asked) == 1

    run(scenario(), loop)


@on_each_loop
@at_every_step
def test_a_poller_cancelled_anywhere_stops_and_can_be_run_again(step: int, loop: str) -> None:
    async def scenario() -> None:
        polls: list[Poll] = []
        async with reader_of(ScriptedServer()) as reader:
            poller = Poller(reader, 0.005, polls.append)
            assert await cancel_at(step, poller.run())
            shown = len(polls)
            await turns(5)
            assert len(polls) == shown
            await poller.run(2)
        assert [poll.report.as_dict() for poll in polls[-2:]] == [RIGHT, RIGHT]

    run(scenario(), loop)


@on_each_loop
def test_a_poller_cancelled_in_its_sleep_reports_nothing_more(loop: str) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        polls: list[Poll] = []
        async with reader_of(ScriptedServer()) as reader:
            poller = Poller(reader, 10.0, polls.append, delay_s=5.0, clock=clock)
            task = asyncio.create_task(poller.run())
            await turns(3)
            task.cancel()
            await asyncio.wait([task])
            await clock.advance(60)
        assert task.cancelled()
        assert polls == []

    run(scenario(), loop)


@on_each_loop
def test_a_poller_cancelled_in_the_middle_of_a_reading_reports_nothing(loop: str) -> None:
    async def scenario() -> None:
        polls: list[Poll] = []
        server = ScriptedServer(scripted.never)
        async with reader_of(server) as reader:
            task = asyncio.create_task(Poller(reader, 0.01, polls.append).run())
            await until(lambda: len(server.asked) == 1)
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled()
        assert polls == []

    run(scenario(), loop)
