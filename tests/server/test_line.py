"""A serial line takes the time its characters take, whoever asks and however often."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.server.wires import Client, read, registers, rtu, words
from tests.support.loops import run, turns

from energymeter.clock import ManualClock
from energymeter.codec import Frame, Framer, Framing
from energymeter.codec.framers import make_framer
from energymeter.codec.framing import Side
from energymeter.errors import ConfigError
from energymeter.planner.cost import serial_cost
from energymeter.server import Chunk, ModbusServer, SerialLine
from energymeter.server.delivery import Respond
from energymeter.transports import MemoryLine

CHARACTER_S = 10 / 9600
SILENCE_S = 3.5 * CHARACTER_S


def line(clock: ManualClock, **options: object) -> SerialLine:
    settings: dict[str, object] = {
        "character_s": CHARACTER_S,
        "silence_s": SILENCE_S,
        "latency_s": 0.02,
    }
    return SerialLine(clock=clock, **(settings | options))  # type: ignore[arg-type]


def ask(line: SerialLine, count: int = 10, unit: int = 1) -> Sequence[Chunk]:
    """Ask for so many registers over RTU."""
    framer = make_framer(Framing.RTU, Side.SERVER)
    respond = registers().answer
    return line.answer(Frame(0, unit, read(0, count)), framer, respond)


@pytest.mark.parametrize("baud", [1200, 9600, 19200, 38400, 115200])
@pytest.mark.parametrize("count", [1, 62, 125])
def test_a_read_takes_what_the_planner_reckons_without_the_silence_ahead(
    baud: int, count: int
) -> None:
    silence_s = 0.00175 if baud > 19200 else 35 / baud
    chunks = ask(line(ManualClock(), character_s=10 / baud, silence_s=silence_s), count)
    cost_s = serial_cost(baud, 20.0).read_ms(count) / 1000

    assert len(chunks) == 1
    assert chunks[0].delay_s == pytest.approx(cost_s - silence_s)
    assert chunks[0].data == rtu(1, words(0, count))


def test_a_request_waits_until_the_line_is_free() -> None:
    bus = line(ManualClock())
    [first] = ask(bus, unit=1)
    [second] = ask(bus, unit=2)

    assert second.delay_s == pytest.approx(2 * first.delay_s)


def test_the_line_is_free_again_when_the_answer_is_over() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        bus = line(clock)
        [first] = ask(bus)
        await clock.advance(first.delay_s + 1e-9)
        [second] = ask(bus)
        assert second.delay_s == pytest.approx(first.delay_s)

    run(scenario())


def test_an_adapter_hands_the_characters_on_in_pieces() -> None:
    chunks = ask(line(ManualClock(), piece_s=0.016), 30)
    whole = ask(line(ManualClock()), 30)[0]

    assert [len(chunk.data or b"") for chunk in chunks] == [15, 15, 15, 15, 5]
    assert b"".join(chunk.data or b"" for chunk in chunks) == whole.data
    assert chunks[-1].delay_s == pytest.approx(whole.delay_s)
    assert chunks[1].delay_s - chunks[0].delay_s == pytest.approx(15 * CHARACTER_S)


class Manner:
    """A delivery of other habits."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._chunks = chunks

    def admits(self, connections: int) -> bool:
        return connections < 2

    def answer(self, request: Frame, framer: Framer, respond: Respond) -> Sequence[Chunk]:
        return self._chunks


def test_what_another_delivery_adds_is_time_the_meter_thinks() -> None:
    prompt = ask(line(ManualClock()))[0]
    manner = Manner([Chunk(0.5, bytes(len(prompt.data or b""))), Chunk(0.5, b"xx")])
    first, second = ask(line(ManualClock(), delivery=manner))

    assert first.delay_s == pytest.approx(prompt.delay_s + 0.5)
    assert second.delay_s == pytest.approx(first.delay_s + 2 * CHARACTER_S)


def test_a_dropped_connection_is_dropped_when_the_meter_would_have_spoken() -> None:
    [chunk] = ask(line(ManualClock(), delivery=Manner([Chunk(0.0, None)])))

    assert chunk.data is None
    assert chunk.delay_s == pytest.approx(8 * CHARACTER_S + SILENCE_S + 0.02)


def test_a_request_nobody_answers_takes_its_own_characters() -> None:
    bus = line(ManualClock(), delivery=Manner(()))
    assert ask(bus) == []
    bus._delivery = Manner([Chunk(0.0, b"")])
    assert bus._free_at == pytest.approx(8 * CHARACTER_S)


def test_who_is_let_in_is_for_the_other_delivery_to_say() -> None:
    assert line(ManualClock()).admits(1000)
    assert not line(ManualClock(), delivery=Manner(())).admits(2)


@pytest.mark.parametrize("name", ["character_s", "silence_s", "latency_s", "piece_s"])
def test_no_time_can_be_negative(name: str) -> None:
    with pytest.raises(ConfigError, match="negative"):
        line(ManualClock(), **{name: -0.001})


def test_answers_of_a_server_arrive_when_a_line_would_bring_them() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        wire = MemoryLine(clock=clock)
        server = ModbusServer(
            registers(),
            listener=wire.listener(),
            framing=Framing.RTU,
            silence_s=SILENCE_S,
            delivery=line(clock),
            clock=clock,
        )
        async with server:
            client = await Client.to(wire.endpoint(), clock)
            cost_s = serial_cost(9600, 20.0).read_ms(40) / 1000
            for number in range(3):
                client.pieces.clear()
                began = clock.monotonic()
                client.send(rtu(1 + number, read(0, 40)))
                await clock.advance(1)
                assert client.data == rtu(1 + number, words(0, 40))
                assert client.moments[0] - began == pytest.approx(cost_s - SILENCE_S, abs=1e-5)

    run(scenario())


def test_two_clients_share_the_line() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        wire = MemoryLine(clock=clock)
        server = ModbusServer(
            registers(),
            listener=wire.listener(),
            framing=Framing.RTU,
            delivery=line(clock),
            clock=clock,
        )
        async with server:
            clients = [await Client.to(wire.endpoint(), clock) for _ in range(2)]
            for client in clients:
                client.send(rtu(1, read(0, 40)))
            await turns(3)
            await clock.advance(1)
            first, second = (client.moments[0] for client in clients)
            assert second == pytest.approx(2 * first, abs=0.002)

    run(scenario())
