"""What a journal holds right now, and who has read how far: what its threads share.

Everything here is quick and under one lock; files are only deleted, never read or written.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from energymeter.service.journal_record import Layouts, Record, find

__all__ = ["Bookmark", "Cursor", "End", "FileStretch", "Holdings", "MemoryStretch", "Segment"]

_log = logging.getLogger(__name__)

_SMALLEST_SEGMENT: Final = 1024
_SEGMENTS_IN_A_BOUND: Final = 4
"""A reader that waits too long loses about this part of its bound at a time."""


@dataclass(slots=True, eq=False)
class Segment:
    """A file of the journal."""

    path: Path
    first: int
    """No poll in it has a lower number; every poll of the files before has."""

    size: int
    """Bytes that can be read: whole records."""


class Cursor(NamedTuple):
    """A place in the files."""

    segment: int
    """The `first` of its segment."""

    offset: int


@dataclass(slots=True, eq=False)
class Bookmark:
    """How far one reader is. Guarded by the lock of the holdings."""

    name: str
    position: int
    """The number of the first poll it has not had."""

    saved: int
    """The position that a restart would find."""

    most_bytes: int | None = None
    """How much may wait for it; None: nobody has asked for this reader yet."""

    cursor: Cursor | None = None
    """Where `position` stands; None: it has to be looked for."""

    claimed: int = 0
    """Polls before this number were read, and may be committed still."""

    owed: int = 0
    """Polls that were cut off while they were claimed: lost unless they are committed."""

    dropped: int = 0
    damaged: int = 0


class FileStretch(NamedTuple):
    """Bytes of a segment that can be read."""

    path: Path
    start: Cursor
    limit: int
    """Offset at which what is written so far ends."""

    stop: int | None
    """Numbers from here on stand in the next segment; None: there is no other one."""


class MemoryStretch(NamedTuple):
    """Polls that are not on the disk."""

    records: list[Record]


class End(NamedTuple):
    """Everything was read."""

    number: int
    """What the next poll will have."""


@dataclass(eq=False)
class Holdings:
    """The state of a journal.

    Segments, pending polls and `end` are changed by the thread that appends only, which therefore
    may look at them without the lock.
    """

    folder: Path
    segments: list[Segment] = field(default_factory=list)
    """By ascending number."""

    pending: list[Record] = field(default_factory=list)
    """Polls that are not on the disk yet; the last of them has number `end - 1`."""

    end: int = 0
    """The number of the next poll."""

    bookmarks: dict[str, Bookmark] = field(default_factory=dict)
    layouts: Layouts = field(default_factory=Layouts)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def pending_first(self) -> int:
        """The number of the first poll that is in memory only."""
        return self.end - len(self.pending)

    def segment_bytes(self, wanted: int) -> int:
        """How long a segment may be so that every reader's bound holds several."""
        with self.lock:
            bounds = [mark.most_bytes for mark in self.bookmarks.values()]
        smallest = min((bound for bound in bounds if bound is not None), default=None)
        if smallest is not None:
            wanted = min(wanted, smallest // _SEGMENTS_IN_A_BOUND)
        return max(wanted, _SMALLEST_SEGMENT)

    def stretch(
        self, cursor: Cursor | None, number: int, most: int
    ) -> FileStretch | MemoryStretch | End:
        """Where poll `number` and those behind it can be read; `most` limits those in memory."""
        with self.lock:
            place, offset = self._locate(cursor, number)
            while place < len(self.segments):
                segment = self.segments[place]
                place += 1
                if offset < segment.size:
                    following = self.segments[place : place + 1]
                    stop = following[0].first if following else None
                    start = Cursor(segment.first, offset)
                    return FileStretch(segment.path, start, segment.size, stop)
                offset = 0
            if self.pending:
                start_at = max(number - self.pending_first, 0)
                if records := self.pending[start_at : start_at + most]:
                    return MemoryStretch(records)
            return End(self.end)

    def holds(self, first: int) -> bool:
        """Whether there still is the segment that begins with this number."""
        with self.lock:
            return any(segment.first == first for segment in self.segments)

    def cut(self) -> list[Bookmark]:
        """Move on readers for which more waits than they may have; returns those moved."""
        with self.lock:
            return [mark for mark in self.bookmarks.values() if self._cut(mark)]

    def tidy(self) -> None:
        """Delete the segments that no reader needs any more."""
        with self.lock:
            needed = min((mark.saved for mark in self.bookmarks.values()), default=self.end)
            gone = []
            while len(self.segments) > 1 and self.segments[1].first <= needed:
                gone.append(self.segments.pop(0))
        for segment in gone:
            try:
                segment.path.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("%s: cannot be deleted: %s", segment.path, error.strerror)

    def search_layout(self, digest: int) -> None:
        """Look through all files for a layout whose record is damaged where it was needed."""
        with self.lock:
            paths = [segment.path for segment in self.segments]
        for path in paths:
            try:
                data = path.read_bytes()
            except OSError:
                continue
            at = 0
            while found := find(data, at, is_all=True):
                at = found.end
                if self.layouts.learn(found.body) == digest:
                    return
        self.layouts.give_up(digest)
        text = "%s: some layouts are lost, and with them the polls that use them"
        _log.warning(text, self.folder)

    def _locate(self, cursor: Cursor | None, number: int) -> tuple[int, int]:
        """Index of the segment to begin with, and the offset in it."""
        firsts = [segment.first for segment in self.segments]
        if cursor is None:
            return max(bisect_right(firsts, number) - 1, 0), 0
        place = bisect_right(firsts, cursor.segment) - 1
        if place >= 0 and firsts[place] == cursor.segment:
            return place, cursor.offset
        return place + 1, 0  # that segment was cut off

    def _cut(self, mark: Bookmark) -> bool:
        if mark.most_bytes is None:
            return False
        place, offset = self._locate(mark.cursor, mark.position)
        waiting = sum(segment.size for segment in self.segments[place:]) - offset
        floor = mark.position
        while waiting > mark.most_bytes and place + 1 < len(self.segments):
            waiting -= self.segments[place].size - offset
            place, offset = place + 1, 0
            floor = max(floor, self.segments[place].first)
        if floor == mark.position:
            return False
        had = min(max(mark.claimed, mark.position), floor)
        mark.owed += had - mark.position
        mark.dropped += floor - had
        mark.position, mark.cursor = floor, Cursor(self.segments[place].first, 0)
        return True
