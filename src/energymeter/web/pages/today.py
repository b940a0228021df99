"""What each meter counted since midnight: from the store once, then from the counter itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from energymeter.clock import Clock
from energymeter.service.archive import Archive
from energymeter.service.snapshot import MeterState
from energymeter.store import Every
from energymeter.store.base import Series
from energymeter.store.days import midnight
from energymeter.store.errors import StoreError
from energymeter.values.quantities import base_of
from energymeter.web.pages.asker import Asker
from energymeter.web.pages.glance import sum_of

__all__ = ["Amount", "Today"]

_RENEW_S: Final = 900.0
"""The store is asked again after so long: it knows of meters that were exchanged."""

_RETRY_S: Final = 60.0
_OLDEST: Final = timedelta(days=31)
"""A counter that was not read for so long is as good as new."""

_MOST_AT_ONCE: Final = 64
"""Questions that wait at a time on behalf of sums over many meters."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What was counted today."""

    amount: float
    """In the base unit: Wh, m3."""

    since: datetime | None = None
    """From when on it is told, where that is not midnight: nothing older is known."""


@dataclass(slots=True)
class _Base:
    day: date
    value: float
    """The counter at midnight, in its own unit."""

    asked_at: float
    since: datetime | None
    told: Amount


class Today:
    """Answers from memory; what is not there yet is asked for, and there a moment later.

    Args:
        archive: The history.
        clock: Says which day it is.
        asker: Asks.
    """

    def __init__(self, archive: Archive, clock: Clock, asker: Asker) -> None:
        self._archive = archive
        self._clock = clock
        self._asker = asker
        self._bases: dict[str, _Base] = {}

    def amount(
        self, state: MeterState, counters: Sequence[Series], *, is_urgent: bool = True
    ) -> Amount | None:
        """What a meter counted today; None: not known, or not yet."""
        if not counters:
            return None
        now = self._clock.now()
        name = state.info.name
        day = now.astimezone().date()
        value = sum_of(state, counters, now).value
        base = self._bases.get(name)
        if base is None or base.day != day:
            if value is not None:
                self._want(state, counters, is_urgent=is_urgent)
            return None
        if value is None:
            return base.told
        if value < base.value or self._clock.monotonic() - base.asked_at > _RENEW_S:
            self._want(state, counters, is_urgent=is_urgent)
        if value >= base.value and value != base.told.amount:
            factor = base_of(counters[0].unit)[1]
            base.told = Amount((value - base.value) * factor, base.since)
        return base.told

    def begin_day(self, state: MeterState, counters: Sequence[Series]) -> None:
        """It is midnight: the counter begins the day with what it tells now."""
        now = self._clock.now()
        value = sum_of(state, counters, now).value
        if value is not None:
            told = Amount(0.0)
            day, asked_at = now.astimezone().date(), self._clock.monotonic()
            self._bases[state.info.name] = _Base(day, value, asked_at, None, told)

    def keep_only(self, is_known: Callable[[str], bool]) -> None:
        """Forget the meters that are no more."""
        self._bases = {name: base for name, base in self._bases.items() if is_known(name)}

    def _want(self, state: MeterState, counters: Sequence[Series], *, is_urgent: bool) -> None:
        if not is_urgent and len(self._asker) >= _MOST_AT_ONCE:
            return
        self._asker.want(
            ("today", state.info.name),
            lambda: self._ask(state, counters),
            is_urgent=is_urgent,
        )

    async def _ask(self, state: MeterState, counters: Sequence[Series]) -> None:
        now, name = self._clock.now(), state.info.name
        day = now.astimezone().date()
        asked_at = self._clock.monotonic()
        known: float | None
        since: datetime | None
        try:
            known, since = await self._counted(name, counters, midnight(day, None), now)
        except StoreError:
            known, since, asked_at = None, None, asked_at - _RENEW_S + _RETRY_S
        value = sum_of(state, counters, self._clock.now()).value
        if value is None:
            return
        before = self._bases.get(name)
        if known is None and before is not None and before.day == day and value >= before.value:
            before.asked_at = asked_at
            return
        since = now if known is None else since
        told = Amount((known or 0.0) * base_of(counters[0].unit)[1], since)
        self._bases[name] = _Base(day, value - (known or 0.0), asked_at, since, told)

    async def _counted(
        self, name: str, counters: Sequence[Series], start: datetime, end: datetime
    ) -> tuple[float | None, datetime | None]:
        """How far counters went on, in the unit of the first, and from when on.

        None: nothing is kept of them; all of it was counted.
        """
        total: float | None = None
        since: datetime | None = None
        unit = base_of(counters[0].unit)[1]
        for counter in counters:
            history = await self._archive.history(
                name, counter.name, start, end, every=Every.QUARTER
            )
            if history is not None and len(history):
                steps = [value for value in history.values if isinstance(value, (int, float))]
                total = (total or 0.0) + sum(steps) * base_of(history.series.unit)[1] / unit
                if not await self._was_kept_before(name, counter, start, history.times[0]):
                    since = max(since or start, history.times[0])
        return total, since

    async def _was_kept_before(
        self, name: str, counter: Series, start: datetime, first: datetime
    ) -> bool:
        """Whether a counter of which the first thing that is kept is of then was known at start."""
        if (first - start).total_seconds() < Every.QUARTER:
            return True
        before = await self._archive.history(
            name, counter.name, start - _OLDEST, start, every=Every.DAY
        )
        return before is not None and len(before) > 0
