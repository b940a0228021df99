"""When each poll is due: on the clock, spread over the interval, without drift. No waiting here.

A course is due at whole multiples of its interval since 1970, moved by a part of the interval that
is its own: a hundred meters asked every ten seconds are asked one after the other, ten a second,
and each at the same seconds of every minute. Moments are of the time of day; a `WallClock` turns
them into those of the monotonic clock that the loop waits by.
"""

from __future__ import annotations

import heapq
import math
from typing import Final

from energymeter.clock import Clock

__all__ = ["Moments", "Seats", "WallClock"]

_GOLDEN: Final = (math.sqrt(5) - 1) / 2

_STEP_S: Final = 2.0
"""A time of day that moved by more was set; by less it is followed."""

_FIRST_S: Final = 5.0
"""A course with a longer interval is first asked within this time, not at its first moment."""


class Seats:
    """Parts of the interval for any number of meters, far from one another.

    They are spread by the golden ratio: those who are there need not move when one comes or goes.
    """

    def __init__(self) -> None:
        self._free: list[int] = []
        self._next = 0

    def take(self) -> int:
        """A seat that nobody has."""
        if self._free:
            return heapq.heappop(self._free)
        self._next += 1
        return self._next - 1

    def give_back(self, seat: int) -> None:
        """Somebody else may have it."""
        heapq.heappush(self._free, seat)

    @staticmethod
    def phase(seat: int) -> float:
        """The part of the interval, from 0 up to 1, that goes with a seat."""
        return seat * _GOLDEN % 1.0


class WallClock:
    """How far the time of day is ahead of the monotonic clock.

    Args:
        clock: Has both.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_s = self._measure()
        """Seconds to add to the monotonic clock to get seconds since 1970."""

        self.steps = 0
        """How often the time of day was set since."""

    def look(self) -> float:
        """Compare the two again; call it now and then.

        Returns:
            By how many seconds the time of day was set; 0.0: it was not.
        """
        offset_s = self._measure()
        moved_s = offset_s - self.offset_s
        self.offset_s = offset_s
        if abs(moved_s) <= _STEP_S:
            return 0.0
        self.steps += 1
        return moved_s

    def _measure(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


class Moments:
    """The moments of one course.

    Args:
        interval_s: Seconds between two of them, more than 0.
        phase: Where in the interval, from 0 up to 1.
        wall: Turns times of day into monotonic ones.
        now: The monotonic time.
    """

    __slots__ = ("_moment_s", "_phase_s", "_steps", "_wall", "due", "interval_s")

    def __init__(self, interval_s: float, phase: float, wall: WallClock, now: float) -> None:
        self.interval_s = interval_s
        self._phase_s = phase * interval_s
        self._wall = wall
        self._steps = wall.steps
        self.due = 0.0
        """The next moment, on the monotonic clock."""

        self._moment_s = 0.0
        self._go_to(self._first_after(now))
        if interval_s > _FIRST_S:
            self.due = min(self.due, now + phase * _FIRST_S)
            self._moment_s -= self.interval_s

    def advance(self, now: float) -> int:
        """Go to the first moment after the current one that is not past.

        Returns:
            How many moments were passed over because they are past already; none when the time of
            day was set, for then nobody can say.
        """
        wall = self._wall
        if self._steps != wall.steps:
            self._steps = wall.steps
            self._go_to(self._first_after(now))
            return 0
        self._moment_s += self.interval_s
        self.due = self._moment_s - wall.offset_s
        behind_s = now - self.due
        if behind_s <= 0:
            return 0
        skipped = math.ceil(behind_s / self.interval_s)
        self._go_to(self._moment_s + skipped * self.interval_s)
        return skipped

    def _first_after(self, now: float) -> float:
        number = math.floor((now + self._wall.offset_s - self._phase_s) / self.interval_s) + 1
        return number * self.interval_s + self._phase_s

    def _go_to(self, moment_s: float) -> None:
        self._moment_s = moment_s
        self.due = moment_s - self._wall.offset_s
