"""What happens in the service, as one stream: for the log, for pages, for whoever asks later."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from energymeter.clock import Clock, SystemClock

__all__ = ["EventStream", "Level", "ServiceEvent", "Topic"]

_log = logging.getLogger("energymeter.events")

_MOST_KEPT: Final = 2000
_MOST_WAITING: Final = 1000


class Level(StrEnum):
    """How much somebody should care."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Topic(StrEnum):
    """What it is about."""

    SERVICE = "service"
    LINK = "link"
    METER = "meter"
    STORE = "store"
    SINK = "sink"
    SITE = "site"
    """The site file."""


class ServiceEvent(NamedTuple):
    """Something that happened."""

    number: int
    """Counts up from 1 since the service started."""

    time: datetime
    level: Level
    topic: Topic
    name: str
    """Which link, meter or sink; empty where there is only one."""

    text: str
    """One sentence for people."""


_LEVELS: Final = {
    Level.INFO: logging.INFO,
    Level.WARNING: logging.WARNING,
    Level.ERROR: logging.ERROR,
}


class EventStream:
    """Keeps the newest events, logs each, and hands them to those who listen.

    For one loop: `tell` is called from its thread only.

    Args:
        clock: Says when it was.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock if clock is not None else SystemClock()
        self.run = f"{int(self._clock.now().timestamp()):x}"
        """Tells the numbers of this run of the service from those of others."""

        self._kept: deque[ServiceEvent] = deque(maxlen=_MOST_KEPT)
        self._listeners: set[asyncio.Queue[ServiceEvent]] = set()
        self._count = 0

    def tell(self, level: Level, topic: Topic, name: str, text: str) -> None:
        """Something happened."""
        self._count += 1
        event = ServiceEvent(self._count, self._clock.now(), level, topic, name, text)
        self._kept.append(event)
        _log.log(
            _LEVELS[level],
            "%s: %s",
            f"{topic} {name}".rstrip(),
            text,
            extra={"topic": topic.value, "subject": name},
        )
        for listener in self._listeners:
            if listener.full():  # who does not listen misses the oldest, and holds up nobody
                listener.get_nowait()
            listener.put_nowait(event)

    def newest(self, most: int = _MOST_KEPT, *, after: int = 0) -> list[ServiceEvent]:
        """The newest events, oldest first; `after`: only those with a higher number."""
        found = [event for event in self._kept if event.number > after]
        return found[-most:] if most else []

    @contextmanager
    def listening(self) -> Iterator[asyncio.Queue[ServiceEvent]]:
        """A queue of what happens from now on."""
        queue: asyncio.Queue[ServiceEvent] = asyncio.Queue(_MOST_WAITING)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
