"""The results of reading a meter: values with their quality, one report per poll."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from energymeter.errors import MeterError
from energymeter.planner import Block
from energymeter.profiles import Point

__all__ = ["Event", "EventKind", "Failure", "Quality", "ReadReport", "Reading", "Value"]

Value = int | float | str | bool | None
"""A value in the unit of its point; None when there is none."""


class Quality(StrEnum):
    """How far a value can be trusted."""

    GOOD = "good"
    NOT_AVAILABLE = "not_available"
    """The meter answered that it has no such value."""
    OUT_OF_RANGE = "out_of_range"
    """What it answered cannot be true; it was rejected."""
    WITHHELD = "withheld"
    """A counter that fell or jumped; it was rejected until that is explained."""
    STALE = "stale"
    """It could not be read this time; this is the last good value."""
    NOT_READ = "not_read"
    """It could not be read this time."""


class EventKind(StrEnum):
    """What happened once, and will not be told again."""

    COUNTER_ROLLED_OVER = "counter_rolled_over"
    COUNTER_REPLACED = "counter_replaced"
    """The meter was exchanged or its counter reset: the series goes on from a new base."""
    LEARNED = "learned"
    """Something the profile does not say: a hole, a point refused, the longest read."""
    UNLEARNED = "unlearned"
    """Something learned is no longer so."""
    ANSWERS_SHIFTED = "answers_shifted"
    """The meter drops addresses it lacks and moves what follows: gaps are not read over."""


class Event(NamedTuple):
    """Something that happened to a meter between two reports."""

    kind: EventKind
    name: str
    """The point; empty when it is about the meter."""

    text: str
    """One sentence for people."""


class Reading(NamedTuple):
    """One value of a meter at one time."""

    name: str
    value: Value
    unit: str
    quality: Quality
    time: datetime
    """When it was read; for a stale value the time it was good."""

    def age_s(self, now: datetime) -> float:
        """Seconds since it was read."""
        return (now - self.time).total_seconds()


class Failure(NamedTuple):
    """A read that brought nothing, and why."""

    block: Block
    error: MeterError


_NOTHING: Mapping[int, str] = {}
_NO_TIMES: Mapping[int, datetime] = {}


class ReadReport:
    """Everything that one poll of a meter brought.

    `values` and `qualities` are in the order of `points`; iterate for `Reading` objects, which
    are made on demand.
    """

    __slots__ = (
        "_reasons",
        "_times",
        "events",
        "failures",
        "points",
        "qualities",
        "time",
        "values",
        "warnings",
    )

    def __init__(  # noqa: PLR0913 - keyword-only, one for each thing a poll can give
        self,
        *,
        time: datetime,
        points: Sequence[Point],
        values: Sequence[Value],
        qualities: Sequence[Quality],
        failures: Sequence[Failure] = (),
        events: Sequence[Event] = (),
        warnings: Sequence[str] = (),
        reasons: Mapping[int, str] = _NOTHING,
        times: Mapping[int, datetime] = _NO_TIMES,
    ) -> None:
        self.time = time
        """When the first request was sent, UTC."""
        self.points = points
        self.values = values
        self.qualities = qualities
        self.failures = failures
        """Reads that failed; empty when all went well."""
        self.events = events
        """What happened to the meter; empty nearly always."""
        self.warnings = warnings
        """Inconsistencies between values, as sentences; the values themselves stay good."""
        self._reasons = reasons
        self._times = times

    def __repr__(self) -> str:
        good, failed = self.qualities.count(Quality.GOOD), len(self.failures)
        trouble = f", {failed} {'read' if failed == 1 else 'reads'} failed" if failed else ""
        when = f"{self.time:%Y-%m-%d %H:%M:%S %Z}"
        return f"<ReadReport {when}: {good} of {len(self)} values good{trouble}>"

    def __iter__(self) -> Iterator[Reading]:
        for place in range(len(self.points)):
            yield self._reading(place)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, name: str) -> Reading:
        return self._reading(self._place(name))

    @property
    def is_complete(self) -> bool:
        """Whether every read brought an answer."""
        return not self.failures

    @property
    def is_empty(self) -> bool:
        """Whether no value at all could be read."""
        return all(q is Quality.NOT_READ or q is Quality.STALE for q in self.qualities)

    def as_dict(self) -> dict[str, Value]:
        """Name to value, None where there is none."""
        return {point.name: value for point, value in zip(self.points, self.values, strict=True)}

    def reason(self, name: str) -> str:
        """Why a value is not good, as a sentence; empty when it is.

        Raises:
            KeyError: There is no such point in the report.
        """
        return self._reason(self._place(name))

    def reasons(self) -> dict[str, str]:
        """Name and reason of every value that is not good."""
        return {
            point.name: self._reason(place)
            for place, (point, quality) in enumerate(zip(self.points, self.qualities, strict=True))
            if quality is not Quality.GOOD
        }

    def aged(self, now: datetime, stale_after_s: float) -> ReadReport:
        """The report as to be shown at `now`: good values older than `stale_after_s` are stale."""
        limit = now - timedelta(seconds=stale_after_s)
        if self.time >= limit:
            return self
        qualities = [Quality.STALE if q is Quality.GOOD else q for q in self.qualities]
        age_s = (now - self.time).total_seconds()
        reasons = {
            place: f"nothing newer came for {age_s:.0f} s"
            for place, quality in enumerate(self.qualities)
            if quality is Quality.GOOD
        }
        return ReadReport(
            time=self.time,
            points=self.points,
            values=self.values,
            qualities=qualities,
            failures=self.failures,
            events=self.events,
            warnings=self.warnings,
            reasons={**self._reasons, **reasons},
            times=self._times,
        )

    def time_at(self, place: int) -> datetime:
        """When the value at this place of `points` was read."""
        return self._times.get(place, self.time)

    def _place(self, name: str) -> int:
        for place, point in enumerate(self.points):
            if point.name == name:
                return place
        raise KeyError(name)

    def _reading(self, place: int) -> Reading:
        point = self.points[place]
        return Reading(
            point.name, self.values[place], point.unit, self.qualities[place], self.time_at(place)
        )

    def _reason(self, place: int) -> str:
        known = self._reasons.get(place)
        if known is not None:
            return known
        quality = self.qualities[place]
        if quality is Quality.GOOD:
            return ""
        if quality is Quality.NOT_AVAILABLE:
            return "the meter has no value here"
        point = self.points[place]
        for block, error in self.failures:
            if point in block.points:
                return str(error)
        return "it was not read"
