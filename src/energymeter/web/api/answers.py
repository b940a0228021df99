"""What the API answers, field by field. Data only; `told` makes it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from energymeter.reader.reading import EventKind, Quality
from energymeter.service.events import Level, Topic
from energymeter.store import Every
from energymeter.store.base import Form, Kind

__all__ = [
    "Condition",
    "EventItem",
    "Events",
    "HistoryAnswer",
    "HistorySeries",
    "Latest",
    "LatestPage",
    "LinkItem",
    "Links",
    "Meter",
    "MeterItem",
    "MeterPage",
    "PointItem",
    "ProfileAnswer",
    "ProfileItem",
    "ProfilePage",
    "ProfilePoint",
    "ReloadAnswer",
    "SinkItem",
    "Sinks",
    "StoreAnswer",
    "UnitItem",
    "ValueItem",
    "Windows",
]

Number = int | float


class _Answer(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")


class Condition(StrEnum):
    """How a meter is."""

    ALIVE = "alive"
    """It answered when it was asked last."""

    SILENT = "silent"
    """It did not."""

    WAITING = "waiting"
    """It was not asked yet."""


class Windows(StrEnum):
    """In which windows a history is told."""

    POLL = "poll"
    """None: each poll by itself."""

    MINUTE = "1m"
    QUARTER = "15m"
    HOUR = "1h"
    DAY = "1d"

    @property
    def every(self) -> Every | None:
        """What the store calls it."""
        return _EVERY[self]


_EVERY = {
    Windows.POLL: None,
    Windows.MINUTE: Every.MINUTE,
    Windows.QUARTER: Every.QUARTER,
    Windows.HOUR: Every.HOUR,
    Windows.DAY: Every.DAY,
}


class MeterItem(_Answer):
    """A meter."""

    name: str
    """What the site file calls it."""

    state: Condition
    """How it is."""

    fault: str
    """Why it does not answer; empty: it does, or was not asked yet."""

    fault_since: datetime | None
    """Since when it does not; null: it does."""

    time: datetime | None
    """When its newest values were read; null: there are none yet."""

    age_s: float | None
    """How many seconds ago that was; null likewise."""

    revision: int
    """Counts its polls: another number means that there is something new."""

    link: str
    """The name of its link."""

    url: str
    """Where it is."""

    unit: int
    """Its unit number on the link."""

    profile: str
    """The profile it is read by, as `vendor/model`."""

    labels: dict[str, str]
    """What the site file says of it."""

    interval_s: float
    """Seconds between two polls of its fastest values."""

    polls: int
    """Polls since the service started."""

    failed: int
    """How many of them brought nothing at all."""

    skipped: int
    """Polls left out because something before took too long."""

    lateness_s: float
    """How many seconds late the newest poll began."""

    duration_s: float
    """How many seconds it took."""


class PointItem(_Answer):
    """A value that is read of a meter."""

    name: str
    """What it is called here, in the store and in topics."""

    unit: str
    """What it is told in; empty: it has none."""

    kind: Kind
    """Whether it goes up and down or counts."""

    form: Form
    """What its values are."""


class Meter(MeterItem):
    """A meter with everything that is read of it."""

    points: list[PointItem]
    """What is read of it, in the order of its profile."""


class MeterPage(_Answer):
    """Meters by name, a page of them."""

    total: int
    """How many meters there are that were asked for, on all pages."""

    next: str | None
    """What to send as `cursor` for the next page; null: this was the last one."""

    items: list[MeterItem]
    """In the order of their names."""


class ValueItem(_Answer):
    """The newest value of a point."""

    name: str
    """The point."""

    value: bool | Number | str | None
    """The value in its unit; null: there is none, and `quality` says why."""

    unit: str
    """Empty: it has none."""

    quality: Quality
    """How far it can be trusted; only `good` ones were believed."""

    reason: str
    """Why it is not good, a sentence; empty: it is."""

    time: datetime
    """When it was read; of a stale value, when it was good."""

    age_s: float
    """How many seconds ago that was."""


class Latest(_Answer):
    """The newest values of a meter."""

    meter: str
    """Its name."""

    state: Condition
    """How it is."""

    fault: str
    """Why it does not answer; empty: it does, or was not asked yet."""

    revision: int
    """Counts its polls."""

    time: datetime | None
    """When the newest of these values were read; null: there are none yet."""

    age_s: float | None
    """How many seconds ago that was; null likewise."""

    values: list[ValueItem]
    """In the order of its profile."""


class LatestPage(_Answer):
    """The newest values of several meters, a page of them."""

    total: int
    """How many meters there are that were asked for, on all pages."""

    next: str | None
    """What to send as `cursor` for the next page; null: this was the last one."""

    items: list[Latest]
    """In the order of the meters' names."""


class HistorySeries(_Answer):
    """One value over time, in columns of one length."""

    quantity: str
    """The point."""

    unit: str
    """What it is told in; empty: it has none."""

    kind: Kind
    """Of a counter the windows tell how far it went on, of a gauge the mean."""

    times: list[datetime]
    """When it was read, or where the windows begin; ascending, in the time zone asked for."""

    values: list[bool | Number | str | None]
    """null: there is none, and its quality says why."""

    qualities: list[Quality]
    """How far each can be trusted."""

    marks: dict[int, EventKind]
    """Rows, counted from 0, at which the counter rolled over or was replaced."""

    counts: list[int] | None
    """How many good values stand behind each window; null: nobody counted."""

    lows: list[Number | None] | None
    """The smallest good value of each window; null: there are no windows, or it counts."""

    highs: list[Number | None] | None
    """The largest one, likewise."""


