"""Where in one table a read may begin and end; knows no costs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterable, Sequence

from energymeter.codec.codes import MAX_READ_BITS, MAX_READ_WORDS, Table
from energymeter.profiles import Point, Profile
from energymeter.profiles.stretches import Stretch, joined

__all__ = ["Ground"]


class Ground:
    """What of one table a single read may cover.

    A read must stay within the addresses that answer: those the profile calls readable, and
    those of its points. It is not longer than the meter and the user allow. Where the meter
    answers even reads only, it is as long as it must be for that; where a register answers
    something else when it is read alone, it takes in a neighbour.

    A point that no such read can hold, because it lies in a hole, is still read, by itself:
    nobody else's values are lost with it.

    What is allowed stays allowed when it becomes shorter, and never costs more then: the
    proof in `plan` rests on these two.

    Args:
        profile: The meter.
        table: Which of its tables.
        points: What is to be read; points of other tables are ignored.
        max_words: Longest read of registers wanted; None: what the profile allows.
    """

    __slots__ = ("_ends", "_firsts", "_islands", "_lone", "_rounding", "longest", "table")

    def __init__(
        self, profile: Profile, table: Table, points: Iterable[Point], max_words: int | None
    ) -> None:
        self.table = table
        self._rounding = 1 if profile.even_reads and not table.is_bits else 0
        self.longest = MAX_READ_BITS
        """Items in the longest read."""
        if not table.is_bits:
            limits = (MAX_READ_WORDS, profile.max_read_words, max_words)
            self.longest = min(limit for limit in limits if limit is not None)
        lone = {answer.address for answer in profile.lone_answers if table in answer.tables}
        # None: whichever register is read alone.
        self._lone: Container[int | None] = range(0x10000) if None in lone else lone
        holes = [(hole.first, hole.last + 1) for hole in profile.holes if table in hole.tables]
        declared = {
            self._rounded(point.address, point.end)
            for group in (profile.readable_points, points)
            for point in group
            if table in point.tables
        }
        sunk = {stretch for stretch in declared if _is_touched(stretch, holes)}
        stretches = joined((*profile.readable_in(table), *(declared - sunk)))
        self._firsts = [first for first, _ in stretches]
        self._ends = [end for _, end in stretches]
        self._islands = tuple(sunk)

    def read_over(self, start: int, end: int) -> Stretch | None:
        """The shortest read that holds the addresses from start to before end; None: none may."""
        read = self._rounded(start, end)
        if read[1] - read[0] == 1 and start in self._lone:
            for wider in ((start, end + 1), (start - 1, end)):
                if self._allows(*wider):
                    return wider
        return read if self._allows(*read) else None

    def _rounded(self, start: int, end: int) -> Stretch:
        # To even bounds where that is needed; x & 1 is what is odd of x.
        return start - (start & self._rounding), end + (end & self._rounding)

    def _allows(self, start: int, end: int) -> bool:
        if end - start > self.longest:
            return False
        place = bisect_right(self._firsts, start) - 1
        return (place >= 0 and end <= self._ends[place]) or any(
            first <= start and end <= stop for first, stop in self._islands
        )


def _is_touched(stretch: Stretch, others: Sequence[Stretch]) -> bool:
    return any(first < stretch[1] and stretch[0] < end for first, end in others)
