"""The line in memory: its delays, its failures, and days that pass in seconds."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.support.loops import on_each_loop, run, turns, until
from tests.transports.ears import Ear, Ears

from energymeter.clock import ManualClock
from energymeter.errors import ConfigError, LinkOpenError
from energymeter.transports import MemoryLine


@asynccontextmanager
async def joined(line: MemoryLine) -> AsyncIterator[tuple[Ear, Ear]]:
    listener, ears, client = line.listener(), Ears(), Ear()
    await listener.start(ears)
    await line.endpoint().connect(client.itself)
    yield client, ears.made[-1]
    listener.close()
    line.cut()
    await until(lambda: client.is_lost and not ears.open)


def test_bytes_take_as_long_as_they_are_told_to() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        line = MemoryLine(latency_s=0.25, clock=clock)
        async with joined(line) as (client, server):
            client.transport.write(b"one")
            await clock.advance(0.1)
            client.transport.write(b"two")
            await clock.advance(0.149)
            assert server.pieces == []
            await clock.advance(0.002)
            assert server.pieces == [b"one"]
            await clock.advance(0.1)
            assert server.pieces == [b"one", b"two"]

    run(scenario())


def test_a_latency_that_shrinks_does_not_turn_the_order_round() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        line = MemoryLine(latency_s=5.0, clock=clock)
        async with joined(line) as (client, server):
            client.transport.write(b"first")
            line.latency_s = 0.0
            client.transport.write(b"second")
            await clock.advance(6)
            assert server.pieces == [b"first", b"second"]

    run(scenario())


@on_each_loop
def test_a_cut_line_is_told_to_both_and_loses_what_is_under_way(loop: str) -> None:
    async def scenario() -> None:
        line = MemoryLine()
        async with joined(line) as (client, server):
            client.transport.write(b"never arrives")
            line.cut()
            client.transport.write(b"nor this")
            await turns(5)

            assert server.data == b""
            assert [str(ear.losses[0]) for ear in (client, server)] == ["the line was cut"] * 2
            assert len(client.losses) == len(server.losses) == 1

    run(scenario(), loop)


@on_each_loop
def test_a_line_that_is_down_refuses_until_it_is_up(loop: str) -> None:
    async def scenario() -> None:
        line = MemoryLine(name="bench")
        async with joined(line) as (client, server):
            line.is_up = False
            with pytest.raises(LinkOpenError, match="bench refused the connection, the line is"):
                await line.endpoint().connect(Ear)
            client.transport.write(b"who is in stays")
            await until(lambda: bool(server.data))
            line.is_up = True
            another = Ear()
            await line.endpoint().connect(another.itself)
            assert another.times_made == 1

    run(scenario(), loop)


@on_each_loop
def test_a_mute_line_loses_what_is_written(loop: str) -> None:
    async def scenario() -> None:
        line = MemoryLine()
        async with joined(line) as (client, server):
            line.is_mute = True
            client.transport.write(b"lost")
            server.transport.write(b"lost")
            line.is_mute = False
            client.transport.write(b"heard")
            await until(lambda: bool(server.data))

            assert server.data == b"heard"
            assert client.data == b""
            assert line.bytes_carried == 5

    run(scenario(), loop)


@on_each_loop
def test_what_arrives_while_nobody_reads_is_kept(loop: str) -> None:
    async def scenario() -> None:
        async with joined(MemoryLine()) as (client, server):
            server.transport.pause_reading()
            for piece in (b"a", b"b", b"c"):
                client.transport.write(piece)
            client.transport.close()
            await turns(5)
            assert server.pieces == []
            assert not server.is_lost
            server.transport.resume_reading()
            await until(lambda: server.is_lost)
            assert server.pieces == [b"a", b"b", b"c"]

    run(scenario(), loop)


def test_two_cannot_listen_on_one_line() -> None:
    async def scenario() -> None:
        line = MemoryLine()
        first, second = line.listener(), line.listener()
        await first.start(Ear)
        with pytest.raises(ConfigError, match="somebody does already"):
            await second.start(Ear)
        second.close()
        with pytest.raises(ConfigError, match="somebody does already"):
            await second.start(Ear)
        first.close()
        await second.start(Ear)
        second.close()

    run(scenario())


def test_a_day_of_questions_passes_in_seconds() -> None:
    class Echo(Ear):
        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    class Asker(Ear):
        def data_received(self, data: bytes) -> None:
            answers.append(clock.monotonic())

    answers: list[float] = []
    clock = ManualClock()

    async def scenario() -> None:
        line = MemoryLine(latency_s=0.01, clock=clock)
        listener, client = line.listener(), Asker()
        await listener.start(Echo)
        await line.endpoint().connect(client.itself)
        for _ in range(24 * 60):
            client.transport.write(b"question")
            await clock.advance(60)
        listener.close()
        line.cut()
        await until(lambda: client.is_lost)

    begin = time.perf_counter()
    run(scenario())
    assert time.perf_counter() - begin < 5
    assert len(answers) == 24 * 60
    assert answers[-1] == pytest.approx(24 * 3600 - 60 + 0.02)


def test_a_name_is_how_it_is_written() -> None:
    line = MemoryLine(name="bench")
    assert str(line) == str(line.endpoint()) == str(line.listener()) == "bench"
