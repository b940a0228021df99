"""Cancelling servers and fleets while they start or close: no port and no client stays open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.server.wires import Client, mbap, read, wired
from tests.support.cancelling import (
    STEPS,
    at_every_step,
    cancel_at,
    leaves_no_socket,
    once_it_runs,
)
from tests.support.loops import on_each_loop, run, turns
from tests.transports.pairs import PAIRS, Pair
from tests.transports.pki import Pki

from energymeter.client import Link
from energymeter.profiles import ProfileLibrary
from energymeter.server import ModbusServer, Prompt, RegisterImage, Tables
from energymeter.simulator import SimulatedFleet
from energymeter.transports import TcpEndpoint

ELECTRIC = ProfileLibrary(()).load("energymeter/electric")


def check(scenario: Coroutine[Any, Any, None], loop: str) -> None:
    def action() -> None:
        run(scenario, loop)
        gc.collect()

    leaves_no_socket(action)


def make_server() -> ModbusServer:
    return ModbusServer(Tables(holding=RegisterImage([(0, bytes(20))])), port=0)


def make_fleet(count: int = 4) -> SimulatedFleet:
    return SimulatedFleet(ELECTRIC, count=count, port=0)


async def connect(port: int) -> Link:
    link = Link(TcpEndpoint("127.0.0.1", port))
    await link.unit(1).read_holding_registers(0)
    return link


@on_each_loop
@at_every_step
def test_a_server_cancelled_while_it_starts_listens_nowhere(step: int, loop: str) -> None:
    async def scenario() -> None:
        server = make_server()
        if not await cancel_at(step, server.start()):
            await server.close()

    check(scenario(), loop)


@on_each_loop
@once_it_runs
def test_a_server_cancelled_while_it_closes_is_closed_all_the_same(step: int, loop: str) -> None:
    async def scenario() -> None:
        server = make_server()
        await server.start()
        links = [await connect(server.port) for _ in range(3)]
        await cancel_at(step, server.close())
        await turns(3)
        assert server.connections == 0
        for link in links:
            await link.close()

    check(scenario(), loop)


# Every wire

on_each_wire = pytest.mark.parametrize("name", PAIRS)
OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def leaves_nothing_open(action: Callable[[], object]) -> None:
    if not OPEN_FILES.exists():
        pytest.skip("needs /proc to count open files")
    action()  # what is opened once and for all
    before = len(list(OPEN_FILES.iterdir()))
    action()
    gc.collect()
    assert len(list(OPEN_FILES.iterdir())) <= before


def server_on(pair: Pair, name: str) -> ModbusServer:
    """A server whose answers take a moment, so that one waits whenever it is closed."""
    return ModbusServer(
        Tables(holding=RegisterImage([(0, bytes(20))])),
        listener=pair.listener,
        silence_s=0.0 if name == "serial" else None,
        delivery=Prompt(0.02),
    )


@on_each_loop
@on_each_wire
def test_on_every_wire_a_start_cancelled_anywhere_leaves_nothing_open(
    name: str, loop: str, pki: Pki
) -> None:
    async def scenario() -> None:
        async with wired(name, pki) as pair:
            for step in STEPS:
                server = server_on(pair, name)
                if not await cancel_at(step, server.start()):
                    await server.close()
                await pair.listener.wait_closed()
                assert server.connections == 0

    leaves_nothing_open(lambda: run(scenario(), loop))


@on_each_loop
@on_each_wire
def test_on_every_wire_a_close_cancelled_anywhere_closes_all_the_same(
    name: str, loop: str, pki: Pki
) -> None:
    async def scenario() -> None:
        async with wired(name, pki) as pair:
            for step in STEPS[1::3]:
                server = server_on(pair, name)
                await server.start()
                client = await Client.to(pair.endpoint())
                client.send(mbap(1, read(0)))
                await cancel_at(step, server.close())
                await pair.listener.wait_closed()
                assert server.connections == 0
                await client.leave()

    leaves_nothing_open(lambda: run(scenario(), loop))


# Fleets


@on_each_loop
@at_every_step
def test_a_fleet_cancelled_while_it_starts_leaves_no_port_open(step: int, loop: str) -> None:
    async def scenario() -> None:
        fleet = make_fleet()
        if not await cancel_at(step, fleet.start()):
            await fleet.close()

    check(scenario(), loop)


@on_each_loop
@once_it_runs
def test_a_fleet_cancelled_while_it_closes_is_closed_all_the_same(step: int, loop: str) -> None:
    async def scenario() -> None:
        fleet = make_fleet()
        await fleet.start()
        links = [await connect(port) for port in fleet.ports]
        await cancel_at(step, fleet.close())
        await turns(5)
        assert not any(server.connections for server in fleet.servers)
        for link in links:
            await link.close()

    check(scenario(), loop)


@on_each_loop
def test_a_fleet_whose_context_is_cancelled_closes_everything(loop: str) -> None:
    async def serve(started: asyncio.Event) -> None:
        async with make_fleet():
            started.set()
            await asyncio.Event().wait()

    async def scenario() -> None:
        started = asyncio.Event()
        task = asyncio.create_task(serve(started))
        await started.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    check(scenario(), loop)


@on_each_loop
def test_a_fleet_can_be_started_again_after_it_was_closed(loop: str) -> None:
    async def scenario() -> None:
        fleet = make_fleet(2)
        for _ in range(2):
            async with fleet:
                link = await connect(fleet.ports[1])
                await link.close()

    check(scenario(), loop)
