"""Find out how a meter's map is to be read: shift, order of bytes and words, ranked by physics.

The map itself is known, as documented; what is in doubt is where it begins (documents count
from 0 or from 1) and which end of a value comes first. Both are tried together, because two
wrongs can look right: an address off by one and swapped words give believable voltages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from energymeter.client import UnitClient
from energymeter.clock import Clock, SystemClock
from energymeter.codec.codes import Table
from energymeter.discovery.asking import Asker
from energymeter.discovery.readings import (
    CandidateReader,
    Later,
    Reading,
    Truths,
    is_telling,
)
from energymeter.discovery.survey import SHIFTS, Frame, in_table, map_blocks, survey
from energymeter.profiles import Profile
from energymeter.reader.reading import Value
from energymeter.values import Order, WireOrder

__all__ = ["Candidate", "Finding", "find_map", "rank"]

CLEAR_LEAD: Final = 2.5
"""Weight of evidence by which the best has to beat the next to be called sure."""

_LEAST: Final = 3.0
"""A best candidate with less than this is no finding: one sound voltage is worth more."""

_DOCUMENTED: Final = 0.5
"""What it is worth to be as the document says, for the shift and for the order."""

_MAX_REQUESTS: Final = 60


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to read the map, and what speaks for it."""

    shift: int
    """Added to the documented addresses."""

    order: WireOrder
    score: float
    reading: Reading
    alike: tuple[tuple[int, WireOrder], ...] = ()
    """Other shifts and orders that give the very same values."""

    @property
    def values(self) -> Mapping[str, Value]:
        """What it reads, by name."""
        return self.reading.values


@dataclass(frozen=True, slots=True)
class Finding:
    """All candidates, the likeliest first."""

    candidates: tuple[Candidate, ...]
    requests: int
    """Reads it took."""

    table: Table | None
    """Where the registers were found, when that is not where the document says."""

    points: int
    """Values that were read."""

    @property
    def is_found(self) -> bool:
        """Whether anything makes sense at all."""
        return bool(self.candidates) and self.candidates[0].score >= _LEAST

    @property
    def lead(self) -> float:
        """By how much the best candidate beats the next that reads other values."""
        if len(self.candidates) < 2:
            return 0.0
        return self.candidates[0].score - self.candidates[1].score

    @property
    def is_sure(self) -> bool:
        """Whether the best candidate is clearly the best."""
        return self.is_found and (len(self.candidates) == 1 or self.lead >= CLEAR_LEAD)


async def find_map(
    unit: UnitClient,
    profile: Profile,
    *,
    table: Table | None = None,
    with_types: bool = False,
    clock: Clock | None = None,
) -> Finding:
    """Read the map once, what must not jump twice, and rank the ways to understand it.

    Args:
        unit: Whom to ask.
        profile: The map as documented.
        table: Where its registers are; None: as the profile says, and in the other table of
            registers when nothing answers there.
        with_types: Try other types and scales of each quantity as well.
        clock: Measures the time between the two reads of a counter.

    Raises:
        ConfigError: The map has no registers.
        MeterError: The unit does not answer, or the link broke.
    """
    clock = clock if clock is not None else SystemClock()
    asker = Asker(unit, _MAX_REQUESTS)
    frames: list[Frame] = []
    for where in _places(profile, table):
        started = clock.monotonic()
        frames = await survey(asker, where, map_blocks(where))
        if frames:
            break
    later: Later | None = None
    if frames:
        # Those with something that must not jump: a counter, a voltage, a frequency.
        telling = [frame.block for frame in frames if is_telling(frame.block.points)]
        again = await survey(asker, where, telling)
        later = Later(again, max(clock.monotonic() - started, 0.1))
    truths = Truths(where, frames, later)
    return Finding(
        candidates=tuple(rank(truths, with_types=with_types)),
        requests=asker.requests,
        table=None if where is profile else where.tables[0],
        points=len(truths.points),
    )


def _places(profile: Profile, table: Table | None) -> list[Profile]:
    """The map where the document says, or where the user or the meter says."""
    if table is not None:
        return [in_table(profile, table)]
    documented = {block.table for block in map_blocks(profile)}
    if len(documented) > 1:
        return [profile]
    other = Table.INPUT if documented == {Table.HOLDING} else Table.HOLDING
    return [profile, in_table(profile, other)]


def rank(truths: Truths, *, with_types: bool = False) -> list[Candidate]:
    """Judge every shift and order on what was read; the likeliest first."""
    if not truths.frames:
        return []
    reader = CandidateReader(truths)
    found: list[Candidate] = []
    for shift in SHIFTS:
        if truths.first_address + shift < 0:
            continue
        for order in _orders(truths.profile):
            reading = reader.read(shift, order)
            found.append(_candidate(truths, shift, order, reading))
    if with_types:
        found = _with_types(truths, reader, found)
    # A stable sort: of two that are worth the same, the documented one stays in front.
    found.sort(key=lambda candidate: -candidate.score)
    return _without_twins(found)


def _candidate(truths: Truths, shift: int, order: WireOrder, reading: Reading) -> Candidate:
    """A candidate; where nothing tells two apart the simpler story is told."""
    documented = WireOrder(truths.profile.byte_order, truths.profile.word_order)
    prior = _DOCUMENTED * ((shift == 0) + (order == documented))
    return Candidate(shift, order, reading.score + prior, reading)


def _with_types(
    truths: Truths, reader: CandidateReader, found: Sequence[Candidate]
) -> list[Candidate]:
    found = [
        _candidate(truths, c.shift, c.order, reader.read_freely(c.shift, c.order)) for c in found
    ]
    best = sorted(found, key=lambda candidate: -candidate.score)
    refined = []
    for candidate in best[:3]:
        reading = reader.refine(candidate.shift, candidate.order, candidate.reading)
        refined.append(_candidate(truths, candidate.shift, candidate.order, reading))
    return [*refined, *best[3:]]


def _without_twins(found: Sequence[Candidate]) -> list[Candidate]:
    """Candidates that give the very same values become one."""
    firsts: dict[tuple[object, ...], int] = {}
    kept: list[Candidate] = []
    for candidate in found:
        key = (*candidate.values.items(), tuple(candidate.reading.forms.items()))
        if key in firsts:
            first = kept[firsts[key]]
            alike = (*first.alike, (candidate.shift, candidate.order))
            kept[firsts[key]] = Candidate(
                first.shift, first.order, first.score, first.reading, alike
            )
        else:
            firsts[key] = len(kept)
            kept.append(candidate)
    return kept


def _orders(profile: Profile) -> list[WireOrder]:
    """All four, the documented one first."""
    bytes_orders = sorted(Order, key=lambda order: order is not profile.byte_order)
    word_orders = sorted(Order, key=lambda order: order is not profile.word_order)
    return [WireOrder(byte, word) for byte in bytes_orders for word in word_orders]
