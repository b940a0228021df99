"""Reads that follow one another told apart by their length, for wires without transactions.

On a serial line an answer says its unit, its function and its length, but not which question it
answers. A meter that sends an answer twice, or one answer late, would shift all that follow by
one, unseen where two reads in a row have the same length. So the second of them is made a little
longer, where the meter allows that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from energymeter.codec.codes import Table
from energymeter.planner.ground import Ground
from energymeter.planner.plan import Block
from energymeter.profiles import Profile

__all__ = ["told_apart"]

_MOST_EXTRA: Final = 4
"""Items that a read may be made longer by, at the most."""


def told_apart(
    blocks: Sequence[Block], profile: Profile, *, max_words: int | None
) -> tuple[Block, ...]:
    """The same reads, some longer, so that no two in a row have answers of one length.

    The last is followed by the first, at the next poll. Reads of bits are left as they are, and
    so is what the meter does not allow to be longer.

    Args:
        blocks: Reads in the order in which they are asked.
        profile: The meter.
        max_words: Longest read of registers wanted; None: what the profile allows.
    """
    if len(blocks) < 2:
        return tuple(blocks)
    told: list[Block] = []
    grounds: dict[Table, Ground] = {}
    for place, block in enumerate(blocks):
        before = told[-1] if told else None
        after = told[0] if place == len(blocks) - 1 else None
        if any(other is not None and _is_alike(block, other) for other in (before, after)):
            ground = grounds.get(block.table)
            if ground is None:
                points = [p for one in blocks if one.table is block.table for p in one.points]
                ground = grounds[block.table] = Ground(profile, block.table, points, max_words)
            block = _longer(block, (before, after), ground)  # noqa: PLW2901 - it replaces it
        told.append(block)
    return tuple(told)


def _is_alike(block: Block, other: Block) -> bool:
    return block.table is other.table and block.count == other.count and not block.table.is_bits


def _longer(block: Block, others: Sequence[Block | None], ground: Ground) -> Block:
    for extra in range(1, _MOST_EXTRA + 1):
        for start, end in ((block.address, block.end + extra), (block.address - extra, block.end)):
            read = ground.read_over(start, end) if start >= 0 and end <= 0x10000 else None
            if read is None:
                continue
            longer = replace(block, address=read[0], count=read[1] - read[0])
            if not any(other is not None and _is_alike(longer, other) for other in others):
                return longer
    return block
