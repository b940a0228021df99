"""One thread for calls that block: files that a dead disk, or a pipe nobody reads, hold up.

One call at a time, in order. A call that was given up runs to its end before the next begins, so
two never write into each other; a thread that hangs keeps neither `finish` nor the end of the
program waiting. Knows no file.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, NamedTuple, TypeVar

__all__ = ["Worker"]

_PATIENCE_S: Final = 1.0

Result = TypeVar("Result")


class _Job(NamedTuple):
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    call: Callable[[], Any]


class Worker:
    """Runs calls in a thread of its own, which is made when there is work.

    Args:
        name: What the thread is called.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._before: threading.Thread | None = None

    async def run(self, call: Callable[[], Result]) -> Result:
        """What `call` returns or raises; cancelled before its turn, it is not called at all."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        if self._thread is None:
            self._thread = threading.Thread(
                target=_work, args=(self._jobs, self._before), name=self._name, daemon=True
            )
            self._thread.start()
        self._jobs.put(_Job(loop, future, call))
        return await future

    async def finish(self, patience_s: float = _PATIENCE_S) -> None:
        """Let the thread end; after `patience_s` it is left to itself.

        `run` may be called again: it waits for what is still under way.
        """
        if self._thread is None:
            return
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        self._jobs.put(_Job(loop, ended, lambda: None))
        self._jobs.put(None)
        self._before, self._thread, self._jobs = self._thread, None, SimpleQueue()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await ended


def _work(jobs: SimpleQueue[_Job | None], before: threading.Thread | None) -> None:
    if before is not None:
        before.join()
    while (job := jobs.get()) is not None:
        if job.future.cancelled():
            continue
        error: BaseException | None = None
        result: Any = None
        try:
            result = job.call()
        except BaseException as raised:  # it is the caller's, in another thread
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            job.loop.call_soon_threadsafe(_tell, job.future, result, error)


def _tell(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
