"""One sink's way through the journal: what comes next, and how far it is.

The position stands in a file of its own. It is written about once a second and when the reader is
closed, so after a crash a second of polls comes again: at least once, never not at all.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from energymeter.clock import Clock
from energymeter.service.journal_holdings import (
    Bookmark,
    Cursor,
    End,
    FileStretch,
    Holdings,
)
from energymeter.service.journal_record import Record, find, row_head
from energymeter.store.base import StoredPoll

__all__ = ["Batch", "JournalReader", "load_position"]

_log = logging.getLogger(__name__)

_SAVE_EVERY_S: Final = 1.0
_PIECE_BYTES: Final = 262_144
"""How much of a file is read at a time."""

_MOST_PASSED_OVER: Final = 20_000
"""Polls nobody wants that one call of `read` looks at, so that it returns soon."""

_ANY_NUMBER: Final = 2**64
"""Higher than any poll's."""

Wants = Callable[[str, int], bool]
"""Given a meter's key and a time in microseconds: whether this poll is wanted."""


class Batch(NamedTuple):
    """Polls that were read, and what has to be known to move behind them."""

    polls: list[StoredPoll]
    """Oldest first."""

    start: int
    end: int
    """Numbers of the first poll of it and of the first one behind it."""

    cursor: Cursor | None
    dropped: int
    """Polls between that never reached the disk."""

    damaged: int
    """Polls between whose bytes are damaged."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits; else commit it, also where no poll of it is wanted."""
        return self.start == self.end


class JournalReader:
    """Reads the journal from one position on; made by `Journal.reader`.

    Any thread may call anything; reads of one reader wait for each other.

    Args:
        holdings: What the journal holds.
        bookmark: How far this reader is.
        clock: Says when a second has passed.
        survives_power_loss: Whether saving waits for the disk.
    """

    def __init__(
        self, holdings: Holdings, bookmark: Bookmark, clock: Clock, *, survives_power_loss: bool
    ) -> None:
        self._holdings = holdings
        self._mark = bookmark
        self._clock = clock
        self._waits_for_disk = survives_power_loss
        self._path = holdings.folder / f"{bookmark.name}.position"
        self._reading = threading.Lock()
        self._saving = threading.Lock()
        self._save_due = -_SAVE_EVERY_S
        self._cannot_save = False

    @property
    def name(self) -> str:
        """Whose position it is."""
        return self._mark.name

    @property
    def most_bytes(self) -> int:
        """How much may wait for it on the disk; then the oldest are dropped."""
        return self._mark.most_bytes or 0

    @property
    def waiting(self) -> int:
        """Polls in the journal from its position on, also those it will pass over."""
        with self._holdings.lock:
            return self._holdings.end - self._mark.position

    @property
    def dropped(self) -> int:
        """Polls it never gets since the journal was opened: too many waited, here or in memory."""
        return self._mark.dropped

    @property
    def damaged(self) -> int:
        """Polls it never gets since the journal was opened, because their bytes are damaged."""
        return self._mark.damaged

    @property
    def is_save_due(self) -> bool:
        """Whether it has moved, and the last `save` is a second ago."""
        has_moved = self._mark.saved != self._mark.position
        return has_moved and self._clock.monotonic() >= self._save_due

    def read(self, most: int, wants: Wants | None = None) -> Batch:
        """The next polls; the position stays where it is.

        Args:
            most: Most polls to return, 1 or more.
            wants: Says which polls to return; the others are passed over. None: all.

        Raises:
            OSError: A file cannot be read now; nothing is lost, the same call may come again.
        """
        with self._reading:
            scan = self._claim(most, wants)
            start = reached = scan.number
            try:
                scan.run()
                reached = scan.number
            finally:
                self._release(reached)
            return scan.batch(start)

    def commit(self, batch: Batch) -> None:
        """Move behind what was read; in memory, see `save`. Committing again does nothing."""
        with self._holdings.lock:
            mark = self._mark
            if batch.end != mark.claimed and batch.end <= mark.position:
                return
            mark.owed = mark.claimed = 0
            mark.dropped += batch.dropped
            mark.damaged += batch.damaged
            # Else the writer has cut off even more than this.
            if batch.end > mark.position:
                mark.position, mark.cursor = batch.end, batch.cursor

    def save(self) -> None:
        """Write the position down, and let go of files nobody needs; never raises `OSError`."""
        with self._saving:
            with self._holdings.lock:
                position = self._mark.position
                is_known = self._holdings.bookmarks.get(self.name) is self._mark
            if is_known and position != self._mark.saved:
                self._write(position)
                self._save_due = self._clock.monotonic() + _SAVE_EVERY_S
        self._holdings.tidy()

    def create(self) -> None:
        """Write the first position of a new reader."""
        with self._saving:
            self._write(self._mark.position)

    def delete(self) -> None:
        """Delete the position of a reader that the journal has forgotten."""
        with self._saving, suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _claim(self, most: int, wants: Wants | None) -> _Scan:
        holdings, mark = self._holdings, self._mark
        with holdings.lock:
            # Claimed before and not committed, and not to be had again.
            mark.dropped += mark.owed
            mark.owed = 0
            # What the writer cuts off from now on may be in our hands before: `_release` knows.
            mark.claimed = _ANY_NUMBER
            return _Scan(holdings, mark.cursor, mark.position, most, wants)

    def _release(self, reached: int) -> None:
        mark = self._mark
        with self._holdings.lock:
            too_late = min(mark.owed, mark.position - reached)
            if too_late > 0:
                mark.owed -= too_late
                mark.dropped += too_late
            mark.claimed = reached

    def _write(self, position: int) -> None:
        try:
            _save_position(self._path, position, waits_for_disk=self._waits_for_disk)
        except OSError as error:
            if not self._cannot_save:
                _log.warning("%s: cannot be written: %s", self._path, error.strerror)
            self._cannot_save = True
        else:
            self._cannot_save = False
        # Also where it failed: on a full disk only deleting segments makes room again.
        with self._holdings.lock:
            self._mark.saved = position


