"""The last hour of each meter's main value, a minute a point: from the store once, then as seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from energymeter.clock import Clock
from energymeter.service.archive import Archive
from energymeter.store import Every
from energymeter.store.base import Series
from energymeter.store.errors import StoreError
from energymeter.web.pages.asker import Asker

__all__ = ["MINUTES", "Trends", "spark_path"]

MINUTES: Final = 60

_MOST: Final = 2000
"""Meters that are remembered; the one nobody looked at for longest makes room."""

_LONGEST_GAP: Final = 2
"""Minutes that may be missing before the store is asked again."""

_LONGEST_BRIDGE: Final = 16
"""The line goes on over fewer minutes without a value: some meters are read that seldom."""

WIDTH: Final = 120
HEIGHT: Final = 28
_MARGIN: Final = 2


class _Trend:
    __slots__ = ("asked_minute", "counts", "last_minute", "sums", "version")

    def __init__(self) -> None:
        self.sums = [0.0] * MINUTES
        self.counts = [0] * MINUTES
        self.last_minute = 0
        self.asked_minute = 0
        self.version = 0

    def move_to(self, minute: int) -> None:
        """Make room for the minutes since the last one."""
        for passed in range(max(self.last_minute + 1, minute - MINUTES + 1), minute + 1):
            self.sums[passed % MINUTES], self.counts[passed % MINUTES] = 0.0, 0
        if minute > self.last_minute:
            self.last_minute = minute
            self.version += 1


class Trends:
    """Answers from memory; what is not there is asked for, and there a moment later.

    Args:
        archive: The history.
        clock: Says which minute it is.
        asker: Asks.
    """

    def __init__(self, archive: Archive, clock: Clock, asker: Asker) -> None:
        self._archive = archive
        self._clock = clock
        self._asker = asker
        self._known: OrderedDict[str, _Trend] = OrderedDict()

    def look(self, meter: str, series: Sequence[Series], value: float | None) -> int:
        """Somebody looks at a meter whose value is this now; returns a version of its trend.

        Args:
            meter: The meter.
            series: Of what the value is the sum.
            value: What it shows; None: nothing.
        """
        trend = self._known.get(meter)
        if trend is None:
            trend = self._known[meter] = _Trend()
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        minute = int(self._clock.now().timestamp()) // 60
        has_gap = minute - trend.last_minute > _LONGEST_GAP
        trend.move_to(minute)
        if has_gap or not trend.asked_minute:
            trend.asked_minute = trend.asked_minute or -1
            self._asker.want(("trend", meter), lambda: self._ask(meter, series))
        if value is not None:
            trend.sums[minute % MINUTES] += value
            trend.counts[minute % MINUTES] += 1
        self._known.move_to_end(meter)
        return trend.version

    def values(self, meter: str) -> list[float | None]:
        """The means of the last minutes, oldest first; the one that is not over is left out."""
        trend = self._known.get(meter)
        if trend is None:
            return []
        first = trend.last_minute - MINUTES + 1
        return [
            trend.sums[m % MINUTES] / trend.counts[m % MINUTES]
            if trend.counts[m % MINUTES]
            else None
            for m in range(first, trend.last_minute)
        ]

    async def _ask(self, meter: str, series: Sequence[Series]) -> None:
        trend = self._known.get(meter)
        if trend is None:
            return
        end = datetime.fromtimestamp(trend.last_minute * 60, UTC)
        start = end - timedelta(minutes=MINUTES - 1)
        found: dict[int, list[float]] = {}
        for each in series:
            try:
                history = await self._archive.history(
                    meter, each.name, start, end, every=Every.MINUTE
                )
            except StoreError:
                return
            if history is None:
                return
            for time_us, value in zip(history.times_us.tolist(), history.values, strict=True):
                if isinstance(value, (int, float)):
                    found.setdefault(time_us // 60_000_000, []).append(float(value))
        oldest = trend.last_minute - MINUTES
        for minute, values in found.items():
            if oldest < minute < trend.last_minute and len(values) == len(series):
                trend.sums[minute % MINUTES] = sum(values)
                trend.counts[minute % MINUTES] = 1
        trend.asked_minute = trend.last_minute
        trend.version += 1


def spark_path(values: Sequence[float | None]) -> str:
    """A line through the values as an SVG path, `WIDTH` by `HEIGHT`; empty for too few."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    # What hardly moves is a line, not noise blown up.
    spread = max(high - low, 0.02 * max(abs(low), abs(high)), 1e-9)
    middle = (low + high) / 2
    room = HEIGHT - 2 * _MARGIN
    step = WIDTH / max(len(values) - 1, 1)
    parts = []
    last = -_LONGEST_BRIDGE
    for place, value in enumerate(values):
        if value is not None:
            y = HEIGHT / 2 - (value - middle) / spread * room
            parts.append(
                f"{'L' if place - last < _LONGEST_BRIDGE else 'M'}{place * step:.0f} {y:.1f}"
            )
            last = place
    return "".join(parts)
