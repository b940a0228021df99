"""Read one meter again and again, on the beat."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from energymeter.clock import Clock, SystemClock
from energymeter.reader import MeterReader, ReadReport
from energymeter.service.schedule import Beat

__all__ = ["Poll", "Poller"]


class Poll(NamedTuple):
    """One reading of a schedule."""

    report: ReadReport
    lateness_s: float
    """How long after its moment it started."""

    skipped: int
    """Moments passed over before this one because the poll before took too long."""


class Poller:
    """Polls one meter on a fixed beat; a poll that takes too long skips beats, never piles up.

    Args:
        reader: Reads the meter.
        interval_s: Seconds between polls, more than 0.
        on_poll: Called with each poll; it must not block.
        delay_s: How long to wait before the first poll, to spread many pollers.
        clock: Keeps the beat.
    """

    def __init__(
        self,
        reader: MeterReader,
        interval_s: float,
        on_poll: Callable[[Poll], None],
        *,
        delay_s: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        self.reader = reader
        self._on_poll = on_poll
        self._clock = clock if clock is not None else SystemClock()
        self.beat = Beat(interval_s, self._clock.monotonic() + delay_s)

    async def run(self, polls: int | None = None) -> None:
        """Poll `polls` times, or until cancelled when None."""
        beat, clock, skipped = self.beat, self._clock, 0
        done = 0
        while polls is None or done < polls:
            await clock.sleep_until(beat.due)
            lateness_s = clock.monotonic() - beat.due
            report = await self.reader.read()
            self._on_poll(Poll(report, lateness_s, skipped))
            skipped = beat.advance(clock.monotonic())
            done += 1
