"""When something is due: a beat that does not drift. Pure; time is handed in."""

from __future__ import annotations

import math

from energymeter.errors import ConfigError

__all__ = ["Beat"]


class Beat:
    """Moments at `start`, `start + interval_s`, `start + 2 * interval_s`, ...

    Args:
        interval_s: Seconds between two moments, more than 0.
        start: The first moment, on any monotonic clock.

    Raises:
        ConfigError: The interval is not a positive number.
    """

    __slots__ = ("due", "interval_s", "missed")

    def __init__(self, interval_s: float, start: float) -> None:
        if not (math.isfinite(interval_s) and interval_s > 0):
            msg = f"an interval of {interval_s:g} s is not possible, use more than 0"
            raise ConfigError(msg)
        self.interval_s = interval_s
        self.due = start
        """The next moment."""
        self.missed = 0
        """Moments that passed while something else was still under way, in all."""

    def advance(self, now: float) -> int:
        """Go to the first moment after the current one that is not past.

        Returns:
            How many moments were skipped because they had passed already.
        """
        behind = now - (self.due + self.interval_s)
        skipped = math.ceil(behind / self.interval_s) if behind > 0 else 0
        self.due += (skipped + 1) * self.interval_s
        self.missed += skipped
        return skipped
