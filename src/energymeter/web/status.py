"""What `/health` and `/api/status` answer: how everything is, as data.

The lists are cut off, what is in trouble first: a site may have ten thousand links.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from heapq import nsmallest
from typing import Final

from energymeter._version import __version__
from energymeter.service.events import EventStream
from energymeter.service.snapshot import LinkState, MeterState, Snapshot
from energymeter.web.api.answers import Answer
from energymeter.web.api.service_answers import EventItem, SinkItem, StoreAnswer
from energymeter.web.api.told import event_item, sink_item, store_answer
from energymeter.web.verdict import State, Verdict, count_meters

__all__ = ["Health", "Status", "health_of", "status_of"]

_MOST_EVENTS: Final = 20


class Meters(Answer):
    """How many meters there are."""

    total: int
    """All there are."""

    alive: int
    """They answered when they were asked last."""

    silent: int
    """They did not."""

    waiting: int
    """They were not asked yet."""


class Health(Answer):
    """Whether the service works."""

    state: State
    """`failing` comes with code 503."""

    reasons: tuple[str, ...]
    """What is wrong, as sentences, the worst first."""

    site: str
    """What the site is called."""

    version: str
    """Of the service."""

    started: datetime
    """When the service started."""

    uptime_s: float
    """How many seconds ago that was."""

    meters: Meters
    """How many meters there are, and answer."""

    store: StoreAnswer | None
    """null: nothing is kept."""

    sinks: tuple[SinkItem, ...]
    """How each sink is doing."""


class SilentMeter(Answer):
    """A meter that does not answer."""

    name: str
    """Its name."""

    link: str
    """The name of its link."""

    unit: int
    """Its unit number."""

    profile: str
    """The profile it is read by."""

    since: datetime | None
    """Since when it does not answer; null: that is not known."""

    reason: str
    """Why, a sentence."""


class LinkStatus(Answer):
    """A link; requests are counted since it exists."""

    name: str
    """What the site file calls it."""

    url: str
    """Where it leads."""

    is_open: bool
    """Whether it is connected just now."""

    meters: int
    """How many meters are on it."""

    utilisation: float
    """Part of the last period it was busy, 0 to 1."""

    wanted: float
    """Part of the time its schedule needs; above 1 it cannot be kept."""

    skipped: int
    """Polls passed over in the last period."""

    requests: int
    """Questions sent."""

    timeouts: int
    """Questions nobody answered in time."""

    refusals: int
    """Questions answered with an exception."""

    faults: int
    """Questions answered wrongly, or cut off."""

    fault: str
    """Why it is not there; empty: it is."""

    fault_since: datetime | None
    """Since when it is not; null: it is."""


class Status(Health):
    """Everything `energymeter status` shows."""

    time: datetime
    """When this was so."""

    polls: int
    """Polls that began since the service started."""

    late_polls: int
    """Those that began more than 0.1 s late."""

    longest_lateness_s: float
    """The latest of them, in seconds."""

    silent: tuple[SilentMeter, ...]
    """Meters that do not answer; `meters.silent` says how many there are in all."""

    links_total: int
    """How many links there are."""

    links: tuple[LinkStatus, ...]
    """Those in trouble first."""

    events: tuple[EventItem, ...]
    """The newest, oldest first."""


def health_of(snapshot: Snapshot, verdict: Verdict, now: datetime) -> Health:
    """How the service is doing, in short."""
    store = snapshot.store
    return Health(
        state=verdict.state,
        reasons=verdict.reasons,
        site=snapshot.site,
        version=__version__,
        started=snapshot.started,
        uptime_s=max(0.0, (now - snapshot.started).total_seconds()),
        meters=Meters(**count_meters(snapshot)._asdict()),
        store=StoreAnswer(**store_answer(store)) if store.place else None,
        sinks=tuple(SinkItem(**sink_item(sink)) for sink in snapshot.sinks.values()),
    )


def status_of(
    snapshot: Snapshot, events: EventStream, verdict: Verdict, now: datetime, most: int
) -> Status:
    """How everything is.

    Args:
        snapshot: What it is told of.
        events: Where the newest events are.
        verdict: What is thought of it.
        now: The time, UTC.
        most: Most silent meters, and most links, that are told one by one.
    """
    lateness = snapshot.lateness
    on_time = sum(
        count
        for count, limit_s in zip(lateness.counts, lateness.LIMITS_S, strict=False)
        if limit_s <= 0.1
    )
    silent = [state for state in snapshot.meters.values() if state.polls and state.fault]
    names = {meter: link.name for link in snapshot.links.values() for meter in link.meters}
    health = health_of(snapshot, verdict, now)
    return Status(
        **dict(health),
        time=now,
        polls=sum(lateness.counts),
        late_polls=sum(lateness.counts) - on_time,
        longest_lateness_s=lateness.longest_s,
        silent=tuple(_silent(state, names) for state in silent[:most]),
        links_total=len(snapshot.links),
        links=tuple(_links(list(snapshot.links.values()), most)),
        events=tuple(EventItem(**event_item(event)) for event in events.newest(_MOST_EVENTS)),
    )


def _silent(state: MeterState, links: dict[str, str]) -> SilentMeter:
    info = state.info
    return SilentMeter(
        name=info.name,
        link=links.get(info.name, info.link),
        unit=info.unit,
        profile=info.profile.name,
        since=state.fault_since,
        reason=state.fault,
    )


def _links(states: Sequence[LinkState], most: int) -> list[LinkStatus]:
    if len(states) > most:
        states = nsmallest(most, states, key=_wellness)
    return [_link(state) for state in states]


def _wellness(state: LinkState) -> tuple[bool, bool, float]:
    """The smaller, the worse."""
    return (not state.fault, not state.skipped, -state.wanted)


def _link(state: LinkState) -> LinkStatus:
    units = list(state.link.health.units.values())
    return LinkStatus(
        name=state.name,
        url=state.url,
        is_open=state.link.is_open,
        meters=len(state.meters),
        utilisation=state.utilisation,
        wanted=state.wanted,
        skipped=state.skipped,
        requests=sum(unit.requests for unit in units),
        timeouts=sum(unit.timeouts for unit in units),
        refusals=sum(unit.refusals for unit in units),
        faults=sum(unit.faults for unit in units),
        fault=state.fault,
        fault_since=state.fault_since,
    )
