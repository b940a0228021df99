"""The reads of one meter as they stand now, and what makes them change.

Nearly always a reader only asks what is planned. When a read is refused, when something learned
is due for a trial, or at first contact, `attend` looks after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Final, NamedTuple

from energymeter.codec.codes import ExceptionCode
from energymeter.errors import ConfigError, MeterError
from energymeter.planner import TCP_COST, Block, Cost
from energymeter.profiles import Point, Profile
from energymeter.reader.asking import Asker, is_refusal
from energymeter.reader.decoder import BlockDecoder
from energymeter.reader.examine import Examiner, Piece
from energymeter.reader.learning import Learner
from energymeter.reader.memory import Knowledge, Memory, SavedCount, Spacing
from energymeter.reader.reading import Event, EventKind, Failure
from energymeter.reader.selfcheck import find_shift
from energymeter.values import WireOrder

__all__ = ["Experience", "FirstPlan"]

_SAVE_S: Final = 300.0
"""Seconds between two savings of the counters; what is learned is saved at once."""

_PATIENCE_S: Final = 600.0
"""Seconds to wait after an examination in which the meter answered nothing at all."""

_LASTING: Final[dict[int | None, int]] = {ExceptionCode.SERVER_DEVICE_FAILURE: 10}
"""How often in a row a read that was answered before must be refused to make it a fact, rather
than a whim of the meter; other refusals three times."""

_CHECK_TRIES: Final = 10
"""Readings at which a self-check without a result is tried again."""


class FirstPlan(NamedTuple):
    """The reads of a meter of which nothing but its profile is known."""

    points: tuple[Point, ...]
    """In the order of a report."""

    blocks: tuple[Block, ...]
    decoders: tuple[BlockDecoder, ...]
    places: tuple[int, ...] | None
    """See `Experience.places`."""

    singles: dict[str, Block]
    """Reads of single points, by name; kept once they are needed."""


class Experience:
    """Planned reads of one meter, changed by what it answers.

    Args:
        profile: What the meter is.
        points: Which of its points are read; None: all.
        max_words: Longest read wanted.
        cost: What a read costs.
        is_numbered: Whether answers carry the number of their question.
        learn: Whether refused reads are examined.
        self_check: Whether blocks are compared with single reads at first contact.
        memory: Where what is learned is kept.
        first_plan: That of another meter that is to be read alike; None: it is made.

    Raises:
        ConfigError: A point alone is longer than the longest read.
    """

    def __init__(  # noqa: PLR0913 - handed on by the reader
        self,
        profile: Profile,
        points: Sequence[Point] | None,
        *,
        max_words: int | None,
        cost: Cost = TCP_COST,
        is_numbered: bool = True,
        learn: bool,
        self_check: bool,
        memory: Memory | None,
        first_plan: FirstPlan | None = None,
    ) -> None:
        knowledge = (memory.load() if memory is not None else None) or Knowledge()
        self._knowledge = knowledge
        self._memory = memory
        learner = partial(
            Learner, profile, points, max_words=max_words, cost=cost, is_numbered=is_numbered
        )
        singles = None if first_plan is None else first_plan.singles
        self._learner = learner(knowledge=knowledge, singles=singles)
        self._is_learning = learn
        self._is_checking = self_check
        self._tries_left = _CHECK_TRIES if self_check and not knowledge.is_checked else 0
        self._examine_at = -inf
        self.polls = 0
        """Counted by the reader."""
        self._whims: dict[Block, tuple[int, int]] = {}
        """Reads that were answered once: how often in a row they were refused, and the poll of
        the last time that this was looked at."""
        self._order_of: Callable[[Point], WireOrder] = profile.order_of
        self.first_plan = first_plan or _first_plan(learner(knowledge=Knowledge()))
        """Another meter that is read alike can begin with it."""
        self.points: tuple[Point, ...] = self.first_plan.points
        """In the order of a report."""
        self.counts: dict[str, SavedCount] = dict(knowledge.counts)
        """Counters as they were remembered at the start."""
        self.due = -inf
        """When `attend` has something to do, refused reads apart; seconds as `now`."""
        self.save_at = -inf if memory is not None else inf
        """When to call `save`."""
        self.refused: Mapping[int, str] = {}
        """Places of the points that the meter has not, and what it answered."""
        self.places: tuple[int, ...] | None = None
        """Place of each planned point in a report; None: they are the same, in order."""
        self.blocks: tuple[Block, ...] = ()
        self.decoders: tuple[BlockDecoder, ...] = ()
        self.wants_plan = False
        """Whether to call `replan` before the next poll."""
        if knowledge.facts or knowledge.spacing is not Spacing.GAPS:
            self._adopt(_planned(self._learner))
        else:
            self.blocks, self.decoders = self.first_plan.blocks, self.first_plan.decoders
            self.places = self.first_plan.places

    def set_order(self, order_of: Callable[[Point], WireOrder]) -> None:
        """Decode with this order from now on."""
        self._order_of = order_of
        self._adopt(self.blocks)

    def save(self, counts: Mapping[str, SavedCount], now: float) -> None:
        """Hand everything to the memory."""
        if self._memory is not None:
            self._knowledge.counts = dict(counts)
            self._memory.save(self._knowledge)
            self.save_at = now + _SAVE_S

    async def attend(  # noqa: PLR0913 - the parts of a report that may change
        self,
        ask: Asker,
        answers: Sequence[bytes | None],
        *,
        failures: list[Failure],
        events: list[Event],
        now: float,
        epoch_s: float,
        is_order_known: bool,
    ) -> Sequence[bytes | None]:
        """Look after what is not plain reading.

        Args:
            ask: Reads.
            answers: To the planned reads, None where one failed.
            failures: Those; changed in place where they are dealt with.
            events: Gets what was learned.
            now: Seconds that never step back.
            epoch_s: Seconds since 1970.
            is_order_known: Whether values can be made of the answers.

        Returns:
            The answers to the reads as they are planned now.
        """
        learner = self._learner
        is_line_good = all(is_refusal(failure.error) for failure in failures)
        is_lasting = self._note_whims(answers, failures)
        if (
            failures
            and is_line_good
            and is_lasting
            and self._is_learning
            and now >= self._examine_at
        ):
            answers = await self._examine(ask, answers, failures, now, epoch_s)
        if not failures and self._is_learning and await learner.retest(ask, now=epoch_s):
            self.wants_plan = True
            self._open_check()
        if self._tries_left and is_order_known and is_line_good and any(answers):
            answers = await self._check(ask, answers, failures, epoch_s)
        if learner.events:
            events += learner.events
            learner.events.clear()
            if self._memory is not None:
                self.save_at = now
        self.due = -inf if self._tries_left else now + (learner.next_trial() - epoch_s)
        return answers

    def replan(self) -> None:
        """Plan anew with what was learned."""
        self.wants_plan = False
        self._adopt(self._learner.plan())

    def _note_whims(self, answers: Sequence[bytes | None], failures: Sequence[Failure]) -> bool:
        """Whether a refused read is more than a whim: it never was answered, or is no more."""
        errors = {failure.block: failure.error for failure in failures}
        is_lasting = False
        for block, answer in zip(self.blocks, answers, strict=True):
            whims, last = self._whims.get(block, (None, self.polls))
            if answer is not None:
                self._whims[block] = (0, self.polls)
            elif whims is None:
                is_lasting = True
            else:
                whims = whims + 1 if last == self.polls - 1 else 1
                self._whims[block] = (whims, self.polls)
                code = getattr(errors.get(block), "code", None)
                is_lasting |= whims >= _LASTING.get(code, 3)
        return is_lasting

    async def _examine(
        self,
        ask: Asker,
        answers: Sequence[bytes | None],
        failures: list[Failure],
        now: float,
        epoch_s: float,
    ) -> Sequence[bytes | None]:
        learner, facts = self._learner, self._knowledge.facts
        known = len(facts)
        examiner = Examiner(learner, ask, epoch_s)
        errors = {failure.block: failure.error for failure in failures}
        pieces: list[Piece] = []
        for block, answer in zip(self.blocks, answers, strict=True):
            if answer is not None and not block.table.is_bits:
                learner.note_answer(block.count)
        # If it is cancelled, the next poll goes on from what was learned until then.
        self.wants_plan, self.due = True, -inf
        try:
            for block, answer in zip(self.blocks, answers, strict=True):
                if answer is None:
                    pieces += await examiner.examine(Piece(block, None, errors[block]))
                else:
                    pieces.append(Piece(block, answer, None))
        finally:
            is_deaf = not (examiner.was_answered or any(answers))
            if is_deaf:
                # It refuses everything: another meter, or one that is starting. Nothing to learn.
                del facts[known:]
                learner.events.clear()
        if is_deaf:
            self.wants_plan = False
            self._examine_at = now + _PATIENCE_S
            return answers
        # Told as failed this once; from the next poll on what is refused is not asked for.
        failures[:] = [Failure(p.block, p.error) for p in pieces if p.error is not None]
        gone = learner.refused()
        pieces = [
            piece
            for piece in pieces
            if piece.answer is not None or any(p.name not in gone for p in piece.block.points)
        ]
        self._adopt([piece.block for piece in pieces])
        # What is not known yet is looked into at the next poll, from these pieces on.
        longest = learner.longest_read()
        self.wants_plan = all(
            piece.answer is not None or piece.block.count > longest for piece in pieces
        )
        return [piece.answer for piece in pieces]

    async def _check(
        self,
        ask: Asker,
        answers: Sequence[bytes | None],
        failures: list[Failure],
        epoch_s: float,
    ) -> Sequence[bytes | None]:
        self._tries_left -= 1
        learner = self._learner
        while True:
            answered = [
                (decoder, answer)
                for decoder, answer in zip(self.decoders, answers, strict=True)
                if answer is not None
            ]
            found = await find_shift(ask, answered, learner, self._order_of)
            if found is not None:
                self._tries_left = 0
                self._knowledge.is_checked = True
                if self._memory is not None:
                    self.save_at = min(self.save_at, 0.0)
            if not isinstance(found, str) or not learner.widen(epoch_s):
                return answers
            learner.events.append(Event(EventKind.ANSWERS_SHIFTED, "", found))
            self._open_check()
            self.replan()
            failures.clear()
            answers = await self._ask_all(ask, failures)

    async def _ask_all(self, ask: Asker, failures: list[Failure]) -> list[bytes | None]:
        answers: list[bytes | None] = []
        trouble: MeterError | None = None
        for block in self.blocks:
            answer = None
            try:
                if trouble is None:
                    answer = await ask(block)
            except MeterError as error:
                failures.append(Failure(block, error))
                trouble = None if is_refusal(error) else error
            else:
                if trouble is not None:
                    failures.append(Failure(block, trouble))
            answers.append(answer)
        return answers

    def _open_check(self) -> None:
        """Have the next readings compared with single reads, unless that was done or not wanted."""
        self._knowledge.is_checked = self._knowledge.spacing is Spacing.ALONE
        wanted = self._is_checking and not self._knowledge.is_checked
        self._tries_left = _CHECK_TRIES if wanted else 0

    def _adopt(self, blocks: Sequence[Block]) -> None:
        self.blocks = tuple(blocks)
        self._whims = {block: n for block, n in self._whims.items() if block in self.blocks}
        self.decoders = tuple(BlockDecoder(block, self._order_of) for block in self.blocks)
        self.places = _places(self.points, blocks)
        place_of = {point.name: place for place, point in enumerate(self.points)}
        self.refused = {
            place_of[name]: f"the meter refuses it: {reason}"
            for name, reason in self._learner.refused().items()
            if name in place_of
        }


def _first_plan(learner: Learner) -> FirstPlan:
    """The plan of a learner that knows nothing yet."""
    points, blocks = learner.all_points(), learner.plan()
    decoders = tuple(BlockDecoder(block, learner.profile.order_of) for block in blocks)
    return FirstPlan(points, blocks, decoders, _places(points, blocks), learner.singles)


def _places(points: Sequence[Point], blocks: Sequence[Block]) -> tuple[int, ...] | None:
    """Place of each point of the blocks among `points`; None: they are the same, in order."""
    place_of = {point.name: place for place, point in enumerate(points)}
    places = tuple(place_of[point.name] for block in blocks for point in block.points)
    return None if places == tuple(range(len(points))) else places


def _planned(learner: Learner) -> tuple[Block, ...]:
    """The plan; what is remembered and makes none possible is forgotten."""
    try:
        return learner.plan()
    except ConfigError:
        if not learner.knowledge.facts:
            raise
        learner.knowledge.facts.clear()
        return learner.plan()
