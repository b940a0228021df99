"""One link, many units: order, time-outs, loss, reconnection and the errors that tell of them."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support import scripted
from tests.support.loops import on_each_loop, run, turns, until
from tests.support.scripted import Asked, Manner, ScriptedServer, Step, word_at

from energymeter.client import Backoff, Link
from energymeter.errors import (
    ConfigError,
    EndpointError,
    ExceptionReplyError,
    LinkClosedError,
    LinkError,
    LinkLostError,
    LinkOpenError,
    LocalProtocolError,
    MeterError,
    MismatchError,
    RemoteProtocolError,
    RequestTimeout,
    UnknownHostError,
)
from energymeter.transports import TcpEndpoint

QUICK = Backoff(first_s=0.01, longest_s=0.02)


class AnyEndpoint:
    """What every endpoint has, beside its way to connect."""

    is_datagram = False

    def release(self) -> None:
        """Nothing is kept."""


def link_to(server: ScriptedServer, **options: Any) -> Link:
    return Link(
        TcpEndpoint("127.0.0.1", server.port), **{"timeout_s": 0.5, "backoff": QUICK, **options}
    )


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port that nobody listens on and nobody else can take."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        probe.bind(("::", 0))
        yield int(probe.getsockname()[1])


async def failure_of(link: Link, unit: int = 1, address: int = 50) -> MeterError:
    with pytest.raises(MeterError) as caught:
        await link.unit(unit).read_holding_registers(address, 2)
    return caught.value


# Order


@on_each_loop
def test_many_units_share_one_connection_and_each_gets_its_own_answer(loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server, link_to(server) as link:
            answers = await asyncio.gather(
                *(link.unit(unit).read_holding_registers(unit, 3) for unit in range(1, 16))
            )

        for unit, words in zip(range(1, 16), answers, strict=True):
            assert words == tuple(word_at(unit, unit + n) for n in range(3))
        assert server.accepted == 1

    run(scenario(), loop)


@on_each_loop
def test_one_in_flight_means_the_next_question_waits_for_the_answer(loop: str) -> None:
    async def scenario() -> None:
        server = ScriptedServer(scripted.late(0.001))
        async with server, link_to(server, max_in_flight=1) as link:
            await asyncio.gather(
                *(link.unit(1).read_holding_registers(address) for address in range(12))
            )

        assert server.most_waiting == 1
        assert [asked.address for asked in server.asked] == list(range(12))

    run(scenario(), loop)


@on_each_loop
def test_eight_in_flight_are_asked_together_and_the_ninth_waits(loop: str) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        server = ScriptedServer(scripted.when(gate))
        async with server, link_to(server, max_in_flight=8) as link:
            reads = asyncio.gather(
                *(link.unit(1).read_holding_registers(address) for address in range(20))
            )
            await until(lambda: server.waiting == 8)
            await turns(20)
            assert len(server.asked) == 8
            gate.set()
            answers = await reads

        assert answers == [(word_at(1, address),) for address in range(20)]
        assert server.most_waiting == 8

    run(scenario(), loop)


@on_each_loop
def test_answers_in_another_order_reach_who_asked(loop: str) -> None:
    def manner(asked: Asked) -> Sequence[Step]:
        return [0.002 * (8 - asked.address), *scripted.right(asked)]

    async def scenario() -> None:
        async with ScriptedServer(manner) as server, link_to(server, max_in_flight=8) as link:
            answers = await asyncio.gather(
                *(link.unit(1).read_holding_registers(address) for address in range(8))
            )

        assert answers == [(word_at(1, address),) for address in range(8)]

    run(scenario(), loop)


def test_a_link_without_a_single_request_in_flight_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        Link(TcpEndpoint("127.0.0.1", 1), max_in_flight=0)


@pytest.mark.parametrize("name", ["timeout_s", "connect_timeout_s"])
@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_out_that_is_no_time_is_refused(name: str, seconds: float) -> None:
    limits: dict[str, Any] = {name: seconds}

    with pytest.raises(ConfigError, match="use more than 0"):
        Link(TcpEndpoint("127.0.0.1", 1), **limits)


# Time-outs


@on_each_loop
def test_a_time_out_says_who_was_asked_and_how_long_was_waited(loop: str) -> None:
    async def scenario() -> None:
        async with (
            ScriptedServer(scripted.never) as server,
            link_to(server, timeout_s=0.02) as link,
        ):
            error = await failure_of(link, unit=7)

        assert isinstance(error, RequestTimeout)
        assert isinstance(error, TimeoutError)
        assert error.retryable
        assert (error.endpoint, error.unit) == (str(link), 7)
        assert str(error) == f"no answer from 127.0.0.1:{server.port} unit 7 within 0.02 s"

    run(scenario(), loop)


@on_each_loop
def test_a_request_may_have_a_time_out_of_its_own(loop: str) -> None:
    async def scenario() -> None:
        from energymeter.codec import ReadRequest  # noqa: PLC0415

        async with ScriptedServer(scripted.never) as server, link_to(server, timeout_s=10) as link:
            began = time.monotonic()
            with pytest.raises(RequestTimeout, match=r"within 0\.02 s"):
                await link.exchange(1, ReadRequest(3, 0, 1), timeout_s=0.02)
            assert time.monotonic() - began < 2

    run(scenario(), loop)


@on_each_loop
def test_a_short_time_out_fires_while_a_long_one_is_running(loop: str) -> None:
    async def scenario() -> None:
        from energymeter.codec import ReadRequest  # noqa: PLC0415

        gate = asyncio.Event()
        server = ScriptedServer(scripted.never)
        server.script.append(scripted.when(gate))
        async with server, link_to(server, timeout_s=10, max_in_flight=2) as link:
            patient = asyncio.create_task(link.exchange(1, ReadRequest(3, 0, 1)))
            await until(lambda: len(server.asked) == 1)
            with pytest.raises(RequestTimeout):
                await link.exchange(1, ReadRequest(3, 1, 1), timeout_s=0.02)
            assert not patient.done()
            gate.set()
            assert await patient == bytes((3, 2)) + word_at(1, 0).to_bytes(2, "big")

    run(scenario(), loop)


@on_each_loop
def test_an_answer_that_comes_after_its_time_out_is_not_taken_for_the_next_one(loop: str) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        server = ScriptedServer()
        server.script.append(scripted.when(gate))
        async with server, link_to(server, timeout_s=0.03) as link:
            assert isinstance(await failure_of(link, address=100), RequestTimeout)
            next_one = asyncio.create_task(link.unit(1).read_holding_registers(200, 2))
            gate.set()

            assert await next_one == (word_at(1, 200), word_at(1, 201))
            assert server.accepted == 1

    run(scenario(), loop)


@on_each_loop
def test_answers_that_keep_coming_late_make_the_link_start_anew(loop: str) -> None:
    async def scenario() -> None:
        server = ScriptedServer(scripted.late(0.05))
        async with server, link_to(server, timeout_s=0.04) as link:
            for _ in range(3):
                assert isinstance(await failure_of(link), RequestTimeout)
            server.manner = scripted.right
            assert await link.unit(1).read_holding_registers(5) == (word_at(1, 5),)

        assert server.accepted > 1

    run(scenario(), loop)


@on_each_loop
def test_repeated_silence_makes_the_link_start_anew(loop: str) -> None:
    async def scenario() -> None:
        server = ScriptedServer(scripted.never)
        async with server, link_to(server, timeout_s=0.01) as link:
            for _ in range(3):
                assert isinstance(await failure_of(link), RequestTimeout)
            await until(lambda: server.connected == 0)
            server.manner = scripted.right
            assert await link.unit(1).read_holding_registers(5) == (word_at(1, 5),)

        assert server.accepted == 2

    run(scenario(), loop)


@on_each_loop
def test_a_silent_unit_costs_the_others_neither_answers_nor_the_connection(loop: str) -> None:
    def manner(asked: Asked) -> Sequence[Step]:
        return [] if asked.unit == 3 else scripted.right(asked)

    async def scenario() -> None:
        async with ScriptedServer(manner) as server, link_to(server, timeout_s=0.01) as link:
            for _ in range(4):
                for unit in range(1, 6):
                    if unit == 3:
                        assert isinstance(await failure_of(link, unit), RequestTimeout)
                    else:
                        words = await link.unit(unit).read_holding_registers(9)
                        assert words == (word_at(unit, 9),)

        assert server.accepted == 1

    run(scenario(), loop)


# Wrong answers


@on_each_loop
@pytest.mark.parametrize(
    "manner",
    [
        scripted.other_unit,
        scripted.other_function,
        scripted.wrong_byte_count,
        scripted.fewer_words,
        scripted.more_words,
        scripted.short,
    ],
)
def test_an_answer_to_another_question_is_refused_and_the_next_one_is_right(
    manner: Manner, loop: str
) -> None:
    async def scenario() -> None:
        server = ScriptedServer()
        server.script.append(manner)
        async with server, link_to(server) as link:
            error = await failure_of(link, unit=2)
            words = await link.unit(2).read_holding_registers(7, 2)

        assert isinstance(error, MismatchError)
        assert (error.endpoint, error.unit) == (str(link), 2)
        assert error.data
        assert words == (word_at(2, 7), word_at(2, 8))
        assert server.accepted == 1

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize(
    "manner", [scripted.garbage, scripted.impossible_protocol, scripted.impossible_length]
)
def test_what_is_no_modbus_ends_the_connection_and_the_next_question_opens_another(
    manner: Manner, loop: str
) -> None:
    async def scenario() -> None:
        server = ScriptedServer()
        server.script.append(manner)
        async with server, link_to(server) as link:
            error = await failure_of(link)
            words = await link.unit(1).read_holding_registers(7)

        assert isinstance(error, RemoteProtocolError)
        assert str(error).startswith(f"{link} sent not Modbus TCP")
        assert words == (word_at(1, 7),)
        assert server.accepted == 2

    run(scenario(), loop)


@on_each_loop
def test_an_exception_reply_says_code_function_unit_and_endpoint(loop: str) -> None:
    async def scenario() -> None:
        server = ScriptedServer(scripted.refuses(2))
        async with server, link_to(server) as link:
            error = await failure_of(link, unit=9)

        assert isinstance(error, ExceptionReplyError)
        assert (error.code, error.function, error.unit) == (2, 3, 9)
        assert error.endpoint == f"127.0.0.1:{server.port}"
        assert "illegal data address (2)" in str(error)
        assert not error.is_busy

    run(scenario(), loop)


@on_each_loop
def test_an_exception_code_nobody_defined_is_passed_on_as_it_is(loop: str) -> None:
    async def scenario() -> None:
        server = ScriptedServer(scripted.refuses(77))
        async with server, link_to(server) as link:
            error = await failure_of(link)

        assert isinstance(error, ExceptionReplyError)
        assert error.code == 77

    run(scenario(), loop)


# Loss and reconnection


@on_each_loop
def test_a_lost_connection_fails_what_was_under_way_and_is_opened_again(loop: str) -> None:
    async def scenario() -> None:
        server = ScriptedServer()
        server.script.append(scripted.closes_midway)
        async with server, link_to(server) as link:
            error = await failure_of(link)
            words = await link.unit(1).read_holding_registers(7)

        assert isinstance(error, LinkLostError)
        assert error.retryable
        assert error.endpoint == str(link)
        assert words == (word_at(1, 7),)

    run(scenario(), loop)


@on_each_loop
def test_a_connection_lost_between_questions_goes_unnoticed(loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server, link_to(server) as link:
            await link.unit(1).read_holding_registers(7)
            await server.cut()
            await until(lambda: not link.is_open)

            assert await link.unit(1).read_holding_registers(8) == (word_at(1, 8),)

        assert server.accepted == 2

    run(scenario(), loop)


@on_each_loop
def test_each_unit_hit_by_a_loss_gets_an_error_of_its_own(loop: str) -> None:
    async def scenario() -> None:
        server = ScriptedServer(scripted.never)
        async with server, link_to(server, max_in_flight=4) as link:
            failures = [asyncio.create_task(failure_of(link, unit)) for unit in (1, 2, 3, 4)]
            await until(lambda: len(server.asked) == 4)
            server.say(b"garbage, not Modbus")
            errors = await asyncio.gather(*failures)

        assert [error.unit for error in errors] == [1, 2, 3, 4]

    run(scenario(), loop)


@on_each_loop
def test_questions_of_a_new_connection_are_not_numbered_as_those_of_the_old(loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server, link_to(server) as link:
            for _ in range(3):
                await link.unit(1).read_holding_registers(7)
            await server.cut()
            await until(lambda: not link.is_open)
            for _ in range(3):
                await link.unit(1).read_holding_registers(7)

        numbers = [asked.transaction for asked in server.asked]
        assert len(set(numbers)) == 6

    run(scenario(), loop)


@on_each_loop
def test_a_refused_connection_says_so_and_is_retryable(loop: str) -> None:
    async def scenario() -> None:
        with deaf_port() as port:
            async with Link(TcpEndpoint("127.0.0.1", port), backoff=QUICK) as link:
                error = await failure_of(link)

        assert isinstance(error, LinkOpenError)
        assert isinstance(error, ConnectionError)
        assert error.retryable
        assert str(error).startswith(f"{link} refused the connection")
        assert error.endpoint == str(link)

    run(scenario(), loop)


@on_each_loop
def test_a_refusal_on_every_address_of_a_name_is_said_as_one(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lookup(_host: object, port: int, **_: object) -> object:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]

    async def scenario() -> None:
        if loop == "asyncio":
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
        with deaf_port() as port:
            async with Link(TcpEndpoint("localhost", port), backoff=QUICK) as link:
                error = await failure_of(link)

        assert str(error).startswith(f"localhost:{port} refused the connection")

    run(scenario(), loop)


@on_each_loop
def test_an_unknown_host_is_told_from_a_silent_one(loop: str) -> None:
    async def scenario() -> None:
        async with Link(TcpEndpoint("no-such-host.invalid", 502), timeout_s=5) as link:
            error = await failure_of(link)

        assert isinstance(error, UnknownHostError)
        assert "'no-such-host.invalid' is not known" in str(error)

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("host", ["a" * 64 + ".example", "..", "\u2000.example", "-\udc80"])
def test_a_name_no_resolver_takes_is_an_unknown_host_too(host: str, loop: str) -> None:
    async def scenario() -> None:
        async with Link(TcpEndpoint(host, 502), timeout_s=5) as link:
            error = await failure_of(link)

        assert isinstance(error, LinkOpenError)

    run(scenario(), loop)


@pytest.mark.parametrize(("host", "port"), [("", 502), ("meter", 0), ("meter", 65536)])
def test_an_endpoint_that_cannot_be_is_refused_on_construction(host: str, port: int) -> None:
    with pytest.raises(EndpointError):
        TcpEndpoint(host, port)


@on_each_loop
def test_a_link_that_failed_refuses_at_once_and_says_when_it_tries_again(loop: str) -> None:
    async def scenario() -> None:
        slow = Backoff(first_s=40.0, longest_s=40.0, jitter=0.25)
        with deaf_port() as port:
            async with Link(TcpEndpoint("127.0.0.1", port), backoff=slow) as link:
                await failure_of(link)
                began = time.monotonic()
                error = await failure_of(link)

                assert time.monotonic() - began < 0.5
        assert isinstance(error, LinkOpenError)
        told = re.search(r"refused the connection.*; next attempt in ([\d.]+) s", str(error))
        assert told is not None
        assert 25 < float(told[1]) <= 40

    run(scenario(), loop)


@on_each_loop
def test_a_link_left_alone_long_enough_is_opened_again(loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server, link_to(server) as link:
            await server.kill()
            await failure_of(link)
            await server.restart()
            words = None
            while words is None:
                try:
                    words = await link.unit(1).read_holding_registers(7)
                except LinkOpenError:
                    await asyncio.sleep(0.005)

        assert words == (word_at(1, 7),)

    run(scenario(), loop)


@on_each_loop
def test_a_host_that_does_not_answer_the_connection_is_given_up_in_time(loop: str) -> None:
    class Nowhere(AnyEndpoint):
        async def connect(self, protocol_factory: object) -> None:
            await asyncio.Event().wait()

        def __str__(self) -> str:
            return "nowhere:502"

    async def scenario() -> None:
        async with Link(Nowhere(), connect_timeout_s=0.02) as link:
            error = await failure_of(link)

        assert isinstance(error, LinkOpenError)
        assert str(error) == "nowhere:502 did not accept a connection within 0.02 s"

    run(scenario(), loop)


# Closing


@on_each_loop
def test_a_closed_link_refuses_for_good(loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server:
            link = link_to(server)
            await link.unit(1).read_holding_registers(7)
            await link.close()
            await link.close()
            error = await failure_of(link)

        assert isinstance(error, LinkClosedError)
        assert not error.retryable
        assert not link.is_open

    run(scenario(), loop)


@on_each_loop
def test_closing_ends_what_is_under_way_and_what_waits_for_its_turn(loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer(scripted.never) as server:
            link = link_to(server, timeout_s=10)
            failures = [asyncio.create_task(failure_of(link, unit)) for unit in (1, 2, 3)]
            await until(lambda: len(server.asked) == 1)
            await link.close()
            errors = await asyncio.gather(*failures)

        assert all(isinstance(error, LinkClosedError) for error in errors)
        assert len(server.asked) == 1

    run(scenario(), loop)


@on_each_loop
def test_closing_while_the_connection_is_being_opened_leaves_none_open(loop: str) -> None:
    class Slow(AnyEndpoint):
        """Connects when it is told to."""

        def __init__(self, port: int) -> None:
            self.entered, self.go = asyncio.Event(), asyncio.Event()
            self._real = TcpEndpoint("127.0.0.1", port)

        async def connect(self, protocol_factory: Any) -> None:
            self.entered.set()
            await self.go.wait()
            await self._real.connect(protocol_factory)

    async def scenario() -> None:
        async with ScriptedServer() as server:
            endpoint = Slow(server.port)
            link = Link(endpoint, timeout_s=5)
            failure = asyncio.create_task(failure_of(link))
            await endpoint.entered.wait()
            await link.close()
            endpoint.go.set()

            assert isinstance(await failure, LinkClosedError)
            assert not link.is_open
            await until(lambda: server.connected == 0)
            assert server.asked == []

    run(scenario(), loop)


@on_each_loop
def test_closing_does_not_wait_for_a_connection_that_nobody_accepts(loop: str) -> None:
    class Nowhere(AnyEndpoint):
        async def connect(self, protocol_factory: object) -> None:
            await asyncio.Event().wait()

    async def scenario() -> None:
        link = Link(Nowhere(), timeout_s=60)
        failure = asyncio.create_task(failure_of(link))
        await turns(3)
        began = time.monotonic()
        await link.close()

        assert isinstance(await failure, LinkClosedError)
        assert time.monotonic() - began < 5

    run(scenario(), loop)


@on_each_loop
def test_an_unused_link_opens_and_closes_nothing(loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server:
            async with link_to(server) as link:
                link.unit(1)
            assert server.accepted == 0

    run(scenario(), loop)


def test_a_unit_beyond_255_is_refused() -> None:
    async def scenario() -> None:
        with pytest.raises(LocalProtocolError, match="0 to 255"):
            Link(TcpEndpoint("127.0.0.1", 1)).unit(256)

    run(scenario())


@on_each_loop
def test_arguments_the_specification_forbids_never_reach_the_wire(loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server, link_to(server) as link:
            unit = link.unit(1)
            for call in (
                lambda: unit.read_holding_registers(0, 126),
                lambda: unit.read_holding_registers(65535, 2),
                lambda: unit.read_coils(0, 2001),
                lambda: unit.write_register(0, 65536),
                lambda: unit.write_registers(0, [0] * 124),
                lambda: unit.write_coils(0, []),
            ):
                with pytest.raises(LocalProtocolError):
                    await call()

        assert server.asked == []

    run(scenario(), loop)


def test_every_error_of_a_link_is_a_meter_error_and_of_its_built_in_kind() -> None:
    assert issubclass(LinkError, (MeterError, ConnectionError))
    assert issubclass(LinkClosedError, LinkError)
    assert issubclass(RequestTimeout, TimeoutError)


@on_each_loop
def test_half_an_answer_does_not_swallow_the_next_one(loop: str) -> None:
    async def scenario() -> None:
        server = ScriptedServer()
        server.script.append(scripted.half)
        async with server, link_to(server, timeout_s=0.1) as link:
            assert isinstance(await failure_of(link), RequestTimeout)
            assert await link.unit(1).read_holding_registers(7, 1) == (word_at(1, 7),)
            assert server.accepted == 2

    run(scenario(), loop)
