"""Cancelling at every await of a shared bus leaves a link that works, and a line in order.

Each scenario is run again and again and cancelled one turn of the loop later each time, until it
ends by itself. The clock rings its next alarm as soon as nothing else happens.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import pytest
from tests.client.bus import Asked, Bus, Manner, never, refuses, right
from tests.support.loops import on_each_loop, run
from tests.support.scripted import word_at

from energymeter.client import Backoff, Link
from energymeter.clock import ManualClock
from energymeter.codec import Framing
from energymeter.errors import ExceptionReplyError, LinkClosedError, RequestTimeout
from energymeter.transports import Pacing

Result = TypeVar("Result")

_TURNS_A_STEP: Final = 12
"""Turns of the loop in which everything that can happen at one moment has happened."""

_MAX_STEPS: Final = 600

LINE = Pacing(
    character_s=0.001, silence_s=0.0035, connect_pause_s=0.5, pause_s=0.02, unit_pause_s=0.05
)

Act = Callable[[Link], Awaitable[object]]


class SteppedClock(ManualClock):
    """Rings one alarm at a time, when told to."""

    def ring(self) -> None:
        while self._alarms:
            when, _, alarm = heapq.heappop(self._alarms)
            if alarm.callback is not None:
                self._elapsed_s = max(self._elapsed_s, when)
                alarm.callback()
                return

    async def turn(self, count: int) -> None:
        """Let the loop go round so many times, and time pass when nothing else happens."""
        for number in range(1, count + 1):
            await asyncio.sleep(0)
            if number % _TURNS_A_STEP == 0:
                self.ring()

    async def through(self, what: Awaitable[Result]) -> Result:
        """Let time pass until it is done."""
        task = asyncio.ensure_future(what)
        for _ in range(_MAX_STEPS):
            if task.done():
                return task.result()
            await self.turn(_TURNS_A_STEP)
        task.cancel()
        pytest.fail("it never ends")


async def nothing(link: Link) -> None:
    """There is nothing to prepare."""


async def read(link: Link, unit: int = 1, address: int = 10, count: int = 2) -> None:
    words = await link.unit(unit).read_holding_registers(address, count)
    assert words == tuple(word_at(unit, address + n) for n in range(count))


async def timed_out(link: Link, unit: int = 1) -> None:
    with pytest.raises(RequestTimeout):
        await read(link, unit)


def first(*manners: Manner) -> Callable[[Asked], Sequence[tuple[float, bytes]]]:
    """The first questions are answered so, all others right."""
    left = list(manners)

    def manner(asked: Asked) -> Sequence[tuple[float, bytes]]:
        return (left.pop(0) if left else right(0.01))(asked)

    return manner


def check(
    loop: str,
    act: Act,
    *,
    prepare: Act = nothing,
    units: Callable[[], dict[int, Manner]] = lambda: {1: right(0.01), 2: right(0.01)},
    framing: Framing = Framing.RTU,
    **options: Any,
) -> None:
    """Cancel `act` at each of its awaits; afterwards the link has to work as if nothing was."""

    async def cancelled_after(turns: int) -> bool:
        clock = SteppedClock()
        bus = Bus(
            clock, units(), framing=framing, character_s=LINE.character_s, silence_s=LINE.silence_s
        )
        await bus.start()
        async with bus.link(pacing=LINE, backoff=Backoff(0.01, 0.01), **options) as link:
            await clock.through(prepare(link))
            task = asyncio.ensure_future(act(link))
            await clock.turn(turns)
            was_running = task.cancel()
            await clock.through(asyncio.wait([task]))
            assert task.cancelled() == was_running
            assert was_running or task.exception() is None
            bus.units = {1: right(0.01), 2: right(0.01)}
            for unit in (2, 1, 2):
                await clock.through(read(link, unit))
            assert bus.clashes == []
            assert (link._turns.free, link._turns.waiting) == (1, 0)
        return was_running

    async def scenario() -> None:
        for turns in range(_MAX_STEPS):
            if not await cancelled_after(turns):
                return
        pytest.fail("it never ends by itself")

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("framing", list(Framing))
def test_the_first_question_of_all(framing: Framing, loop: str) -> None:
    check(loop, read, framing=framing)


@on_each_loop
def test_a_question_on_a_gateway_without_transactions(loop: str) -> None:
    check(loop, read, framing=Framing.MBAP, ignores_transactions=True)


@on_each_loop
def test_a_question_that_waits_for_its_turn(loop: str) -> None:
    async def prepare(link: Link) -> None:
        await link.open()

    async def act(link: Link) -> None:
        async with asyncio.TaskGroup() as group:
            for unit in (1, 2, 1):
                group.create_task(read(link, unit))

    check(loop, act, prepare=prepare)


@on_each_loop
def test_a_question_behind_a_fence(loop: str) -> None:
    check(loop, read, prepare=timed_out, units=lambda: {1: first(never), 2: right()})


@on_each_loop
def test_a_question_behind_a_fence_that_is_refused(loop: str) -> None:
    check(loop, read, prepare=timed_out, units=lambda: {1: first(never, refuses(2)), 2: right()})


@on_each_loop
def test_a_question_whose_answer_is_late(loop: str) -> None:
    check(loop, timed_out, units=lambda: {1: first(right(1.1)), 2: right()})


@on_each_loop
def test_a_question_whose_answer_is_in_doubt(loop: str) -> None:
    def same(asked: Asked) -> Sequence[tuple[float, bytes]]:
        data = bytes(2 * asked.count)
        return [(0.01, bytes((asked.function, len(data))) + data)]

    async def prepare(link: Link) -> None:
        await link.unit(1).read_holding_registers(20, 2)

    async def act(link: Link) -> None:
        assert await link.unit(1).read_holding_registers(30, 2) == (0, 0)

    def units() -> dict[int, Manner]:
        # The fence is the third question, and what was in doubt is asked once more as the fourth.
        return {1: first(same, same, right(), same), 2: right()}

    check(loop, act, prepare=prepare, units=units)


@on_each_loop
def test_a_question_to_a_busy_unit(loop: str) -> None:
    busy = refuses(6)
    check(loop, read, units=lambda: {1: first(busy, busy, busy), 2: right()})


@on_each_loop
def test_a_question_that_is_refused(loop: str) -> None:
    async def act(link: Link) -> None:
        with pytest.raises(ExceptionReplyError):
            await read(link)

    check(loop, act, units=lambda: {1: first(refuses(2)), 2: right()})


@on_each_loop
def test_a_broadcast(loop: str) -> None:
    async def act(link: Link) -> None:
        await link.unit(0).write_register(7, 1)

    check(loop, act)


@on_each_loop
def test_a_question_behind_one_that_nobody_wants_any_more(loop: str) -> None:
    async def prepare(link: Link) -> None:
        await link.open()

    async def act(link: Link) -> None:
        unwanted = asyncio.create_task(read(link, 1))
        try:
            await link.clock.sleep_until(link.clock.monotonic() + 0.6)
        finally:
            unwanted.cancel()
            await asyncio.wait([unwanted])
        await read(link, 2)

    check(loop, act, prepare=prepare, units=lambda: {1: first(right(0.3)), 2: right()})


@on_each_loop
def test_a_question_after_the_connection_was_lost(loop: str) -> None:
    async def prepare(link: Link) -> None:
        await read(link)
        connection = link._opener.connection
        assert connection is not None
        connection._transport.abort()  # type: ignore[union-attr]
        await connection.gone.wait()

    check(loop, read, prepare=prepare)


@on_each_loop
def test_an_attempt_to_open(loop: str) -> None:
    async def act(link: Link) -> None:
        await link.open()

    check(loop, act)


@on_each_loop
def test_everybody_at_once(loop: str) -> None:
    async def act(link: Link) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(link.unit(0).write_register(7, 1))
            for unit in (1, 2, 1, 2):
                group.create_task(read(link, unit))

    check(loop, act, units=lambda: {1: first(refuses(6)), 2: first(right(0.2))})


@on_each_loop
def test_closing_a_link_at_any_moment_ends_what_is_under_way(loop: str) -> None:
    def units() -> dict[int, Manner]:
        return {1: first(never), 2: right()}

    async def closed_after(turns: int) -> bool:
        clock = SteppedClock()
        bus = await Bus(clock, units()).start()
        link = bus.link(pacing=LINE)
        tasks = [asyncio.ensure_future(read(link, unit)) for unit in (1, 2, 1)]
        await clock.turn(turns)
        was_running = not all(task.done() for task in tasks)
        await clock.through(link.close())
        outcomes = await clock.through(asyncio.gather(*tasks, return_exceptions=True))
        assert all(
            isinstance(one, (LinkClosedError, RequestTimeout, type(None))) for one in outcomes
        )
        return was_running

    async def scenario() -> None:
        for turns in range(_MAX_STEPS):
            if not await closed_after(turns):
                return
        pytest.fail("it never ends by itself")

    run(scenario(), loop)
