"""Blocking calls in a thread that nothing waits for in vain."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from tests.support.loops import run, until

from energymeter.sinks.worker import Worker


def test_calls_run_one_after_the_other_and_return_or_raise() -> None:
    async def main() -> None:
        worker = Worker("test")
        order: list[int] = []
        await asyncio.gather(*(worker.run(lambda n=n: order.append(n)) for n in range(20)))  # type: ignore[misc]
        assert order == list(range(20))
        assert await worker.run(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 // 0)
        await worker.finish()

    run(main())


def test_a_call_given_up_ends_before_the_next_begins() -> None:
    async def main() -> None:
        worker, gate, order = Worker("test"), threading.Event(), list[str]()

        def slow() -> None:
            order.append("begins")
            gate.wait(10)
            order.append("ends")

        first = asyncio.create_task(worker.run(slow))
        await until(lambda: order == ["begins"])
        waiting = asyncio.create_task(worker.run(lambda: order.append("never")))
        await asyncio.sleep(0)
        first.cancel()
        waiting.cancel()
        await asyncio.wait([first, waiting])
        last = asyncio.create_task(worker.run(lambda: order.append("last")))
        gate.set()
        await last
        assert order == ["begins", "ends", "last"]
        await worker.finish()

    run(main())


def test_a_call_that_hangs_does_not_hold_up_the_end_and_is_not_overtaken_later() -> None:
    begun, gate, order = threading.Event(), threading.Event(), list[str]()

    def hang() -> None:
        begun.set()
        gate.wait(10)
        order.append("old")

    async def main() -> None:
        worker = Worker("test")
        hanging = asyncio.create_task(worker.run(hang))
        await until(begun.is_set)
        hanging.cancel()
        since = time.monotonic()
        await worker.finish(0.05)
        assert time.monotonic() - since < 2
        later = asyncio.create_task(worker.run(lambda: order.append("new")))
        await asyncio.sleep(0.02)
        assert order == []
        gate.set()
        await later
        await worker.finish()
        await worker.finish()

    run(main())
    assert order == ["old", "new"]
