"""One measuring loop for every client library: only the call to its read differs."""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.harness.loops import LOOPS

__all__ = ["Read", "client_arguments", "measure", "print_result"]

Read = Callable[[], Awaitable[Any]]
"""One request and its answer; raises when the answer is not right."""

WARM_UP_S = 0.5
"""Not counted: connections settle and the interpreter specialises the loop."""


def client_arguments(description: str | None, *, loop: str) -> argparse.ArgumentParser:
    """The arguments every client script takes; `loop` is the library's own default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--address", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--loop", choices=LOOPS, default=loop)
    return parser


async def measure(reads: list[Read], seconds: float) -> dict[str, float]:
    """Call every read over and over, each in a task of its own, and count for `seconds`.

    The first read that fails ends the measurement with its error: a rate of wrong answers is
    no rate.
    """
    took: list[float] = []
    running = True

    async def repeat(read: Read) -> None:
        clock = time.perf_counter
        while running:
            begin = clock()
            await read()
            took.append(clock() - begin)

    async with asyncio.TaskGroup() as tasks:
        for read in reads:
            tasks.create_task(repeat(read))
        await asyncio.sleep(WARM_UP_S)
        took.clear()
        cpu_before, begin = _cpu_seconds(), time.perf_counter()
        await asyncio.sleep(seconds)
        elapsed = time.perf_counter() - begin
        cpu_share, requests = (_cpu_seconds() - cpu_before) / elapsed, len(took)
        running = False
    took.sort()
    return {
        "requests_per_s": round(requests / elapsed, 1),
        "requests": requests,
        "seconds": round(elapsed, 3),
        "p50_us": round(took[len(took) // 2] * 1e6),
        "p99_us": round(took[len(took) * 99 // 100] * 1e6),
        "cpu_share": round(cpu_share, 3),
    }


def print_result(result: dict[str, float]) -> None:
    """One JSON line, which is what the runner reads."""
    sys.stdout.write(json.dumps(result) + "\n")


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
