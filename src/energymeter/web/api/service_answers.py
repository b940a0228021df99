"""What the API answers of all that is no meter, field by field. Data only; `told` makes it."""

from __future__ import annotations

from datetime import datetime

from energymeter.service.events import Level, Topic
from energymeter.web.api.answers import Answer

__all__ = [
    "EventItem",
    "Events",
    "LinkItem",
    "Links",
    "ProfileAnswer",
    "ProfileItem",
    "ProfilePage",
    "ProfilePoint",
    "ReloadAnswer",
    "SinkItem",
    "Sinks",
    "StoreAnswer",
    "UnitItem",
]


class UnitItem(Answer):
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


class LinkItem(Answer):
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


class Links(Answer):
    """All links."""

    items: list[LinkItem]
    """In the order of the site file."""


class SinkItem(Answer):
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


class Sinks(Answer):
    """All sinks."""

    items: list[SinkItem]
    """In the order they were started."""


class StoreAnswer(Answer):
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


class EventItem(Answer):
    """Something that happened."""

    number: int
    """Counts up from 1 since the service started."""

    time: datetime
    """When it was."""

    level: Level
    """How much somebody should care about it."""

    topic: Topic
    """Which part of the service it is about."""

    name: str
    """Which link, meter or sink; empty where there is only one."""

    text: str
    """One sentence for people."""


class Events(Answer):
    """What happened, oldest first."""

    newest: int
    """The number of the newest event there is; send it as `after` the next time."""

    missed: int
    """How many events after `after` are not kept any more."""

    items: list[EventItem]
    """Those asked for; the newest ones if there are more than `limit`."""


class ProfileItem(Answer):
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


class ProfilePage(Answer):
    """Profiles by name, a page of them."""

    total: int
    """How many there are that were asked for, on all pages."""

    next: str | None
    """What to send as `cursor` for the next page; null: this was the last one."""

    items: list[ProfileItem]
    """In the order of their names."""


class ProfilePoint(Answer):
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


class ProfileAnswer(Answer):
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


class ReloadAnswer(Answer):
    """What comes of a reload."""

    after: int
    """Events with a higher number tell how it ended: `/api/v1/events?after=`."""
