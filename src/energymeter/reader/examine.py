"""Find out what of a refused read is refused: a point, the gap between two points, the length.

The read is cut in two until it is known. Each poll may spend a bounded number of requests on
that; the pieces that answered bring their values in the same poll.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, log2
from typing import Final, NamedTuple

from energymeter.codec.codes import MAX_READ_WORDS
from energymeter.errors import MeterError
from energymeter.planner import Block
from energymeter.reader.asking import Asker, is_refusal
from energymeter.reader.learning import Learner
from energymeter.reader.memory import FactKind

__all__ = ["Budget", "Examiner", "Piece"]

_SPARE: Final = 8


class Piece(NamedTuple):
    """A read and what came of it."""

    block: Block
    answer: bytes | None
    error: MeterError | None


class Budget:
    """Requests that one poll may spend on learning: 2 * log2(words) and a few."""

    __slots__ = ("left",)

    def __init__(self, words: int = MAX_READ_WORDS) -> None:
        self.left = 2 * ceil(log2(max(words, 2))) + _SPARE

    def take(self, count: int = 1) -> bool:
        """Take so many, if there are so many left."""
        if self.left < count:
            return False
        self.left -= count
        return True


class Examiner:
    """Examines the refused reads of one poll.

    Args:
        learner: Plans, and is taught.
        ask: Reads.
        now: Seconds since 1970.
    """

    def __init__(self, learner: Learner, ask: Asker, now: float) -> None:
        self._learner = learner
        self._ask = ask
        self._now = now
        self._budget = Budget()
        self.was_answered = False
        """Whether any of the reads was answered."""

    async def examine(self, refused: Piece) -> list[Piece]:
        """Reads that bring the same points as the refused one, answered or not."""
        pieces: list[Piece] = []
        await self._cut(refused, pieces, is_confirmed=False)
        return pieces

    async def _cut(self, refused: Piece, pieces: list[Piece], *, is_confirmed: bool) -> None:
        block = refused.block
        if not block.table.is_bits and block.count > self._learner.longest_read():
            pieces.append(refused)  # no wonder: the next plan will not ask for so much
            return
        parts = self._parts(block)
        if len(parts) < 2:
            if not is_confirmed:
                if not self._budget.take():
                    pieces.append(refused)
                    return
                refused = await self._try(block)
            if refused.error is not None and is_refusal(refused.error):
                for point in block.points:
                    self._learner.learn(
                        FactKind.POINT, block, refused.error, now=self._now, point=point.name
                    )
            pieces.append(refused)
            return
        if not self._budget.take(len(parts)):
            pieces.append(refused)
            return
        tried = [await self._try(part) for part in parts]
        if all(piece.error is None for piece in tried):
            await self._conclude(refused, parts)
        for piece in tried:
            if piece.error is not None and is_refusal(piece.error):
                await self._cut(piece, pieces, is_confirmed=True)
            else:
                pieces.append(piece)

    async def _try(self, block: Block) -> Piece:
        try:
            answer = await self._ask(block)
        except MeterError as error:
            if not is_refusal(error):
                self._budget.left = 0  # the wire is in trouble: this is no time to learn
            return Piece(block, None, error)
        self.was_answered = True
        if not block.table.is_bits:
            self._learner.note_answer(block.count)
        return Piece(block, answer, None)

    def _parts(self, block: Block) -> list[Block]:
        """The block in two, at the gap nearest to its middle, else nearest to the middle."""
        middle = block.address + block.count / 2
        best: tuple[bool, float, int] | None = None
        end = block.points[0].end
        for index, point in enumerate(block.points[1:], start=1):
            if point.address >= end:
                distance = abs((point.address + end) / 2 - middle)
                candidate = (point.address == end, distance, index)
                best = candidate if best is None else min(best, candidate)
            end = max(end, point.end)
        if best is None:
            return [block]
        place = best[2]
        before, after = block.points[:place], block.points[place:]
        return self._learner.planned(before) + self._learner.planned(after)

    async def _conclude(self, refused: Piece, parts: Sequence[Block]) -> None:
        """All parts of a refused block answered: the fault is a gap, or the length."""
        block, error = refused.block, refused.error
        assert error is not None  # noqa: S101 - it was refused
        gaps = [
            Block(block.table, before.end, after.address - before.end, ())
            for before, after in pairwise(parts)
            if after.address > before.end
        ]
        for gap in gaps:
            if not self._budget.take():
                return
            probe = await self._try(gap)
            if probe.error is not None and is_refusal(probe.error):
                self._learner.learn(FactKind.HOLE, gap, probe.error, now=self._now)
                return
        if not self._budget.take():
            return
        again = await self._try(block)
        if again.error is None or not is_refusal(again.error):
            return  # it was no property of the read
        if block.table.is_bits or block.count <= self._learner.longest_answered:
            self._learner.learn(FactKind.CUT, block, error, now=self._now, at=parts[1].address)
            return
        longest = await self._longest_prefix(block, parts)
        self._learner.learn(FactKind.LONGEST, block, error, now=self._now, at=longest)

    async def _longest_prefix(self, block: Block, parts: Sequence[Block]) -> int:
        """The longest read from the block's start that is answered, by halving."""
        answered = max(self._learner.longest_answered, *(part.count for part in parts))
        # A point must not become longer than the longest read: it may well answer.
        answered = max(answered, *(point.count for point in self._learner.points))
        counts = [
            count
            for count in range(answered + 1, block.count)
            if not any(p.address < block.address + count < p.end for p in block.points)
            and not (self._learner.profile.even_reads and count % 2)
        ]
        low, high = 0, len(counts)  # those below `low` answer, those from `high` on do not
        while low < high and self._budget.take():
            middle = (low + high) // 2
            probe = Block(block.table, block.address, counts[middle], ())
            if (await self._try(probe)).error is None:
                low = middle + 1
            else:
                high = middle
        return counts[low - 1] if low else answered
