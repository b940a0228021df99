"""Time as something that can be handed in: the real clock, and one driven by hand.

Schedules and time-outs ask a `Clock`, so a test moves hours in microseconds. Knows no Modbus.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """What time is it, and wake me then."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never steps back."""
        ...

    def now(self) -> datetime:
        """The time of day, in UTC, aware."""
        ...

    async def sleep_until(self, when: float) -> None:
        """Return once `monotonic()` has reached `when`; at once if it has passed."""
        ...


class SystemClock:
    """The computer's own clocks."""

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    async def sleep_until(self, when: float) -> None:
        """See `Clock.sleep_until`."""
        delay = when - time.monotonic()
        await asyncio.sleep(max(delay, 0.0))


class ManualClock:
    """A clock that stands still until it is told to advance.

    Args:
        start: The time of day it shows at first.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._ticket = 0

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._elapsed_s

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.fromtimestamp(self._start.timestamp() + self._elapsed_s, UTC)

    async def sleep_until(self, when: float) -> None:
        """See `Clock.sleep_until`."""
        if when <= self._elapsed_s:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ticket += 1
        heapq.heappush(self._sleepers, (when, self._ticket, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, waking every sleeper at its own moment, in order."""
        target = self._elapsed_s + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            when, _, future = heapq.heappop(self._sleepers)
            self._elapsed_s = max(self._elapsed_s, when)
            if not future.done():
                future.set_result(None)
            await self._settle()
        self._elapsed_s = target
        await self._settle()

    @staticmethod
    async def _settle() -> None:
        # A woken task may wake others; a few turns of the loop let them all run.
        for _ in range(10):
            await asyncio.sleep(0)
