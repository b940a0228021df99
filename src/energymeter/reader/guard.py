"""Counters that only grow: what falls or jumps is withheld until it is explained.

Pure; values and times (seconds on any clock that does not step back) are handed in. Between
two events the values let through never fall (a counter that runs downwards: never rise).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Final, NamedTuple

from energymeter.reader.counters import Counter
from energymeter.reader.reading import Event, EventKind, Value

__all__ = ["CounterGuard", "GuardRules", "LastCount", "Verdict"]

_NEAR: Final = 1e-3
"""Share of a register's range before its top, and after its zero, that a rollover may span."""

_FLOAT32_STEP: Final = 2.4e-7
"""Two steps of a 32-bit float, relative."""


@dataclass(frozen=True, slots=True)
class GuardRules:
    """When a new base of a counter is believed."""

    readings: int = 5
    """Plausible readings after the odd one, 1 or more."""

    settle_s: float = 60.0
    """Seconds they have to span."""

    slack_s: float = 60.0
    """Seconds a meter may be late with its counters: growth of that time comes on top."""


class LastCount(NamedTuple):
    """The last good value of a counter and how long ago that was."""

    value: float
    age_s: float


class Verdict(NamedTuple):
    """What to publish for one counter."""

    value: Value
    """None: withheld."""

    reason: str = ""
    """Why it is withheld."""

    event: Event | None = None


@dataclass(slots=True)
class _Case:
    """An odd value that waits for its explanation; amounts are counted forward."""

    last: float
    last_at: float
    base: float
    since: float
    value: float
    at: float
    readings: int = 0


