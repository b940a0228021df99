"""The sockets of a server: whatever one client does, the others are served."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from typing import Any

import pytest
from tests.support.loops import on_each_loop, run, turns, until
from tests.support.raw import RawClient, read_request

from energymeter.clock import ManualClock
from energymeter.errors import ConfigError
from energymeter.server import ModbusServer, RegisterImage, Tables


def words(address: int, count: int) -> bytes:
    return struct.pack(f">{count}H", *range(address, address + count))


class Meter:
    """Holding registers that hold their own address; counts what it is asked."""

    def __init__(self) -> None:
        self.answered = 0
        self._tables = Tables(holding=RegisterImage([(0, words(0, 5000))]))

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        self.answered += 1
        return self._tables.answer(unit, pdu)


class Mute:
    """Answers nobody."""

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        return None


def serving(handler: Any = None, **options: Any) -> ModbusServer:
    return ModbusServer(handler or Meter(), port=0, **options)


def good(address: int, count: int = 1) -> bytes:
    return bytes((3, 2 * count)) + words(address, count)


def the_session(server: ModbusServer) -> Any:
    (session,) = server._watch.clients
    return session


# Bytes


@on_each_loop
def test_requests_glued_together_are_each_answered_in_order(loop: str) -> None:
    async def scenario() -> None:
        async with serving() as server, RawClient(server.port) as client:
            client.send(b"".join(read_request(n, 2, transaction=900 + n) for n in range(50)))
            answers = [await client.answer() for _ in range(50)]
        assert answers == [(900 + n, 1, good(n, 2)) for n in range(50)]

    run(scenario(), loop)


@on_each_loop
def test_requests_cut_at_any_byte_are_answered_all_the_same(loop: str) -> None:
    stream = b"".join(read_request(n, 1, transaction=n) for n in range(3))

    async def scenario() -> None:
        meter = Meter()
        async with serving(meter) as server, RawClient(server.port) as client:
            await client.ask(0)
            session = the_session(server)
            for cut in range(1, len(stream)):
                meter.answered = 0
                client.send(stream[:cut])
                whole, begun = divmod(cut, 12)
                await until(
                    lambda whole=whole, begun=begun: (  # type: ignore[misc]
                        (meter.answered, session._framer.pending_bytes) == (whole, begun)
                    )
                )
                client.send(stream[cut:])
                answers = [await client.answer() for _ in range(3)]
                assert answers == [(n, 1, good(n)) for n in range(3)]

    run(scenario(), loop)


@on_each_loop
def test_a_request_byte_by_byte_is_answered(loop: str) -> None:
    async def scenario() -> None:
        async with serving() as server, RawClient(server.port) as client:
            await client.ask(0)
            session = the_session(server)
            request = read_request(7, 3, transaction=65535)
            for position, byte in enumerate(request[:-1]):
                client.send(bytes((byte,)))
                await until(lambda p=position: session._framer.pending_bytes == p + 1)  # type: ignore[misc]
            client.send(request[-1:])
            assert await client.answer() == (65535, 1, good(7, 3))

    run(scenario(), loop)


@on_each_loop
def test_transaction_and_unit_come_back_whatever_they_are(loop: str) -> None:
    async def scenario() -> None:
        async with serving() as server, RawClient(server.port) as client:
            for transaction, unit in [(0, 0), (1, 1), (0xFFFF, 255), (0x1234, 247)]:
                client.send(read_request(5, transaction=transaction, unit=unit))
                assert await client.answer() == (transaction, unit, good(5))

    run(scenario(), loop)


@on_each_loop
def test_a_handler_that_stays_silent_sends_nothing_and_keeps_the_client(loop: str) -> None:
    async def scenario() -> None:
        async with serving(Mute()) as server, RawClient(server.port) as client:
            client.send(read_request(5))
            await until(lambda: server.connections == 1)
            await turns(5)
            assert server.connections == 1
            await server.close()
            assert await client.rest() == b""

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        (b"\x03\x00\x00\x00\x00", b"\x83\x03"),
        (b"\x03\x00\x00\x00\x7e", b"\x83\x03"),
        (b"\x03\xff\xff\x00\x02", b"\x83\x02"),
        (b"\x03\x00\x00", b"\x83\x03"),
        (b"\x03", b"\x83\x03"),
        (b"\x00", b"\x80\x01"),
        (b"\x63\x01\x02", b"\xe3\x01"),
        (b"\x83\x02", b"\x83\x01"),
        (b"\x06\x13\x88\x00\x01", b"\x86\x02"),
        (b"\x08\x00\x04\x00\x00", b"\x88\x01"),
    ],
)
def test_a_request_that_cannot_be_served_gets_an_exception_and_the_next_an_answer(
    pdu: bytes, answer: bytes, loop: str
) -> None:
    async def scenario() -> None:
        async with serving() as server, RawClient(server.port) as client:
            client.send(struct.pack(">HHHB", 5, 0, len(pdu) + 1, 1) + pdu)
            assert await client.answer() == (5, 1, answer)
            assert await client.ask(9) == good(9)

    run(scenario(), loop)


IMPOSSIBLE = {
    "protocol id": struct.pack(">HHHBB", 1, 7, 6, 1, 3) + bytes(4),
    "length 0": struct.pack(">HHHBB", 1, 0, 0, 1, 3) + bytes(4),
    "length 1": struct.pack(">HHHBB", 1, 0, 1, 1, 3) + bytes(4),
    "length 255": struct.pack(">HHHBB", 1, 0, 255, 1, 3) + bytes(4),
    "length 65535": struct.pack(">HHHBB", 1, 0, 65535, 1, 3) + bytes(4),
    "http": b"GET / HTTP/1.1\r\nHost: meter\r\n\r\n",
    "rtu": bytes.fromhex("010300000001840a"),
}


@on_each_loop
@pytest.mark.parametrize("fault", IMPOSSIBLE)
def test_an_impossible_header_closes_that_connection_and_no_other(fault: str, loop: str) -> None:
    async def scenario() -> None:
        async with (
            serving() as server,
            RawClient(server.port) as friend,
            RawClient(server.port) as foe,
        ):
            await friend.ask(1)
            foe.send(IMPOSSIBLE[fault])
            assert await foe.rest() == b""
            assert await friend.ask(2) == good(2)
            assert server.connections == 1

    run(scenario(), loop)


@on_each_loop
def test_what_was_asked_before_the_impossible_header_is_answered(loop: str) -> None:
    async def scenario() -> None:
        async with serving() as server, RawClient(server.port) as client:
            client.send(read_request(4, transaction=8) + IMPOSSIBLE["length 0"] + read_request(5))
            assert await client.answer() == (8, 1, good(4))
            assert await client.rest() == b""

    run(scenario(), loop)


# Many clients


@on_each_loop
def test_a_thousand_clients_at_once_are_all_served(loop: str) -> None:
    async def client(port: int, number: int) -> None:
        async with RawClient(port) as raw:
            for n in range(3):
                assert await raw.ask(number + n, 5, transaction=number) == good(number + n, 5)

    async def scenario() -> None:
        async with serving() as server:
            await asyncio.gather(*(client(server.port, number) for number in range(1000)))
            assert server.rejected_connections == 0

    run(scenario(), loop, limit_s=40)


@on_each_loop
def test_a_thousand_clients_stay_connected_at_once(loop: str) -> None:
    async def scenario() -> None:
        async with serving() as server:
            clients = [RawClient(server.port) for _ in range(1000)]
            await asyncio.gather(*(client.__aenter__() for client in clients))
            await until(lambda: server.connections == 1000)
            answers = await asyncio.gather(*(c.ask(n, 2) for n, c in enumerate(clients)))
            assert answers == [good(n, 2) for n in range(1000)]
            await asyncio.gather(*(client.__aexit__() for client in clients))

    run(scenario(), loop, limit_s=40)


@on_each_loop
@pytest.mark.parametrize("seed", range(3))
def test_clients_that_send_garbage_do_not_disturb_the_others(seed: int, loop: str) -> None:
    rng = random.Random(seed)

    async def foe(port: int) -> None:
        async with RawClient(port) as raw:
            for _ in range(rng.randrange(1, 5)):
                kind = rng.randrange(3)
                if kind == 0:
                    raw.send(rng.randbytes(rng.randrange(1, 600)))
                elif kind == 1:
                    pdu = rng.randbytes(rng.randrange(1, 254))
                    raw.send(struct.pack(">HHHB", 1, 0, len(pdu) + 1, 1) + pdu)
                else:
                    raw.send(read_request(1)[: rng.randrange(12)])
                await turns(rng.randrange(5))

    async def friend(port: int) -> None:
        async with RawClient(port) as raw:
            for n in range(100):
                assert await raw.ask(n, transaction=n) == good(n)

    async def scenario() -> None:
        async with serving() as server:
            await asyncio.gather(
                *(foe(server.port) for _ in range(60)), *(friend(server.port) for _ in range(5))
            )
            await until(lambda: server.connections == 0)

    run(scenario(), loop)


# Limits


@on_each_loop
def test_one_client_too_many_is_turned_away_and_the_others_stay(loop: str) -> None:
    async def scenario() -> None:
        async with (
            serving(max_connections=2) as server,
            RawClient(server.port) as first,
            RawClient(server.port) as second,
        ):
            await first.ask(1)
            await second.ask(1)
            async with RawClient(server.port) as third:
                assert await third.rest() == b""
            assert server.rejected_connections == 1
            assert await first.ask(2) == good(2)
            assert await second.ask(3) == good(3)

    run(scenario(), loop)


@on_each_loop
def test_a_client_that_leaves_makes_room_for_another(loop: str) -> None:
    async def scenario() -> None:
        async with serving(max_connections=1) as server:
            for n in range(5):
                async with RawClient(server.port) as client:
                    assert await client.ask(n) == good(n)
                await until(lambda: server.connections == 0)
            assert server.rejected_connections == 0

    run(scenario(), loop)


@on_each_loop
def test_a_request_that_drips_is_dropped_in_time_while_others_are_served(loop: str) -> None:
    async def drip(client: RawClient) -> None:
        for byte in struct.pack(">HHHBB", 1, 0, 250, 1, 16) + bytes(240):
            client.send(bytes((byte,)))
            await asyncio.sleep(0.02)

    async def scenario() -> None:
        async with (
            serving(frame_timeout_s=0.5) as server,
            RawClient(server.port) as loris,
            RawClient(server.port) as friend,
        ):
            began = time.monotonic()
            dripping = asyncio.create_task(drip(loris))
            gone = asyncio.create_task(loris.rest())
            asked = 0
            while not gone.done():
                assert await friend.ask(asked % 100) == good(asked % 100)
                asked += 1
                await asyncio.sleep(0.005)
            dripping.cancel()
            await asyncio.wait([dripping])

            assert 0.4 < time.monotonic() - began < 2.0
            assert await gone == b""
            assert asked > 20
            assert server.connections == 1

    run(scenario(), loop)


@on_each_loop
def test_a_client_that_is_silent_too_long_is_dropped_and_a_busy_one_is_not(loop: str) -> None:
    async def scenario() -> None:
        async with (
            serving(idle_timeout_s=0.5) as server,
            RawClient(server.port) as idle,
            RawClient(server.port) as busy,
        ):
            await idle.ask(1)
            gone = asyncio.create_task(idle.rest())
            while not gone.done():
                await busy.ask(2)
                await asyncio.sleep(0.05)
            assert await busy.ask(3) == good(3)
            assert server.connections == 1

    run(scenario(), loop)


@on_each_loop
def test_without_an_idle_time_out_a_silent_client_stays(loop: str) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with serving(clock=clock) as server, RawClient(server.port) as client:
            await client.ask(1)
            await clock.advance(3600)
            assert await client.ask(2) == good(2)

    run(scenario(), loop)


def test_where_nothing_can_time_out_no_timer_runs() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with serving(clock=clock) as server, RawClient(server.port) as client:
            await client.ask(1)
            assert clock._alarms == []
            client.send(read_request(2)[:5])
            await until(lambda: the_session(server)._framer.pending_bytes == 5)
            assert len(clock._alarms) == 1
            client.send(read_request(2)[5:])
            await client.answer()
            await clock.advance(1)
            assert clock._alarms == []

    run(scenario())


@on_each_loop
def test_a_client_that_never_reads_is_paused_and_not_buffered_without_end(loop: str) -> None:
    async def scenario() -> None:
        current = asyncio.get_running_loop()
        async with serving() as server, RawClient(server.port) as friend:
            await friend.ask(1)
            with socket.socket() as hog:
                hog.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                hog.setblocking(False)
                before = set(server._watch.clients)
                await current.sock_connect(hog, ("127.0.0.1", server.port))
                await until(lambda: len(server._watch.clients) > len(before))
                (session,) = set(server._watch.clients) - before
                flood = read_request(0, 125) * 100
                while session._transport.is_reading():  # type: ignore[union-attr]
                    try:
                        hog.send(flood)
                    except BlockingIOError:
                        await turns(1)
                    await turns(1)
                held = session._transport.get_write_buffer_size()  # type: ignore[union-attr]
                assert 0 < held < 8_000_000
                # Whatever else it sends stays in the system's buffers.
                for _ in range(200):
                    try:
                        hog.send(flood)
                    except BlockingIOError:
                        break
                    await turns(1)
                assert await friend.ask(5) == good(5)
                assert session._transport.get_write_buffer_size() <= held  # type: ignore[union-attr]

    run(scenario(), loop)


@on_each_loop
def test_a_client_that_was_paused_gets_every_answer_once_it_reads(loop: str) -> None:
    async def scenario() -> None:
        meter = Meter()
        async with serving(meter) as server, RawClient(server.port) as client:
            client.send(b"".join(read_request(n % 100, 125, transaction=n) for n in range(30_000)))
            for n in range(30_000):
                transaction, _, pdu = await client.answer()
                assert transaction == n
                assert pdu[2:4] == words(n % 100, 1)
            assert meter.answered == 30_000

    run(scenario(), loop)


# Shutdown


@on_each_loop
def test_closing_lets_answers_under_way_out(loop: str) -> None:
    async def scenario() -> None:
        meter = Meter()
        server = serving(meter)
        await server.start()
        async with RawClient(server.port) as client:
            client.send(b"".join(read_request(0, 125, transaction=n) for n in range(10_000)))
            await until(lambda: meter.answered > 100)
            closing = asyncio.create_task(server.close(grace_s=10))
            data = await client.rest()
            await closing
        assert len(data) == meter.answered * 259

    run(scenario(), loop)


@on_each_loop
def test_closing_does_not_wait_for_a_client_that_does_not_read(loop: str) -> None:
    async def scenario() -> None:
        server = serving()
        await server.start()
        async with RawClient(server.port) as client:
            client._writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(read_request(0, 125) * 60_000)
            await until(lambda: server.connections == 1)
            await until(lambda: not the_session(server)._transport.is_reading())
            began = time.monotonic()
            await server.close(grace_s=0.05)
            assert time.monotonic() - began < 2
            assert server.connections == 0

    run(scenario(), loop)


@on_each_loop
def test_a_closed_server_refuses_and_may_be_closed_again(loop: str) -> None:
    async def scenario() -> None:
        server = serving()
        await server.start()
        port = server.port
        await server.close()
        await server.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("step", [0, 1, 3, 4, 5])  # at 2 asyncio itself forgets the connection
def test_a_client_that_comes_while_the_door_is_shut_is_not_kept(step: int, loop: str) -> None:
    async def scenario() -> None:
        server = serving()
        await server.start()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            await turns(step)
            await server.close()
            await turns(5)
            assert server.connections == 0
            client.settimeout(1)
            try:
                assert client.recv(1) == b""
            except ConnectionResetError:
                return

    run(scenario(), loop)


@on_each_loop
def test_a_server_listens_again_after_it_was_closed(loop: str) -> None:
    async def scenario() -> None:
        server = serving()
        for n in range(3):
            async with server, RawClient(server.port) as client:
                assert await client.ask(n) == good(n)

    run(scenario(), loop)


# Listening


@on_each_loop
def test_a_port_in_use_is_said_in_a_sentence(loop: str) -> None:
    async def scenario() -> None:
        async with serving() as server:
            second = ModbusServer(Meter(), port=server.port)
            with pytest.raises(ConfigError) as caught:
                await second.start()
            assert str(caught.value).startswith(f"cannot listen on 127.0.0.1 port {server.port}: ")
            assert "in use" in str(caught.value)
            async with RawClient(server.port) as client:
                assert await client.ask(1) == good(1)

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize(
    ("host", "port"),
    [("192.0.2.1", 0), ("no-such-host.invalid", 0), ("127.0.0.1", 70000), ("127.0.0.1", -1)],
)
def test_an_address_that_cannot_be_listened_on_is_a_config_error(
    host: str, port: int, loop: str
) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigError, match=f"cannot listen on {host} port {port}: ."):
            await ModbusServer(Meter(), host=host, port=port).start()

    run(scenario(), loop)


@on_each_loop
def test_a_server_can_listen_on_ipv6(loop: str) -> None:
    async def scenario() -> None:
        async with serving(host="::1") as server:
            reader, writer = await asyncio.open_connection("::1", server.port)
            writer.write(read_request(3))
            assert (await reader.readexactly(11))[7:] == good(3)
            writer.close()
            await writer.wait_closed()

    run(scenario(), loop)
