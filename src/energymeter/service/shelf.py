"""What was learned of the meters of a site, kept on disk without holding up a poll.

Readers save now and then, thousands of them at once after a start: here that costs nothing, and
a few files a second are written in a thread. What was learned in the last minute before a crash
is learned again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from energymeter.clock import Clock
from energymeter.reader import FileMemory, Knowledge, Memory
from energymeter.service.unbroken import unbroken

__all__ = ["Shelf"]

_PERIOD_S: Final = 1.0
_ROUNDS: Final = 60
"""Periods in which everything has its turn."""

_LEAST: Final = 4
"""Files written in a period, if there are so many."""

_Entry = tuple[FileMemory, Knowledge]


class Shelf:
    """The memories of a site's meters.

    Args:
        folder: Where the files are; made when there is something to write.
        clock: Times it.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._dirty: dict[Path, _Entry] = {}
        self._being_written: dict[Path, _Entry] = {}
        self._writing = asyncio.Lock()

    def memory(self, endpoint: str, unit: int, profile: str) -> Memory:
        """The memory of one meter; see `FileMemory`."""
        file = FileMemory(endpoint, unit, profile, folder=self._folder)
        return _Slot(file, self._dirty, self._being_written)

    def glance(self, endpoint: str, unit: int, profile: str) -> Memory:
        """The same for a reader that is made for one look: it knows all, and changes nothing."""
        return _Glance(self.memory(endpoint, unit, profile))

    async def run(self) -> None:
        """Write a few a second, until cancelled; then `flush` writes the rest."""
        while True:
            await self._clock.sleep_until(self._clock.monotonic() + _PERIOD_S)
            await self._write(max(_LEAST, len(self._dirty) // _ROUNDS))

    async def flush(self) -> None:
        """Write everything that was saved."""
        await self._write(len(self._dirty))

    async def _write(self, most: int) -> None:
        # One at a time, each to its end: two that write the same file would spoil it.
        async with self._writing:
            for path in list(self._dirty)[:most]:
                file, knowledge = self._dirty.pop(path)
                # Copied in the loop, where readers change it; the thread's stays as it is.
                self._being_written[path] = file, _copy(knowledge)
            if not self._being_written:
                return
            try:
                work = list(self._being_written.values())
                await unbroken(asyncio.to_thread(_save_all, work))
            finally:
                self._being_written.clear()


class _Slot:
    """A `Memory` that only notes that there is something to write."""

    __slots__ = ("_being_written", "_dirty", "_file")

    def __init__(
        self, file: FileMemory, dirty: dict[Path, _Entry], being_written: dict[Path, _Entry]
    ) -> None:
        self._file = file
        self._dirty = dirty
        self._being_written = being_written

    def load(self) -> Knowledge | None:
        path = self._file.path
        # What another reader of the same meter saved just now is not in the file yet.
        newest = self._dirty.get(path) or self._being_written.get(path)
        return self._file.load() if newest is None else _copy(newest[1])

    def save(self, knowledge: Knowledge) -> None:
        self._dirty[self._file.path] = (self._file, knowledge)


class _Glance:
    """A `Memory` that is only read."""

    __slots__ = ("_memory",)

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def load(self) -> Knowledge | None:
        return self._memory.load()

    def save(self, knowledge: Knowledge) -> None:
        pass


def _copy(knowledge: Knowledge) -> Knowledge:
    facts = [replace(fact) for fact in knowledge.facts]
    return replace(knowledge, facts=facts, counts=dict(knowledge.counts))


def _save_all(work: Sequence[_Entry]) -> None:
    for file, knowledge in work:
        file.save(knowledge)
