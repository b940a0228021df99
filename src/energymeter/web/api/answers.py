"""What the API answers of meters, field by field. Data only; `told` makes it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from energymeter.reader.reading import EventKind, Quality
from energymeter.store import Every
from energymeter.store.base import Form, Kind

__all__ = [
    "Answer",
    "Condition",
    "HistoryAnswer",
    "HistorySeries",
    "Latest",
    "LatestPage",
    "Meter",
    "MeterItem",
    "MeterPage",
    "PointItem",
    "ValueItem",
    "Windows",
]

Number = int | float


class Answer(BaseModel):
    """What all of them are."""

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


class MeterItem(Answer):
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


class PointItem(Answer):
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


class MeterPage(Answer):
    """Meters by name, a page of them."""

    total: int
    """How many meters there are that were asked for, on all pages."""

    next: str | None
    """What to send as `cursor` for the next page; null: this was the last one."""

    items: list[MeterItem]
    """In the order of their names."""


class ValueItem(Answer):
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


class Latest(Answer):
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


class LatestPage(Answer):
    """The newest values of several meters, a page of them."""

    total: int
    """How many meters there are that were asked for, on all pages."""

    next: str | None
    """What to send as `cursor` for the next page; null: this was the last one."""

    items: list[Latest]
    """In the order of the meters' names."""


class HistorySeries(Answer):
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


class HistoryAnswer(Answer):
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
