"""Cancelling servers and fleets while they start or close: no port and no client stays open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

from tests.support.cancelling import at_every_step, cancel_at, leaves_no_socket, once_it_runs
from tests.support.loops import on_each_loop, run, turns

from energymeter.client import Link
from energymeter.profiles import ProfileLibrary
from energymeter.server import ModbusServer, RegisterImage, Tables
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
