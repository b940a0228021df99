"""What every transport promises, tried on each pair of its ends and on each event loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.loops import on_each_loop, run, turns, until
from tests.transports.ears import Ear, Ears
from tests.transports.pairs import PAIRS, Pair
from tests.transports.pki import Pki

from energymeter.errors import LinkOpenError
from energymeter.transports import Listener

on_each_pair = pytest.mark.parametrize("name", PAIRS)
MOMENTS: Final = (*range(0, 24, 2), *(0.001 * count for count in range(1, 16)))
"""When to cancel: after so many turns of the loop, or (no whole number) so many seconds."""

OPEN_FILES: Final = Path("/proc/self/fd")


async def connect(pair: Pair, ears: Ears) -> tuple[Ear, Ear]:
    """A client and the server's end of it."""
    client = Ear()
    await pair.endpoint().connect(client.itself)
    if pair.listener.is_datagram:  # who has said nothing is not known
        client.transport.write(b"hello")
    known = len(ears.connected)
    await until(lambda: any(not ear.is_lost and ear.times_made for ear in ears.made[known - 1 :]))
    server = ears.open[-1]
    if pair.listener.is_datagram:
        await until(lambda: server.data == b"hello")
        server.pieces.clear()
    return client, server


@asynccontextmanager
async def connected(name: str, pki: Pki) -> AsyncIterator[tuple[Pair, Ear, Ear]]:
    async with PAIRS[name](pki) as pair:
        ears = Ears()
        await pair.listener.start(ears)
        client, server = await connect(pair, ears)
        yield pair, client, server
        await end(pair.listener, client, *ears.connected)


async def end(listener: Listener, *ears: Ear) -> None:
    """Close all, and see to it that all is closed."""
    listener.close()
    for ear in ears:
        ear.transport.abort()
    await until(lambda: all(ear.is_lost for ear in ears))
    await listener.wait_closed()


async def cancelled(moment: float, main: Coroutine[Any, Any, object]) -> bool:
    """Run `main` until `moment`; returns whether it was cancelled before it was done."""
    task = asyncio.create_task(main)
    if isinstance(moment, int):
        await turns(moment)
    else:
        await asyncio.sleep(moment)
    was_running = task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() or not was_running, f"at {moment} the cancellation was eaten"
    return task.cancelled()


def _has(ear: Ear, data: bytes) -> bool:
    return ear.data == data


def _is_lost(ear: Ear) -> bool:
    return ear.is_lost


def leaves_nothing_open(action: Callable[[], object]) -> None:
    if not OPEN_FILES.exists():
        pytest.skip("needs /proc to count open files")
    before = open_ways()
    action()
    gc.collect()
    assert open_ways() <= before


def open_ways() -> int:
    """Sockets and ptys of this process; loops and pools keep files of other kinds."""
    count = 0
    for entry in OPEN_FILES.iterdir():
        try:
            count += str(entry.readlink()).startswith(("socket:", "/dev/pt"))
        except OSError:  # the descriptor of the folder itself
            continue
    return count


# Bytes


