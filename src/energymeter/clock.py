"""Time as an argument: the real clock, and one that a test advances by hand.

Schedules and time-outs ask a `Clock`, so a test moves hours in microseconds. Knows no Modbus.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Alarm", "Clock", "ManualClock", "SystemClock"]


class Alarm(Protocol):
    """A call that will be made unless it is cancelled."""

    def cancel(self) -> None:
        """Prevent the call; does nothing once it was made."""
        ...


class Clock(Protocol):
    """Tells the time and wakes at a given one."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never steps back."""
        ...

    def now(self) -> datetime:
        """The time of day, in UTC, aware."""
        ...

    async def sleep_until(self, when: float) -> None:
        """Return once `monotonic()` has reached `when`; at once if it has passed."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Alarm:
        """Call `callback` from the running loop once `monotonic()` has reached `when`."""
        ...


class SystemClock:
    """The computer's own clocks."""

    # The function itself: it is called several times for each request.
    monotonic = staticmethod(time.monotonic)

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    async def sleep_until(self, when: float) -> None:
        """See `Clock.sleep_until`."""
        delay = when - time.monotonic()
        await asyncio.sleep(max(delay, 0.0))

    def call_at(self, when: float, callback: Callable[[], None]) -> Alarm:
        """See `Clock.call_at`; up to a millisecond early, which is what loops count in."""
        delay = when - time.monotonic()
        return asyncio.get_running_loop().call_later(max(delay, 0.0), callback)


class ManualClock:
    """A clock that stands still until it is told to advance.

    Args:
        start: The time of day it shows at first.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._alarms: list[tuple[float, int, _Alarm]] = []
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
        alarm = self.call_at(when, lambda: None if future.done() else future.set_result(None))
        try:
            await future
        finally:
            alarm.cancel()

    def call_at(self, when: float, callback: Callable[[], None]) -> Alarm:
        """See `Clock.call_at`; what is due already is called at the next `advance`."""
        alarm = _Alarm(callback)
        self._ticket += 1
        heapq.heappush(self._alarms, (when, self._ticket, alarm))
        return alarm

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, waking every sleeper at its own moment, in order."""
        target = self._elapsed_s + seconds
        await self._settle()
        while self._alarms and self._alarms[0][0] <= target:
            when, _, alarm = heapq.heappop(self._alarms)
            callback = alarm.callback
            if callback is None:
                continue
            self._elapsed_s = max(self._elapsed_s, when)
            callback()
            await self._settle()
        self._elapsed_s = target
        await self._settle()

    @staticmethod
    async def _settle() -> None:
        # A woken task may wake others; a few turns of the loop let them all run.
        for _ in range(10):
            await asyncio.sleep(0)


class _Alarm:
    """One thing due at a moment of a `ManualClock`."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """See `Alarm.cancel`."""
        self.callback = None
