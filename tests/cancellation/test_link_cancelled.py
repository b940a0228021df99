"""Cancelling a request at every await leaves a link that works."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.support import scripted
from tests.support.cancelling import at_every_step, cancel_at, leaves_no_socket
from tests.support.loops import on_each_loop, run, turns, until
from tests.support.scripted import ScriptedServer, word_at

from energymeter.client import Backoff, Link
from energymeter.errors import LinkClosedError, MeterError
from energymeter.transports import TcpEndpoint


def check(scenario: Coroutine[Any, Any, None], loop: str) -> None:
    def action() -> None:
        run(scenario, loop)
        gc.collect()  # a transport nobody closed complains now

    leaves_no_socket(action)


def link_to(server: ScriptedServer, *, max_in_flight: int = 1) -> Link:
    return Link(
        TcpEndpoint("127.0.0.1", server.port),
        timeout_s=5,
        max_in_flight=max_in_flight,
        backoff=Backoff(first_s=0.001, longest_s=0.001),
    )


async def assert_usable(link: Link) -> None:
    async with asyncio.timeout(2):
        assert await link.unit(2).read_holding_registers(30, 2) == (
            word_at(2, 30),
            word_at(2, 31),
        )


@on_each_loop
@at_every_step
def test_a_first_request_cancelled_anywhere_leaves_the_link_usable(step: int, loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server, link_to(server) as link:
            await cancel_at(step, link.unit(1).read_holding_registers(10, 2))
            await assert_usable(link)

    check(scenario(), loop)


@on_each_loop
@at_every_step
def test_a_request_after_a_cancelled_connection_attempt_succeeds(step: int, loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server, link_to(server) as link:
            await cancel_at(step, link.open())
            await assert_usable(link)

    check(scenario(), loop)


@on_each_loop
@at_every_step
def test_a_request_on_an_open_link_cancelled_anywhere_leaves_it_usable(
    step: int, loop: str
) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server, link_to(server) as link:
            await link.open()
            await cancel_at(step, link.unit(1).read_holding_registers(10, 2))
            await assert_usable(link)
            assert server.accepted == 1

    check(scenario(), loop)


@on_each_loop
def test_cancelling_while_waiting_for_a_slot_gives_the_place_up(loop: str) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        server = ScriptedServer(scripted.when(gate))
        async with server, link_to(server) as link:
            first = asyncio.create_task(link.unit(1).read_holding_registers(10))
            await until(lambda: len(server.asked) == 1)
            second = asyncio.create_task(link.unit(1).read_holding_registers(11))
            third = asyncio.create_task(link.unit(1).read_holding_registers(12))
            await turns(3)
            second.cancel()
            await asyncio.wait([second])
            gate.set()

            assert second.cancelled()
            assert await first == (word_at(1, 10),)
            assert await third == (word_at(1, 12),)
            assert [asked.address for asked in server.asked] == [10, 12]

    check(scenario(), loop)


@on_each_loop
def test_cancelling_the_one_with_the_slot_lets_the_next_one_ask(loop: str) -> None:
    async def scenario() -> None:
        server = ScriptedServer()
        server.script.append(scripted.never)
        async with server, link_to(server) as link:
            first = asyncio.create_task(link.unit(1).read_holding_registers(10))
            await until(lambda: len(server.asked) == 1)
            second = asyncio.create_task(link.unit(1).read_holding_registers(11))
            await turns(3)
            first.cancel()

            assert await second == (word_at(1, 11),)
            assert first.cancelled()

    check(scenario(), loop)


@on_each_loop
def test_cancelling_the_one_that_connects_lets_the_next_one_connect(loop: str) -> None:
    class Stuck:
        """Does not connect at the first attempt."""

        is_datagram = False

        def release(self) -> None:
            """Nothing is kept."""

        def __init__(self, port: int) -> None:
            self.attempts = 0
            self._real = TcpEndpoint("127.0.0.1", port)

        async def connect(self, protocol_factory: Any) -> None:
            self.attempts += 1
            if self.attempts == 1:
                await asyncio.Event().wait()
            await self._real.connect(protocol_factory)

    async def scenario() -> None:
        async with ScriptedServer() as server:
            endpoint = Stuck(server.port)
            async with Link(endpoint, timeout_s=5, max_in_flight=2) as link:
                first = asyncio.create_task(link.unit(1).read_holding_registers(10))
                await until(lambda: endpoint.attempts == 1)
                second = asyncio.create_task(link.unit(1).read_holding_registers(11))
                await turns(3)
                first.cancel()

                assert await second == (word_at(1, 11),)
                assert first.cancelled()

    check(scenario(), loop)


@on_each_loop
def test_the_answer_to_a_cancelled_request_is_not_taken_for_the_next(loop: str) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        server = ScriptedServer()
        server.script.append(scripted.when(gate))
        async with server, link_to(server) as link:
            first = asyncio.create_task(link.unit(1).read_holding_registers(10))
            await until(lambda: len(server.asked) == 1)
            first.cancel()
            second = asyncio.create_task(link.unit(1).read_holding_registers(11))
            await turns(3)
            gate.set()

            assert await second == (word_at(1, 11),)
            assert server.accepted == 1

    check(scenario(), loop)


@on_each_loop
def test_no_slot_is_lost_however_many_requests_are_cancelled(loop: str) -> None:
    async def scenario() -> None:
        server = ScriptedServer(scripted.late(0.002))
        async with server, link_to(server, max_in_flight=3) as link:
            for count in range(40):
                tasks = [
                    asyncio.create_task(link.unit(1).read_holding_registers(n)) for n in range(6)
                ]
                await turns(count % 10)
                for task in tasks[count % 3 :: 2]:
                    task.cancel()
                done = await asyncio.gather(*tasks, return_exceptions=True)
                for number, outcome in enumerate(done):
                    assert isinstance(outcome, asyncio.CancelledError) or outcome == (
                        word_at(1, number),
                    )
            assert link._turns.free == 3
            await assert_usable(link)

    check(scenario(), loop)


@on_each_loop
def test_a_time_out_of_the_caller_is_not_mistaken_for_one_of_the_link(loop: str) -> None:
    async def scenario() -> None:
        server = ScriptedServer()
        server.script.append(scripted.never)
        async with server, link_to(server) as link:
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.02):
                    await link.unit(1).read_holding_registers(10)
            assert not isinstance(caught.value, MeterError)
            await assert_usable(link)

    check(scenario(), loop)


@on_each_loop
@at_every_step
def test_closing_a_link_at_any_moment_of_a_request_leaves_nothing_open(
    step: int, loop: str
) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server:
            link = link_to(server)
            task = asyncio.create_task(link.unit(1).read_holding_registers(10))
            await turns(step)
            await link.close()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(outcome, LinkClosedError) or outcome == (word_at(1, 10),)
            await until(lambda: server.connected == 0)

    check(scenario(), loop)
