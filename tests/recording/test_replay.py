"""A recording served as a meter gives what was recorded; the rest is put together or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.recording.traffic import answer, ask, exchange, frame
from tests.support.loops import run

from energymeter.client import Link
from energymeter.clock import ManualClock
from energymeter.codec import Frame, Framing, Side, make_framer
from energymeter.errors import ConfigError, LinkLostError, RequestTimeout
from energymeter.recording.exchanges import exchanges_of
from energymeter.recording.format import Event, Lost, Opened, Received, Sent, TimedOut
from energymeter.recording.replay import Replay, ReplayDelivery, ReplayHandler
from energymeter.server import ModbusServer
from energymeter.server.delivery import Chunk
from energymeter.transports import MemoryLine

WRITE = bytes.fromhex("0600010005")
REFUSED = b"\x84\x02"


def replay_of(*events: Event, framing: Framing = Framing.MBAP, **options: object) -> Replay:
    return Replay(exchanges_of(framing, [Opened(0.0), *events]), **options)  # type: ignore[arg-type]


def delivered(replay: Replay, request: Frame, framing: Framing = Framing.MBAP) -> Sequence[Chunk]:
    framer = make_framer(framing, Side.SERVER)
    return ReplayDelivery(replay, framing).answer(request, framer, lambda *_: b"never asked")


def polls(*values: int, unit: int = 1) -> list[Event]:
    """The same question again and again, a second apart."""
    return [
        event
        for number, value in enumerate(values)
        for event in exchange(number, ask(0), answer(value), transaction=number + 1, unit=unit)
    ]


def test_a_question_gets_its_answers_in_order_and_then_keeps_the_last() -> None:
    handler = ReplayHandler(replay_of(*polls(1, 2, 3)))
    found = [handler.answer(1, ask(0)) for _ in range(5)]
    assert found == [answer(1), answer(2), answer(3), answer(3), answer(3)]


def test_looping_begins_again() -> None:
    handler = ReplayHandler(replay_of(*polls(1, 2), loops=True))
    found = [handler.answer(1, ask(0)) for _ in range(5)]
    assert found == [answer(1), answer(2), answer(1), answer(2), answer(1)]


def test_refusals_writes_and_silence_are_replayed_too() -> None:
    replay = replay_of(
        *exchange(0, ask(9), REFUSED),
        *exchange(1, WRITE, WRITE, transaction=2),
        *exchange(2, ask(5), None, transaction=3),
        TimedOut(3, 1),
    )
    handler = ReplayHandler(replay)
    assert [handler.answer(1, pdu) for pdu in (ask(9), WRITE, ask(5))] == [REFUSED, WRITE, None]
    assert (replay.recorded, replay.recalled, replay.unknown) == (3, 0, 0)


def test_answers_come_as_late_and_in_the_pieces_they_came() -> None:
    data = frame(answer(1), transaction=7)
    replay = replay_of(
        Sent(1.0, frame(ask(0), transaction=7)), Received(1.5, data[:4]), Received(2.0, data[4:])
    )
    assert delivered(replay, Frame(7, 1, ask(0))) == [Chunk(0.5, data[:4]), Chunk(1.0, data[4:])]


@pytest.mark.parametrize(("speed", "delay_s"), [(1.0, 0.5), (10.0, 0.05), (0.0, 0.0)])
def test_speed_shortens_latency(speed: float, delay_s: float) -> None:
    replay = replay_of(*exchange(0, ask(0), answer(1), latency_s=0.5), speed=speed)
    (chunk,) = delivered(replay, Frame(1, 1, ask(0)))
    assert chunk.delay_s == delay_s


def test_a_serial_line_has_its_silence_however_fast_it_goes() -> None:
    replay = replay_of(*exchange(0, ask(0), answer(1), latency_s=0.5), speed=0.0)
    delivery = ReplayDelivery(replay, Framing.RTU, silence_s=0.004)
    framer = make_framer(Framing.RTU, Side.SERVER)
    (chunk,) = delivery.answer(Frame(0, 1, ask(0)), framer, lambda *_: None)
    assert chunk.delay_s == 0.004


def test_another_client_has_its_own_transactions() -> None:
    late = frame(answer(1), transaction=4)
    data = frame(answer(2), transaction=5)
    replay = replay_of(
        Sent(1.0, frame(ask(0), transaction=5)),
        Received(1.5, late + data[:9]),
        Received(1.75, data[9:] + b"noise"),
    )

    chunks = delivered(replay, Frame(2, 1, ask(0)))

    stream = frame(answer(1), transaction=1) + frame(answer(2), transaction=2) + b"noise"
    assert b"".join(chunk.data or b"" for chunk in chunks) == stream
    assert [len(chunk.data or b"") for chunk in chunks] == [len(late) + 9, len(data) - 9 + 5]


def test_a_serial_recording_can_be_served_over_tcp_and_the_reverse() -> None:
    rtu = replay_of(
        Sent(0.0, frame(ask(0), framing=Framing.RTU)),
        Received(0.25, b"\xff" + frame(answer(1), framing=Framing.RTU)),
        framing=Framing.RTU,
    )
    assert delivered(rtu, Frame(9, 1, ask(0))) == [Chunk(0.25, frame(answer(1), transaction=9))]
    tcp = replay_of(*exchange(0, ask(0), answer(1), latency_s=0.25))
    assert delivered(tcp, Frame(0, 1, ask(0)), Framing.RTU) == [
        Chunk(0.25, frame(answer(1), framing=Framing.RTU))
    ]


def test_a_connection_that_broke_breaks_again() -> None:
    replay = replay_of(Sent(0.0, frame(ask(0))), Lost(0.5, "it hung up"))
    assert delivered(replay, Frame(3, 1, ask(0))) == [Chunk(0.5, None)]
    assert delivered(replay, Frame(0, 1, ask(0)), Framing.RTU) == [Chunk(0.5, None)]


def test_a_part_of_what_was_read_is_put_together_and_told_once() -> None:
    told: list[str] = []
    replay = replay_of(
        *exchange(0, ask(10, 3), answer(1, 2, 3), latency_s=0.5),
        *exchange(1, ask(13, 2), answer(4, 5), transaction=2, latency_s=0.5),
        told=told.append,
    )

    for _ in range(2):
        (chunk,) = delivered(replay, Frame(1, 1, ask(11, 3)))
        assert chunk == Chunk(0.5, frame(answer(2, 3, 4)))

    assert (replay.recorded, replay.recalled, replay.unknown) == (0, 2, 0)
    assert len(told) == 1
    assert "unit 1, read input registers 11 to 13" in told[0]


def test_bits_are_put_together_too() -> None:
    replay = replay_of(*exchange(0, ask(0, 10, function=1), b"\1\2\x05\x02"))
    assert ReplayHandler(replay).answer(1, ask(1, 9, function=1)) == b"\1\2\x02\x01"


def test_registers_of_another_table_or_unit_are_not_mixed_in() -> None:
    replay = replay_of(
        *exchange(0, ask(0, 2), answer(1, 2)), *exchange(1, ask(0, 2), answer(3, 4), unit=2)
    )
    handler = ReplayHandler(replay)
    assert handler.answer(1, ask(0, 1)) == answer(1)
    assert handler.answer(2, ask(0, 1)) == answer(3)
    assert handler.answer(1, ask(0, 1, function=3)) == b"\x83\x02"


def test_what_is_put_together_moves_with_the_time_of_the_recording() -> None:
    clock = ManualClock()
    handler = ReplayHandler(
        replay_of(
            *exchange(100, ask(0, 2), answer(1, 10), transaction=1),
            *exchange(110, ask(0, 2), answer(2, 20), transaction=2),
            *exchange(115, ask(8), answer(8), transaction=3),
            clock=clock,
            speed=2.0,
        )
    )

    async def scenario() -> list[bytes | None]:
        found = []
        for _ in range(4):
            found.append(handler.answer(1, ask(1)))
            await clock.advance(2.0)  # four seconds of the recording
        return found

    assert run(scenario()) == [answer(10), answer(10), answer(10), answer(20)]
    # What is read late in the recording is known from the beginning on.
    assert handler.answer(1, ask(8)) == answer(8)


def test_a_looping_recording_takes_its_registers_back_to_the_beginning() -> None:
    clock = ManualClock()
    replay = replay_of(
        *(
            event
            for n in range(4)
            for event in exchange(n, ask(0, 2), answer(n, n), transaction=n + 1)
        ),
        clock=clock,
        loops=True,
    )

    async def scenario() -> list[bytes | None]:
        found = []
        for _ in range(6):
            found.append(ReplayHandler(replay).answer(1, ask(1)))
            await clock.advance(1.0)
        return found

    assert run(scenario()) == [answer(n % 4) for n in range(6)]


def test_without_time_registers_move_with_the_questions() -> None:
    events = [
        *exchange(0, ask(0, 2), answer(1, 1), transaction=1),
        *exchange(1, ask(0, 2), answer(2, 2), transaction=2),
    ]
    handler = ReplayHandler(replay_of(*events, speed=0.0))
    assert handler.answer(1, ask(1)) == answer(1)
    handler.answer(1, ask(0, 2))
    handler.answer(1, ask(0, 2))
    assert handler.answer(1, ask(1)) == answer(2)


def test_what_is_not_in_the_recording_is_refused_or_not_there() -> None:
    told: list[str] = []
    replay = replay_of(*polls(1), told=told.append)
    handler = ReplayHandler(replay)
    assert handler.answer(1, ask(0, 2)) == b"\x84\x02"
    assert handler.answer(1, WRITE) == b"\x86\x01"
    assert handler.answer(1, ask(0, 0)) == b"\x84\x03"
    assert handler.answer(1, b"\x64") == b"\xe4\x01"
    assert handler.answer(2, ask(0)) is None
    assert (replay.recorded, replay.recalled, replay.unknown) == (0, 0, 5)
    assert len(told) == 3


def test_an_empty_recording_cannot_be_replayed() -> None:
    with pytest.raises(ConfigError):
        Replay([])


def test_a_client_sees_time_outs_losses_and_latency_at_their_times() -> None:
    clock = ManualClock()
    replay = replay_of(
        *exchange(0, ask(0), answer(1), transaction=1, latency_s=0.4),
        *exchange(1, ask(1), None, transaction=2),
        TimedOut(2, 1),
        *exchange(3, ask(2), None, transaction=3),
        Lost(3.25, "it hung up"),
        clock=clock,
    )

    async def scenario() -> None:
        line = MemoryLine(clock=clock)
        server = ModbusServer(
            ReplayHandler(replay),
            listener=line.listener(),
            delivery=ReplayDelivery(replay, Framing.MBAP),
            clock=clock,
        )
        async with server, Link(line.endpoint(), clock=clock) as link:
            unit = link.unit(1)
            for address, duration_s, outcome in (
                (0, 0.4, (1,)),
                (1, 1.0, RequestTimeout),
                (2, 0.25, LinkLostError),
            ):
                task = asyncio.create_task(unit.read_input_registers(address))
                await clock.advance(duration_s - 0.01)
                assert not task.done()
                await clock.advance(0.02)
                assert task.done()
                if isinstance(outcome, tuple):
                    assert task.result() == outcome
                else:
                    assert isinstance(task.exception(), outcome)

    run(scenario())
