"""The newest readings of all meters, and how everything is doing: what pages and routes look at.

One object, written by the pollers in the loop and read there by everybody else; nothing is copied
until somebody asks. Knows no socket and no file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from energymeter.client import Link
from energymeter.reader.reading import Quality, Reading, ReadReport
from energymeter.service.sink import MeterInfo

__all__ = [
    "JournalState",
    "Lateness",
    "LinkState",
    "MeterState",
    "SinkState",
    "Snapshot",
    "StoreState",
]

_STALE_AFTER_INTERVALS: Final = 3.0
"""A value that was not renewed for so many intervals is stale."""


@dataclass(slots=True, eq=False)
class MeterState:
    """One meter."""

    info: MeterInfo
    intervals_s: tuple[float, ...]
    """Seconds between two polls of each of its courses; one, unless it has rates."""

    reports: list[ReadReport | None]
    """The newest report of each course; None: not read yet."""

    revision: int = 0
    """Counts the polls: whoever remembers it sees whether there is something new."""

    polls: int = 0
    failed: int = 0
    """Polls that brought nothing at all."""

    skipped: int = 0
    """Moments passed over because something before took too long."""

    lateness_s: float = 0.0
    """How late the newest poll started."""

    duration_s: float = 0.0
    """How long the newest poll took."""

    fault: str = ""
    """Why the newest poll brought nothing; empty: it brought something."""

    fault_since: datetime | None = None

    courses_told: int = 0
    """Of how many of its courses somebody was told that they bring nothing."""

    @property
    def is_alive(self) -> bool:
        """Whether it answered when it was asked last."""
        return self.polls > 0 and not self.fault

    @property
    def time(self) -> datetime | None:
        """When the newest of its values were read, UTC; None: there are none yet."""
        times = [report.time for report in self.reports if report is not None]
        return max(times, default=None)

    def readings(self, now: datetime) -> Iterator[Reading]:
        """Its newest values; good ones that are too old at `now` are stale."""
        seen: set[str] = set()
        for report, interval_s in zip(self.reports, self.intervals_s, strict=True):
            if report is None:
                continue
            oldest = now - timedelta(seconds=_STALE_AFTER_INTERVALS * interval_s)
            for reading in report:
                # What tells a scale may be read by several courses: the fastest has the newest.
                if reading.name in seen:
                    continue
                seen.add(reading.name)
                if reading.quality is Quality.GOOD and reading.time < oldest:
                    yield reading._replace(quality=Quality.STALE)
                else:
                    yield reading

    def reason(self, name: str) -> str:
        """Why a value is not good; empty when it is, or when there is no such value."""
        for report in self.reports:
            if report is not None and any(point.name == name for point in report.points):
                return report.reason(name)
        return ""


@dataclass(slots=True, eq=False)
class LinkState:
    """One link."""

    name: str
    url: str
    link: Link
    meters: list[str] = field(default_factory=list)
    utilisation: float = 0.0
    """Part of the last period it was busy; 1.0: always."""

    wanted: float = 0.0
    """Part of the time its schedule needs; above 1.0 it cannot be kept."""

    skipped: int = 0
    """Polls passed over in the last period."""

    fault: str = ""
    """Why it is not there; empty: it is."""

    fault_since: datetime | None = None


@dataclass(slots=True, eq=False)
class SinkState:
    """One sink."""

    name: str
    type: str
    sent: int = 0
    """Polls that the receiver has, since the service started."""

    waiting: int = 0
    """Polls that are to be sent still."""

    dropped: int = 0
    """Polls that were lost since the service started: beyond the bound, or rejected."""

    fault: str = ""
    """Why it cannot send now; empty: it can."""

    fault_since: datetime | None = None


@dataclass(slots=True, eq=False)
class StoreState:
    """The store."""

    place: str = ""
    stored: int = 0
    """Polls kept since the service started."""

    waiting: int = 0
    """Polls that are in memory only."""

    dropped: int = 0
    """Polls that were lost: the store did not take them for too long."""

    fault: str = ""
    fault_since: datetime | None = None


@dataclass(slots=True, eq=False)
class JournalState:
    """The journal, from which sinks are served."""

    waiting: int = 0
    """Polls that are in memory only, because it cannot be written."""

    dropped: int = 0
    """Polls that were lost so."""

    fault: str = ""
    fault_since: datetime | None = None


class Lateness:
    """How late polls started, counted in classes.

    `counts[i]` polls were at most `LIMITS_S[i]` late, and later than the limit before; the last
    class has no limit.
    """

    LIMITS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

    __slots__ = ("counts", "longest_s", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(self.LIMITS_S) + 1)
        self.total_s = 0.0
        self.longest_s = 0.0

    def add(self, seconds: float) -> None:
        """A poll started so late."""
        self.counts[bisect_left(self.LIMITS_S, seconds)] += 1
        self.total_s += seconds
        self.longest_s = max(self.longest_s, seconds)


class Snapshot:
    """Everything as it is now.

    Args:
        site: What the site is called.
        started: When the service started, UTC.
    """

    def __init__(self, site: str, started: datetime) -> None:
        self.site = site
        self.started = started
        self.meters: dict[str, MeterState] = {}
        """By name, in the order of the site file, link by link."""

        self.links: dict[str, LinkState] = {}
        self.sinks: dict[str, SinkState] = {}
        self.store = StoreState()
        self.journal = JournalState()
        self.lateness = Lateness()
        """Of all polls since the service started."""

    def infos(self) -> Mapping[str, MeterInfo]:
        """What each meter is."""
        return {name: state.info for name, state in self.meters.items()}
