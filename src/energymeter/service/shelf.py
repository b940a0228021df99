"""What was learned of the meters of a site, kept on disk without holding up a poll.

Readers save now and then, thousands of them at once after a start: here that costs nothing, and
a few files a second are written in a thread. What was learned in the last minute before a crash
is learned again.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final

from energymeter.clock import Clock
from energymeter.reader import FileMemory, Knowledge, Memory

__all__ = ["Shelf"]

_PERIOD_S: Final = 1.0
_ROUNDS: Final = 60
"""Periods in which everything has its turn."""

_LEAST: Final = 4
"""Files written in a period, if there are so many."""


class Shelf:
    """The memories of a site's meters.

    Args:
        folder: Where the files are; made when there is something to write.
        clock: Times it.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._dirty: dict[Path, tuple[FileMemory, Knowledge]] = {}

    def memory(self, endpoint: str, unit: int, profile: str) -> Memory:
        """The memory of one meter; see `FileMemory`."""
        return _Slot(FileMemory(endpoint, unit, profile, folder=self._folder), self._dirty)

    async def run(self) -> None:
        """Write a few a second, until cancelled; then `flush` writes the rest."""
        while True:
            await self._clock.sleep_until(self._clock.monotonic() + _PERIOD_S)
            await self._write(max(_LEAST, len(self._dirty) // _ROUNDS))

    async def flush(self) -> None:
        """Write everything that was saved."""
        await self._write(len(self._dirty))

    async def _write(self, most: int) -> None:
        paths = list(self._dirty)[:most]
        if not paths:
            return
        # Copied in the loop, where readers change it; the thread gets what stays as it is.
        work = [
            (file, replace(known, facts=[replace(fact) for fact in known.facts]))
            for file, known in (self._dirty.pop(path) for path in paths)
        ]
        await asyncio.to_thread(_save_all, work)


class _Slot:
    """A `Memory` that only notes that there is something to write."""

    __slots__ = ("_dirty", "_file")

    def __init__(self, file: FileMemory, dirty: dict[Path, tuple[FileMemory, Knowledge]]) -> None:
        self._file = file
        self._dirty = dirty

    def load(self) -> Knowledge | None:
        return self._file.load()

    def save(self, knowledge: Knowledge) -> None:
        self._dirty[self._file.path] = (self._file, knowledge)


def _save_all(work: list[tuple[FileMemory, Knowledge]]) -> None:
    for file, knowledge in work:
        file.save(knowledge)
