"""What everybody who looks at a site has in common: worked out once a second, for all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from typing import Final, NamedTuple

from energymeter.service.desk import Desk
from energymeter.service.snapshot import Lateness
from energymeter.web.pages.asker import Asker
from energymeter.web.pages.directory import Directory
from energymeter.web.pages.figures import seconds_text
from energymeter.web.pages.glance import Glances, sum_of
from energymeter.web.pages.today import Today
from energymeter.web.pages.totals import Choice, Energy, Power, Sum, choose
from energymeter.web.pages.trend import Trends
from energymeter.web.verdict import Count, Judge, Verdict, count_meters

__all__ = ["Pace", "Pulse", "SiteView"]

_FRESH_S: Final = 0.9
"""What is younger is good enough for the next one who looks."""

_VERDICT_S: Final = 10.0
_PACE_S: Final = 60.0
"""The stretch of time over which polls are counted."""

_TELLING_SHARE: Final = 0.99

_AT_ONCE: Final = 100
"""Meters that are looked at at a time: within a millisecond."""

_ADDED_PER_S: Final = 2000
"""Meters that are added up a second: in one or two per cent of it."""


class Pace(NamedTuple):
    """How the polls went of late."""

    per_s: float | None
    """None: not known yet."""

    lateness: str
    """How late 99 of 100 polls began at most, in words; empty: there were none."""


class Pulse(NamedTuple):
    """A site at one moment."""

    meters: Count
    power: Power
    energy: Energy
    pace: Pace


class SiteView:
    """A desk, and what is worked out at it for the pages.

    Args:
        desk: Where everything comes from.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.glances = Glances()
        self.directory = Directory(desk.snapshot, self.glances)
        self.asker = Asker()
        self.today = Today(desk.archive, desk.clock, self.asker)
        self.trends = Trends(desk.archive, desk.clock, self.asker)
        self.choice = Choice((), "")
        self._judge = Judge(desk.snapshot, desk.clock)
        self._power, self._energy = Power(None, 0), Energy(None, 0, None)
        self._adding: asyncio.Task[None] | None = None
        self._added_at = -inf
        self._pulse: tuple[float, Pulse] | None = None
        self._verdict: tuple[float, Verdict] | None = None
        self._collecting: asyncio.Task[None] | None = None
        self._counts: deque[tuple[float, list[int]]] = deque()

    def renew(self) -> None:
        """See whether there are other meters than before."""
        if self.directory.renew():
            meters = self.desk.snapshot.meters
            self.choice = choose(meters, self.glances)
            self.today.keep_only(meters.__contains__)
            self.trends.keep_only(meters.__contains__)
            self._pulse, self._added_at = None, -inf

    def pulse(self) -> Pulse:
        """The site now."""
        now_s = self.desk.clock.monotonic()
        if self._pulse is None or now_s - self._pulse[0] > _FRESH_S:
            self.renew()
            snapshot = self.desk.snapshot
            if self._adding is None or self._adding.done():
                self._add_up(now_s)
            self._pulse = (
                now_s,
                Pulse(
                    count_meters(snapshot),
                    self._power,
                    self._energy,
                    self._pace(now_s),
                ),
            )
        return self._pulse[1]

    def verdict(self) -> Verdict:
        """How the service is doing."""
        now_s = self.desk.clock.monotonic()
        if self._verdict is None or now_s - self._verdict[0] > _VERDICT_S:
            self._verdict = now_s, self._judge.look()
        return self._verdict[1]

    def start(self) -> None:
        """Remember what the meters show, minute by minute, whoever looks."""
        self._collecting = asyncio.get_running_loop().create_task(self._collect())

    async def close(self) -> None:
        """Let go of what is going on."""
        tasks = [task for task in (self._collecting, self._adding) if task is not None]
        self._collecting = self._adding = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.asker.close()

    def _add_up(self, now_s: float) -> None:
        """See what the whole site takes; a large one with turns for the polls, and less often."""
        meters, choice = self.desk.snapshot.meters, self.choice
        if now_s - self._added_at < len(choice.names) / _ADDED_PER_S:
            return
        self._added_at = now_s
        adding = Sum(choice, meters, self.glances, self.today)
        if not adding.go_on(self.desk.clock.now(), _AT_ONCE):
            self._power, self._energy = adding.power, adding.energy
            return

        async def go_on() -> None:
            has_more = True
            while has_more:
                await asyncio.sleep(0)
                has_more = adding.go_on(self.desk.clock.now(), _AT_ONCE)
            self._power, self._energy = adding.power, adding.energy

        self._adding = asyncio.get_running_loop().create_task(go_on())

    async def _collect(self) -> None:
        clock = self.desk.clock
        day = clock.now().astimezone().date()
        while True:
            await clock.sleep_until(clock.monotonic() + 60.0 - clock.now().timestamp() % 60.0)
            today = clock.now().astimezone().date()
            await self._note_all(is_midnight=today != day)
            day = today

    async def _note_all(self, *, is_midnight: bool) -> None:
        """Note the value of each meter, with turns for the polls in between."""
        self.renew()
        for place, state in enumerate(list(self.desk.snapshot.meters.values())):
            glance = self.glances.of(state.info)
            value, is_stale = sum_of(state, glance.main, self.desk.clock.now())
            self.trends.note(state.info.name, None if is_stale else value)
            if is_midnight:
                self.today.begin_day(state, glance.counters)
            if place % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)

    def _pace(self, now_s: float) -> Pace:
        counts = self._counts
        if counts and now_s - counts[-1][0] > _PACE_S:
            counts.clear()  # nobody looked for a while
        while len(counts) > 1 and now_s - counts[1][0] >= _PACE_S:
            counts.popleft()
        newest = list(self.desk.snapshot.lateness.counts)
        counts.append((now_s, newest))
        begun_s, oldest = counts[0]
        if now_s - begun_s < 2 * _FRESH_S:
            polls, took_s = newest, None
        else:
            polls = [new - old for new, old in zip(newest, oldest, strict=True)]
            took_s = now_s - begun_s
        return Pace(None if took_s is None else sum(polls) / took_s, _lateness(polls))


def _lateness(counts: list[int]) -> str:
    """The class in which 99 of 100 polls are."""
    total, passed = sum(counts), 0
    if not total:
        return ""
    for count, limit_s in zip(counts, Lateness.LIMITS_S, strict=False):
        passed += count
        if passed >= _TELLING_SHARE * total:
            return f"\N{LESS-THAN OR EQUAL TO} {seconds_text(limit_s)} late"
    return f"> {seconds_text(Lateness.LIMITS_S[-1])} late"
