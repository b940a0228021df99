"""The clock driven by hand and the line in memory, used as somebody would who tests a program."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.loops import run

from energymeter import Link, ModbusServer, RegisterImage, RequestTimeout, Tables
from energymeter.clock import ManualClock
from energymeter.transports import MemoryLine

HANDLER = Tables(holding=RegisterImage([(0, b"\x00\x2a")]))


def test_hours_pass_at_once(manual_clock: ManualClock) -> None:
    async def program() -> list[float]:
        woken = []

        async def sleep_until(when: float) -> None:
            await manual_clock.sleep_until(when)
            woken.append(manual_clock.monotonic())

        sleeper = asyncio.create_task(sleep_until(7200.0))
        await manual_clock.advance(3600)
        before = list(woken)
        await manual_clock.advance(3600)
        await sleeper
        return before + woken

    assert run(program()) == [7200.0]


def test_line_in_memory_leads_from_a_link_to_a_server(
    memory_line: MemoryLine, manual_clock: ManualClock
) -> None:
    async def program() -> tuple[int, ...]:
        async with (
            ModbusServer(HANDLER, listener=memory_line.listener(), clock=manual_clock),
            Link(memory_line.endpoint(), clock=manual_clock) as link,
        ):
            return await link.unit(1).read_holding_registers(0)

    assert run(program()) == (42,)


def test_time_out_is_reached_without_waiting(
    memory_line: MemoryLine, manual_clock: ManualClock
) -> None:
    async def program() -> None:
        async with (
            ModbusServer(HANDLER, listener=memory_line.listener(), clock=manual_clock),
            Link(memory_line.endpoint(), timeout_s=60, clock=manual_clock) as link,
        ):
            await link.open()
            memory_line.latency_s = 61
            asking = asyncio.create_task(link.unit(1).read_holding_registers(0))
            await manual_clock.advance(59)
            assert not asking.done()
            await manual_clock.advance(2)
            with pytest.raises(RequestTimeout):
                await asking

    run(program())