class HistoryAnswer(_Answer):
    """Values of a meter over time."""

    meter: str
    """Its name."""

    start: datetime
    """The first moment."""

    end: datetime
    """The first moment that is not asked for."""

    every: Windows
    """The windows it is told in."""

    timezone: str
    """Where days begin, and what the times are told in."""

    series: list[HistorySeries]
    """In the order they were asked for."""


class UnitItem(_Answer):
    """How one unit on a link is doing; counted since the link exists."""

    unit: int
    """Its number."""

    requests: int
    """Questions sent."""

    answers: int
    """Answers, refusals among them."""

    timeouts: int
    """Questions nobody answered in time."""

    refusals: int
    """Questions the unit answered with an exception."""

    faults: int
    """Questions that were answered wrongly, or cut off."""

    latency_s: float | None
    """How long it thinks on average, without the time on the wire; null: no answer yet."""

    is_silent: bool
    """Whether it is left alone for a while because it does not answer."""


class LinkItem(_Answer):
    """A link: one wire or socket, with its units."""

    name: str
    """What the site file calls it; of a meter with a URL of its own, that URL."""

    url: str
    """Where it leads."""

    is_open: bool
    """Whether it is connected just now."""

    fault: str
    """Why it is not there; empty: it is."""

    fault_since: datetime | None
    """Since when it is not; null: it is."""

    meters: list[str]
    """The names of the meters on it."""

    utilisation: float
    """Part of the last period it was busy, 0 to 1; above with several questions under way."""

    wanted: float
    """Part of the time its schedule needs; above 1 it cannot be kept."""

    skipped: int
    """Polls left out in the last period."""

    units: list[UnitItem]
    """The units that were asked, by number."""


class Links(_Answer):
    """All links."""

    items: list[LinkItem]
    """In the order of the site file."""


class SinkItem(_Answer):
    """Where readings are passed on to."""

    name: str
    """What the site file calls it."""

    type: str
    """Such as `mqtt`."""

    sent: int
    """Polls it has, since the service started."""

    waiting: int
    """Polls that are to be sent still."""

    dropped: int
    """Polls that were lost since the service started."""

    fault: str
    """Why it cannot be sent to now; empty: it can."""

    fault_since: datetime | None
    """Since when; null: it can."""


class Sinks(_Answer):
    """All sinks."""

    items: list[SinkItem]
    """In the order they were started."""


class StoreAnswer(_Answer):
    """Where the history is kept."""

    place: str
    """Where; empty: nothing is kept."""

    stored: int
    """Polls kept since the service started."""

    waiting: int
    """Polls that are in memory only."""

    dropped: int
    """Polls that were lost."""

    fault: str
    """Why it takes nothing now; empty: it does."""

    fault_since: datetime | None
    """Since when; null: it does."""


class EventItem(_Answer):
    """Something that happened."""

    number: int
    """Counts up from 1 since the service started."""

    time: datetime
    """When it was."""

    level: Level
    """How much somebody should care."""

    topic: Topic
    """What it is about."""

    name: str
    """Which link, meter or sink; empty where there is only one."""

    text: str
    """One sentence for people."""


class Events(_Answer):
    """What happened, oldest first."""

    newest: int
    """The number of the newest event there is; send it as `after` the next time."""

    missed: int
    """How many events after `after` are not kept any more."""

    items: list[EventItem]
    """Those asked for; the newest ones if there are more than `limit`."""


class ProfileItem(_Answer):
    """A profile: what a kind of meter looks like."""

    name: str
    """As `vendor/model`."""

    vendor: str
    """Who makes the meter; empty where the profile cannot be read."""

    model: str
    """What the vendor calls it; likewise."""

    description: str
    """One sentence; likewise."""

    kind: str
    """What it measures: `electricity`, `water`, `gas` or `heat`; likewise."""

    points: int
    """How many values it has."""

    fault: str
    """Why the profile cannot be read; empty: it can."""


class ProfilePage(_Answer):
    """Profiles by name, a page of them."""

    total: int
    """How many there are that were asked for, on all pages."""

    next: str | None
    """What to send as `cursor` for the next page; null: this was the last one."""

    items: list[ProfileItem]
    """In the order of their names."""


class ProfilePoint(_Answer):
    """A value of a kind of meter, and where it stands."""

    name: str
    """What it is called."""

    note: str
    """What is particular about it; often empty."""

    unit: str
    """What it is told in; empty: it has none."""

    type: str
    """How its bits are read, such as `float32`."""

    tables: list[str]
    """Where it stands: `holding`, `input`, `coil`, `discrete`; more than one are mirrors."""

    address: int
    """Of its first word, from zero, as on the wire."""

    words: int
    """How many words, or bits, it takes."""


class ProfileAnswer(_Answer):
    """A profile with its values."""

    name: str
    """As `vendor/model`."""

    vendor: str
    """Who makes the meter."""

    model: str
    """What the vendor calls it."""

    description: str
    """One sentence."""

    kind: str
    """What it measures: `electricity`, `water`, `gas` or `heat`."""

    notes: list[str]
    """What is particular about the meter, a sentence each."""

    sources: list[str]
    """Where the facts come from."""

    points: list[ProfilePoint]
    """Its values, in the order of the file."""


class ReloadAnswer(_Answer):
    """What comes of a reload."""

    after: int
    """Events with a higher number tell how it ended: `/api/v1/events?after=`."""
