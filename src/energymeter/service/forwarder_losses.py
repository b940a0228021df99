"""Counts the polls a sink does not get, and tells it: at once, then at most once a minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from energymeter.clock import Clock
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.journal_reader import JournalReader

__all__ = ["Losses", "polls_text"]

_TELL_AGAIN_S: Final = 60.0
_MEGABYTE: Final = 1_000_000


def polls_text(count: int) -> str:
    """So many polls, for people."""
    return "1 poll" if count == 1 else f"{count} polls"


@dataclass(slots=True)
class _Told:
    count: int = 0
    at: float | None = None


class Losses:
    """What one sink does not get, and why.

    Args:
        reader: Counts what the journal loses.
        events: Told of it.
        name: What the sink is called.
        clock: Says when a minute has passed.
        already: How many were told already, by the one before that served this sink.
    """

    def __init__(
        self,
        reader: JournalReader,
        events: EventStream,
        name: str,
        clock: Clock,
        *,
        already: int = 0,
    ) -> None:
        self._reader = reader
        self._events = events
        self._name = name
        self._clock = clock
        self._told: dict[str, _Told] = {}
        self._earlier = max(already - reader.dropped - reader.damaged, 0)
        """Rejected and the like; the reader goes on counting its own."""

        if already:
            self._told["dropped"] = _Told(reader.dropped)
            self._told["damaged"] = _Told(reader.damaged)
        self._rejected = 0
        self._rejection = ""
        self._strangers = 0
        self._stranger = ""

    def note_rejected(self, count: int, reason: str) -> None:
        """The receiver will never take these."""
        self._rejected += count
        self._rejection = reason

    def note_strangers(self, polls: Mapping[str, int]) -> None:
        """Polls of meters that the site no longer has, by name: no sink knows what they are."""
        for name, count in polls.items():
            self._strangers += count
            self._stranger = name

    def tell(self) -> int:
        """Tell what is new, unless that was done within the minute; returns the sum of all."""
        reader = self._reader
        bound = f"{reader.most_bytes / _MEGABYTE:g} MB"
        reason = f"more than {bound} waited, or more than the memory holds while the disk was full"
        self._tell("dropped", reader.dropped, reason)
        self._tell("damaged", reader.damaged, "the journal is damaged")
        self._tell("rejected", self._rejected, f"rejected: {self._rejection}")
        self._tell("strangers", self._strangers, f"the site has no meter {self._stranger} any more")
        lost = reader.dropped + reader.damaged + self._rejected + self._strangers
        return self._earlier + lost

    def _tell(self, kind: str, count: int, reason: str) -> None:
        told = self._told.setdefault(kind, _Told())
        if count <= told.count:
            return
        now = self._clock.monotonic()
        if told.at is not None and now - told.at < _TELL_AGAIN_S:
            return
        lost = polls_text(count - told.count)
        in_all = f", {count} in all" if told.count else ""
        told.count, told.at = count, now
        self._events.tell(Level.WARNING, Topic.SINK, self._name, f"{lost} lost{in_all}: {reason}")
