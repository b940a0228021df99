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
"""A time of day that moved by more at once was set."""

_FOLLOWED: Final = 0.25
"""Part of its interval that a course's moments may move with the time of day from one to the next;
by more, it looks for new ones."""

_LATE_S: Final = 0.001
"""A moment is past after that long: loops count in milliseconds."""

_MEASUREMENTS: Final = 3

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

    def look(self) -> float:
        """Compare the two again; call it now and then.

        Returns:
            By how many seconds the time of day was set; 0.0: it was not.
        """
        before_s, self.offset_s = self.offset_s, self._measure()
        moved_s = self.offset_s - before_s
        return moved_s if abs(moved_s) > _STEP_S else 0.0

    def _measure(self) -> float:
        # Between two looks at clocks this process may have to wait: the quickest look counts.
        clock, quickest_s, offset_s = self._clock, math.inf, 0.0
        for _ in range(_MEASUREMENTS):
            before = clock.monotonic()
            now_s = clock.now().timestamp()
            took_s = clock.monotonic() - before
            if took_s < quickest_s:
                quickest_s, offset_s = took_s, now_s - before - took_s / 2
        return offset_s


class Moments:
    """The moments of one course.

    Args:
        interval_s: Seconds between two of them, more than 0.
        phase: Where in the interval, from 0 up to 1.
        wall: Turns times of day into monotonic ones.
        now: The monotonic time.
    """

    __slots__ = ("_number", "_offset_s", "_phase_s", "_wall", "due", "interval_s")

    def __init__(self, interval_s: float, phase: float, wall: WallClock, now: float) -> None:
        self.interval_s = interval_s
        self._phase_s = phase * interval_s
        self._wall = wall
        self._offset_s = wall.offset_s
        # Counted, not added up: a tenth of a second is no whole number of bits.
        self._number = self._first_after(now)
        self.due = self._moment()
        """The next moment, on the monotonic clock; never moves back."""

        soon = now + phase * _FIRST_S
        if interval_s > _FIRST_S and soon < self.due:
            # In addition to the first moment, or in its place where that is near.
            self._number -= self.due - soon >= interval_s / 2
            self.due = soon

    def advance(self, now: float) -> int:
        """Go to the first moment after the current one that is not past.

        Returns:
            How many moments were passed over because they are past already; none when the time of
            day was set, for then nobody can say.
        """
        interval_s, offset_s = self.interval_s, self._wall.offset_s
        moved_s = offset_s - self._offset_s
        self._offset_s = offset_s
        if abs(moved_s) > _FOLLOWED * interval_s:
            self._number = self._first_after(now + interval_s / 2)
            self.due = self._moment()
            return 0
        self._number += 1
        self.due = self._moment()
        behind_s = now - _LATE_S - self.due
        if behind_s <= 0:
            return 0
        skipped = math.ceil(behind_s / interval_s)
        self._number += skipped
        self.due = self._moment()
        return skipped

    def _first_after(self, now: float) -> int:
        return math.floor((now + self._offset_s - self._phase_s) / self.interval_s) + 1

    def _moment(self) -> float:
        return self._number * self.interval_s + self._phase_s - self._offset_s
