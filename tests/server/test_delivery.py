"""Answers leave as a delivery says: later, in pieces, spoilt or never, and always in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.server.wires import Client, mbap, read, registers, wired, words
from tests.support.loops import on_each_loop, run, turns, until
from tests.support.raw import RawClient, read_request
from tests.transports.pairs import PAIRS
from tests.transports.pki import Pki

from energymeter.clock import ManualClock
from energymeter.codec import Frame, Framer
from energymeter.server import Chunk, ModbusServer, Prompt
from energymeter.server.delivery import Respond
from energymeter.transports import MemoryLine

Way = Callable[[bytes], Sequence[Chunk]]


class Scripted:
    """Delivers the honest answer in the way it is told, and counts what it was asked."""

    def __init__(self, way: Way, *, most: int = 100) -> None:
        self.way = way
        self.requests: list[Frame] = []
        self._most = most

    def admits(self, connections: int) -> bool:
        return connections < self._most

    def answer(self, request: Frame, framer: Framer, respond: Respond) -> Sequence[Chunk]:
        self.requests.append(request)
        answer = respond(request.unit, request.pdu)
        assert answer is not None
        return self.way(framer.encode(request.transaction, request.unit, answer))


def late(*delays_s: float) -> Way:
    """The answer cut into as many pieces, each with its delay."""

    def way(data: bytes) -> Sequence[Chunk]:
        size = -(-len(data) // len(delays_s))
        return [Chunk(d, data[n * size : (n + 1) * size]) for n, d in enumerate(delays_s)]

    return way


class Place:
    """A server on a line in memory, all by one hand-driven clock."""

    def __init__(self, delivery: Any, **options: Any) -> None:
        self.clock = ManualClock()
        self.line = MemoryLine(clock=self.clock)
        self.server = ModbusServer(
            registers(),
            listener=self.line.listener(),
            delivery=delivery,
            clock=self.clock,
            **options,
        )

    async def client(self) -> Client:
        return await Client.to(self.line.endpoint(), self.clock)


def test_an_answer_leaves_at_its_moment() -> None:
    async def scenario() -> None:
        place = Place(Scripted(late(0.5)))
        async with place.server:
            client = await place.client()
            client.send(mbap(1, read(3, 2)))
            await place.clock.advance(0.49)
            assert client.data == b""
            await place.clock.advance(0.02)
            assert client.pieces == [(0.5, mbap(1, words(3, 2)))]

    run(scenario())


def test_the_pieces_of_an_answer_leave_one_after_the_other() -> None:
    async def scenario() -> None:
        place = Place(Scripted(late(0.0, 0.2, 0.1, 0.3)))
        async with place.server:
            client = await place.client()
            client.send(mbap(1, read(3, 4)))
            await place.clock.advance(1)
            assert client.moments == [0.0, 0.2, 0.2, 0.3]
            assert client.data == mbap(1, words(3, 4))

    run(scenario())


def test_a_later_answer_does_not_overtake_an_earlier_one() -> None:
    async def scenario() -> None:
        delivery = Scripted(late(0.5))
        place = Place(delivery)
        async with place.server:
            client = await place.client()
            client.send(mbap(1, read(1), 11))
            await place.clock.advance(0.1)
            delivery.way = late(0.0)
            client.send(mbap(1, read(2), 12))
            await place.clock.advance(1)
            assert client.moments == [0.5, 0.5]
            assert client.data == mbap(1, words(1), 11) + mbap(1, words(2), 12)

    run(scenario())


def test_clients_do_not_wait_for_each_other() -> None:
    async def scenario() -> None:
        delivery = Scripted(late(0.5))
        place = Place(delivery)
        async with place.server:
            first, second = await place.client(), await place.client()
            first.send(mbap(1, read(1)))
            await place.clock.advance(0.1)
            delivery.way = late(0.1)
            second.send(mbap(1, read(2)))
            await place.clock.advance(1)
            assert (first.moments, second.moments) == ([0.5], [0.2])

    run(scenario())


def test_no_chunks_are_silence() -> None:
    async def scenario() -> None:
        place = Place(Scripted(lambda _: ()))
        async with place.server:
            client = await place.client()
            client.send(mbap(1, read(1)))
            await place.clock.advance(10)
            assert (client.data, client.is_lost) == (b"", False)

    run(scenario())


def test_a_chunk_of_none_drops_the_connection_at_its_moment() -> None:
    async def scenario() -> None:
        place = Place(
            Scripted(lambda data: [Chunk(0.1, data[:5]), Chunk(0.2, None), Chunk(0.3, data[5:])])
        )
        async with place.server:
            client, other = await place.client(), await place.client()
            client.send(mbap(1, read(1)))
            await place.clock.advance(0.15)
            assert (client.data, client.is_lost) == (mbap(1, words(1))[:5], False)
            await place.clock.advance(0.1)
            assert client.is_lost
            await place.clock.advance(1)
            assert client.data == mbap(1, words(1))[:5]
            assert (other.is_lost, place.server.connections) == (False, 1)

    run(scenario())


@pytest.mark.parametrize("delay_s", [0.0, 0.1])
def test_on_a_serial_line_there_is_no_connection_to_drop(delay_s: float) -> None:
    async def scenario() -> None:
        delivery = Scripted(lambda data: [Chunk(delay_s, None), Chunk(delay_s, data)])
        place = Place(delivery, silence_s=0.004)
        async with place.server:
            client = await place.client()
            client.send(mbap(1, read(1)))
            await place.clock.advance(1)
            assert (client.data, client.is_lost) == (b"", False)
            delivery.way = late(0.0)
            client.send(mbap(1, read(2)))
            await place.clock.advance(1)
            assert client.data == mbap(1, words(2))

    run(scenario())


def test_a_delivery_that_admits_one_turns_the_second_away() -> None:
    async def scenario() -> None:
        place = Place(Scripted(late(0.0), most=1))
        async with place.server:
            first, second = await place.client(), await place.client()
            await turns(3)
            assert (first.is_lost, second.is_lost) == (False, True)
            assert place.server.rejected_connections == 1
            await first.leave()
            third = await place.client()
            third.send(mbap(1, read(1)))
            await turns(5)
            assert third.data == mbap(1, words(1))

    run(scenario())


@pytest.mark.parametrize("is_cut", [False, True])
def test_what_waits_when_the_server_closes_is_never_sent(*, is_cut: bool) -> None:
    async def scenario() -> None:
        place = Place(Scripted(late(0.0, 0.5)))
        await place.server.start()
        client = await place.client()
        client.send(mbap(1, read(1)))
        await turns(5)
        if is_cut:
            place.server.cut()
        else:
            await place.server.close()
        assert all(alarm.callback is None for *_, alarm in place.clock._alarms)
        await place.clock.advance(1)
        assert len(client.pieces) == 1
        assert client.is_lost

    run(scenario())


def test_what_waits_for_a_client_that_left_is_forgotten() -> None:
    async def scenario() -> None:
        place = Place(Scripted(late(0.5)))
        async with place.server:
            client = await place.client()
            client.send(mbap(1, read(1)))
            await turns(5)
            await client.leave()
            await turns(5)
            assert all(alarm.callback is None for *_, alarm in place.clock._alarms)
            assert place.server.connections == 0

    run(scenario())


def test_a_client_that_asks_without_end_is_not_heard_while_too_much_waits() -> None:
    async def scenario() -> None:
        delivery = Scripted(late(1.0))
        place = Place(delivery)
        async with place.server:
            client = await place.client()
            for number in range(1000):
                client.send(mbap(1, read(number % 100), number))
            await turns(20)
            assert len(delivery.requests) == 256
            await place.clock.advance(5)
            expected = [mbap(1, words(number % 100), number) for number in range(1000)]
            assert client.data == b"".join(expected)

    run(scenario())


def test_the_honest_delivery_sends_what_would_be_sent_without_one() -> None:
    async def answers(delivery: Prompt | None) -> bytes:
        place = Place(delivery)
        async with place.server:
            client = await place.client()
            stream = mbap(1, read(1), 5) + mbap(9, b"\x63", 6) + mbap(1, read(9999), 7)
            client.send(stream[:17])
            await turns(5)
            client.send(stream[17:])
            await turns(5)
            return client.data

    without = run(answers(None))
    assert without.count(b"\x00\x05\x00\x00") == 1
    assert run(answers(Prompt())) == without


@on_each_loop
def test_a_delivery_works_on_real_sockets(loop: str) -> None:
    async def scenario() -> None:
        delivery = Scripted(late(0.0, 0.002, 0.004), most=2)
        async with (
            ModbusServer(registers(), port=0, delivery=delivery) as server,
            RawClient(server.port) as client,
        ):
            for number in range(10):
                assert await client.ask(number, 3, transaction=number) == words(number, 3)
            delivery.way = lambda data: [Chunk(0.0, data), Chunk(0.001, None)]
            client.send(read_request(1))
            assert await client.answer() == (1, 1, words(1))
            assert await client.rest() == b""

    run(scenario(), loop)


@on_each_loop
def test_a_client_that_does_not_read_is_not_heard_and_loses_nothing(loop: str) -> None:
    async def scenario() -> None:
        delivery = Scripted(late(0.0005))
        async with (
            ModbusServer(registers(), port=0, delivery=delivery) as server,
            RawClient(server.port) as client,
        ):
            count = 20_000
            client.send(b"".join(read_request(n % 50, 125, transaction=n) for n in range(count)))
            await until(lambda: len(delivery.requests) > 256)
            await asyncio.sleep(0.01)
            for number in range(count):
                transaction, _, pdu = await client.answer()
                assert (transaction, pdu) == (number, words(number % 50, 125))

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("name", PAIRS)
def test_what_was_asked_after_a_drop_goes_nowhere(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        delivery = Scripted(lambda data: [Chunk(0.0, data), Chunk(0.0, None), Chunk(0.0, data)])
        async with wired(name, pki) as pair:
            server = ModbusServer(
                registers(),
                listener=pair.listener,
                silence_s=0.0 if name == "serial" else None,
                delivery=delivery,
            )
            async with server:
                client = await Client.to(pair.endpoint())
                client.send(mbap(1, read(1)) + mbap(1, read(2)))
                await until(lambda: len(delivery.requests) == 2)
                await turns(10)
                assert name == "serial" or client.data in (b"", mbap(1, words(1)))
                await client.leave()

    run(scenario(), loop)
