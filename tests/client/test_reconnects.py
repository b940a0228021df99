"""A link is opened again after each loss, not in haste, and leaves nothing behind in a day."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import pytest
from tests.client.bus import Asked, Bus, LoopClock, good_answer, never, right, run_leaping
from tests.support.scripted import word_at

from energymeter.client import Backoff, Link
from energymeter.codec import Framing
from energymeter.errors import LinkClosedError, LinkLostError, LinkOpenError, MeterError
from energymeter.transports import Pacing

STEADY = Backoff(first_s=1.0, longest_s=60.0, jitter=0.0)


async def read(link: Link, address: int = 10) -> None:
    assert await link.unit(1).read_holding_registers(address) == (word_at(1, address),)


async def failure_of(link: Link) -> MeterError:
    with pytest.raises(MeterError) as caught:
        await read(link)
    return caught.value


async def pauses_of(link: Link, clock: LoopClock, bus: Bus, count: int) -> list[float]:
    """Ask all the time; how long it took from each attempt to connect to the next one."""
    moments = [clock.monotonic()]
    attempts = bus.attempts
    while bus.attempts < attempts + count:
        before = bus.attempts
        await failure_of(link)
        moments += [clock.monotonic()] * (bus.attempts - before)
        await asyncio.sleep(0.01)
    return [round(after - moments[0], 1) for after in moments[1:]]


# What counts as a failure


def test_each_attempt_in_vain_doubles_the_pause() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right()}).start()
        bus.line.is_up = False
        async with bus.link(backoff=STEADY) as link:
            assert await pauses_of(link, clock, bus, 5) == [0.0, 1.0, 3.0, 7.0, 15.0]

    run_leaping(scenario)


def test_a_peer_that_accepts_and_hangs_up_at_once_is_left_alone_longer_and_longer() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right()}).start()
        bus.hangs_up_after_s = 0.0
        async with bus.link(backoff=STEADY) as link:
            assert await pauses_of(link, clock, bus, 5) == [0.0, 0.0, 0.0, 1.0, 3.0]

    run_leaping(scenario)


def test_a_peer_that_is_asked_and_hangs_up_without_a_word_has_failed() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: never}).start()
        bus.hangs_up_after_s = 0.1
        async with bus.link(backoff=STEADY) as link:
            for _ in range(3):  # once or twice may be a whim
                assert isinstance(await failure_of(link), LinkLostError)
            error = await failure_of(link)
            assert isinstance(error, LinkOpenError)
            assert "next attempt in 1.0 s" in str(error)
            assert await pauses_of(link, clock, bus, 4) == [1.1, 3.2, 7.3, 15.4]

    run_leaping(scenario)


def test_a_peer_that_hangs_up_while_a_question_waits_for_the_pause_has_failed_too() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right()}).start()
        bus.hangs_up_after_s = 0.1
        async with bus.link(backoff=STEADY, pacing=Pacing(connect_pause_s=0.5)) as link:
            assert isinstance(await failure_of(link), LinkOpenError)
            assert bus.attempts == 3
            assert clock.monotonic() == pytest.approx(1.5)

    run_leaping(scenario)


def test_an_idle_connection_that_was_never_asked_may_be_closed_by_the_peer() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right()}).start()
        async with bus.link(backoff=STEADY) as link:
            for _ in range(5):
                await link.open()
                bus.hang_up()
                await asyncio.sleep(0.01)
                assert not link.is_open
            await read(link)

        assert bus.connections == 6

    run_leaping(scenario)


def test_a_connection_on_which_something_was_heard_makes_the_next_pause_short_again() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right()}).start()
        bus.line.is_up = False
        async with bus.link(backoff=STEADY) as link:
            await pauses_of(link, clock, bus, 5)
            bus.line.is_up = True
            await asyncio.sleep(60.0)
            await read(link)
            bus.line.is_up = False
            bus.line.cut()
            await asyncio.sleep(0.01)
            assert await pauses_of(link, clock, bus, 3) == [0.0, 1.0, 3.0]

    run_leaping(scenario)


def test_a_connection_alone_does_not_make_the_next_pause_short() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: never}).start()
        bus.line.is_up = False
        async with bus.link(backoff=STEADY) as link:
            await pauses_of(link, clock, bus, 4)
            bus.line.is_up = True
            bus.hangs_up_after_s = 0.1
            await asyncio.sleep(60.0)
            assert isinstance(await failure_of(link), LinkLostError)
            assert "next attempt in 16.0 s" in str(await failure_of(link))

    run_leaping(scenario)


def test_what_a_device_says_unasked_is_a_success() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: never}).start()
        async with bus.link(backoff=STEADY) as link:
            await link.open()
            bus.say(b"modem 4711\r\n")
            await asyncio.sleep(0.01)
            bus.hang_up()
            await asyncio.sleep(0.01)
            bus.units[1] = right()
            await read(link)

    run_leaping(scenario)


# Closing


@pytest.mark.parametrize("framing", [Framing.MBAP, Framing.RTU])
def test_a_question_that_waits_for_a_pause_ends_when_the_link_is_closed(framing: Framing) -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right()}, framing=framing).start()
        link = bus.link(pacing=Pacing(connect_pause_s=0.5))
        reading = asyncio.create_task(read(link))
        await asyncio.sleep(0.1)
        await link.close()

        with pytest.raises(LinkClosedError):
            await reading
        assert bus.asked == []

    run_leaping(scenario)


def test_a_question_behind_one_that_nobody_wants_ends_when_the_link_is_closed() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: never}).start()
        link = bus.link(timeout_s=100.0)
        first = asyncio.create_task(read(link))
        await asyncio.sleep(0.1)
        first.cancel()
        second = asyncio.create_task(read(link))
        await asyncio.sleep(0.1)
        await link.close()

        with pytest.raises(LinkClosedError):
            await second
        assert clock.monotonic() < 1.0

    run_leaping(scenario)


# A day


@pytest.mark.parametrize("framing", [Framing.MBAP, Framing.RTU])
def test_a_device_that_reboots_every_hour_for_a_day(framing: Framing) -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right(0.02), 2: right(0.02), 3: never}, framing=framing).start()
        backoff = Backoff(longest_s=10.0)
        tasks = len(asyncio.all_tasks())
        good, waits = 0, list[float]()

        async def reboot() -> None:
            for hour in range(1, 24):
                await clock.sleep_until(3600.0 * hour)
                bus.line.is_up = False
                bus.line.cut()
                await asyncio.sleep(90.0)
                bus.line.is_up = True
                came_back = clock.monotonic()
                while not link.is_open:  # noqa: ASYNC110 - the link does not know of us
                    await asyncio.sleep(0.5)
                waits.append(clock.monotonic() - came_back)

        async with bus.link(backoff=backoff, timeout_s=0.5) as link:
            rebooting = asyncio.create_task(reboot())
            while clock.monotonic() < 86_400.0:
                for unit in (1, 2, 3):
                    with contextlib.suppress(MeterError):
                        await link.unit(unit).read_holding_registers(unit)
                        good += 1
                await asyncio.sleep(5.0)
            await rebooting

            assert max(waits) < 10.0 + 5.0 + 1.0
            assert good > 0.96 * 2 * 86_400 / 5.1
            assert bus.connections == 24
            assert len(asyncio.all_tasks()) == tasks
            assert clock.pending < 5
            assert link._turns.waiting == 0
            assert link._turns.free == 1
            state = link._opener._state
            assert state.in_flight == 0
            if framing is Framing.RTU:
                assert state.outstanding(3) < 10  # type: ignore[union-attr]

    run_leaping(scenario)


def test_a_line_on_which_nobody_answers_for_a_day_is_asked_and_leaves_nothing_behind() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {}).start()
        async with bus.link(timeout_s=1.0) as link:
            while clock.monotonic() < 86_400.0:
                for unit in (1, 2):
                    with contextlib.suppress(MeterError):
                        await link.unit(unit).read_holding_registers(0)
                await asyncio.sleep(10.0)
            ordered = link._opener._state
            assert [ordered.outstanding(unit) < 10 for unit in (1, 2)] == [True, True]  # type: ignore[union-attr]
            assert clock.pending < 5
            assert len(bus.asked) > 2 * 86_400 / 13

            bus.units |= {1: right(), 2: right()}
            await read(link)
            await read(link)

    run_leaping(scenario)


def test_a_unit_that_answers_late_for_a_day_never_gives_another_value() -> None:
    async def scenario(clock: LoopClock) -> None:
        def manner(asked: Asked) -> Sequence[tuple[float, bytes]]:
            number = len(bus.asked)
            return [(0.05 if number % 7 else 0.4 + number % 11 / 10, good_answer(asked))]

        bus = await Bus(clock, {1: manner, 2: right(0.01)}).start()
        good = 0
        async with bus.link(timeout_s=0.3) as link:
            while clock.monotonic() < 10_000.0:
                for address in range(5):
                    with contextlib.suppress(MeterError):
                        await read(link, address)
                        good += 1
                    words = await link.unit(2).read_holding_registers(address)
                    assert words == (word_at(2, address),)
                await asyncio.sleep(10.0)

        assert good > 1_000
        assert link.health.units[1].timeouts > 500

    run_leaping(scenario)
