"""Whose turn it is on a link: the urgent first, else first come, first served."""

from __future__ import annotations

import asyncio

import pytest
from tests.client.bus import Bus, LoopClock, right, run_leaping
from tests.support.loops import on_each_loop, run, turns
from tests.support.scripted import word_at

from energymeter.client import Priority
from energymeter.client.turns import Turns


async def take(turns: Turns, priority: int, name: str, order: list[str]) -> None:
    await turns.take(priority)
    order.append(name)


@on_each_loop
def test_places_are_given_in_the_order_of_priority_and_then_of_arrival(loop: str) -> None:
    async def scenario() -> None:
        places, order = Turns(1), list[str]()
        await places.take(Priority.POLL)
        wanted = [(1, "poll"), (2, "survey"), (0, "person"), (1, "poll too"), (0, "another")]
        tasks = [asyncio.create_task(take(places, *each, order)) for each in wanted]
        for _ in tasks:
            await turns(2)
            places.give_back()
        await asyncio.gather(*tasks)

        assert order == ["person", "another", "poll", "poll too", "survey"]

    run(scenario(), loop)


@on_each_loop
def test_a_place_that_nobody_waits_for_is_free_again(loop: str) -> None:
    async def scenario() -> None:
        places = Turns(2)
        await places.take(Priority.POLL)
        await places.take(Priority.POLL)
        assert places.free == 0
        places.give_back()
        places.give_back()
        assert places.free == 2

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("cancelled", [0, 1, 2])
def test_who_is_cancelled_while_waiting_is_passed_over(cancelled: int, loop: str) -> None:
    async def scenario() -> None:
        places, order = Turns(1), list[str]()
        await places.take(Priority.POLL)
        tasks = [asyncio.create_task(take(places, 1, str(n), order)) for n in range(3)]
        await turns(2)
        tasks[cancelled].cancel()
        await turns(2)
        assert places.waiting == 2
        for _ in range(3):
            places.give_back()
            await turns(2)

        assert order == [str(n) for n in range(3) if n != cancelled]
        assert (places.free, places.waiting) == (1, 0)

    run(scenario(), loop)


@on_each_loop
def test_a_place_handed_to_someone_cancelled_in_that_very_moment_goes_to_the_next(
    loop: str,
) -> None:
    async def scenario() -> None:
        places, order = Turns(1), list[str]()
        await places.take(Priority.POLL)
        first, second = [asyncio.create_task(take(places, 1, str(n), order)) for n in range(2)]
        await turns(2)
        places.give_back()
        first.cancel()
        await second

        assert order == ["1"]
        assert first.cancelled()

    run(scenario(), loop)


def test_the_read_of_a_person_goes_before_the_poll_and_a_scan_behind_it() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right(0.05)}).start()
        async with bus.link() as link:
            poll = link.unit(1)
            person = link.unit(1, priority=Priority.PERSON)
            survey = link.unit(1, priority=Priority.SURVEY)
            asked = [survey, poll, poll, person, survey, person]
            await asyncio.gather(
                poll.read_holding_registers(9),
                *(unit.read_holding_registers(n) for n, unit in enumerate(asked)),
            )

        assert [one.address for one in bus.asked] == [9, 3, 5, 1, 2, 0, 4]

    run_leaping(scenario)


def test_a_person_waits_for_one_question_at_most_however_many_polls_wait() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right(0.05)}).start()
        async with bus.link() as link:
            polls = [
                asyncio.create_task(link.unit(1).read_holding_registers(n)) for n in range(100)
            ]
            await clock.sleep_until(1.01)
            person = link.unit(1, priority=Priority.PERSON)
            assert await person.read_holding_registers(200) == (word_at(1, 200),)
            assert clock.monotonic() < 1.12
            await asyncio.gather(*polls)

    run_leaping(scenario)
