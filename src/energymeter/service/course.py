"""A meter as the service polls it: one reader for each of its rates, each with its own moments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final, Literal

from energymeter.client import Unit
from energymeter.clock import Clock
from energymeter.codec import ReadRequest
from energymeter.errors import LinkClosedError
from energymeter.planner import Cost, plan_rates
from energymeter.profiles import Point, Profile
from energymeter.reader import MeterReader, Rating, ReaderKind, wire_cost
from energymeter.reader.memory import Memory
from energymeter.service.sink import MeterInfo
from energymeter.service.snapshot import MeterState
from energymeter.service.timetable import Moments
from energymeter.site import MeterEntry, ResolvedLink, ResolvedMeter
from energymeter.store import Layout, layout_of
from energymeter.store.courses import COURSE_MARK
from energymeter.transports import Wire

__all__ = ["Course", "CourseMaker"]

_RATES: Final = ("fast", "slow", "once")


class Course:
    """One rate of one meter.

    Args:
        key: Under which its polls are kept.
        place: Which of the meter's courses it is.
        reader: Reads it.
        layout: What its polls hold.
        moments: When it is due.
        state: What everybody sees of the meter.
    """

    __slots__ = (
        "duration_s",
        "empty_in_row",
        "empty_since",
        "is_told",
        "key",
        "layout",
        "moments",
        "place",
        "reader",
        "silent_in_row",
        "state",
        "told_broken_at",
        "warned",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self,
        key: str,
        place: int,
        reader: MeterReader,
        layout: Layout,
        moments: Moments,
        state: MeterState,
    ) -> None:
        self.key = key
        self.place = place
        self.reader = reader
        self.layout = layout
        self.moments = moments
        self.state = state
        self.duration_s = 0.0
        """How long a poll takes on average; 0.0: there was none."""

        self.empty_in_row = 0
        """Polls in a row that brought nothing."""

        self.empty_since: datetime | None = None
        """When the first of them was."""

        self.silent_in_row = 0
        """Those of them for which the link was there."""

        self.is_told = False
        """Whether somebody was told that it brings nothing."""

        self.told_broken_at: datetime | None = None
        """When a fault of the program was told last."""

        self.warned: dict[str, datetime] = {}
        """What did not go together, and when that was seen last."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the courses of meters that are read alike have in common."""

    rate: str
    arguments: Mapping[str, Any]
    """Of the reader."""

    reader: ReaderKind
    layout: Layout


class _Nobody:
    """Whom the pattern of a kind of readers asks: it never reads."""

    async def read(self, request: ReadRequest) -> bytes:
        """See `UnitClient.read`."""
        msg = f"nobody is asked for {request} while reads are planned"
        raise LinkClosedError(msg)


