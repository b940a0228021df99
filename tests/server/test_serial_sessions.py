"""RTU and ASCII: silence ends frames, unit 0 is everybody, and nothing a bus says is fatal."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import pytest
from tests.server.wires import Client, Noting, ascii_frame, mbap, read, registers, rtu, words
from tests.support.loops import on_each_loop, run, turns, until

from energymeter.clock import ManualClock
from energymeter.codec import Frame, Framer, Framing
from energymeter.server import Chunk, ModbusServer, Prompt, RegisterImage, Tables, UnitRouter
from energymeter.server.delivery import Respond
from energymeter.transports import MemoryLine, TcpEndpoint

SILENCE_S = 0.004
WRITE = bytes.fromhex("06 0005 1234")


class Bus:
    """A server and a client on a line in memory, all by one hand-driven clock."""

    def __init__(self, framing: Framing, handler: Any = None, **options: Any) -> None:
        self.clock = ManualClock()
        self.line = MemoryLine(clock=self.clock)
        self.handler = handler or registers()
        self.server = ModbusServer(
            self.handler,
            listener=self.line.listener(),
            framing=framing,
            clock=self.clock,
            **options,
        )
        self.client = Client(self.clock)

    async def __aenter__(self) -> Bus:
        await self.server.start()
        await self.line.endpoint().connect(lambda: self.client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()

    async def heard(self, seconds: float = 0.0) -> bytes:
        """What came by now, or within some time; it is forgotten then."""
        await self.clock.advance(seconds)
        data = self.client.data
        self.client.pieces.clear()
        return data

    @property
    def alarms(self) -> int:
        """Timers that run."""
        return sum(alarm.callback is not None for *_, alarm in self.clock._alarms)


def rtu_bus(handler: Any = None, **options: Any) -> Bus:
    return Bus(Framing.RTU, handler, **options)


# The silence ahead of an answer


def test_on_a_line_the_answer_keeps_the_silence() -> None:
    async def scenario() -> None:
        async with rtu_bus(silence_s=SILENCE_S) as bus:
            bus.client.send(rtu(1, read(3)))
            assert await bus.heard(SILENCE_S - 0.0001) == b""
            assert await bus.heard(0.0002) == rtu(1, words(3))

    run(scenario())


def test_off_a_line_the_answer_comes_at_once() -> None:
    async def scenario() -> None:
        async with rtu_bus() as bus:
            bus.client.send(rtu(1, read(3)) + rtu(2, read(4)))
            assert await bus.heard() == rtu(1, words(3)) + rtu(2, words(4))

    run(scenario())


# The silence behind half a frame


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_request_split_by_an_adapter_is_answered(cut: int) -> None:
    async def scenario() -> None:
        async with rtu_bus(silence_s=SILENCE_S) as bus:
            request = rtu(1, read(3))
            bus.client.send(request[:cut])
            assert await bus.heard(0.018) == b""
            bus.client.send(request[cut:])
            assert await bus.heard(SILENCE_S) == rtu(1, words(3))

    run(scenario())


@pytest.mark.parametrize("cut", range(1, 8))
@pytest.mark.parametrize(("silence_s", "rest_s"), [(SILENCE_S, 0.026), (None, 0.202)])
def test_half_a_request_is_forgotten_after_a_silence(
    cut: int, silence_s: float | None, rest_s: float
) -> None:
    async def scenario() -> None:
        async with rtu_bus(silence_s=silence_s) as bus:
            bus.client.send(rtu(1, read(3))[:cut])
            assert await bus.heard(rest_s) == b""
            bus.client.send(rtu(1, read(4)))
            assert await bus.heard(SILENCE_S) == rtu(1, words(4))

    run(scenario())


def test_a_request_whose_length_nobody_knows_is_answered_after_the_silence() -> None:
    async def scenario() -> None:
        async with rtu_bus() as bus:
            bus.client.send(rtu(1, b"\x55some vendor's own"))
            assert await bus.heard(0.21) == rtu(1, b"\xd5\x01")

    run(scenario())


def test_noise_ahead_of_a_request_does_not_hide_it() -> None:
    async def scenario() -> None:
        async with rtu_bus() as bus:
            bus.client.send(b"\x01\x10\x00\xff" + rtu(1, read(3)))
            assert await bus.heard(0.21) == rtu(1, words(3))

    run(scenario())


def test_ascii_waits_a_second_for_the_rest_and_no_longer() -> None:
    async def scenario() -> None:
        async with Bus(Framing.ASCII) as bus:
            request = ascii_frame(1, read(3))
            bus.client.send(request[:9])
            await bus.heard(0.9)
            bus.client.send(request[9:12])
            await bus.heard(0.9)
            bus.client.send(request[12:])
            assert await bus.heard() == ascii_frame(1, words(3))
            bus.client.send(request[:9])
            await bus.heard(1.01)
            bus.client.send(request[9:] + request)
            assert await bus.heard() == ascii_frame(1, words(3))

    run(scenario())


@pytest.mark.parametrize("framing", [Framing.RTU, Framing.ASCII])
def test_a_timer_runs_only_while_a_frame_is_half_there(framing: Framing) -> None:
    frame = rtu if framing is Framing.RTU else ascii_frame

    async def scenario() -> None:
        async with Bus(framing, silence_s=0.0) as bus:
            request = frame(1, read(3))
            bus.client.send(request)
            await turns(5)
            assert bus.alarms == 0
            bus.client.send(request[:4])
            await turns(5)
            assert bus.alarms == 1
            bus.client.send(request[4:])
            await turns(5)
            assert bus.alarms == 0
            bus.client.send(request[:4])
            await bus.heard(1.1)
            assert bus.alarms == 0

    run(scenario())


@on_each_loop
def test_a_loop_that_was_held_up_does_not_take_its_own_delay_for_silence(loop: str) -> None:
    async def scenario() -> None:
        async with ModbusServer(registers(), port=0, framing=Framing.RTU, silence_s=0.0) as server:
            client = await Client.to(TcpEndpoint("127.0.0.1", server.port))
            (session,) = server._watch.clients
            request = rtu(1, read(3))
            for _ in range(3):
                client.send(request[:4])
                await until(lambda: session._framer.pending_bytes == 4)
                client.send(request[4:])
                time.sleep(0.05)  # noqa: ASYNC251 - that is the point
                await until(lambda: bool(client.data))
                assert client.data == rtu(1, words(3))
                client.pieces.clear()
            await client.leave()

    run(scenario(), loop)


# Units


def unit(word: int = 0) -> Tables:
    return Tables(holding=RegisterImage([(0, word.to_bytes(2, "big") * 10)]))


@pytest.mark.parametrize("silence_s", [None, SILENCE_S])
def test_a_broadcast_is_carried_out_by_every_unit_and_answered_by_none(
    silence_s: float | None,
) -> None:
    async def scenario() -> None:
        router = UnitRouter({1: unit(), 7: unit()}, is_silent=False)
        async with rtu_bus(router, silence_s=silence_s) as bus:
            bus.client.send(rtu(0, WRITE))
            assert await bus.heard(1) == b""
            for number in (1, 7):
                bus.client.send(rtu(number, read(5)))
                assert await bus.heard(1) == rtu(number, bytes.fromhex("03 02 1234"))

    run(scenario())


def test_each_unit_hears_a_broadcast_under_its_own_number() -> None:
    async def scenario() -> None:
        units = {number: Noting(unit()) for number in (1, 7)}
        async with rtu_bus(UnitRouter(units)) as bus:
            bus.client.send(rtu(0, WRITE))
            await bus.heard()
            assert [noting.asked for noting in units.values()] == [[(1, WRITE)], [(7, WRITE)]]

    run(scenario())


@pytest.mark.parametrize("framing", [Framing.RTU, Framing.ASCII])
def test_a_handler_without_units_carries_a_broadcast_out_in_silence(framing: Framing) -> None:
    frame = rtu if framing is Framing.RTU else ascii_frame

    async def scenario() -> None:
        async with Bus(framing, unit()) as bus:
            bus.client.send(frame(0, WRITE))
            assert await bus.heard() == b""
            bus.client.send(frame(3, read(5)))
            assert await bus.heard() == frame(3, bytes.fromhex("03 02 1234"))

    run(scenario())


def test_a_broadcast_that_nobody_can_carry_out_is_passed_over() -> None:
    async def scenario() -> None:
        async with rtu_bus(UnitRouter({1: unit()})) as bus:
            bus.client.send(rtu(0, b"\x06\xff\xff\x00\x01") + rtu(0, read(0)))
            assert await bus.heard() == b""
            bus.client.send(rtu(1, read(5)))
            assert await bus.heard() == rtu(1, bytes.fromhex("03 02 0000"))

    run(scenario())


def test_with_modbus_tcp_unit_0_is_a_unit_like_any_other() -> None:
    async def scenario() -> None:
        async with Bus(Framing.MBAP) as bus:
            bus.client.send(mbap(0, read(5)))
            assert await bus.heard() == mbap(0, words(5))

    run(scenario())


def test_requests_to_units_elsewhere_and_their_answers_are_passed_over() -> None:
    async def scenario() -> None:
        handler = UnitRouter({1: Noting()})
        async with rtu_bus(handler) as bus:
            for number in range(5):
                bus.client.send(rtu(2, read(number, 10)))
                assert await bus.heard(0.05) == b""
                bus.client.send(rtu(2, words(number, 10)))
                assert await bus.heard(0.05) == b""
                bus.client.send(rtu(1, read(number)))
                assert await bus.heard(0.05) == rtu(1, words(number))
            assert len(handler.units[1].asked) == 5  # type: ignore[attr-defined]

    run(scenario())


def test_a_repeated_write_is_carried_out_when_the_first_answer_was_never_sent() -> None:
    class Swallowing(Prompt):
        is_mute = True

        def answer(self, request: Frame, framer: Framer, respond: Respond) -> Sequence[Chunk]:
            if not self.is_mute:
                return super().answer(request, framer, respond)
            respond(request.unit, request.pdu)
            return ()

    async def scenario() -> None:
        noting, delivery = Noting(), Swallowing()
        async with rtu_bus(UnitRouter({1: noting}), delivery=delivery) as bus:
            bus.client.send(rtu(1, WRITE))
            assert await bus.heard(1) == b""
            delivery.is_mute = False
            bus.client.send(rtu(1, WRITE))
            assert await bus.heard(1) == rtu(1, WRITE)
            assert noting.asked == [(1, WRITE)] * 2

    run(scenario())


@pytest.mark.parametrize("silence_s", [None, SILENCE_S])
def test_what_an_adapter_echoes_is_no_request(silence_s: float | None) -> None:
    async def scenario() -> None:
        noting = Noting()
        async with rtu_bus(noting, silence_s=silence_s, removes_echo=True) as bus:
            for _ in range(3):
                bus.client.send(rtu(1, WRITE))
                answer = await bus.heard(1)
                assert answer == rtu(1, WRITE)
                bus.client.send(answer)
                assert await bus.heard(1) == b""
            assert len(noting.asked) == 3

    run(scenario())


# Hostility


@pytest.mark.parametrize("framing", [Framing.RTU, Framing.ASCII])
@pytest.mark.parametrize("silence_s", [None, SILENCE_S])
@pytest.mark.parametrize("seed", range(5))
def test_after_any_bytes_and_a_silence_the_next_request_is_answered(
    seed: int, silence_s: float | None, framing: Framing
) -> None:
    frame = rtu if framing is Framing.RTU else ascii_frame
    rng = random.Random(seed)

    async def scenario() -> None:
        async with Bus(framing, silence_s=silence_s) as bus:
            for number in range(30):
                whole = frame(1, read(number, 2))
                noise = rng.choice(
                    [
                        rng.randbytes(rng.randrange(1, 600)),
                        whole[: rng.randrange(len(whole))],
                        bytes(byte ^ (1 << rng.randrange(8)) for byte in whole),
                        whole * 2 + b"\x01",
                    ]
                )
                for start in range(0, len(noise), 100):
                    bus.client.send(noise[start : start + 100])
                await bus.heard(1.5)
                bus.client.send(whole)
                assert await bus.heard(0.01) == frame(1, words(number, 2))

    run(scenario())


def test_a_line_stays_however_long_it_is_silent_or_noisy() -> None:
    async def scenario() -> None:
        async with rtu_bus(silence_s=SILENCE_S, idle_timeout_s=1, frame_timeout_s=1) as bus:
            await bus.heard(60)
            for _ in range(100):
                bus.client.send(b"\x01")
                await bus.heard(0.01)
            await bus.heard(1)
            bus.client.send(rtu(1, read(3)))
            assert await bus.heard(0.01) == rtu(1, words(3))
            assert not bus.client.is_lost

    run(scenario())
