"""Everything a value has to pass before it is called good, in one pass over the values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import inf

from energymeter.profiles import Point
from energymeter.reader.counters import counters_of
from energymeter.reader.crosscheck import CrossChecks
from energymeter.reader.dependent import Ratios
from energymeter.reader.guard import CounterGuard, LastCount
from energymeter.reader.memory import SavedCount
from energymeter.reader.quality import Rating, limits_of, outside
from energymeter.reader.reading import Event, Quality, Value

__all__ = ["Reread", "ValueChecks"]

Reread = Callable[[Sequence[int]], Awaitable[Sequence[Value]]]
"""Reads the values at some places once more; returns all values, None where it failed."""


class ValueChecks:
    """Ranges, counters and cross checks of one meter.

    Args:
        points: In the order of the values.
        rating: What the circuit can carry; None: as the profile says, else generous.
        ratios: Transformer ratios of the values.
        cross_check_s: Seconds between two cross checks; 0: each time, None: never.
    """

    def __init__(
        self,
        points: Sequence[Point],
        *,
        rating: Rating | None,
        ratios: Ratios,
        cross_check_s: float | None,
    ) -> None:
        self._points = points
        self._limits = limits_of(points, rating)
        self._guard = CounterGuard(counters_of(points, rating, ratios))
        self._cross = CrossChecks(points)
        self._cross_check_s = inf if cross_check_s is None else cross_check_s
        never = cross_check_s is None or self._cross.is_idle
        self._cross_check_at = inf if never else -inf

    async def apply(  # noqa: PLR0913, PLR0917 - what a report is made of, filled in place
        self,
        values: list[Value],
        qualities: list[Quality],
        reasons: dict[int, str],
        events: list[Event],
        now: float,
        reread: Reread,
    ) -> None:
        """Take out what cannot be true.

        Args:
            values: Replaced by None where they are rejected.
            qualities: Changed likewise.
            reasons: Gets the reason for each value that is rejected, by place.
            events: Gets what was found out about counters.
            now: Seconds that never step back.
            reread: Asked for the counters that fell or jumped.
        """
        found = outside(values, self._limits, self._points)
        if found:
            for place, reason in found.items():
                values[place], qualities[place] = None, Quality.OUT_OF_RANGE
                reasons[place] = reason
        odd = self._guard.screen(values, now)
        if odd:
            await self._settle(odd, values, qualities, reasons, events, now, reread)

    def warnings(self, values: Sequence[Value], now: float) -> Sequence[str]:
        """What does not go together, when it is time to look."""
        if now < self._cross_check_at:
            return ()
        self._cross_check_at = now + self._cross_check_s
        return self._cross.find(values)

    def counts(self, now: float, epoch_s: float) -> dict[str, SavedCount]:
        """The last good counters, to be kept."""
        return {
            name: SavedCount(last.value, epoch_s - last.age_s)
            for name, last in self._guard.state(now).items()
        }

    def restore(self, counts: dict[str, SavedCount], now: float, epoch_s: float) -> None:
        """Go on from what `counts` gave, perhaps in another process."""
        state = {name: LastCount(c.value, epoch_s - c.time) for name, c in counts.items()}
        self._guard.restore(state, now)

    async def _settle(  # noqa: PLR0913, PLR0917 - as `apply`
        self,
        odd: Sequence[int],
        values: list[Value],
        qualities: list[Quality],
        reasons: dict[int, str],
        events: list[Event],
        now: float,
        reread: Reread,
    ) -> None:
        counters = self._guard.counters
        verdicts = {i: self._guard.judge(i, _number(values[counters[i].place]), now) for i in odd}
        fresh = [index for index, verdict in verdicts.items() if verdict is None]
        if fresh:
            again = await reread([counters[index].place for index in fresh])
            for index in fresh:
                place = counters[index].place
                second = again[place]
                verdicts[index] = self._guard.confirm(
                    index, _number(values[place]), None if second is None else _number(second), now
                )
        for index, verdict in verdicts.items():
            assert verdict is not None  # noqa: S101 - those without one were confirmed
            place = counters[index].place
            values[place] = verdict.value
            if verdict.value is None:
                qualities[place] = Quality.WITHHELD
                reasons[place] = verdict.reason
            if verdict.event is not None:
                events.append(verdict.event)


def _number(value: Value) -> float:
    assert isinstance(value, (int, float))  # noqa: S101 - a counter is a number
    return value
