"""Runs a coroutine on the event loop asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Final

import uvloop

__all__ = ["LOOPS", "run_on"]

LOOPS: Final = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def run_on(loop: str, work: Coroutine[None, None, None]) -> None:
    """Run `work` to its end on `asyncio` or `uvloop`."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(work)
