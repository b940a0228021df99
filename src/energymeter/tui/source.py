"""What the screen asks of a service, whoever carries the answers, and what they look like."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from energymeter.errors import MeterError

__all__ = [
    "EventRow",
    "Figure",
    "FrameRow",
    "LinkRow",
    "MeterRow",
    "MeterView",
    "Overview",
    "Source",
    "SourceLostError",
    "ValueRow",
]


class SourceLostError(MeterError):
    """The service cannot be asked just now; the message is a sentence."""

    retryable = True


class Overview(NamedTuple):
    """How the whole site is."""

    site: str
    time: datetime
    """When this was so, UTC."""

    state: str
    """`ok`, `degraded` or `failing`."""

    reasons: tuple[str, ...]
    """What is wrong, the worst first."""


class Figure(NamedTuple):
    """A value that stands for a meter."""

    name: str
    text: str
    """As the meter has it."""

    unit: str
    quality: str
    value: float | None
    """In the base unit, to compare it with others; None: there is none."""

    is_counter: bool


class MeterRow(NamedTuple):
    """A meter among many."""

    name: str
    link: str
    unit: int
    profile: str
    labels: str
    """All its labels, to be searched."""

    state: str
    """`alive`, `silent` or `waiting`."""

    quality: str
    """The worst of its figures; empty: there are none."""

    age_s: float | None
    """Since its newest value was read."""

    now: Figure | None
    """What it measures now: a power or a flow."""

    total: Figure | None
    """What it has counted."""

    polls: int
    failed: int
    lateness_s: float
    """How late its newest poll began."""

    fault: str
    """Why it is silent; empty: it is not."""


class ValueRow(NamedTuple):
    """One value of a meter."""

    name: str
    text: str
    unit: str
    quality: str
    age_s: float | None
    reason: str
    """Why it is not good; empty: it is."""


class MeterView(NamedTuple):
    """One meter with everything it has."""

    meter: MeterRow
    values: tuple[ValueRow, ...]


class LinkRow(NamedTuple):
    """A link; requests are counted since it exists."""

    name: str
    url: str
    is_open: bool
    meters: int
    utilisation: float
    """Part of the last period it was busy, 0 to 1."""

    wanted: float
    """Part of the time its schedule needs; above 1 it cannot be kept."""

    latency_s: float | None
    """How long its units think on average; None: nobody answered yet."""

    skipped: int
    requests: int
    timeouts: int
    refusals: int
    faults: int
    fault: str


class EventRow(NamedTuple):
    """Something that happened."""

    number: int
    time: datetime
    level: str
    topic: str
    name: str
    text: str


class FrameRow(NamedTuple):
    """Something that happened on a link."""

    time: datetime
    kind: str
    """`sent`, `received`, `opened`, `timed_out` or `lost`."""

    data: str
    """Hexadecimal."""

    text: str


class Source(Protocol):
    """A running service, as the screen asks it; used in one loop only.

    Every call raises `SourceLostError` when the service cannot be asked just now, and
    `ConfigError` when it does not let us in.
    """

    @property
    def place(self) -> str:
        """Where the service is, for people."""
        ...

    async def overview(self) -> Overview:
        """How the whole site is."""
        ...

    async def meters(self) -> Sequence[MeterRow]:
        """All meters, in the order of the site file."""
        ...

    async def meter(self, name: str) -> MeterView | None:
        """One meter; None: there is no such meter (any more)."""
        ...

    async def links(self) -> Sequence[LinkRow]:
        """All links, in the order of the site file."""
        ...

    async def events(self) -> Sequence[EventRow]:
        """The newest events, oldest first."""
        ...

    def frames(self, link: str) -> AsyncGenerator[FrameRow]:
        """What happens on a link from now on; ends at once when there is no such link."""
        ...

    async def close(self) -> None:
        """Let go of everything; never raises."""
        ...
