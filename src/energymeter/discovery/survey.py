"""Read a known map with a word more at both ends, so that it can be looked at shifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from energymeter.codec.codes import MAX_READ_WORDS, Table
from energymeter.discovery.asking import Asker
from energymeter.errors import ConfigError
from energymeter.planner import Block, plan_reads
from energymeter.profiles import Point, Profile

__all__ = ["SHIFTS", "Frame", "View", "in_table", "map_blocks", "survey"]

SHIFTS: Final = (0, -1, 1)
"""What is added to the documented addresses, the likeliest first."""

_HOPELESS: Final = 2
"""Blocks refused altogether, from the first on, after which the map is not looked for here."""

_EDGE_TRIES: Final = 2
"""Blocks whose edges are tried one by one when the wider read is refused."""


class View(NamedTuple):
    """A frame as it looks under one shift."""

    block: Block
    """Documented addresses; from the first word that can be one to the last."""

    data: bytes
    unknown: frozenset[str]
    """Names of points of which a word was not read."""

    is_refused: bool
    """Whether the meter refuses a word that this shift needs."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A planned read and what is known of the words in and around it."""

    block: Block
    data: bytes
    """From one word before the block to one after it; words not known are zero."""

    known: range
    """Addresses on the wire that were read."""

    refused: frozenset[int]
    """Addresses on the wire that the meter does not let be read."""

    def view(self, shift: int, points: Sequence[Point] | None = None) -> View:
        """The block as it would be at addresses moved by `shift`.

        Args:
            shift: -1, 0 or 1.
            points: What to look for; None: the points of the block.
        """
        points = self.block.points if points is None else points
        start = max(self.block.address - 1, shift, 0)
        end = min(self.block.end + 1, 0x10000 + min(shift, 0))
        skip = 2 * (start - self.block.address + 1)
        block = Block(self.block.table, start - shift, end - start, ())
        inside = tuple(p for p in points if block.address <= p.address and p.end <= block.end)
        unknown = frozenset(
            point.name
            for point in inside
            if point.address + shift not in self.known or point.end - 1 + shift not in self.known
        )
        needed = range(self.block.address + shift, self.block.end + shift)
        return View(
            Block(block.table, block.address, block.count, inside),
            self.data[skip : skip + 2 * block.count],
            unknown,
            any(address in self.refused for address in needed),
        )


def in_table(profile: Profile, table: Table) -> Profile:
    """The same map in another table of registers."""

    def moved(part: object) -> object:
        tables = getattr(part, "tables", ())
        if any(t.is_bits for t in tables):
            return part
        return part.model_copy(update={"tables": (table,)})  # type: ignore[attr-defined]

    parts = ("points", "readable", "holes", "lone_answers", "fingerprints")
    update = {key: tuple(moved(part) for part in getattr(profile, key)) for key in parts}
    return profile.model_copy(update={"tables": (table,), **update})


def map_blocks(profile: Profile) -> tuple[Block, ...]:
    """The reads of all registers of a map, each a word or two shorter than the meter allows.

    Raises:
        ConfigError: There is no register in the map.
    """
    points = [point for point in profile.readable_points if not point.table.is_bits]
    if not points:
        msg = f"{profile.name} has no registers, there is nothing to find"
        raise ConfigError(msg)
    longest = min(profile.max_read_words or MAX_READ_WORDS, MAX_READ_WORDS)
    spare = longest - (4 if profile.even_reads else 2)
    widest = max(point.count for point in points)
    return plan_reads(profile, points, max_words=max(spare, min(widest + 1, longest)))


async def survey(asker: Asker, profile: Profile, blocks: Sequence[Block]) -> list[Frame]:
    """Read the blocks; those that the meter refuses altogether are left out.

    Where already the first ones are refused, the others are not tried.

    Raises:
        MeterError: As `Asker.read`.
    """
    reader = _EdgeReader(asker, 2 if profile.even_reads else 1, profile.max_read_words)
    frames: list[Frame] = []
    for tried, block in enumerate(blocks):
        if tried == _HOPELESS and not frames:
            break
        frames += await reader.pieces(block)
    return frames


class _EdgeReader:
    """Reads blocks with their edges, and learns what the meter allows."""

    def __init__(self, asker: Asker, step: int, max_words: int | None) -> None:
        self._asker = asker
        self._step = step
        self._max_words = max_words or MAX_READ_WORDS
        self._edge_tries = 0
        self._first = "wide"

    async def pieces(self, block: Block) -> list[Frame]:
        frame = await self._frame(block)
        if frame is not None:
            return [frame]
        # Somewhere inside is an address that does not answer: each run of points for itself.
        runs = _runs(block)
        if len(runs) == 1:
            return []
        found = [await self._frame(run) for run in runs]
        return [frame for frame in found if frame is not None]

    async def _frame(self, block: Block) -> Frame | None:
        low, high = max(0, block.address - self._step), min(0x10000, block.end + self._step)
        spans = {
            "wide": (low, high),
            "exact": (block.address, block.end),
            "high": (block.address + 1, block.end + 1),
            "low": (block.address - 1, block.end - 1),
        }
        if high - low > self._max_words or (
            self._edge_tries >= _EDGE_TRIES and self._first != "wide"
        ):
            del spans["wide"]
        order = sorted(spans, key=lambda name: name != self._first)
        refused: set[int] = set()
        for name in order:
            start, end = spans[name]
            if start < 0:
                continue
            data = await self._asker.read(block.table, start, end - start)
            if data is None:
                continue
            self._first = name
            if name == "exact" and self._edge_tries < _EDGE_TRIES:
                start, end, data, refused = await self._with_edges(block, data)
            return _framed(block, start, end, data, refused)
        return None

    async def _with_edges(self, block: Block, data: bytes) -> tuple[int, int, bytes, set[int]]:
        """Try a word more at each end."""
        start, end = block.address, block.end
        refused: set[int] = set()
        self._edge_tries += 1
        if end - start + self._step > self._max_words:
            return start, end, data, refused
        low = start - self._step
        wider = await self._asker.read(block.table, low, end - low) if low >= 0 else None
        if wider is not None:
            start, data = low, wider
        else:
            refused.add(block.address - 1)
        if end - start + self._step <= self._max_words and end + self._step <= 0x10000:
            wider = await self._asker.read(block.table, start, end + self._step - start)
            if wider is not None:
                return start, end + self._step, wider, refused
            refused.add(end)
        return start, end, data, refused


def _framed(block: Block, start: int, end: int, data: bytes, refused: set[int]) -> Frame:
    first, last = block.address - 1, block.end + 1
    before = b"\0\0" * (start - first) if start > first else b""
    after = b"\0\0" * (last - end) if end < last else b""
    cut = data[2 * max(0, first - start) : len(data) - 2 * max(0, end - last)]
    known = range(max(start, first), min(end, last))
    return Frame(block, before + cut + after, known, frozenset(refused))


def _runs(block: Block) -> list[Block]:
    """The points of a block in runs without gaps."""
    runs: list[list[Point]] = []
    end = -1
    for point in block.points:
        if runs and point.address <= end:
            runs[-1].append(point)
        else:
            runs.append([point])
        end = max(end, point.end)
    return [
        Block(block.table, run[0].address, max(p.end for p in run) - run[0].address, tuple(run))
        for run in runs
    ]
