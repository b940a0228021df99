"""What was learned of the meters of a site, kept on disk without holding up a poll.

Readers save now and then, thousands of them at once after a start: here that costs nothing, and
a few files a second are written in a thread. What was learned in the last minute before a crash
is learned again.

What a meter refuses belongs to the place where it is asked, its counters to its name: the history
goes on under the name, wherever the meter is found and whatever stands there.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from energymeter.clock import Clock
from energymeter.reader import FileMemory, Knowledge, Memory
from energymeter.reader.memory import SavedCount, write_whole
from energymeter.service.unbroken import unbroken

__all__ = ["Shelf"]

_log = logging.getLogger(__name__)

_PERIOD_S: Final = 1.0
_ROUNDS: Final = 60
"""Periods in which everything has its turn."""

_LEAST: Final = 4
"""Files written in a period, if there are so many."""

_NAMES: Final = "names.json"
"""Which meter was last found at each place."""

_Entry = tuple[FileMemory, Knowledge]


class _Place(NamedTuple):
    """Where a meter is asked, and as what: what a `FileMemory` is of."""

    endpoint: str
    unit: int
    profile: str


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
        self._names: dict[_Place, str] = {}
        self._places: dict[str, set[_Place]] = {}
        for place, name in _load_names(folder / _NAMES).items():
            self._name(place, name)
        self._has_new_names = False

    def memory(self, endpoint: str, unit: int, profile: str, *, meter: str) -> Memory:
        """The memory of one meter; see `FileMemory`.

        Args:
            endpoint: Where its link leads.
            unit: Its number there.
            profile: What it is read as.
            meter: Its name: its counters go on from where they were, also if that was elsewhere.
        """
        return _Slot(self, _Place(endpoint, unit, profile), meter)

    def glance(self, endpoint: str, unit: int, profile: str, *, meter: str) -> Memory:
        """The same for a reader that is made for one look: it knows all, and changes nothing."""
        return _Glance(self.memory(endpoint, unit, profile, meter=meter))

    def load(self, place: _Place, meter: str) -> Knowledge | None:
        """What is known of a place, with the counters of the meter that is found there now."""
        own = self._newest(place)
        counts: dict[str, SavedCount] = {}
        for other in self._places.get(meter, ()):
            known = own if other == place else self._newest(other)
            for counter, count in ({} if known is None else known.counts).items():
                if counter not in counts or count.time >= counts[counter].time:
                    counts[counter] = count
        if not counts:
            return own
        return replace(own or Knowledge(), counts=counts)

    def save(self, place: _Place, meter: str, knowledge: Knowledge) -> None:
        """Note that there is something to write."""
        if self._names.get(place) != meter:
            self._name(place, meter)
            self._has_new_names = True
        file = self._file(place)
        self._dirty[file.path] = (file, knowledge)

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
            names = dict(self._names) if self._has_new_names else None
            self._has_new_names = False
            try:
                work = list(self._being_written.values())
                await unbroken(asyncio.to_thread(self._save, work, names))
            finally:
                self._being_written.clear()

    def _save(self, work: Sequence[_Entry], names: Mapping[_Place, str] | None) -> None:
        if names is not None:
            rows = [[*place, name] for place, name in names.items()]
            write_whole(self._folder / _NAMES, json.dumps(rows))
        _save_all(work)

    def _name(self, place: _Place, meter: str) -> None:
        before = self._names.get(place)
        if before is not None:
            self._places[before].discard(place)
        self._names[place] = meter
        self._places.setdefault(meter, set()).add(place)

    def _file(self, place: _Place) -> FileMemory:
        return FileMemory(*place, folder=self._folder)

    def _newest(self, place: _Place) -> Knowledge | None:
        file = self._file(place)
        # What another reader of the same meter saved just now is not in the file yet.
        newest = self._dirty.get(file.path) or self._being_written.get(file.path)
        return file.load() if newest is None else _copy(newest[1])


class _Slot:
    """A `Memory` that only notes that there is something to write."""

    __slots__ = ("_meter", "_place", "_shelf")

    def __init__(self, shelf: Shelf, place: _Place, meter: str) -> None:
        self._shelf = shelf
        self._place = place
        self._meter = meter

    def load(self) -> Knowledge | None:
        return self._shelf.load(self._place, self._meter)

    def save(self, knowledge: Knowledge) -> None:
        self._shelf.save(self._place, self._meter, knowledge)


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


def _load_names(path: Path) -> dict[_Place, str]:
    try:
        rows = json.loads(path.read_text("utf-8"))
        return {
            _Place(str(at), int(unit), str(profile)): str(name) for at, unit, profile, name in rows
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        _log.warning("%s cannot be used, so counters that moved start over: %s", path, error)
        return {}
