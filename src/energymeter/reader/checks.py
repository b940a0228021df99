"""Everything a value has to pass before it is called good, in one pass over the values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import NamedTuple

from energymeter.profiles import Point
from energymeter.reader.counters import Counter, counters_of
from energymeter.reader.crosscheck import CrossChecks
from energymeter.reader.dependent import Ratios
from energymeter.reader.guard import CounterGuard, LastCount
from energymeter.reader.memory import SavedCount
from energymeter.reader.quality import Limit, Rating, limits_of, outside
from energymeter.reader.reading import Event, Quality, Value

__all__ = ["CheckRules", "Reread", "ValueChecks"]

Reread = Callable[[Sequence[int]], Awaitable[Sequence[Value]]]
"""Reads the values at some places once more; returns all values, None where it failed."""


class CheckRules(NamedTuple):
    """What values have to pass; never changed."""

    limits: tuple[Limit, ...]
    counters: tuple[Counter, ...]
    cross: CrossChecks


class ValueChecks:
    """Ranges, counters and cross checks of one meter.

    Args:
        points: In the order of the values.
        rating: What the circuit can carry; None: as the profile says, else generous.
        ratios: Transformer ratios of the values.
        cross_check_s: Seconds between two cross checks; 0: each time, None: never.
        rules: Those of another meter of which all of this is the same; None: they are made.
    """

    def __init__(
        self,
        points: Sequence[Point],
        *,
        rating: Rating | None,
        ratios: Ratios,
        cross_check_s: float | None,
        rules: CheckRules | None = None,
    ) -> None:
        self._points = points
        self.rules = rules or CheckRules(
            limits_of(points, rating), counters_of(points, rating, ratios), CrossChecks(points)
        )
        """What never changes; another meter that is read alike can begin with it."""
        self._limits, counters, self._cross = self.rules
        self._guard = CounterGuard(counters)
        self._remembered: dict[str, SavedCount] = {}
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
        self._remembered = {}

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
        self._remembered = counts

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
            is_other = self._is_other_meter(fresh, again)
            for index in fresh:
                place = counters[index].place
                second = again[place]
                number = None if second is None else _number(second)
                if is_other and number is not None:
                    verdicts[index] = self._guard.rebase(index, number, now)
                else:
                    first = _number(values[place])
                    verdicts[index] = self._guard.confirm(index, first, number, now)
        for index, verdict in verdicts.items():
            assert verdict is not None  # noqa: S101 - those without one were confirmed
            place = counters[index].place
            values[place] = verdict.value
            if verdict.value is None:
                qualities[place] = Quality.WITHHELD
                reasons[place] = verdict.reason
            if verdict.event is not None:
                events.append(verdict.event)

    def forget_counters(self) -> None:
        """Take the next values of the counters as they come."""
        self._guard.forget()

    def _is_other_meter(self, fresh: Sequence[int], again: Sequence[Value]) -> bool:
        """Whether all counters fell at once since they were remembered, and not all to zero."""
        counters = self._guard.counters
        fallen = {
            counter.name
            for index in fresh
            if (counter := counters[index]).name in self._remembered
            and (value := again[counter.place]) is not None
            and abs(_number(value)) < abs(self._remembered[counter.name].value)
        }
        counted = {name for name, count in self._remembered.items() if count.value}
        is_alive = any(again[counters[index].place] for index in fresh)
        return len(counted) > 1 and fallen == counted and is_alive


def _number(value: Value) -> float:
    assert isinstance(value, (int, float))  # noqa: S101 - a counter is a number
    return value
