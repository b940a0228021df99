"""Run a test's coroutine on each event loop, and leave nothing behind unnoticed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import pytest

__all__ = ["LOOPS", "on_each_loop", "run", "turns", "until"]

Result = TypeVar("Result")
Factory = Callable[[], asyncio.AbstractEventLoop]


def _factories() -> dict[str, Factory]:
    factories: dict[str, Factory] = {"asyncio": asyncio.new_event_loop}
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return factories
    return {**factories, "uvloop": uvloop.new_event_loop}


_FACTORIES: Final = _factories()
LOOPS: Final = tuple(_FACTORIES)

on_each_loop = pytest.mark.parametrize("loop", LOOPS)


def run(main: Coroutine[Any, Any, Result], loop: str = "asyncio", *, limit_s: float = 20) -> Result:
    """Run `main` in a new loop.

    The test fails when it takes longer than `limit_s`, when a task outlives `main`, or when the
    loop had to complain; a socket left open is a `ResourceWarning`, made an error by pytest.
    """
    complaints: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=_FACTORIES[loop]) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
        result = runner.run(_watched(main, limit_s))
    # Young objects only: a whole collection takes as long as the test.
    gc.collect(1)
    assert not complaints, complaints
    return result


async def _watched(main: Coroutine[Any, Any, Result], limit_s: float) -> Result:
    async with asyncio.timeout(limit_s):
        result = await main
    await turns(3)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks left open: {left}"
    return result


async def turns(count: int) -> None:
    """Let the event loop go round so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as `condition` holds; `run` limits how long that may take."""
    while not condition():  # noqa: ASYNC110 - what is waited for does not know of us
        await asyncio.sleep(0.001)
