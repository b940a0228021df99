"""UDP: one protocol object a peer, and no more of them than wanted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from tests.support.loops import on_each_loop, run, turns, until
from tests.transports.ears import Ear, Ears

from energymeter.errors import ConfigError, EndpointError, UnknownHostError
from energymeter.transports import UdpEndpoint, UdpListener


@contextmanager
def raw_peer(port: int = 0) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", port))
        peer.setblocking(False)
        yield peer


def heard(peer: socket.socket) -> bytes | None:
    try:
        return peer.recv(2048)
    except BlockingIOError:
        return None


@asynccontextmanager
async def listening(max_peers: int = 100) -> AsyncIterator[tuple[UdpListener, Ears]]:
    listener, ears = UdpListener(port=0, max_peers=max_peers), Ears()
    await listener.start(ears)
    yield listener, ears
    listener.close()
    for ear in ears.open:
        ear.transport.abort()
    await listener.wait_closed()
    assert not ears.open


async def end(client: Ear) -> None:
    client.transport.abort()
    await until(lambda: client.is_lost)


@on_each_loop
def test_nobody_listening_is_told_as_a_loss(loop: str) -> None:
    async def scenario() -> None:
        with raw_peer() as peer:
            port = peer.getsockname()[1]
        client = Ear()
        await UdpEndpoint("127.0.0.1", port).connect(client.itself)
        client.transport.write(b"anybody?")
        assert not client.is_lost, "told while it was writing"
        await until(lambda: client.is_lost)

        assert "nobody listens on that port" in str(client.losses[0])
        await turns(10)
        assert len(client.losses) == 1

    run(scenario(), loop)


@on_each_loop
def test_what_others_send_is_not_heard(loop: str) -> None:
    async def scenario() -> None:
        with raw_peer() as server, raw_peer() as stranger:
            client = Ear()
            await UdpEndpoint("127.0.0.1", server.getsockname()[1]).connect(client.itself)
            client.transport.write(b"question")
            address = client.transport.get_extra_info("sockname")
            stranger.sendto(b"lie", address)
            server.sendto(b"answer", address)
            await until(lambda: bool(client.pieces))
            await turns(10)

            assert client.pieces == [b"answer"]
            assert client.transport.get_extra_info("peername")[1] == server.getsockname()[1]
            await end(client)

    run(scenario(), loop)


@on_each_loop
def test_datagrams_keep_their_bounds_and_empty_ones_say_nothing(loop: str) -> None:
    async def scenario() -> None:
        async with listening() as (listener, ears):
            with raw_peer() as peer:
                for data in (b"one", b"", b"two", bytes(1400)):
                    peer.sendto(data, ("127.0.0.1", listener.port))
                await until(lambda: bool(ears.made) and len(ears.made[0].pieces) == 3)
                assert ears.made[0].pieces == [b"one", b"two", bytes(1400)]

    run(scenario(), loop)


@on_each_loop
def test_each_peer_has_a_protocol_and_an_address(loop: str) -> None:
    async def scenario() -> None:
        async with listening() as (listener, ears):
            with raw_peer() as one, raw_peer() as other:
                for peer in (one, other, one):
                    peer.sendto(b"x", ("127.0.0.1", listener.port))
                await until(lambda: sum(len(ear.pieces) for ear in ears.made) == 3)

                assert [len(ear.pieces) for ear in ears.made] == [2, 1]
                names = [ear.transport.get_extra_info("peername") for ear in ears.made]
                assert names == [one.getsockname(), other.getsockname()]

    run(scenario(), loop)


@on_each_loop
def test_a_peer_that_was_closed_is_new_when_it_speaks_again(loop: str) -> None:
    async def scenario() -> None:
        async with listening() as (listener, ears):
            with raw_peer() as peer:
                for count in (1, 2):
                    peer.sendto(b"x", ("127.0.0.1", listener.port))
                    await until(lambda count=count: len(ears.connected) == count)  # type: ignore[misc]
                    ears.open[0].transport.close()
                    await until(lambda: not ears.open)
                assert [ear.losses for ear in ears.made] == [[None], [None]]

    run(scenario(), loop)


@on_each_loop
def test_one_peer_too_many_takes_the_place_of_the_most_silent(loop: str) -> None:
    async def scenario() -> None:
        async with listening(max_peers=2) as (listener, ears):
            with raw_peer() as first, raw_peer() as second, raw_peer() as third:
                for peer in (first, second, first, third):
                    peer.sendto(b"x", ("127.0.0.1", listener.port))
                await until(lambda: len(ears.connected) == 3)

                assert [ear.is_lost for ear in ears.connected] == [False, True, False]

    run(scenario(), loop)


@on_each_loop
def test_who_does_not_read_misses_what_is_sent(loop: str) -> None:
    async def scenario() -> None:
        async with listening() as (listener, ears):
            with raw_peer() as peer:
                peer.sendto(b"1", ("127.0.0.1", listener.port))
                await until(lambda: bool(ears.open))
                transport = ears.open[0].transport
                transport.pause_reading()
                assert not transport.is_reading()
                peer.sendto(b"2", ("127.0.0.1", listener.port))
                await asyncio.sleep(0.01)
                transport.resume_reading()
                peer.sendto(b"3", ("127.0.0.1", listener.port))
                await until(lambda: ears.open[0].pieces == [b"1", b"3"])

    run(scenario(), loop)


@on_each_loop
def test_a_closed_listener_knows_nobody_new_but_serves_those_it_has(loop: str) -> None:
    async def scenario() -> None:
        async with listening() as (listener, ears):
            with raw_peer() as known, raw_peer() as unknown:
                port = listener.port
                known.sendto(b"x", ("127.0.0.1", port))
                await until(lambda: bool(ears.open))
                listener.close()
                unknown.sendto(b"x", ("127.0.0.1", port))
                known.sendto(b"y", ("127.0.0.1", port))
                await until(lambda: ears.open[0].data == b"xy")
                ears.open[0].transport.write(b"answer")
                await until(lambda: heard(known) == b"answer")
                assert len(ears.made) == 1

    run(scenario(), loop)


@on_each_loop
def test_a_place_that_cannot_be_listened_on_is_said_in_words(loop: str) -> None:
    async def scenario() -> None:
        with raw_peer() as peer:
            port = peer.getsockname()[1]
            with pytest.raises(ConfigError, match=f"127.0.0.1 port {port}: Address already in use"):
                await UdpListener(port=port).start(Ear)
        with pytest.raises(ConfigError, match="use 0 to 65535"):
            await UdpListener(port=70000).start(Ear)

    run(scenario(), loop)


@on_each_loop
def test_an_unknown_host_is_said_in_words(loop: str) -> None:
    async def scenario() -> None:
        with pytest.raises(UnknownHostError, match="is not known"):
            await UdpEndpoint("meter.invalid").connect(Ear)

    run(scenario(), loop)


@pytest.mark.parametrize(("host", "port"), [("", 502), ("meter", 0), ("meter", 65536)])
def test_an_impossible_place_is_refused(host: str, port: int) -> None:
    with pytest.raises(EndpointError):
        UdpEndpoint(host, port)


def test_it_is_written_as_a_url() -> None:
    assert str(UdpEndpoint("::1", 5020)) == "udp://[::1]:5020"
    assert str(UdpListener("meter", 5020)) == "udp://meter:5020"
