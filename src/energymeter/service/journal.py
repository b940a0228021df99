"""The journal: every poll is written down once, and every sink reads it at its own pace.

It lies in a folder of its own: segments named after the number of their first poll
(`journal_record`), and a position for each sink (`journal_reader`). A segment goes when all sinks
have passed it. What waits for a sink is bounded: then the sink loses the oldest segment.

Belongs to one process. One thread at a time appends, any others read.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from energymeter.clock import Clock, SystemClock
from energymeter.errors import ConfigError
from energymeter.service.journal_holdings import Bookmark, Holdings, Segment
from energymeter.service.journal_reader import Batch, JournalReader, load_position
from energymeter.service.journal_record import FILE_HEAD, encode_polls, find, row_head
from energymeter.store.base import StoredPoll

__all__ = ["Batch", "Journal", "JournalReader"]

_log = logging.getLogger(__name__)

_PIECE_BYTES: Final = 1_000_000
"""Most that is written at a time."""

_SUFFIX: Final = ".journal"
_NAME: Final = re.compile(r"\d{20}\.journal")
_READER_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class Journal:
    """Keeps polls until every reader has had them.

    Args:
        folder: Where it lies; made when it is not there, and for nobody else.
        segment_bytes: When a file is long enough; shorter where a reader's bound is small.
        most_in_memory: Polls that are held while the disk takes none; then the oldest are dropped.
        survives_power_loss: Whether `append` waits until the disk has it. Otherwise what was
            appended outlives a crash of this program, but not one of the computer.
        clock: Says when positions are to be written.

    Raises:
        ConfigError: The folder cannot be made or looked into.
    """

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = 8_000_000,
        most_in_memory: int = 200_000,
        survives_power_loss: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.fault = ""
        """Why polls are in memory only; empty: they are on the disk."""

        self.dropped = 0
        """Polls that were dropped from memory before every reader had them."""

        self._holdings = Holdings(folder)
        self._readers: dict[str, JournalReader] = {}
        self._segment_bytes = segment_bytes
        self._most_in_memory = most_in_memory
        self._waits_for_disk = survives_power_loss
        self._clock = clock if clock is not None else SystemClock()
        self._file: int | None = None
        self._defined: set[int] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            msg = (
                f"{folder}: cannot be used for the journal ({error.strerror}); "
                "name another folder for the state"
            )
            raise ConfigError(msg) from error

    @property
    def waiting(self) -> int:
        """Polls that are in memory only."""
        return len(self._holdings.pending)

    def append(self, polls: Sequence[StoredPoll]) -> None:
        """Write these polls down; once it returns they outlive a crash, unless there is a `fault`.

        A disk that takes nothing is no error: the polls wait in memory, where readers find them,
        and are written with one of the next calls, which may be one without polls.

        Raises:
            ValueError: A poll has not as many values and qualities as its layout; none was taken.
        """
        holdings = self._holdings
        with holdings.lock:
            if not holdings.bookmarks:
                holdings.end += len(polls)  # nobody will ever ask for them
                holdings.pending.clear()
                self.fault = ""
                return
        records = encode_polls(polls, holdings.end, holdings.layouts)
        with holdings.lock:
            holdings.end += len(records)
            holdings.pending += records
        self._write_pending()
        self._bound_memory()
        moved = holdings.cut()
        for reader in list(self._readers.values()):
            if reader.is_save_due or any(mark.name == reader.name for mark in moved):
                reader.save()
        holdings.tidy()

    def reader(self, name: str, *, most_bytes: int) -> JournalReader:
        """The reader of this name: where it was, or at the end when it is new.

        Args:
            name: Letters, digits, `_` and `-`, at most 80.
            most_bytes: How much may wait for it on the disk, about; then the oldest are dropped.

        Raises:
            ValueError: A name that no file can have.
        """
        if not _READER_NAME.fullmatch(name):
            msg = f"no reader of the journal can be called {name!r}"
            raise ValueError(msg)
        holdings = self._holdings
        known = self._readers.get(name)
        if known is not None:
            with holdings.lock:
                holdings.bookmarks[name].most_bytes = most_bytes
            return known
        with holdings.lock:
            mark = holdings.bookmarks.get(name)
            is_new = mark is None
            if mark is None:
                mark = holdings.bookmarks[name] = Bookmark(name, holdings.end, holdings.end)
            mark.most_bytes = most_bytes
        reader = self._readers[name] = self._reader_of(mark)
        if is_new:
            reader.create()
        return reader

    def keep_only(self, names: Iterable[str]) -> None:
        """Forget all other readers: what they have not read is no longer kept for them."""
        kept = set(names)
        holdings = self._holdings
        with holdings.lock:
            gone = [mark for name, mark in holdings.bookmarks.items() if name not in kept]
            for mark in gone:
                del holdings.bookmarks[mark.name]
        for mark in gone:
            reader = self._readers.pop(mark.name, None) or self._reader_of(mark)
            reader.delete()
        holdings.tidy()

    def close(self) -> None:
        """Write what is left, and all positions; calling it again does nothing."""
        if self._holdings.pending:
            self._write_pending()
        for reader in self._readers.values():
            reader.save()
        self._close_file()

    def _reader_of(self, mark: Bookmark) -> JournalReader:
        return JournalReader(
            self._holdings, mark, self._clock, survives_power_loss=self._waits_for_disk
        )

    def _open(self) -> None:
        holdings = self._holdings
        for path in sorted(holdings.folder.iterdir()):
            if _NAME.fullmatch(path.name):
                segment = Segment(path, int(path.name[: -len(_SUFFIX)]), path.stat().st_size)
                holdings.segments.append(segment)
        if holdings.segments:
            holdings.end = max(self._resume(holdings.segments[-1]), holdings.segments[-1].first)
        first = holdings.segments[0].first if holdings.segments else holdings.end
        for path in sorted(holdings.folder.glob("*.position")):
            position = load_position(path)
            if position is None:
                _log.warning("%s: is damaged, all that is left is read again", path)
                position = first
            mark = Bookmark(path.stem, position, position)
            if position < first:
                mark.dropped, mark.position = first - position, first
            holdings.bookmarks[mark.name] = mark
            # After a power loss less may be left than was read: numbers must not come twice.
            holdings.end = max(holdings.end, position)

    def _resume(self, segment: Segment) -> int:
        """Go on with the last file behind its last whole record; returns the next number."""
        data = segment.path.read_bytes()
        at = good = len(FILE_HEAD) if data.startswith(FILE_HEAD) else 0
        number = segment.first
        while found := find(data, at, is_all=True):
            at = good = found.end
            if (head := row_head(found.body)) is not None:
                number = max(number, head.number + 1)
            elif (digest := self._holdings.layouts.learn(found.body)) is not None:
                self._defined.add(digest)
        if good < len(data):
            _log.warning(
                "%s: ends with %d bytes of a poll that was being written, they are cut off",
                segment.path,
                len(data) - good,
            )
        segment.size = good
        try:
            self._file = os.open(segment.path, _FLAGS)
            os.ftruncate(self._file, good)
        except OSError:  # read-only perhaps: a new file is tried with the next poll
            self._close_file()
        return number

    def _write_pending(self) -> None:
        try:
            while self._holdings.pending:
                self._write_piece()
        except OSError as error:
            if not self.fault:
                _log.warning(
                    "%s: nothing can be written: %s", self._holdings.folder, error.strerror
                )
            self.fault = self._sentence(error)
        else:
            if self.fault:
                _log.info("%s: can be written again", self._holdings.folder)
            self.fault = ""

    def _write_piece(self) -> None:
        """Write the next pending polls into the newest file, all or none."""
        holdings = self._holdings
        limit = holdings.segment_bytes(self._segment_bytes)
        if self._file is not None and holdings.segments[-1].size >= limit:
            self._close_file()
        file = self._file if self._file is not None else self._open_segment()
        segment = holdings.segments[-1]
        parts, count, defined = self._piece(min(_PIECE_BYTES, limit - segment.size))
        data = b"".join(parts)
        try:
            _write_all(file, data)
            if self._waits_for_disk:
                os.fsync(file)
        except OSError:
            self._cut_back(file, segment.size)
            raise
        self._defined |= defined
        with holdings.lock:
            segment.size += len(data)
            del holdings.pending[:count]

    def _piece(self, room: int) -> tuple[list[bytes], int, set[int]]:
        """The next bytes, how many polls they are, and the layouts they tell."""
        holdings = self._holdings
        parts = [] if holdings.segments[-1].size else [FILE_HEAD]
        size = count = 0
        defined: set[int] = set()
        for layout, data in holdings.pending:
            if layout not in self._defined and layout not in defined:
                parts.append(holdings.layouts.record(layout))
                size += len(parts[-1])
                defined.add(layout)
            parts.append(data)
            size += len(data)
            count += 1
            if size >= room:
                break
        return parts, count, defined

    def _open_segment(self) -> int:
        holdings = self._holdings
        first = holdings.pending_first
        path = holdings.folder / f"{first:020d}{_SUFFIX}"
        # A file of this name holds nothing that was ever acknowledged.
        file = self._file = os.open(path, _FLAGS | os.O_TRUNC, 0o644)
        self._defined.clear()
        with holdings.lock:
            while holdings.segments and holdings.segments[-1].first >= first:
                holdings.segments.pop()
            holdings.segments.append(Segment(path, first, 0))
        if self._waits_for_disk:
            _sync_folder(holdings.folder)
        return file

    def _cut_back(self, file: int, size: int) -> None:
        """Take away what a failed write left."""
        try:
            os.ftruncate(file, size)
        except OSError:
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
        self._file = None

    def _bound_memory(self) -> None:
        holdings = self._holdings
        excess = len(holdings.pending) - self._most_in_memory
        if excess <= 0:
            return
        with holdings.lock:
            first = holdings.pending_first
            had = min((mark.position for mark in holdings.bookmarks.values()), default=holdings.end)
            lost = first + excess - max(first, had)
            del holdings.pending[:excess]
        if lost > 0:
            if not self.dropped:
                _log.warning("%s: too many polls wait in memory, dropping", holdings.folder)
            self.dropped += lost

    def _sentence(self, error: OSError) -> str:
        folder = self._holdings.folder
        if error.errno in _FULL:
            return f"{folder}: the disk is full; make room and it goes on"
        return f"{folder}: cannot be written ({error.strerror}); it is tried again"


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # has no such call, and needs none
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