class CounterGuard:
    """Watches the counters of one meter.

    Args:
        counters: Which, and how fast each can grow.
        rules: When a new base is believed.
    """

    __slots__ = ("_at", "_cases", "_last", "_replaced_at", "_rules", "_watched", "counters")

    def __init__(self, counters: Sequence[Counter], rules: GuardRules = GuardRules()) -> None:
        self.counters = tuple(counters)
        self._rules = rules
        self._watched = tuple(
            (index, c.place, c.direction, c.growth_per_s, c.growth_per_s * rules.slack_s + c.step)
            for index, c in enumerate(self.counters)
        )
        # NaN is followed by nothing: it sends a counter the long way, through `judge`.
        self._last = [nan] * len(self.counters)
        self._at = [0.0] * len(self.counters)
        self._cases: dict[int, _Case] = {}
        self._replaced_at = -inf

    def screen(self, values: Sequence[Value], now: float) -> list[int]:
        """Take the values that follow what was before; returns the counters that do not."""
        odd = []
        last, at = self._last, self._at
        for index, place, direction, growth_per_s, slack in self._watched:
            value = values[place]
            if value is None:
                continue
            amount: float = value * direction  # type: ignore[assignment]
            if 0 <= amount - last[index] <= growth_per_s * (now - at[index]) + slack:
                last[index] = amount
                at[index] = now
            else:
                odd.append(index)
        return odd

    def judge(self, index: int, value: float, now: float) -> Verdict | None:
        """Decide on a value that `screen` did not take; None: it has to be read again first."""
        counter = self.counters[index]
        amount = value * counter.direction
        case = self._cases.get(index)
        if case is None:
            last = self._last[index]
            if last != last or self._follows(index, last, amount, now - self._at[index]):  # noqa: PLR0124 - NaN
                return self._take(index, value, now)
            return None
        if self._is_back(index, case, amount, now):
            return self._take(index, value, now)
        if not self._follows(index, case.value, amount, now - case.at):
            return None
        case.value, case.at = amount, now
        case.readings += 1
        return self._conclude(index, case, value, now)

    def confirm(self, index: int, value: float, again: float | None, now: float) -> Verdict:
        """Decide on an odd value after it was read a second time (None: that failed)."""
        direction = self.counters[index].direction
        odd = (value if again is None else again) * direction
        before = self._cases.get(index)
        if before is None:
            last, last_at = self._last[index], self._at[index]
            is_good = self._follows(index, last, odd, now - last_at)
        else:
            last, last_at = before.last, before.last_at
            is_good = self._is_back(index, before, odd, now)
        if again is not None and is_good:
            return self._take(index, again, now)
        case = _Case(last, last_at, base=odd, since=now, value=odd, at=now)
        self._cases[index] = case
        self._last[index] = nan
        return self._conclude(index, case, odd * direction, now)

    def rebase(self, index: int, value: float, now: float) -> Verdict:
        """Take an odd value as a new base, because it is known that the meter is another one."""
        counter = self.counters[index]
        last = _shown(self._last[index], counter)
        text = (
            f"{counter.name} went from {last} to {value:.12g} {counter.unit} while nobody read it, "
            "and all other counters fell too: meter exchanged or counters reset"
        )
        event = Event(EventKind.COUNTER_REPLACED, counter.name, text)
        return self._take(index, value, now, event)

    def forget(self) -> None:
        """Take the next values as they come."""
        self._last = [nan] * len(self.counters)
        self._cases.clear()

    def state(self, now: float) -> dict[str, LastCount]:
        """The last good value of every counter that had one, by name."""
        found = {}
        for index, counter in enumerate(self.counters):
            case = self._cases.get(index)
            last, at = (
                (self._last[index], self._at[index]) if case is None else (case.last, case.last_at)
            )
            if isfinite(last):
                found[counter.name] = LastCount(last * counter.direction, now - at)
        return found

    def restore(self, state: Mapping[str, LastCount], now: float) -> None:
        """Go on from what `state` gave, perhaps in another process."""
        for index, counter in enumerate(self.counters):
            saved = state.get(counter.name)
            if saved is not None:
                self._last[index] = saved.value * counter.direction
                self._at[index] = now - max(saved.age_s, 0.0)

    def _is_back(self, index: int, case: _Case, amount: float, now: float) -> bool:
        # An odd value does not become true because time passes: what lies beyond it is not back.
        is_beyond = case.base > case.last and amount >= case.value
        return not is_beyond and self._follows(index, case.last, amount, now - case.last_at)

    def _follows(self, index: int, before: float, amount: float, elapsed_s: float) -> bool:
        return 0 <= amount - before <= self._growth(index, before, elapsed_s)

    def _growth(self, index: int, before: float, elapsed_s: float) -> float:
        counter = self.counters[index]
        grown = counter.growth_per_s * (max(elapsed_s, 0.0) + self._rules.slack_s)
        return grown + counter.step + abs(before) * _FLOAT32_STEP

    def _take(self, index: int, value: float, now: float, event: Event | None = None) -> Verdict:
        self._cases.pop(index, None)
        self._last[index] = value * self.counters[index].direction
        self._at[index] = now
        return Verdict(value, event=event)

    def _conclude(self, index: int, case: _Case, value: float, now: float) -> Verdict:
        counter, rules = self.counters[index], self._rules
        top = self._rolled_over_at(index, case, now)
        if top is not None:
            text = (
                f"{counter.name} rolled over at {_shown(top, counter)}: "
                f"{_shown(case.last, counter)} before, {_shown(case.value, counter)} after"
            )
            event = Event(EventKind.COUNTER_ROLLED_OVER, counter.name, text)
            return self._take(index, value, now, event)
        # A counter at rest is believed only where another one of the meter was replaced too.
        is_alive = case.value > case.base or self._replaced_at >= case.since
        if case.readings >= rules.readings and now - case.since >= rules.settle_s and is_alive:
            self._replaced_at = now
            text = (
                f"{counter.name} went from {_shown(case.last, counter)} to "
                f"{_shown(case.base, counter)} and on from there for {case.readings} readings: "
                "meter exchanged or counter reset, the series has a new base"
            )
            event = Event(EventKind.COUNTER_REPLACED, counter.name, text)
            return self._take(index, value, now, event)
        return Verdict(None, self._reason(counter, case))

    def _rolled_over_at(self, index: int, case: _Case, now: float) -> float | None:
        if not 0 < case.value < case.last:
            return None
        growth = self._growth(index, case.last, now - case.last_at)
        for top in self.counters[index].tops:
            near = min(growth, _NEAR * top)
            ahead = top - case.last
            if 0 <= ahead <= near and case.value <= near and ahead + case.value <= growth:
                return top
        return None

    def _reason(self, counter: Counter, case: _Case) -> str:
        odd, last = _shown(case.base, counter), _shown(case.last, counter)
        if case.base == 0:
            what = f"zero after {last}"
        elif case.base < case.last:
            what = f"{odd} after {last}, a step back"
        else:
            what = f"{odd} after {last}, more than can have been counted in the time between"
        return f"{what}; withheld until it is explained"


def _shown(amount: float, counter: Counter) -> str:
    number = amount * counter.direction
    text = f"{number:d}" if isinstance(number, int) else f"{number:.12g}"
    return f"{text} {counter.unit}".rstrip()
