"""Reads planned by profile and experience; what was learned is tried again rarely."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

from energymeter.codec.codes import Table
from energymeter.errors import MeterError
from energymeter.planner import TCP_COST, Block, Cost, plan_reads, told_apart
from energymeter.profiles import AddressRange, Point, Profile
from energymeter.reader.asking import Asker, is_refusal
from energymeter.reader.memory import Fact, FactKind, Knowledge, Spacing
from energymeter.reader.reading import Event, EventKind

__all__ = ["Learner"]

_FIRST_PAUSE_S: Final = 600.0
_PAUSE_GROWTH: Final = 6.0
_LONGEST_PAUSE_S: Final = 86_400.0
"""A meter that starts refuses what it has later: the first trials come sooner than the rest."""


class Learner:
    """Plans the reads of one meter and learns from what it refuses.

    Args:
        profile: What the meter is.
        points: Which of its points are read.
        max_words: Longest read of registers wanted; None: what the profile allows.
        cost: What a read costs.
        is_numbered: Whether answers carry the number of their question. Without, reads that follow
            one another are told apart by their length.
        knowledge: What is known of it already; it is changed in place.
        singles: Reads of single points, filled as they are needed; of meters that are read alike.
    """

    def __init__(  # noqa: PLR0913 - handed on by the reader
        self,
        profile: Profile,
        points: Sequence[Point] | None,
        *,
        max_words: int | None,
        cost: Cost = TCP_COST,
        is_numbered: bool = True,
        knowledge: Knowledge,
        singles: dict[str, Block] | None = None,
    ) -> None:
        self.knowledge = knowledge
        self.singles: dict[str, Block] = {} if singles is None else singles
        self.events: list[Event] = []
        """What was learned since this list was emptied."""
        self.profile = profile
        self.points = tuple(profile.readable_points if points is None else points)
        self.longest_answered = 0
        """Words of the longest read that was answered."""
        self._max_words = max_words
        self._cost = cost
        self._is_numbered = is_numbered

    def plan(self) -> tuple[Block, ...]:
        """The cheapest reads that respect everything known; refused points are left out.

        Raises:
            ConfigError: A point alone is longer than the longest read.
        """
        refused = self.refused()
        wanted = [point for point in self.points if point.name not in refused]
        blocks = tuple(self.planned(wanted))
        if self._is_numbered:
            return blocks
        profile, max_words = self._learned_profile()
        return told_apart(blocks, profile, max_words=max_words)

    def all_points(self) -> tuple[Point, ...]:
        """The points in the order of a plan that knows the profile only."""
        blocks = plan_reads(self.profile, self.points, max_words=self._max_words, cost=self._cost)
        return tuple(point for block in blocks for point in block.points)

    def refused(self) -> dict[str, str]:
        """Name of every point that the meter has not, with what it answered."""
        facts = self.knowledge.facts
        return {fact.point: fact.reason for fact in facts if fact.kind is FactKind.POINT}

    def alone(self, point: Point) -> Block:
        """The read of one point."""
        block = self.singles.get(point.name)
        if block is None:
            block = plan_reads(self.profile, [point], max_words=self._max_words)[0]
            self.singles[point.name] = block
        return block

    def longest_read(self) -> float:
        """Words of the longest read as far as it was learned."""
        facts = self.knowledge.facts
        return min((fact.at for fact in facts if fact.kind is FactKind.LONGEST), default=inf)

    def note_answer(self, words: int) -> None:
        """A read of so many words was answered."""
        self.longest_answered = max(self.longest_answered, words)

    async def retest(self, ask: Asker, *, now: float) -> bool:
        """Try again one thing that is due; returns whether there is something new to plan for."""
        known = self.knowledge
        if known.spacing is not Spacing.GAPS and known.spacing_due <= now:
            known.spacing, known.is_checked = Spacing.GAPS, False
            return True
        fact = min(known.facts, key=lambda fact: fact.due, default=None)
        if fact is None or fact.due > now:
            return False
        try:
            await ask(Block(fact.table, fact.first, fact.count, ()))
        except MeterError as error:
            if is_refusal(error):
                fact.pause_s = min(fact.pause_s * _PAUSE_GROWTH, _LONGEST_PAUSE_S)
            fact.due = now + fact.pause_s
            return False
        known.facts.remove(fact)
        text = f"{_what(fact)}: the meter answers there now"
        self.events.append(Event(EventKind.UNLEARNED, fact.point, text))
        return True

    def next_trial(self) -> float:
        """When `retest` has something to do, seconds since 1970; infinity for never."""
        known = self.knowledge
        due = min((fact.due for fact in known.facts), default=inf)
        return due if known.spacing is Spacing.GAPS else min(due, known.spacing_due)

    def widen(self, now: float) -> bool:
        """Answers were found shifted: join fewer points; returns whether that is possible."""
        known = self.knowledge
        if known.spacing is Spacing.ALONE:
            return False
        known.spacing = Spacing.TOUCHING if known.spacing is Spacing.GAPS else Spacing.ALONE
        known.spacing_due = now + _LONGEST_PAUSE_S
        return True

    def learn(  # noqa: PLR0913 - what makes a fact
        self,
        kind: FactKind,
        block: Block,
        error: MeterError,
        *,
        now: float,
        at: int = 0,
        point: str = "",
    ) -> None:
        """Remember what follows from a refused read."""
        fact = Fact(
            kind=kind,
            table=block.table,
            first=block.address,
            count=block.count,
            at=at,
            point=point,
            reason=str(error),
            due=now + _FIRST_PAUSE_S,
            pause_s=_FIRST_PAUSE_S,
        )
        self.knowledge.facts.append(fact)
        self.events.append(Event(EventKind.LEARNED, point, f"{_what(fact)}: {error}"))

    def planned(self, wanted: Sequence[Point]) -> list[Block]:
        """The cheapest reads of some points that respect everything known."""
        profile, max_words = self._learned_profile()
        if self.knowledge.spacing is Spacing.ALONE:
            groups: list[list[Point]] = [[point] for point in wanted]
        else:
            groups = self._between_cuts(wanted)
        blocks = [
            block
            for group in groups
            for block in plan_reads(profile, group, max_words=max_words, cost=self._cost)
        ]
        tables = tuple(Table)
        return sorted(blocks, key=lambda block: (tables.index(block.table), block.address))

    def _learned_profile(self) -> tuple[Profile, int | None]:
        profile, facts = self.profile, self.knowledge.facts
        if not facts and self.knowledge.spacing is Spacing.GAPS:
            return profile, self._max_words
        holes = tuple(
            AddressRange(tables=(fact.table,), first=fact.first, last=fact.first + fact.count - 1)
            for fact in facts
            if fact.kind in (FactKind.HOLE, FactKind.POINT)
        )
        update: dict[str, object] = {"holes": (*profile.holes, *holes)}
        if self.knowledge.spacing is not Spacing.GAPS:
            # Without readable stretches only what points declare is there, and no gap.
            update |= {"gaps": "refused", "readable": ()}
        limits = [fact.at for fact in facts if fact.kind is FactKind.LONGEST]
        if self._max_words is not None:
            limits.append(self._max_words)
        return profile.model_copy(update=update), min(limits, default=None)

    def _between_cuts(self, points: Sequence[Point]) -> list[list[Point]]:
        groups: dict[tuple[Table, int], list[Point]] = {}
        cuts = [fact for fact in self.knowledge.facts if fact.kind is FactKind.CUT]
        for point in points:
            before = sum(c.table is point.table and c.at <= point.address for c in cuts)
            groups.setdefault((point.table, before), []).append(point)
        return list(groups.values())


def _what(fact: Fact) -> str:
    place = f"{fact.table} {fact.first}..{fact.first + fact.count - 1}"
    match fact.kind:
        case FactKind.POINT:
            return f"{fact.point} is not there ({place})"
        case FactKind.HOLE:
            return f"{place} is a hole"
        case FactKind.CUT:
            return f"{place} is not read in one, only up to {fact.at - 1} and from {fact.at} on"
        case _:
            return f"the longest read is {fact.at} registers"
