"""The last hour of each meter's main value, a minute a point: from the store once, then as seen."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from energymeter.clock import Clock
from energymeter.service.archive import Archive
from energymeter.store import Every
from energymeter.store.base import Series
from energymeter.store.errors import StoreError
from energymeter.web.pages.asker import Asker

__all__ = ["MINUTES", "Trends", "spark_path"]

MINUTES: Final = 60

_LONGEST_GAP: Final = 2
"""Minutes that may be missing before the store is asked again."""

_LONGEST_BRIDGE: Final = 16
"""The line goes on over fewer minutes without a value: some meters are read that seldom."""

WIDTH: Final = 120
HEIGHT: Final = 28
_MARGIN: Final = 2


class _Trend:
    __slots__ = ("asked_for", "counts", "first_minute", "last_minute", "sums", "version")

    def __init__(self, minute: int) -> None:
        self.sums = array("f", bytes(4 * MINUTES))
        self.counts = array("H", bytes(2 * MINUTES))
        self.first_minute = self.last_minute = minute
        self.asked_for = 0
        """The first minute of which the store was asked for what was before."""

        self.version = 0

    def move_to(self, minute: int) -> None:
        """Make room for the minutes since the last one."""
        if minute <= self.last_minute:
            return
        if minute - self.last_minute > _LONGEST_GAP:
            self.first_minute = minute
        for passed in range(max(self.last_minute + 1, minute - MINUTES + 1), minute + 1):
            self.sums[passed % MINUTES], self.counts[passed % MINUTES] = 0.0, 0
        self.last_minute = minute
        self.version += 1

    @property
    def lacks_past(self) -> bool:
        """Whether the store knows more, and was not asked."""
        is_young = self.last_minute - self.first_minute < MINUTES - 1
        return is_young and self.asked_for != self.first_minute


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
        self._known: dict[str, _Trend] = {}

    def note(self, meter: str, value: float | None) -> None:
        """A meter shows this now; None: nothing."""
        minute = int(self._clock.now().timestamp()) // 60
        trend = self._known.get(meter)
        if trend is None:
            trend = self._known[meter] = _Trend(minute)
        trend.move_to(minute)
        if value is not None:
            place = minute % MINUTES
            trend.sums[place] += value
            trend.counts[place] = min(trend.counts[place] + 1, 60_000)

    def look(self, meter: str, series: Sequence[Series], value: float | None) -> int:
        """Somebody looks at a meter that shows this now; returns a version of its trend.

        Args:
            meter: The meter.
            series: Of what the value is the sum.
            value: What it shows; None: nothing.
        """
        self.note(meter, value)
        trend = self._known[meter]
        if trend.lacks_past:
            self._asker.want(("trend", meter), lambda: self._ask(meter, series))
        return trend.version

    def keep_only(self, is_known: Callable[[str], bool]) -> None:
        """Forget the meters that are no more."""
        self._known = {name: trend for name, trend in self._known.items() if is_known(name)}

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
        trend.asked_for = trend.first_minute
        end = datetime.fromtimestamp(trend.first_minute * 60, UTC)
        start = datetime.fromtimestamp((trend.last_minute - MINUTES + 1) * 60, UTC)
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
        for minute, values in found.items():
            is_missing = trend.last_minute - MINUTES < minute < trend.first_minute
            if is_missing and len(values) == len(series):
                trend.sums[minute % MINUTES] = sum(values)
                trend.counts[minute % MINUTES] = 1
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