class CourseMaker:
    """Makes courses; what meters of one kind have in common is made once.

    Args:
        clock: Times it all.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kinds: dict[tuple[object, ...], tuple[Profile, tuple[_Kind, ...]]] = {}

    def prepare(self, links: Iterable[ResolvedLink]) -> None:
        """Make what the meters of each kind have in common; may run in a thread.

        Planning the reads of several rates takes seconds for some meters.

        Raises:
            ConfigError: A point is longer than the longest read.
        """
        for link in links:
            for meter in link.meters:
                self._kinds_of(meter, link.wire)

    def make(
        self,
        meter: ResolvedMeter,
        unit: Unit,
        wire: Wire,
        *,
        moments: Callable[[float], Moments],
        memory: Callable[[str], Memory | None],
    ) -> list[Course]:
        """The courses of a meter, the fastest first.

        Args:
            meter: Which meter.
            unit: Whom to ask.
            wire: The way there: what reads cost.
            moments: Gives the moments of an interval.
            memory: Where what is learned is kept, by the name it is learned under.

        Raises:
            ConfigError: A point is longer than the longest read.
        """
        kinds = self._kinds_of(meter, wire)
        intervals = _intervals_s(meter.entry)
        state = MeterState(
            info=MeterInfo(
                name=meter.name,
                link=str(wire),
                unit=meter.unit,
                profile=meter.profile,
                interval_s=min(intervals.values()),
                series=tuple(dict.fromkeys(s for kind in kinds for s in kind.layout.series)),
                labels=meter.entry.labels,
            ),
            intervals_s=tuple(intervals[kind.rate] for kind in kinds),
            reports=[None] * len(kinds),
        )
        courses = []
        for place, kind in enumerate(kinds):
            mark = f"{COURSE_MARK}{kind.rate}" if place else ""
            reader = MeterReader(
                unit,
                meter.profile,
                **kind.arguments,
                memory=memory(f"{meter.profile.name}{mark}"),
                clock=self._clock,
                kind=kind.reader,
            )
            courses.append(
                Course(
                    f"{meter.name}{mark}",
                    place,
                    reader,
                    kind.layout,
                    moments(intervals[kind.rate]),
                    state,
                )
            )
        return courses

    def forget_others(self, profiles: Iterable[Profile]) -> None:
        """Let go of what was made for any other profiles."""
        kept = {id(profile) for profile in profiles}
        self._kinds = {key: kind for key, kind in self._kinds.items() if id(kind[0]) in kept}

    def _kinds_of(self, meter: ResolvedMeter, wire: Wire) -> tuple[_Kind, ...]:
        entry, cost = meter.entry, wire_cost(wire)
        key = (
            id(meter.profile),
            cost,
            wire.is_numbered,
            entry.points,
            entry.rates,
            entry.ct,
            entry.pt,
            entry.rated_current,
        )
        found = self._kinds.get(key)
        if found is None:
            # The profile is kept too, so that no other one can come to have its id.
            found = self._kinds[key] = (meter.profile, tuple(self._new_kinds(meter, wire)))
        return found[1]

    def _new_kinds(self, meter: ResolvedMeter, wire: Wire) -> list[_Kind]:
        entry, cost = meter.entry, wire_cost(wire)
        ratios: dict[Literal["ct", "pt"], Fraction] = {}
        if entry.ct is not None:
            ratios["ct"] = entry.ct
        if entry.pt is not None:
            ratios["pt"] = entry.pt
        kinds = []
        for rate, points in _points_of(meter, cost).items():
            arguments: dict[str, Any] = {
                "points": points,
                "cost": cost,
                "is_numbered": wire.is_numbered,
                "ratios": ratios,
                "rating": None if entry.rated_current is None else Rating(entry.rated_current),
            }
            reader = MeterReader(_Nobody(), meter.profile, **arguments, clock=self._clock)
            tops = {counter.name: counter.tops for counter in reader.counters}
            kinds.append(_Kind(rate, arguments, reader.kind, layout_of(reader.points, tops)))
        return kinds


def _points_of(meter: ResolvedMeter, cost: Cost) -> dict[str, tuple[Point, ...]]:
    """The points of each rate that has any, the fastest first."""
    intervals = _intervals_s(meter.entry)
    if meter.entry.rates is None:
        return {"": meter.points}
    found: dict[str, tuple[Point, ...]] = {}
    named: set[str] = set()
    plans = plan_rates(meter.profile, intervals, cost, points=meter.points)
    for rate in intervals:
        # What a faster rate brings along needs no reading of its own.
        points = [p for block in plans[rate] for p in block.points if p.name not in named]
        named.update(point.name for point in points)
        if points:
            found[rate] = tuple(points)
    return found


def _intervals_s(entry: MeterEntry) -> Mapping[str, float]:
    """Seconds between two polls of each rate, the fastest first; a single one has no name."""
    if entry.rates is None:
        assert entry.interval is not None  # noqa: S101 - filled in when the site was resolved
        return {"": entry.interval}
    rates = {name: getattr(entry.rates, name) for name in _RATES}
    return dict(sorted(rates.items(), key=lambda rate: rate[1]))