class _Scan:
    """One pass over the journal."""

    def __init__(
        self, holdings: Holdings, cursor: Cursor | None, number: int, most: int, wants: Wants | None
    ) -> None:
        self.number = number
        """Of the poll that should come next."""

        self._holdings = holdings
        self._cursor = cursor
        self._most = most
        self._wants = wants
        self._polls: list[StoredPoll] = []
        self._passed_over = 0
        self._lost = 0
        self._damaged = 0
        self._is_in_damage = False
        self._undecodable = 0
        self._piece_bytes = _PIECE_BYTES

    def batch(self, start: int) -> Batch:
        """What was found."""
        return Batch(self._polls, start, self.number, self._cursor, self._lost, self._damaged)

    def run(self) -> None:
        """Go on until there is enough, or no more."""
        while self._has_room:
            room = self._most - len(self._polls)
            found = self._holdings.stretch(self._cursor, self.number, room)
            if isinstance(found, End):
                self._is_in_damage = True  # what is missing at the end was there once
                self._reach(found.number)
                break
            if isinstance(found, FileStretch):
                self._take_file(found)
            else:
                self._take_memory(found.records)
        if self._undecodable:
            _log.warning(
                "%s: %d polls are lost, they cannot be decoded",
                self._holdings.folder,
                self._undecodable,
            )

    @property
    def _has_room(self) -> bool:
        return len(self._polls) < self._most and self._passed_over < _MOST_PASSED_OVER

    def _take_memory(self, records: list[Record]) -> None:
        for record in records:
            found = find(record.data, 0, is_all=True)
            if found is not None:
                self._take(found.body, None)

    def _take_file(self, stretch: FileStretch) -> None:
        segment, offset = stretch.start
        left = stretch.limit - offset
        try:
            with stretch.path.open("rb", buffering=0) as file:
                file.seek(offset)
                data = file.read(min(left, self._piece_bytes))
        except FileNotFoundError:
            data = b""
        is_all = len(data) == left or not data
        at = self._take_bytes(data, stretch, is_all=is_all)
        if at == 0 and not is_all:
            self._piece_bytes *= 2
            return
        self._piece_bytes = _PIECE_BYTES
        if is_all and self._has_room:
            # A file that was cut off meanwhile is missing because too much waited.
            if at < left and self._holdings.holds(segment):
                self._tell_damage(stretch.path, offset + at)
            at = left
        self._cursor = Cursor(segment, offset + at)

    def _take_bytes(self, data: bytes, stretch: FileStretch, *, is_all: bool) -> int:
        """Take polls until there are enough; returns how many bytes are done with."""
        offset = stretch.start.offset
        at = data.find(b"\n") + 1 if offset == 0 and data.startswith(b"energymeter") else 0
        while self._has_room and (found := find(data, at, is_all=is_all)) is not None:
            if found.start > at:
                self._tell_damage(stretch.path, offset + at)
            at = found.end
            self._take(found.body, stretch.stop)
        return at

    def _take(self, body: bytes, stop: int | None) -> None:
        head = row_head(body)
        if head is None:
            self._holdings.layouts.learn(body)
            return
        # Before: passed on already. After: written in vain, and again into the next segment.
        if head.number < self.number or (stop is not None and head.number >= stop):
            return
        self._reach(head.number)
        self.number += 1
        if self._wants is not None and not self._wants(head.meter, head.time_us):
            self._passed_over += 1
            return
        if head.layout not in self._holdings.layouts:
            self._holdings.search_layout(head.layout)
        try:
            self._polls.append(self._holdings.layouts.poll(head))
        except ValueError as error:
            self._damaged += 1
            self._undecodable += 1
            _log.debug("%s: %s", self._holdings.folder, error)

    def _reach(self, number: int) -> None:
        """Count what is missing before this number."""
        missing = number - self.number
        if missing > 0 and self._is_in_damage:
            self._damaged += missing
            _log.warning("%s: %d polls are lost in damaged bytes", self._holdings.folder, missing)
        elif missing > 0:
            self._lost += missing
        self._is_in_damage = False
        self.number = max(number, self.number)

    def _tell_damage(self, path: Path, offset: int) -> None:
        self._is_in_damage = True
        _log.warning("%s: damaged at byte %d, going on behind it", path, offset)


def load_position(path: Path) -> int | None:
    """The position in a file; None when it is damaged or cannot be read."""
    try:
        number, checksum = path.read_text("ascii").split()
        if int(checksum, 16) == crc32(number.encode()):
            return int(number)
    except (OSError, ValueError):
        pass
    return None


def _save_position(path: Path, position: int, *, waits_for_disk: bool) -> None:
    text = f"{position}"
    draft = path.with_suffix(".tmp")
    with draft.open("w", encoding="ascii") as file:
        file.write(f"{text} {crc32(text.encode()):08x}\n")
        if waits_for_disk:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
