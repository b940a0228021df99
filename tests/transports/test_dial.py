"""Devices that dial in: who is taken, who is replaced, and how a device keeps dialling."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.support.loops import on_each_loop, run, turns, until
from tests.transports.ears import Ear, Ears
from tests.transports.pairs import free_port

from energymeter.clock import ManualClock
from energymeter.errors import EndpointError, LinkOpenError
from energymeter.transports import DialInEndpoint, DialOutListener, TcpEndpoint, TcpListener


class WatchedClock(ManualClock):
    """Counts the pauses that were begun."""

    sleeps = 0

    async def sleep_until(self, when: float) -> None:
        self.sleeps += 1
        await super().sleep_until(when)


async def device(endpoint: DialInEndpoint) -> Ear:
    """A device that has dialled in."""
    ear = Ear()
    await TcpEndpoint("127.0.0.1", endpoint.port).connect(ear.itself)
    return ear


async def listening() -> DialInEndpoint:
    """An endpoint whose port is open, though nobody waits any more."""
    endpoint = DialInEndpoint(port=0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await endpoint.connect(Ear)
    return endpoint


async def end(endpoint: DialInEndpoint, *ears: Ear) -> None:
    endpoint.release()
    for ear in ears:
        ear.transport.abort()
    await until(lambda: all(ear.is_lost for ear in ears))


# Reading devices that dial in


@on_each_loop
def test_a_device_that_came_early_is_waiting_with_what_it_said(loop: str) -> None:
    async def scenario() -> None:
        endpoint = await listening()
        caller = await device(endpoint)
        caller.transport.write(b"I am meter 7")
        await asyncio.sleep(0.01)
        owner = Ear()
        await endpoint.connect(owner.itself)
        assert owner.data == b"I am meter 7"
        caller.transport.write(b"!")
        await until(lambda: owner.data.endswith(b"!"))
        await end(endpoint, owner, caller)

    run(scenario(), loop)


@on_each_loop
def test_a_device_that_talks_without_end_is_not_kept_word_for_word(loop: str) -> None:
    async def scenario() -> None:
        endpoint = await listening()
        caller = await device(endpoint)
        caller.transport.write(bytes(100_000))
        await until(lambda: caller.transport.get_write_buffer_size() == 0)
        await asyncio.sleep(0.02)
        owner = Ear()
        await endpoint.connect(owner.itself)
        assert len(owner.pieces[0]) == 4096
        await end(endpoint, owner, caller)

    run(scenario(), loop)


@on_each_loop
def test_a_newer_call_takes_the_place_of_one_that_waits(loop: str) -> None:
    async def scenario() -> None:
        endpoint = await listening()
        older = await device(endpoint)
        newer = await device(endpoint)
        await until(lambda: older.is_lost)
        owner = Ear()
        await endpoint.connect(owner.itself)
        newer.transport.write(b"newer")
        await until(lambda: owner.data == b"newer")
        await end(endpoint, owner, newer)

    run(scenario(), loop)


@on_each_loop
def test_a_newer_call_takes_the_place_of_one_that_is_used(loop: str) -> None:
    async def scenario() -> None:
        endpoint = await listening()
        older, first = await device(endpoint), Ear()
        await endpoint.connect(first.itself)
        newer = await device(endpoint)
        await until(lambda: older.is_lost and first.is_lost)
        second = Ear()
        await endpoint.connect(second.itself)
        second.transport.write(b"hello again")
        await until(lambda: newer.data == b"hello again")
        await end(endpoint, second, newer)

    run(scenario(), loop)


@on_each_loop
def test_a_device_that_hung_up_is_not_handed_out(loop: str) -> None:
    async def scenario() -> None:
        endpoint = await listening()
        gone = await device(endpoint)
        gone.transport.abort()
        await until(lambda: gone.is_lost)
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(endpoint.connect(Ear))
        await turns(10)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
        await end(endpoint)

    run(scenario(), loop)


@on_each_loop
def test_those_who_wait_are_served_in_turn(loop: str) -> None:
    async def scenario() -> None:
        endpoint = await listening()
        owners = [Ear() for _ in range(3)]
        tasks = [asyncio.create_task(endpoint.connect(owner.itself)) for owner in owners]
        await turns(5)
        tasks[0].cancel()
        caller = await device(endpoint)
        await until(tasks[1].done)
        assert not tasks[2].done()
        caller.transport.write(b"x")
        await until(lambda: owners[1].data == b"x")
        tasks[2].cancel()
        await asyncio.wait(tasks)
        await end(endpoint, owners[1], caller)

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("step", range(12))
def test_a_call_is_lost_to_nobody_who_gives_up(step: int, loop: str) -> None:
    async def scenario() -> None:
        endpoint = await listening()
        owners = [Ear(), Ear()]
        tasks = [asyncio.create_task(endpoint.connect(owner.itself)) for owner in owners]
        dialling = asyncio.create_task(device(endpoint))
        await turns(step)
        tasks[0].cancel()
        caller = await dialling
        await asyncio.wait([tasks[0]])
        taker = owners[1 if tasks[0].cancelled() else 0]
        await until(lambda: bool(taker.times_made))
        caller.transport.write(b"x")
        await until(lambda: taker.data == b"x")
        tasks[1].cancel()
        await asyncio.wait(tasks)
        await end(endpoint, taker, caller)

    run(scenario(), loop)


@on_each_loop
def test_a_released_endpoint_listens_no_more_and_can_be_used_again(loop: str) -> None:
    async def scenario() -> None:
        endpoint = DialInEndpoint(port=free_port())
        for _ in range(2):
            task = asyncio.create_task(endpoint.connect(Ear))
            await asyncio.sleep(0.01)
            endpoint.release()
            endpoint.release()
            with pytest.raises(LinkOpenError, match="was closed while it waited"):
                await task
            with pytest.raises(LinkOpenError, match="refused"):
                await device(endpoint)

    run(scenario(), loop)


@on_each_loop
def test_a_device_that_waits_is_turned_away_by_a_release(loop: str) -> None:
    async def scenario() -> None:
        endpoint = await listening()
        caller = await device(endpoint)
        await asyncio.sleep(0.01)
        endpoint.release()
        await until(lambda: caller.is_lost)

    run(scenario(), loop)


@on_each_loop
def test_a_port_that_is_taken_is_said_in_words(loop: str) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            endpoint = DialInEndpoint(port=taken.getsockname()[1])
            with pytest.raises(LinkOpenError, match="Address already in use"):
                await endpoint.connect(Ear)

    run(scenario(), loop)


# Devices that dial out


@on_each_loop
def test_a_device_dials_once_a_second_until_somebody_answers(loop: str) -> None:
    async def scenario() -> None:
        clock, ears, inside = WatchedClock(), Ears(), Ears()
        owner = TcpListener(port=free_port())
        dialler = DialOutListener("127.0.0.1", owner.port, clock=clock)
        await dialler.start(inside)
        await until(lambda: clock.sleeps == 1)
        await owner.start(ears)
        await clock.advance(0.9)
        await asyncio.sleep(0.01)
        assert ears.connected == []
        await clock.advance(0.2)
        await until(lambda: len(ears.open) == 1)

        ears.open[0].transport.abort()
        await until(lambda: clock.sleeps == 2)
        await clock.advance(1.1)
        await until(lambda: len(ears.connected) == 2)

        dialler.close()
        inside.open[0].transport.abort()
        await until(lambda: not ears.open)
        await clock.advance(5)
        assert len(ears.connected) == 2
        await dialler.wait_closed()
        owner.close()
        await owner.wait_closed()

    run(scenario(), loop)


@on_each_loop
def test_a_device_told_to_stop_while_it_dials_leaves_no_connection(loop: str) -> None:
    async def scenario() -> None:
        owner, ears = TcpListener(port=0), Ears()
        await owner.start(ears)
        for step in range(16):
            inside, dialler = Ears(), DialOutListener("127.0.0.1", owner.port)
            await dialler.start(inside)
            await turns(step)
            dialler.close()
            await dialler.wait_closed()
            for ear in inside.open:
                ear.transport.abort()
        await until(lambda: not ears.open)
        owner.close()
        await owner.wait_closed()

    run(scenario(), loop)


@pytest.mark.parametrize(("host", "port"), [("", 502), ("meter", 0), ("meter", 65536)])
def test_an_impossible_place_is_refused(host: str, port: int) -> None:
    with pytest.raises(EndpointError):
        DialOutListener(host, port)


def test_a_port_to_listen_on_may_be_left_to_the_system() -> None:
    assert DialInEndpoint(port=0).port == 0
    for host, port in (("", 502), ("127.0.0.1", 65536)):
        with pytest.raises(EndpointError):
            DialInEndpoint(host, port)


def test_they_are_written_as_urls() -> None:
    assert str(DialInEndpoint("::1", 5020)) == "listen://[::1]:5020"
    assert str(DialOutListener("meter", 5020)) == "dial://meter:5020"
