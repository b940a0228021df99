"""Cancel a coroutine wherever it stands, and count what it leaves open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.loops import turns

__all__ = ["STEPS", "at_every_step", "cancel_at", "leaves_no_socket", "once_it_runs"]

STEPS: Final = range(24)
"""Turns of the loop after which to cancel; the longest coroutine cancelled here takes fewer."""

at_every_step = pytest.mark.parametrize("step", STEPS)
once_it_runs = pytest.mark.parametrize("step", STEPS[1:])

_OPEN_FILES: Final = Path("/proc/self/fd")


async def cancel_at(step: int, main: Coroutine[Any, Any, object]) -> bool:
    """Run `main`, cancel it after `step` turns of the loop; returns whether it was not done yet."""
    task = asyncio.create_task(main)
    await turns(step)
    was_running = task.cancel()
    await asyncio.wait([task])
    # Told to stop, it stops: a result or another error would mean the cancellation was eaten.
    assert task.cancelled() or not was_running
    return task.cancelled()


def leaves_no_socket(action: Callable[[], object]) -> None:
    """Call `action`; fail if this process has more sockets open afterwards."""
    if not _OPEN_FILES.exists():
        pytest.skip("needs /proc to count sockets")
    before = _sockets()
    action()
    assert _sockets() <= before


def _sockets() -> int:
    count = 0
    for entry in _OPEN_FILES.iterdir():
        try:
            count += str(entry.readlink()).startswith("socket:")
        except OSError:  # the descriptor of the folder itself
            continue
    return count
