"""Judges how the service is doing: well, degraded by the world around it, or not working. No I/O.

A silent meter, or a receiver or database that is down, degrades it: to restart the service would
not help, and readings wait. Links that are not polled any more, or readings that are lost because
the store takes none, mean that it does not work.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from energymeter.clock import Clock
from energymeter.service.snapshot import LinkState, Snapshot

__all__ = ["Count", "Judge", "State", "Verdict", "count_meters", "since_text"]

_MOST_REASONS: Final = 20
_STALLED_S: Final = 60.0
"""A link without a poll for so long does not work any more, if more was due."""

_STALLED_INTERVALS: Final = 3.0
"""The same in intervals of its busiest meter; the longer of the two counts."""


class State(StrEnum):
    """How it is."""

    OK = "ok"
    DEGRADED = "degraded"
    """It works; something it works with does not."""
    FAILING = "failing"


class Verdict(NamedTuple):
    """How it is, and why."""

    state: State
    failing: tuple[str, ...] = ()
    """Why it does not work; sentences."""

    degraded: tuple[str, ...] = ()
    """What else is wrong; likewise."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """All that is wrong, the worst first."""
        return (*self.failing, *self.degraded)


class Count(NamedTuple):
    """How many meters there are."""

    total: int
    alive: int
    silent: int
    """They were asked and did not answer."""

    waiting: int
    """They were not asked yet."""


def count_meters(snapshot: Snapshot) -> Count:
    """How many meters answer."""
    alive = waiting = 0
    for state in snapshot.meters.values():
        if not state.polls:
            waiting += 1
        elif not state.fault:
            alive += 1
    total = len(snapshot.meters)
    return Count(total, alive, total - alive - waiting, waiting)


class Judge:
    """Looks at a snapshot whenever somebody asks.

    It remembers what it saw the time before: a link whose polls do not count up from one look to
    the next has stopped.

    Args:
        snapshot: What it looks at.
        clock: Says how long ago something was.
    """

    def __init__(self, snapshot: Snapshot, clock: Clock) -> None:
        self._snapshot = snapshot
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}
        self._dropped = snapshot.store.dropped
        """Polls that were lost before the store began to take none."""

    def look(self) -> Verdict:
        """How the service is doing now."""
        now = self._clock.now()
        lost, waiting = self._store(now)
        failing = _shortened([*self._stalled(), *lost])
        degraded = _shortened([*waiting, *self._meters(), *self._links(now), *self._sinks(now)])
        state = State.FAILING if failing else State.DEGRADED if degraded else State.OK
        return Verdict(state, failing, degraded)

    def _stalled(self) -> Iterator[str]:
        monotonic, seen = self._clock.monotonic(), self._seen
        self._seen = {}
        for link in self._snapshot.links.values():
            polls, interval_s = self._polls(link)
            if interval_s is None:
                continue
            before = seen.get(link.name)
            since = monotonic if before is None or before[0] != polls else before[1]
            self._seen[link.name] = (polls, since)
            still_s = monotonic - since
            if still_s > max(_STALLED_S, _STALLED_INTERVALS * interval_s):
                yield f"link {link.name} has not been polled for {_lasting(still_s)}"

    def _polls(self, link: LinkState) -> tuple[int, float | None]:
        """Polls of all meters of a link, and the interval of the busiest; None without meters."""
        meters = self._snapshot.meters
        states = [meters[name] for name in link.meters if name in meters]
        interval_s = min((state.info.interval_s for state in states), default=None)
        return sum(state.polls for state in states), interval_s

    def _store(self, now: datetime) -> tuple[list[str], list[str]]:
        """What is wrong with the store: where readings are lost, and where they only wait."""
        store = self._snapshot.store
        if not store.fault:
            self._dropped = store.dropped
            return [], []
        text = f"the store takes nothing{since_text(store.fault_since, now)}: {store.fault}"
        lost = store.dropped - self._dropped
        if lost:
            return [f"{text}; {lost} polls are lost"], []
        return [], [f"{text}; the polls wait"]

    def _meters(self) -> Iterator[str]:
        count = count_meters(self._snapshot)
        if count.silent:
            verb = "does" if count.silent == 1 else "do"
            yield f"{count.silent} of {count.total} meters {verb} not answer"

    def _links(self, now: datetime) -> Iterator[str]:
        for link in self._snapshot.links.values():
            if link.fault:
                since = since_text(link.fault_since, now)
                yield f"link {link.name} is not there{since}: {link.fault}"
            elif link.skipped and link.wanted > 1.0:
                need = f"its meters need {link.wanted:.0%} of the time there is"
                yield f"link {link.name} cannot keep its schedule: {need}"

    def _sinks(self, now: datetime) -> Iterator[str]:
        for sink in self._snapshot.sinks.values():
            if sink.fault:
                since = since_text(sink.fault_since, now)
                yield f"sink {sink.name} cannot send{since}: {sink.fault}"


def since_text(since: datetime | None, now: datetime) -> str:
    """` for 5 min`, to stand behind what has been so since then; empty when that is not known."""
    return "" if since is None else f" for {_lasting((now - since).total_seconds())}"


def _lasting(seconds: float) -> str:
    seconds = max(seconds, 0.0)
    for limit, size, word in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds / 86_400:.0f} days"


def _shortened(reasons: list[str]) -> tuple[str, ...]:
    if len(reasons) <= _MOST_REASONS:
        return tuple(reasons)
    return (*reasons[:_MOST_REASONS], f"and {len(reasons) - _MOST_REASONS} more")
