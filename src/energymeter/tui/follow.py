"""Asks a source for what is looked at just now, and remembers the answers. Draws nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil
from typing import Final

from energymeter.clock import Clock, SystemClock
from energymeter.tui.source import EventRow, LinkRow, MeterRow, MeterView, Overview, Source

__all__ = ["Follower", "Picture", "View", "late_of"]

_OVERVIEW_S: Final = 1.0
"""The service judges itself at each look: that often is enough."""

_RATE_S: Final = 10.0
"""Polls a second are told over so long."""

_LATE_PART: Final = 0.99


class View(StrEnum):
    """What is looked at."""

    METERS = "meters"
    METER = "meter"
    LINKS = "links"
    LINK = "link"
    """The meters of one link, and its frames."""

    EVENTS = "events"


@dataclass(slots=True)
class Picture:
    """What was answered last."""

    overview: Overview | None = None
    meters: Sequence[MeterRow] = ()
    meter: MeterView | None = None
    links: Sequence[LinkRow] = ()
    events: Sequence[EventRow] = ()
    polls_per_s: float | None = None
    alive: int = 0
    silent: int = 0
    late_s: float | None = None
    """99 of 100 meters were polled at most so late the last time."""

    marks: deque[tuple[float, int]] = field(default_factory=deque)
    """When there were how many polls."""


class Follower:
    """Keeps a picture of a service.

    Args:
        source: The service.
        clock: Says when it was asked.
    """

    def __init__(self, source: Source, clock: Clock | None = None) -> None:
        self.source = source
        self.picture = Picture()
        self._now = (clock or SystemClock()).monotonic
        self._overview_at = float("-inf")

    async def look(self, view: View, subject: str) -> None:
        """Ask again for what this view shows.

        Args:
            view: Which one.
            subject: The name of the meter or link it is about; empty: of none.

        Raises:
            SourceLostError: The service cannot be asked now; the picture stays as it was.
            ConfigError: It does not let us in.
        """
        picture, source = self.picture, self.source
        if self._now() - self._overview_at >= _OVERVIEW_S:
            picture.overview = await source.overview()
            self._overview_at = self._now()
        # The counts at the top are those of all meters, whatever is looked at.
        picture.meters = await source.meters()
        self._count()
        match view:
            case View.METER:
                picture.meter = await source.meter(subject)
                picture.events = await source.events()
                picture.links = picture.links or await source.links()
            case View.LINKS | View.LINK:
                picture.links = await source.links()
            case View.EVENTS:
                picture.events = await source.events()

    def forget(self) -> None:
        """What comes next is another service, or the same one started again."""
        self.picture.marks.clear()
        self._overview_at = float("-inf")

    def _count(self) -> None:
        picture, now = self.picture, self._now()
        states = [meter.state for meter in picture.meters]
        picture.alive, picture.silent = states.count("alive"), states.count("silent")
        picture.late_s = late_of(picture.meters)
        polls, marks = sum(meter.polls for meter in picture.meters), picture.marks
        if marks and polls < marks[-1][1]:
            marks.clear()  # it was started again
        marks.append((now, polls))
        while now - marks[0][0] > _RATE_S:
            marks.popleft()
        since, before = marks[0]
        picture.polls_per_s = (polls - before) / (now - since) if now - since >= 1.0 else None


def late_of(meters: Sequence[MeterRow]) -> float | None:
    """So late at most was the newest poll of 99 of 100 meters; None: none was polled."""
    late = sorted(meter.lateness_s for meter in meters if meter.polls)
    return late[ceil(_LATE_PART * len(late)) - 1] if late else None
