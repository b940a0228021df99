"""Who is online: a meter is, as long as it answers. Pure; time is handed in."""

from __future__ import annotations

from collections import deque
from typing import Final

from energymeter.reader.reading import Quality
from energymeter.service.sink import SinkPoll

__all__ = ["Presence"]

_MISSES: Final = 3
"""So many polls or intervals without an answer, and a meter counts as offline."""

_SILENT: Final = (Quality.STALE, Quality.NOT_READ)


class Presence:
    """Whether one meter answers.

    Args:
        interval_s: Seconds between two of its polls, more than 0, as far as is known.
        now: The monotonic time; for a while from then on nothing is said of a meter that is silent.
    """

    __slots__ = ("_answered", "_empty", "_gaps_s", "_interval_s", "_last_us", "_start", "is_online")

    def __init__(self, interval_s: float, now: float) -> None:
        self._interval_s = interval_s
        self._start = now
        self._answered: float | None = None
        self._empty = 0
        self._last_us = 0
        self._gaps_s: deque[float] = deque(maxlen=_MISSES)
        self.is_online: bool | None = None
        """What was last said of it; None: nothing yet."""

    @property
    def allowance_s(self) -> float:
        """How long it may be silent: three intervals, longer where polls really come slower."""
        pace_s = self._interval_s
        if len(self._gaps_s) == _MISSES:
            pace_s = max(pace_s, min(self._gaps_s))
        return _MISSES * pace_s

    @property
    def deadline(self) -> float:
        """When it will be offline unless it answers, on the monotonic clock."""
        return max(self._start, self._answered or self._start) + self.allowance_s

    def feed(self, poll: SinkPoll, age_s: float, now: float) -> bool:
        """A poll has come; returns whether something new is to be said of the meter.

        Args:
            poll: Of this meter.
            age_s: Seconds since it was made; after an outage old ones come that say little.
            now: The monotonic time.
        """
        if self._last_us and poll.time_us > self._last_us:
            self._gaps_s.append((poll.time_us - self._last_us) / 1e6)
        self._last_us = max(poll.time_us, self._last_us)
        if all(quality in _SILENT for _, _, quality in poll.values):
            self._empty += 1
        else:
            self._empty = 0
            moment = now - max(age_s, 0.0)
            self._answered = moment if self._answered is None else max(self._answered, moment)
        return self.look(now)

    def look(self, now: float) -> bool:
        """Time has passed; returns whether something new is to be said of the meter."""
        if self._empty >= _MISSES or now >= self.deadline:
            is_online = False
        elif self._answered is not None and now < self._answered + self.allowance_s:
            is_online = True
        else:
            return False
        has_changed = is_online is not self.is_online
        self.is_online = is_online
        return has_changed
