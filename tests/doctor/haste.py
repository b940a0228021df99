"""A loop that does not wait: when there is nothing to do, its clock jumps to the next alarm.

Half a minute of time-outs passes in milliseconds, and a busy machine costs no time on that clock.
Only for tests whose other side is in the same loop: threads and other processes are not waited for.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from energymeter.clock import Alarm

__all__ = ["LoopClock", "run_hastily"]

Result = TypeVar("Result")

_GRACE_S: Final = 0.001
"""What the kernel is given to carry bytes from one of our sockets to another."""

_LONG_S: Final = 0.3
_LONG_GRACE_S: Final = 0.003
"""The same before a jump of more than `_LONG_S`: that is a time-out, and must not be one by
accident."""

_LIMIT_S: Final = 600.0
"""On the loop's own clock."""


class _Selector(selectors.DefaultSelector):
    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(_LONG_GRACE_S if timeout > _LONG_S else _GRACE_S)
        if not events:
            self.skipped_s += timeout
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._hasty = _Selector()
        super().__init__(self._hasty)

    def time(self) -> float:
        return 1000.0 + self._hasty.skipped_s


class LoopClock:
    """The running loop's time as a `Clock`."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic(), UTC)

    async def sleep_until(self, when: float) -> None:
        await asyncio.sleep(max(0.0, when - self.monotonic()))

    def call_at(self, when: float, callback: Callable[[], None]) -> Alarm:
        return asyncio.get_running_loop().call_at(when, callback)


def run_hastily(main: Coroutine[Any, Any, Result]) -> Result:
    """Run `main`; what it leaves behind fails the test."""
    complaints: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
        result = runner.run(_watched(main))
    assert not complaints
    return result


async def _watched(main: Coroutine[Any, Any, Result]) -> Result:
    async with asyncio.timeout(_LIMIT_S):
        result = await main
    for _ in range(3):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks left open: {left}"
    return result