@on_each_loop
@on_each_pair
def test_bytes_go_both_ways(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with connected(name, pki) as (_, client, server):
            client.transport.write(b"\x00question\xff")
            await until(lambda: len(server.data) == 10)
            server.transport.write(bytearray(b"\x11answer\x13\n"))
            await until(lambda: len(client.data) == 9)

            assert server.data == b"\x00question\xff"
            assert client.data == b"\x11answer\x13\n"

    run(scenario(), loop)


@on_each_loop
@on_each_pair
def test_what_is_written_in_pieces_arrives_in_order(name: str, loop: str, pki: Pki) -> None:
    pieces = [bytes([n]) * (1 + n * 7 % 60) for n in range(100)]

    async def scenario() -> None:
        async with connected(name, pki) as (pair, client, server):
            for piece in pieces:
                client.transport.write(piece)
                server.transport.write(piece[::-1])
                if len(piece) % 3 == 0:
                    await asyncio.sleep(0)
            whole = b"".join(pieces)
            await until(lambda: len(server.data) == len(client.data) == len(whole))

            assert server.data == client.data == whole
            if pair.listener.is_datagram:
                assert server.pieces == pieces

    run(scenario(), loop)


@on_each_loop
@on_each_pair
def test_who_does_not_read_for_a_while_can_go_on(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with connected(name, pki) as (_, client, server):
            server.transport.pause_reading()
            server.transport.resume_reading()
            client.transport.write(b"now")
            await until(lambda: server.data == b"now")

    run(scenario(), loop)


# Ends


@on_each_loop
@on_each_pair
@pytest.mark.parametrize("manner", ["close", "abort"])
@pytest.mark.parametrize("who", ["client", "server"])
def test_the_end_is_told_once(name: str, loop: str, manner: str, who: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with connected(name, pki) as (pair, client, server):
            pair.listener.close()  # a serial port or a dialler would come back
            closer, other = (client, server) if who == "client" else (server, client)
            getattr(closer.transport, manner)()
            assert closer.transport.is_closing()
            assert not closer.is_lost, "told while it was calling"
            await until(lambda: closer.is_lost)
            if pair.tells_of_closing:
                await until(lambda: other.is_lost)
            closer.transport.close()
            closer.transport.abort()
            await turns(10)

            assert closer.losses == [None]
            assert len(other.losses) == (1 if pair.tells_of_closing else 0)

    run(scenario(), loop)


@on_each_loop
@on_each_pair
def test_what_was_written_before_closing_arrives(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with connected(name, pki) as (_, client, server):
            server.transport.write(b"last words")
            server.transport.close()
            await until(lambda: client.data == b"last words")

    run(scenario(), loop)


@on_each_loop
@on_each_pair
def test_writing_to_what_is_closed_does_nothing(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with connected(name, pki) as (pair, client, server):
            pair.listener.close()
            client.transport.abort()
            client.transport.write(b"too late")
            await until(lambda: client.is_lost)
            await turns(10)

            assert server.data == b""

    run(scenario(), loop)


@on_each_loop
@on_each_pair
def test_a_new_connection_follows_one_that_was_dropped(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with PAIRS[name](pki) as pair:
            ears = Ears()
            await pair.listener.start(ears)
            first, _ = await connect(pair, ears)
            first.transport.abort()  # and at once, as a link does:
            second = Ear()
            await pair.endpoint().connect(second.itself)
            second.transport.write(b"again")
            await until(lambda: any(ear.data.endswith(b"again") for ear in ears.made))
            await until(lambda: first.is_lost)
            await end(pair.listener, second, *ears.connected)

    run(scenario(), loop)


# Listening


@on_each_loop
@on_each_pair
def test_many_clients_are_kept_apart(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with PAIRS[name](pki) as pair:
            if not pair.has_many:
                return
            ears = Ears()
            await pair.listener.start(ears)
            clients = [Ear() for _ in range(5)]
            for number, client in enumerate(clients):
                await pair.endpoint().connect(client.itself)
                client.transport.write(bytes([number]))
            await until(lambda: sum(len(ear.data) for ear in ears.made) == 5)
            for server in ears.connected:
                server.transport.write(server.data)
            await until(lambda: all(client.data for client in clients))

            assert [client.data for client in clients] == [bytes([n]) for n in range(5)]
            assert len({ear.transport.get_extra_info("peername") for ear in ears.open}) in (1, 5)
            await end(pair.listener, *clients, *ears.connected)

    run(scenario(), loop)


@on_each_loop
@on_each_pair
def test_a_closed_listener_lets_those_in_go_on(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with connected(name, pki) as (pair, client, server):
            pair.listener.close()
            pair.listener.close()
            await turns(5)
            client.transport.write(b"still here")
            await until(lambda: server.data == b"still here")
            server.transport.write(b"so am I")
            await until(lambda: client.data == b"so am I")

    run(scenario(), loop)


@on_each_loop
@on_each_pair
def test_a_place_is_free_again_once_it_was_closed(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with PAIRS[name](pki) as pair:
            for _ in range(3):
                ears = Ears()
                await pair.listener.start(ears)
                client, server = await connect(pair, ears)
                client.transport.write(b"x")
                await until(partial(_has, server, b"x"))
                await end(pair.listener, client, *ears.connected)

    run(scenario(), loop)


@on_each_loop
@on_each_pair
def test_an_end_without_a_beginning_is_no_matter(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with PAIRS[name](pki) as pair:
            pair.listener.close()
            await pair.listener.wait_closed()
            pair.endpoint().release()
            pair.endpoint().release()

    run(scenario(), loop)


@on_each_loop
@on_each_pair
def test_nobody_there_is_said_in_words(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with PAIRS[name](pki) as pair:
            if pair.knows_absence:
                endpoint = pair.endpoint()
                with pytest.raises(LinkOpenError, match="refused the connection") as caught:
                    await endpoint.connect(Ear)
                assert caught.value.endpoint == str(endpoint)
                assert caught.value.retryable

    run(scenario(), loop)


# Cancelling


@on_each_loop
@on_each_pair
def test_a_connection_cancelled_anywhere_leaves_nothing_open(
    name: str, loop: str, pki: Pki
) -> None:
    async def scenario() -> None:
        async with PAIRS[name](pki) as pair:
            ears = Ears()
            await pair.listener.start(ears)
            for moment in MOMENTS:
                client = Ear()
                if not await cancelled(moment, pair.endpoint().connect(client.itself)):
                    client.transport.abort()
                    await until(partial(_is_lost, client))
            await end(pair.listener, *ears.connected)

    leaves_nothing_open(lambda: run(scenario(), loop))


@on_each_loop
@on_each_pair
def test_a_start_cancelled_anywhere_leaves_nothing_open(name: str, loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with PAIRS[name](pki) as pair:
            for moment in MOMENTS:
                ears = Ears()
                await cancelled(moment, pair.listener.start(ears))
                await end(pair.listener, *ears.connected)

    leaves_nothing_open(lambda: run(scenario(), loop))
