"""Work that is not torn in two: whoever waits for it and is cancelled waits until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["unbroken"]


async def unbroken(
    work: Coroutine[Any, Any, None], hurry: Callable[[], None] = lambda: None
) -> None:
    """Do `work` to its end in a task of its own; a cancellation is passed on after that.

    Args:
        work: What is to be done. Its error is raised, unless there is a cancellation to pass on.
        hurry: Called at each cancellation, to make the end come sooner.
    """
    task = asyncio.create_task(work)
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            is_cancelled = True
            hurry()
    if not is_cancelled:
        task.result()
        return
    if not task.cancelled():
        task.exception()  # seen
    raise asyncio.CancelledError
