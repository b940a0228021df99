"""What was learned of one meter, and where it is kept between two runs.

A memory is a help, never a need: a file that is broken or cannot be written is told in the log
and reading goes on without it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from energymeter.codec.codes import MAX_READ_BITS, Table

__all__ = [
    "Fact",
    "FactKind",
    "FileMemory",
    "Knowledge",
    "Memory",
    "SavedCount",
    "Spacing",
    "memory_folder",
    "write_whole",
]

_log = logging.getLogger(__name__)

_FORMAT: Final = 1


class Spacing(StrEnum):
    """Which points may share a read."""

    GAPS = "gaps"
    """Those with a gap between them that the profile calls readable."""
    TOUCHING = "touching"
    """Those that touch: the meter moves what comes after an address it lacks."""
    ALONE = "alone"
    """None."""


class FactKind(StrEnum):
    """What follows from a read that is refused."""

    HOLE = "hole"
    """No read may touch its addresses."""
    POINT = "point"
    """The meter does not have this point."""
    CUT = "cut"
    """No read may span the place `at`, before which the two sides answer."""
    LONGEST = "longest"
    """No read may be longer than `at` words."""


@dataclass(slots=True, kw_only=True)
class Fact:
    """A read that a meter refuses, and what follows from it."""

    kind: FactKind
    table: Table
    first: int
    count: int
    at: int = 0
    """See `FactKind`."""

    point: str = ""
    """Name of the point that is refused."""

    reason: str = ""
    """What the meter answered."""

    due: float
    """When the read is tried again, seconds since 1970."""

    pause_s: float
    """Seconds from the last trial to `due`."""


class SavedCount(NamedTuple):
    """The last good value of a counter."""

    value: float
    time: float
    """Seconds since 1970."""


@dataclass(slots=True)
class Knowledge:
    """What was learned of a meter beyond its profile."""

    facts: list[Fact] = field(default_factory=list)
    spacing: Spacing = Spacing.GAPS
    spacing_due: float = 0.0
    is_checked: bool = False
    """Whether a block was compared with single reads, for this spacing."""
    counts: dict[str, SavedCount] = field(default_factory=dict)
    """Counters by name."""


class Memory(Protocol):
    """Where the knowledge of one meter is kept."""

    def load(self) -> Knowledge | None:
        """What was saved; None when there is nothing to go by."""
        ...

    def save(self, knowledge: Knowledge) -> None:
        """Keep it, whole or not at all; never raises for what the disk does."""
        ...


def memory_folder() -> Path:
    """`$XDG_STATE_HOME/energymeter/meters`, by default below `~/.local/state`."""
    home = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not home.is_absolute():
        home = Path.home() / ".local" / "state"
    return home / "energymeter" / "meters"


_UNUSABLE: Final = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What a file brings that is broken, or is something else."""


class FileMemory:
    """One JSON file for each meter.

    Args:
        endpoint: Where the meter's link leads.
        unit: Its number there.
        profile: Name of its profile; each profile has a file of its own.
        folder: Where the files are; None: `memory_folder()`.
    """

    def __init__(
        self, endpoint: str, unit: int, profile: str, *, folder: Path | None = None
    ) -> None:
        self._meter = {"endpoint": endpoint, "unit": unit, "profile": profile}
        text = f"{endpoint} {unit} {profile}"
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:100]
        mark = hashlib.sha256(text.encode()).hexdigest()[:8]
        self.path = (folder or memory_folder()) / f"{readable}-{mark}.json"

    def load(self) -> Knowledge | None:
        """See `Memory.load`."""
        try:
            document = json.loads(self.path.read_text("utf-8"))
            if document["format"] != _FORMAT or document["meter"] != self._meter:
                return None
            return _from_document(document)
        except FileNotFoundError:
            return None
        except _UNUSABLE as error:
            _log.warning("%s cannot be used, learning starts over: %s", self.path, error)
            return None

    def save(self, knowledge: Knowledge) -> None:
        """See `Memory.save`."""
        document = {"format": _FORMAT, "meter": self._meter, **_as_document(knowledge)}
        write_whole(self.path, json.dumps(document, indent=1))


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all; never raises for what the disk does, but tells it."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as error:
        _log.warning("%s cannot be written: %s", path, error.strerror)
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _as_document(knowledge: Knowledge) -> dict[str, Any]:
    return {
        "facts": [asdict(fact) for fact in knowledge.facts],
        "spacing": knowledge.spacing.value,
        "spacing_due": knowledge.spacing_due,
        "is_checked": knowledge.is_checked,
        "counts": {name: list(count) for name, count in knowledge.counts.items()},
    }


def _from_document(document: dict[str, Any]) -> Knowledge:
    return Knowledge(
        facts=[_fact(**entry) for entry in document["facts"]],
        spacing=Spacing(document["spacing"]),
        spacing_due=float(document["spacing_due"]),
        is_checked=bool(document["is_checked"]),
        counts={name: _count(*pair) for name, pair in document["counts"].items()},
    )


def _fact(  # noqa: PLR0913 - the fields of the file
    *,
    kind: str,
    table: str,
    first: int,
    count: int,
    at: int,
    point: str,
    reason: str,
    due: float,
    pause_s: float,
) -> Fact:
    if not (first >= 0 and 1 <= count <= MAX_READ_BITS and first + count <= 0x10000 and at >= 0):
        msg = f"{count} from {first} cannot be read"
        raise ValueError(msg)
    return Fact(
        kind=FactKind(kind),
        table=Table(table),
        first=int(first),
        count=int(count),
        at=int(at),
        point=str(point),
        reason=str(reason),
        due=float(due),
        pause_s=float(pause_s),
    )


def _count(value: float, time: float) -> SavedCount:
    return SavedCount(value + 0, float(time))  # a number, or it raises
