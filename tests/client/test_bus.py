"""Many units on one pair of wires: silences, pauses, time on the line, everybody addressed at once.

Nothing waits for real: the loop's time leaps.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import pytest
from tests.client.bus import (
    Asked,
    Bus,
    LoopClock,
    Manner,
    good_answer,
    never,
    refuses,
    right,
    run_leaping,
)
from tests.support.scripted import word_at

from energymeter.client import Link, Priority
from energymeter.codec import Framing, ReadRequest, ReportServerIdRequest, WriteRegister
from energymeter.errors import (
    ExceptionReplyError,
    LocalProtocolError,
    MismatchError,
    RequestTimeout,
    UnitSilentError,
)
from energymeter.transports import Pacing

CHARACTER_S = 10 / 9600
SILENCE_S = 3.5 * CHARACTER_S
LINE = Pacing(character_s=CHARACTER_S, silence_s=SILENCE_S)


async def line_of(
    clock: LoopClock, units: dict[int, Manner], framing: Framing = Framing.RTU
) -> Bus:
    """A bus at 9600 baud."""
    bus = Bus(clock, units, framing=framing, character_s=CHARACTER_S, silence_s=SILENCE_S)
    return await bus.start()


def in_turn(*manners: Manner) -> Manner:
    """Each question is answered in another manner, the last one for good."""
    left = list(manners)

    def manner(asked: Asked) -> Sequence[tuple[float, bytes]]:
        one = left.pop(0) if len(left) > 1 else left[0]
        return one(asked)

    return manner


async def read(link: Link, unit: int, address: int = 10, count: int = 2) -> None:
    """Read, and see that it is what is there."""
    words = await link.unit(unit).read_holding_registers(address, count)
    assert words == tuple(word_at(unit, address + n) for n in range(count))


# Silences


@pytest.mark.parametrize("framing", [Framing.RTU, Framing.ASCII])
def test_between_two_frames_there_is_silence(framing: Framing) -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await line_of(clock, {1: right(), 2: right(0.05), 3: refuses(2)}, framing)
        async with bus.link(pacing=LINE) as link:
            for _ in range(5):
                await read(link, 1)
                await read(link, 2, count=20)
                with pytest.raises(ExceptionReplyError):
                    await read(link, 3)

        assert bus.clashes == []

    run_leaping(scenario)


def test_no_time_is_lost_beyond_the_silence() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await line_of(clock, {1: right(0.02)})
        async with bus.link(pacing=LINE) as link:
            await read(link, 1)
            began = clock.monotonic()
            for _ in range(10):
                await read(link, 1, count=20)
            took_s = clock.monotonic() - began

        exchange_s = (8 + 45) * CHARACTER_S + 0.02 + 2 * SILENCE_S
        assert took_s == pytest.approx(10 * exchange_s, rel=0.001)

    run_leaping(scenario)


def test_silence_is_kept_after_the_bytes_of_a_late_answer_too() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await line_of(clock, {1: in_turn(right(0.1), right()), 2: right()})
        async with bus.link(pacing=LINE, timeout_s=0.1) as link:
            with pytest.raises(RequestTimeout):
                await read(link, 1, count=20)
            await asyncio.sleep(0.001)
            for _ in range(3):
                await read(link, 2)
                await read(link, 1)

        assert bus.clashes == []

    run_leaping(scenario)


def test_a_question_waits_while_a_late_answer_comes_in() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await line_of(clock, {1: never, 2: right()})
        async with bus.link(pacing=LINE, timeout_s=0.05) as link:
            with pytest.raises(RequestTimeout):
                await read(link, 1)
            late = bus.frame(1, good_answer(Asked(0, 0, 1, ReadRequest(3, 10, 2).pdu)))
            for place, byte in enumerate(late):
                moment_s = clock.monotonic() + place * CHARACTER_S
                clock.call_at(moment_s, partial(bus.say, bytes((byte,))))
            await asyncio.sleep(CHARACTER_S / 2)
            await read(link, 2)

        assert bus.clashes == []

    run_leaping(scenario)


def test_the_time_on_a_slow_line_is_added_to_the_time_out() -> None:
    async def scenario(clock: LoopClock) -> None:
        character_s = 11 / 1200
        pacing = Pacing(character_s=character_s, silence_s=3.5 * character_s)
        units: dict[int, Manner] = {1: right(0.9)}
        bus = Bus(clock, units, character_s=pacing.character_s, silence_s=pacing.silence_s)
        await bus.start()
        async with bus.link(pacing=pacing, timeout_s=1.0) as link:
            await read(link, 1, count=125)
            assert 3.3 < clock.monotonic() < 3.5
            units[1] = never
            began = clock.monotonic()
            with pytest.raises(RequestTimeout, match="within 1 s"):
                await read(link, 1, count=125)
            assert 3.4 < clock.monotonic() - began < 3.5

    run_leaping(scenario)


def test_an_answer_whose_size_is_not_known_may_take_as_long_as_the_longest() -> None:
    async def scenario(clock: LoopClock) -> None:
        description = bytes((17, 200)) + bytes(200)
        bus = await line_of(clock, {1: lambda _: [(0.09, description)]})
        async with bus.link(pacing=LINE, timeout_s=0.1) as link:
            assert await link.exchange(1, ReportServerIdRequest()) == description

    run_leaping(scenario)


@pytest.mark.parametrize(("framing", "pause_s"), [(Framing.RTU, 0.05), (Framing.ASCII, 0.8)])
def test_a_frame_may_pause(framing: Framing, pause_s: float) -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: never}, framing=framing).start()
        async with bus.link(timeout_s=2.0) as link:
            reading = asyncio.create_task(read(link, 1))
            await asyncio.sleep(0.01)
            answer = bus.frame(1, good_answer(bus.asked[0]))
            bus.say(answer[:4])
            await asyncio.sleep(pause_s)
            bus.say(answer[4:])
            await reading

    run_leaping(scenario)


def test_a_frame_that_stops_is_forgotten_and_the_next_one_heard() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: never}).start()
        async with bus.link(timeout_s=2.0) as link:
            reading = asyncio.create_task(read(link, 1))
            await asyncio.sleep(0.01)
            answer = bus.frame(1, good_answer(bus.asked[0]))
            bus.say(answer[:4])
            await asyncio.sleep(0.2)
            bus.say(answer)
            await reading

    run_leaping(scenario)


# Pauses


def gaps_of(bus: Bus) -> list[float]:
    """Between the questions; answers take no time."""
    moments = [asked.moment_s for asked in bus.asked]
    return [after - before for before, after in pairwise(moments)]


def test_a_new_connection_gets_its_pause_before_the_first_question() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right()}).start()
        async with bus.link(pacing=Pacing(connect_pause_s=0.5)) as link:
            await read(link, 1)
            await read(link, 1)
            bus.line.cut()
            await asyncio.sleep(1.0)
            await read(link, 1)

        assert [asked.moment_s for asked in bus.asked] == pytest.approx([0.5, 0.5, 2.0])

    run_leaping(scenario)


def test_a_link_opened_long_ago_does_not_pause_at_its_first_question() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right()}).start()
        async with bus.link(pacing=Pacing(connect_pause_s=0.5)) as link:
            await link.open()
            await asyncio.sleep(3.0)
            await read(link, 1)
            assert clock.monotonic() == pytest.approx(3.0)

    run_leaping(scenario)


def test_the_first_question_of_all_waits_for_no_pause() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right()}).start()
        async with bus.link(pacing=Pacing(pause_s=5.0, unit_pause_s=5.0)) as link:
            await read(link, 1)
            assert clock.monotonic() == 0.0

    run_leaping(scenario)


def test_a_pause_is_kept_after_an_answer_and_a_longer_one_before_another_unit() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right(), 2: right()}).start()
        async with bus.link(pacing=Pacing(pause_s=0.1, unit_pause_s=0.3)) as link:
            for unit in (1, 1, 2, 2, 1):
                await read(link, unit)

        assert gaps_of(bus) == pytest.approx([0.1, 0.3, 0.1, 0.3])

    run_leaping(scenario)


def test_the_pause_is_counted_from_the_time_out_when_there_was_no_answer() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: never, 2: right()}).start()
        async with bus.link(pacing=Pacing(pause_s=0.1), timeout_s=0.5) as link:
            with pytest.raises(RequestTimeout):
                await read(link, 1)
            await read(link, 2)

        assert gaps_of(bus) == pytest.approx([0.6])

    run_leaping(scenario)


def test_pauses_are_kept_over_modbus_tcp_too() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right(0.05)}, framing=Framing.MBAP).start()
        async with bus.link(pacing=Pacing(pause_s=0.1)) as link:
            await asyncio.gather(*(read(link, 1, address) for address in range(4)))

        assert gaps_of(bus) == pytest.approx([0.15] * 3)

    run_leaping(scenario)


# The silent


def test_a_silent_unit_is_not_asked_while_its_neighbours_live() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await line_of(clock, {1: right()})
        async with bus.link(pacing=LINE) as link:
            await read(link, 1)
            with pytest.raises(RequestTimeout):
                await read(link, 2)
            asked, now = len(bus.asked), clock.monotonic()
            with pytest.raises(UnitSilentError, match=r"left alone for [\d.]+ s more") as caught:
                await read(link, 2)

            assert (len(bus.asked), clock.monotonic()) == (asked, now)
        assert (caught.value.unit, caught.value.endpoint) == (2, "bus")

    run_leaping(scenario)


def test_a_person_may_ask_a_silent_unit_all_the_same() -> None:
    async def scenario(clock: LoopClock) -> None:
        units: dict[int, Manner] = {1: right()}
        bus = await line_of(clock, units)
        async with bus.link(pacing=LINE) as link:
            await read(link, 1)
            with pytest.raises(RequestTimeout):
                await read(link, 2)
            units[2] = right()
            person = link.unit(2, priority=Priority.PERSON)
            assert await person.read_holding_registers(5) == (word_at(2, 5),)
            await read(link, 2)  # and with that it is alive again

    run_leaping(scenario)


def test_with_everybody_dead_everybody_is_asked() -> None:
    async def scenario(clock: LoopClock) -> None:
        units: dict[int, Manner] = {}
        bus = await line_of(clock, units)
        async with bus.link(pacing=LINE) as link:
            for _ in range(20):
                for unit in (1, 2, 3):
                    with pytest.raises(RequestTimeout) as caught:
                        await read(link, unit)
                    assert not isinstance(caught.value, UnitSilentError)
            units |= dict.fromkeys((1, 2, 3), right())
            for unit in (1, 2, 3):
                await read(link, unit)

    run_leaping(scenario)


async def poll_a_day(
    clock: LoopClock, units: dict[int, Manner], polled: Sequence[int], seconds: float
) -> tuple[dict[int, int], Link]:
    """Read 100 registers of each unit again and again; returns how often it worked."""
    character_s = 10 / 1200
    pacing = Pacing(character_s=character_s, silence_s=3.5 * character_s)
    bus = Bus(clock, units, character_s=character_s, silence_s=pacing.silence_s)
    await bus.start()
    done = dict.fromkeys(polled, 0)
    request = ReadRequest(3, 0, 100)

    async def poll(unit: int) -> None:
        while clock.monotonic() < end:
            try:
                await link.exchange(unit, request)
            except UnitSilentError:
                await asyncio.sleep(60.0)
            except RequestTimeout:
                pass
            else:
                done[unit] += 1

    async with bus.link(pacing=pacing, timeout_s=1.0) as link:
        end = clock.monotonic() + seconds
        await asyncio.gather(*(poll(unit) for unit in polled))
        ordered = link._opener.connection.ordered  # type: ignore[union-attr]
        assert ordered is not None
        assert all(ordered.outstanding(unit) < 10 for unit in range(11))
        assert clock.pending < 10
        assert link._turns.waiting == 0
    assert bus.clashes == []
    return done, link


def test_ten_units_five_of_them_dead_for_a_day() -> None:
    day_s = 86_400.0
    alive: dict[int, Manner] = {unit: right(0.05) for unit in range(1, 6)}

    async def alone(clock: LoopClock) -> None:
        done, _ = await poll_a_day(clock, alive, range(1, 6), day_s / 8)
        rates.append(8 * sum(done.values()))

    async def with_the_dead(clock: LoopClock) -> None:
        done, link = await poll_a_day(clock, alive, range(1, 11), day_s)
        rates.append(sum(done.values()))
        dead = [link.health.units[unit] for unit in range(6, 11)]
        assert all(unit.is_silent for unit in dead)
        assert min(unit.timeouts for unit in dead) > 100
        assert link.health.utilisation(clock.monotonic()) > 0.98

    rates: list[int] = []
    run_leaping(alone)
    run_leaping(with_the_dead)
    assert rates[1] >= 0.97 * rates[0]


# Busy units


@pytest.mark.parametrize("code", [5, 6])
def test_a_busy_unit_is_asked_again_after_pauses(code: int) -> None:
    async def scenario(clock: LoopClock) -> None:
        busy = refuses(code)
        bus = await Bus(clock, {1: in_turn(busy, busy, busy, right())}).start()
        async with bus.link() as link:
            await read(link, 1)

        assert [asked.moment_s for asked in bus.asked] == pytest.approx([0.0, 0.1, 0.4, 1.4])

    run_leaping(scenario)


def test_a_unit_that_stays_busy_is_reported_as_busy() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: refuses(6)}).start()
        async with bus.link() as link:
            with pytest.raises(ExceptionReplyError) as caught:
                await read(link, 1)

        assert caught.value.code == 6
        assert len(bus.asked) == 4

    run_leaping(scenario)


@pytest.mark.parametrize(("code", "times"), [(5, 1), (6, 4), (4, 1), (2, 1)])
def test_a_write_is_repeated_only_when_it_was_surely_not_carried_out(code: int, times: int) -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: refuses(code)}).start()
        async with bus.link() as link:
            with pytest.raises(ExceptionReplyError):
                await link.unit(1).write_register(7, 1)

        assert len([asked for asked in bus.asked if asked.function == 6]) == times

    run_leaping(scenario)


def test_others_are_asked_while_a_busy_unit_is_given_time() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: in_turn(refuses(6), right()), 2: right()}).start()
        async with bus.link() as link:
            reading = asyncio.create_task(read(link, 1))
            await asyncio.sleep(0.01)
            await read(link, 2)
            assert clock.monotonic() < 0.1
            await reading

    run_leaping(scenario)


def test_a_busy_unit_is_not_asked_again_when_that_is_not_wanted() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: refuses(6)}).start()
        async with bus.link() as link:
            with pytest.raises(ExceptionReplyError):
                await link.exchange(1, ReadRequest(3, 0, 1), repeats_busy=False)

        assert len(bus.asked) == 1

    run_leaping(scenario)


# Everybody


def test_a_write_to_unit_0_goes_to_everybody_and_is_given_time() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await line_of(clock, {1: right()})
        async with bus.link(pacing=LINE) as link:
            await read(link, 1)
            before = clock.monotonic()
            await link.unit(0).write_register(7, 1)
            took_s = clock.monotonic() - before
            await read(link, 1)

        assert (bus.asked[1].unit, bus.asked[1].pdu) == (0, WriteRegister(7, 1).pdu)
        assert took_s == pytest.approx(SILENCE_S + 8 * CHARACTER_S + 0.1)
        assert bus.clashes == []

    run_leaping(scenario)


@pytest.mark.parametrize("framing", [Framing.RTU, Framing.ASCII])
def test_reading_from_everybody_is_refused_here(framing: Framing) -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {}, framing=framing).start()
        async with bus.link() as link:
            everybody = link.unit(0)
            for call in (
                lambda: everybody.read_holding_registers(0),
                everybody.report_server_id,
                lambda: link.broadcast(ReadRequest(3, 0, 1)),
                lambda: link.broadcast(ReportServerIdRequest()),
                lambda: everybody.read_write_registers(
                    read_address=0, read_count=1, write_address=0, words=[1]
                ),
            ):
                with pytest.raises(LocalProtocolError):
                    await call()
            assert link.health.units == {}

        assert bus.asked == []

    run_leaping(scenario)


@pytest.mark.parametrize("ignores", [False, True])
def test_over_modbus_tcp_unit_0_is_a_unit_like_any_other(ignores: bool) -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {0: right()}, framing=Framing.MBAP).start()
        async with bus.link(ignores_transactions=ignores) as link:
            await read(link, 0)
            await link.unit(0).write_register(7, 1)
            with pytest.raises(LocalProtocolError):
                await link.broadcast(WriteRegister(7, 1))

        assert [asked.function for asked in bus.asked] == [3, 6]

    run_leaping(scenario)


# Echo, gateways, packets


def test_an_echo_is_removed_when_that_is_said() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await line_of(clock, {1: right()})
        bus.echoes = True
        async with bus.link(pacing=LINE, removes_echo=True) as link:
            await read(link, 1)
            await link.unit(0).write_register(7, 1)
            await link.unit(1).write_register(7, 1)
            await read(link, 1, count=20)

    run_leaping(scenario)


def test_a_gateway_with_a_constant_transaction_works_when_that_is_said() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right(0.01), 2: right(0.01)}, framing=Framing.MBAP).start()
        bus.transaction = 0
        async with bus.link(ignores_transactions=True, max_in_flight=4) as link:
            await asyncio.gather(*(read(link, 1 + n % 2, n) for n in range(10)))

    run_leaping(scenario)


@pytest.mark.parametrize("framing", [Framing.MBAP, Framing.RTU, Framing.ASCII])
def test_a_late_answer_is_never_taken_where_no_transaction_says_so(framing: Framing) -> None:
    async def scenario(clock: LoopClock) -> None:
        def manner(asked: Asked) -> Sequence[tuple[float, bytes]]:
            return [(0.7 if len(bus.asked) % 4 == 2 else 0.01, good_answer(asked))]

        bus = await Bus(clock, {1: manner}, framing=framing).start()
        bus.transaction = 0
        good = 0
        async with bus.link(ignores_transactions=True, timeout_s=0.5) as link:
            for address in range(40):
                with contextlib.suppress(RequestTimeout):
                    await read(link, 1, address)
                    good += 1

        assert good >= 20
        assert bus.connections == 1

    run_leaping(scenario)


def test_a_frame_split_by_a_gateway_is_put_together_however_long_it_pauses() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: in_turn(never, right())}, framing=Framing.MBAP).start()
        bus.transaction = 0
        async with bus.link(ignores_transactions=True, timeout_s=0.5) as link:
            reading = asyncio.create_task(read(link, 1))
            await asyncio.sleep(0.01)
            answer = bus.frame(1, good_answer(bus.asked[0]))
            bus.say(answer[:9])
            with pytest.raises(RequestTimeout):
                await reading
            next_one = asyncio.create_task(read(link, 1, address=50))
            await asyncio.sleep(0)
            bus.say(answer[9:])
            await next_one

        assert bus.connections == 1

    run_leaping(scenario)


@pytest.mark.parametrize("framing", [Framing.MBAP, Framing.RTU])
def test_a_packet_of_garbage_ends_nothing(framing: Framing) -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right(0.1)}, framing=framing).start()
        bus.is_datagram = True
        async with bus.link() as link:
            reading = asyncio.create_task(read(link, 1))
            await asyncio.sleep(0.05)
            bus.say(b"HTTP/1.1 400 Bad Request\r\n")
            bus.say(b"\x01\x03")
            await reading
            await read(link, 1)

        assert bus.connections == 1

    run_leaping(scenario)


def test_a_misfit_is_told_from_silence() -> None:
    async def scenario(clock: LoopClock) -> None:
        def manner(asked: Asked) -> Sequence[tuple[float, bytes]]:
            return [(0.0, bytes((asked.function, 2, 0, 7)))]

        bus = await Bus(clock, {1: manner}).start()
        async with bus.link(timeout_s=0.5) as link:
            with pytest.raises(MismatchError, match="4 bytes, expected were 6") as caught:
                await read(link, 1)

        assert (caught.value.unit, caught.value.endpoint) == (1, "bus")

    run_leaping(scenario)


def test_an_answer_that_comes_twice_is_not_taken_for_the_next_one() -> None:
    async def scenario(clock: LoopClock) -> None:
        def twice(asked: Asked) -> Sequence[tuple[float, bytes]]:
            return [(0.01, good_answer(asked)), (0.02, good_answer(asked))]

        bus = await Bus(clock, {1: twice}).start()
        async with bus.link(timeout_s=0.5) as link:
            for address in range(20):
                await read(link, 1, address)

        assert bus.connections == 1

    run_leaping(scenario)


# Who asked has gone


def test_the_line_stays_taken_until_the_answer_nobody_wants_has_come() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await line_of(clock, {1: right(0.2), 2: right()})
        async with bus.link(pacing=LINE) as link:
            reading = asyncio.create_task(read(link, 1))
            await asyncio.sleep(0.05)
            reading.cancel()
            await read(link, 2)
            await read(link, 1, address=50)

        assert bus.clashes == []
        assert bus.asked[1].moment_s == pytest.approx(0.2 + (8 + 9) * CHARACTER_S + 3 * SILENCE_S)
        assert len(bus.asked) == 3  # no fence: it was seen that the unit answered

    run_leaping(scenario)


def test_a_unit_whose_askers_all_go_before_the_time_out_is_silent_all_the_same() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await line_of(clock, {1: right()})
        async with bus.link(pacing=LINE, timeout_s=1.0) as link:
            await read(link, 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await read(link, 2)
            await read(link, 1)

            assert link.health.units[2].is_silent
            assert link.health.units[2].timeouts == 1

    run_leaping(scenario)


def test_over_modbus_tcp_the_place_is_free_at_once() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await Bus(clock, {1: right(0.5), 2: right()}, framing=Framing.MBAP).start()
        async with bus.link() as link:
            reading = asyncio.create_task(read(link, 1))
            await asyncio.sleep(0.05)
            reading.cancel()
            await asyncio.sleep(0)
            await read(link, 2)

        assert bus.asked[1].moment_s == pytest.approx(0.05)

    run_leaping(scenario)


# Figures


def test_what_became_of_the_questions_is_counted_for_each_unit() -> None:
    async def scenario(clock: LoopClock) -> None:
        def short(asked: Asked) -> Sequence[tuple[float, bytes]]:
            return [(0.0, bytes((asked.function, 2, 0, 7)))]

        bus = await line_of(
            clock, {1: in_turn(right(0.05), refuses(2), right(0.05)), 2: short, 3: never}
        )
        async with bus.link(pacing=LINE, timeout_s=0.5) as link:
            await read(link, 1)
            for unit, error in ((1, ExceptionReplyError), (2, MismatchError), (3, RequestTimeout)):
                with pytest.raises(error):
                    await read(link, unit)
            one, two, three = (link.health.units[unit] for unit in (1, 2, 3))

        assert (one.requests, one.answers, one.refusals, one.timeouts) == (2, 2, 1, 0)
        assert (two.requests, two.answers, two.faults, two.timeouts) == (1, 0, 1, 0)
        assert (three.requests, three.answers, three.faults, three.timeouts) == (1, 0, 0, 1)

    run_leaping(scenario)


@pytest.mark.parametrize("framing", [Framing.RTU, Framing.ASCII])
def test_the_latency_is_the_meters_own_time_without_that_on_the_line(framing: Framing) -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await line_of(clock, {1: right(0.05)}, framing)
        async with bus.link(pacing=LINE) as link:
            for count in (1, 20, 100):
                await read(link, 1, count=count)

        assert link.health.units[1].latency_s == pytest.approx(0.05)
        assert link.health.units[1].slowest_s == pytest.approx(0.05)

    run_leaping(scenario)


def test_the_time_that_a_line_was_busy_has_the_silences_in_it() -> None:
    async def scenario(clock: LoopClock) -> None:
        bus = await line_of(clock, {1: right(0.05)})
        async with bus.link(pacing=LINE, timeout_s=0.5) as link:
            for _ in range(20):
                await read(link, 1, count=100)
            assert link.health.utilisation(clock.monotonic()) == pytest.approx(1.0, abs=0.01)
            await link.unit(0).write_register(7, 1)
            with pytest.raises(RequestTimeout):
                await read(link, 2)
            assert link.health.utilisation(clock.monotonic()) == pytest.approx(1.0, abs=0.01)
            await asyncio.sleep(clock.monotonic())

            assert link.health.utilisation(clock.monotonic()) == pytest.approx(0.5, abs=0.01)
            assert link.busy_s == link.health.busy_s

    run_leaping(scenario)
