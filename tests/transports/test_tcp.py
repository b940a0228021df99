"""TCP: what is said when a place cannot be reached or listened on."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.support.loops import on_each_loop, run, until
from tests.transports.ears import Ear, Ears

from energymeter.errors import ConfigError, EndpointError, LinkOpenError, UnknownHostError
from energymeter.transports import TcpEndpoint, TcpListener
from energymeter.transports.endpoint import parse_host_port


@on_each_loop
def test_a_port_that_is_taken_is_said_in_words(loop: str) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            listener = TcpListener(port=port)
            message = f"cannot listen on 127.0.0.1 port {port}: Address already in use"
            with pytest.raises(ConfigError) as caught:
                await listener.start(Ear)
            assert caught.value.message == message
            assert listener.port == port
        await listener.start(Ear)
        listener.close()
        await listener.wait_closed()

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("port", [-1, 65536])
def test_an_impossible_port_is_refused(port: int, loop: str) -> None:
    with pytest.raises(ConfigError, match=f"127.0.0.1 port {port}: use 0 to 65535"):
        run(TcpListener(port=port).start(Ear), loop)


@on_each_loop
def test_a_place_of_another_machine_cannot_be_listened_on(loop: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1 port 5020: "):
        run(TcpListener("192.0.2.1", 5020).start(Ear), loop)


@on_each_loop
def test_an_unknown_host_is_said_in_words(loop: str) -> None:
    async def scenario() -> None:
        for asked in (TcpEndpoint("meter.invalid").connect(Ear), TcpEndpoint("a..b").connect(Ear)):
            with pytest.raises(LinkOpenError, match=r"is not known|cannot be reached"):
                await asked
        with pytest.raises(UnknownHostError, match=r"'meter\.invalid' is not known"):
            await TcpEndpoint("meter.invalid").resolve()
        await TcpEndpoint("127.0.0.1").resolve()

    run(scenario(), loop)


@on_each_loop
def test_ipv6_is_spoken(loop: str) -> None:
    async def scenario() -> None:
        listener, ears, client = TcpListener("::1", 0), Ears(), Ear()
        await listener.start(ears)
        assert str(listener) == f"[::1]:{listener.port}"
        await TcpEndpoint("::1", listener.port).connect(client.itself)
        client.transport.write(b"x")
        await until(lambda: bool(ears.made) and ears.made[0].data == b"x")
        listener.close()
        client.transport.abort()
        await until(lambda: client.is_lost and ears.made[0].is_lost)
        await listener.wait_closed()

    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    run(scenario(), loop)


@pytest.mark.parametrize(
    ("host", "port"),
    [("", 502), ("meter", 0), ("meter", 65536), ("tcp://meter", 502), ("a meter", 502)],
)
def test_an_impossible_place_to_reach_is_refused(host: str, port: int) -> None:
    with pytest.raises(EndpointError):
        TcpEndpoint(host, port)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("127.0.0.1 502", "has a space or a slash"),
        ("meter:", "the port is 'empty'"),
        (f"meter:{'1' * 5000}", "use a number from 1 to 65535"),
        (":502", "has no host name"),
    ],
)
def test_an_address_that_cannot_be_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(EndpointError, match=words) as refused:
        parse_host_port(text, 502)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
def test_a_name_that_no_host_can_have_is_an_unknown_host(host: str) -> None:
    async def scenario() -> None:
        with pytest.raises(UnknownHostError, match="no name has such parts"):
            await TcpEndpoint(host).connect(asyncio.Protocol)

    run(scenario())
