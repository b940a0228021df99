"""What a server promises, tried on every wire, in every framing and on each event loop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.server.wires import Client, Noting, ascii_frame, mbap, read, registers, rtu, wired, words
from tests.support.loops import on_each_loop, run, turns, until
from tests.transports.pairs import PAIRS, Pair, free_port
from tests.transports.pki import Pki
from tests.transports.ptys import NullModem

from energymeter.codec import Framing
from energymeter.server import Chunk, ModbusServer, Prompt, UnitRouter
from energymeter.transports import UdpEndpoint, UdpListener, parse_wire

FRAMES: dict[Framing, Callable[[int, bytes], bytes]] = {
    Framing.MBAP: mbap,
    Framing.RTU: rtu,
    Framing.ASCII: ascii_frame,
}

on_each_wire = pytest.mark.parametrize("name", PAIRS)
in_each_framing = pytest.mark.parametrize("framing", FRAMES)


@asynccontextmanager
async def serving(
    name: str, pki: Pki, handler: Any = None, **options: Any
) -> AsyncIterator[tuple[Pair, ModbusServer, Client]]:
    """A server on a wire, and a client of it."""
    options.setdefault("silence_s", 0.0005 if name == "serial" else None)
    async with wired(name, pki) as pair:
        server = ModbusServer(handler or registers(), listener=pair.listener, **options)
        await server.start()
        client = await Client.to(pair.endpoint())
        try:
            yield pair, server, client
        finally:
            await server.close()
            await client.leave()


@on_each_loop
@in_each_framing
@on_each_wire
def test_requests_are_answered_one_by_one(name: str, framing: Framing, loop: str, pki: Pki) -> None:
    frame = FRAMES[framing]

    async def scenario() -> None:
        async with serving(name, pki, framing=framing) as (_, server, client):
            for number in range(5):
                await client.ask(frame(1, read(number, 9)), frame(1, words(number, 9)))
            await client.ask(frame(1, b"\x63"), frame(1, b"\xe3\x01"))
            await client.ask(frame(1, read(999)), frame(1, b"\x83\x02"))
            assert server.connections == 1

    run(scenario(), loop)


@on_each_loop
@on_each_wire
def test_half_a_request_is_waited_for_unless_it_is_a_packet(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with serving(name, pki) as (pair, server, client):
            request = mbap(1, read(3))
            client.send(request[:7])
            if pair.listener.is_datagram:
                await until(lambda: server.connections == 1)
                await client.ask(request, mbap(1, words(3)))
            else:
                await turns(20)
                await client.ask(request[7:], mbap(1, words(3)))

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("framing", [Framing.RTU, Framing.ASCII])
@on_each_wire
def test_a_broadcast_is_heard_and_not_answered(
    name: str, framing: Framing, loop: str, pki: Pki
) -> None:
    frame = FRAMES[framing]

    async def scenario() -> None:
        units = {1: Noting(), 2: Noting()}
        async with serving(name, pki, UnitRouter(units), framing=framing) as (_, _, client):
            client.send(frame(0, b"\x06\x00\x05\x12\x34"))
            await until(lambda: all(unit.asked for unit in units.values()))
            await client.ask(frame(2, read(5)), frame(2, b"\x03\x02\x12\x34"))

    run(scenario(), loop)


@on_each_loop
@on_each_wire
def test_a_delivery_decides_when_and_how_answers_leave(name: str, loop: str, pki: Pki) -> None:
    class Halves(Prompt):
        def answer(self, *args: Any) -> list[Chunk]:
            [(_, data)] = super().answer(*args)
            assert data is not None
            return [Chunk(0.001, data[:9]), Chunk(0.002, data[9:])]

    async def scenario() -> None:
        async with serving(name, pki, delivery=Halves()) as (pair, _, client):
            for number in range(3):
                await client.ask(mbap(1, read(number, 5)), mbap(1, words(number, 5)))
                if pair.listener.is_datagram:
                    assert [len(piece) for _, piece in client.pieces] == [9, 10]

    run(scenario(), loop)


@on_each_loop
@on_each_wire
def test_closing_frees_the_place_and_forgets_what_waits(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with wired(name, pki) as pair:
            server = ModbusServer(
                registers(),
                listener=pair.listener,
                silence_s=0.0 if name == "serial" else None,
                delivery=Prompt(60.0),
            )
            for _ in range(3):
                async with server:
                    client = await Client.to(pair.endpoint())
                    client.send(mbap(1, read(3)))
                    await until(
                        lambda: any(session._outbox for session in server._watch.clients)  # type: ignore[attr-defined]
                    )
                assert server.connections == 0
                await client.leave()
                assert client.data == b""

    run(scenario(), loop)


# Hostility


def one_unit() -> UnitRouter:
    """Unit 1 alone: what seems to be good in the noise is for unit 2."""
    return UnitRouter({1: registers()})


def noise(rng: random.Random, framing: Framing) -> bytes:
    whole = FRAMES[framing](2, read(rng.randrange(100), 2))
    return rng.choice(
        [
            rng.randbytes(rng.randrange(1, 300)),
            whole[: rng.randrange(1, len(whole))],
            bytes(byte ^ (1 << rng.randrange(8)) for byte in whole),
            whole[-1:] + whole + whole[:1],
            b"\x00" * 20,
            b"GET / HTTP/1.1\r\n\r\n",
        ]
    )


@on_each_loop
@in_each_framing
@pytest.mark.parametrize("name", [name for name in PAIRS if name != "serial"])
def test_hostile_bytes_of_one_client_leave_the_next_served(
    name: str, framing: Framing, loop: str, pki: Pki
) -> None:
    frame = FRAMES[framing]
    rng = random.Random(f"{name} {framing}")

    async def scenario() -> None:
        async with serving(name, pki, one_unit(), framing=framing) as (pair, _, foe):
            for _ in range(20):
                if not foe.is_lost:
                    foe.send(noise(rng, framing))
                await turns(3)
            if not pair.has_many:
                await foe.leave()
            friend = await Client.to(pair.endpoint())
            await friend.ask(frame(1, read(7, 3)), frame(1, words(7, 3)))
            await friend.leave()

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("framing", [Framing.RTU, Framing.ASCII])
def test_hostile_bytes_on_a_line_and_a_silence_leave_the_next_request_answered(
    framing: Framing, loop: str, pki: Pki
) -> None:
    frame = FRAMES[framing]
    rng = random.Random(str(framing))

    async def scenario() -> None:
        async with serving("serial", pki, one_unit(), framing=framing) as (_, _, client):
            # An ASCII frame ends where the next begins.
            silence_s = 0.03 if framing is Framing.RTU else 0.0
            for number in range(15):
                client.send(noise(rng, framing))
                await asyncio.sleep(silence_s)
                await client.ask(frame(1, read(number, 3)), frame(1, words(number, 3)))

    run(scenario(), loop)


@on_each_loop
@in_each_framing
def test_a_packet_of_nonsense_costs_that_packet_only(framing: Framing, loop: str) -> None:
    frame = FRAMES[framing]
    rng = random.Random(1)

    async def scenario() -> None:
        async with ModbusServer(
            one_unit(), listener=UdpListener(port=0), framing=framing
        ) as server:
            client = await Client.to(UdpEndpoint("127.0.0.1", server.port))
            for number in range(50):
                client.send(noise(rng, framing))
                await client.ask(
                    frame(1, read(100, 20 + number)), frame(1, words(100, 20 + number))
                )
            assert server.connections == 1
            await client.leave()

    run(scenario(), loop)


@on_each_loop
def test_requests_in_one_packet_are_answered_in_a_packet_each(loop: str) -> None:
    async def scenario() -> None:
        async with ModbusServer(registers(), listener=UdpListener(port=0)) as server:
            client = await Client.to(UdpEndpoint("127.0.0.1", server.port))
            client.send(mbap(1, read(1), 5) + mbap(1, read(2), 6) + mbap(1, read(3))[:9])
            await until(lambda: len(client.pieces) == 2)
            assert [data for _, data in client.pieces] == [
                mbap(1, words(1), 5),
                mbap(1, words(2), 6),
            ]
            await client.leave()

    run(scenario(), loop)


@on_each_loop
def test_over_udp_a_new_client_takes_the_place_of_the_one_longest_silent(loop: str) -> None:
    async def scenario() -> None:
        async with ModbusServer(
            registers(), listener=UdpListener(port=0), max_connections=2
        ) as server:
            endpoint = UdpEndpoint("127.0.0.1", server.port)
            clients = [await Client.to(endpoint) for _ in range(3)]
            for number in (0, 1, 0, 2):
                await clients[number].ask(mbap(1, read(1)), mbap(1, words(1)))
                assert server.connections <= 2
            first = clients[0].transport.get_extra_info("sockname")
            known = [
                session._transport.get_extra_info("peername")  # type: ignore[union-attr]
                for session in server._watch.clients
            ]
            assert first in known
            for client in clients:  # and who was forgotten is as welcome as before
                await client.ask(mbap(1, read(1)), mbap(1, words(1)))
                await client.leave()
            assert server.rejected_connections == 0

    run(scenario(), loop)


# Wires from URLs


@on_each_loop
@pytest.mark.parametrize(
    "url",
    [
        "tcp://127.0.0.1:{port}",
        "rtu+tcp://127.0.0.1:{port}",
        "ascii+tcp://127.0.0.1:{port}",
        "udp://127.0.0.1:{port}",
        "rtu+udp://127.0.0.1:{port}",
    ],
)
def test_a_server_is_found_at_the_url_it_was_made_from(url: str, loop: str) -> None:
    async def scenario() -> None:
        wire = parse_wire(url.format(port=free_port()))
        frame = FRAMES[wire.framing]
        async with ModbusServer.at(wire, registers()) as server:
            assert server.port == wire.port
            client = await Client.to(wire.endpoint())
            await client.ask(frame(1, read(3, 2)), frame(1, words(3, 2)))
            await client.leave()

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("framing", [Framing.RTU, Framing.ASCII])
def test_a_server_on_a_serial_port_keeps_the_silence_of_its_speed(
    framing: Framing, loop: str
) -> None:
    frame = FRAMES[framing]

    async def scenario() -> float:
        async with NullModem() as modem:
            wire = parse_wire(f"{framing}://{modem.one.path}?baudrate=4800")
            async with ModbusServer.at(wire, registers()):
                client = await Client.to(parse_wire(f"rtu://{modem.other.path}").endpoint())
                times = []
                for number in range(5):
                    began = asyncio.get_running_loop().time()
                    await client.ask(frame(1, read(number)), frame(1, words(number)))
                    times.append(client.pieces[-1][0] - began)
                await client.leave()
                return min(times)

    # 3.5 characters of 10 bits; the loop's clock counts in milliseconds.
    assert run(scenario(), loop) > 35 / 4800 - 0.0011
