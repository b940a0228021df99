"""The cheapest set of reads that covers all points, found exactly.

Points sorted by address fall into runs; each run is one read. If a cheapest set existed in
which a later point is read by an earlier block, it could be moved to its own neighbour's block
without cost (no block of a cheapest set lies inside another), so looking at runs is enough and
dynamic programming over them gives the optimum: best(i) = min over j of best(j) + cost(j..i).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from energymeter.codec.codes import MAX_READ_BITS, MAX_READ_WORDS, Table
from energymeter.errors import ConfigError
from energymeter.planner.cost import TCP_COST, Cost
from energymeter.profiles import Point, Profile

__all__ = ["Block", "plan_reads"]


@dataclass(frozen=True, slots=True)
class Block:
    """One read and the points it brings."""

    table: Table
    address: int
    count: int
    points: tuple[Point, ...]
    """By ascending address."""

    @property
    def end(self) -> int:
        """First address after it."""
        return self.address + self.count


def plan_reads(
    profile: Profile,
    points: Sequence[Point] | None = None,
    *,
    max_words: int | None = None,
    cost: Cost = TCP_COST,
) -> tuple[Block, ...]:
    """Choose the reads that bring `points` at the lowest cost.

    No read is longer than the profile and `max_words` allow, none leaves a stretch the profile
    calls readable (a gap inside one may be read over), and every point is read whole.

    Args:
        profile: The meter.
        points: Which of its points; None means all that can be read.
        max_words: Longest read of registers wanted, 1 to 125; None: what the profile allows.
        cost: What a read costs.

    Returns:
        Blocks by table and ascending address.

    Raises:
        ConfigError: A point alone is longer than the longest read.
    """
    wanted = profile.readable_points if points is None else points
    limit = profile.max_read_words or MAX_READ_WORDS
    if max_words is not None:
        limit = min(limit, max_words)
    blocks: list[Block] = []
    for table in Table:
        in_table = sorted(
            (point for point in wanted if point.table is table),
            key=lambda point: (point.address, point.end),
        )
        if in_table:
            longest = MAX_READ_BITS if table.is_bits else limit
            stretches = profile.readable_in(table)
            blocks.extend(_cheapest(table, in_table, longest, stretches, cost))
    return tuple(blocks)


def _cheapest(
    table: Table,
    points: Sequence[Point],
    longest: int,
    stretches: Sequence[tuple[int, int]],
    cost: Cost,
) -> list[Block]:
    best = [0.0]
    first_of: list[int] = []
    for last in range(len(points)):
        cheapest, choice = float("inf"), -1
        end = 0
        for first in range(last, -1, -1):
            end = max(end, points[first].end)
            start = points[first].address
            if end - start > longest:
                break  # runs only get longer from here
            if not _is_readable(start, end, points[first : last + 1], stretches):
                continue  # a long point further ahead may lie over the hole
            price = best[first] + cost.read_ms(end - start)
            if price < cheapest:
                cheapest, choice = price, first
        if choice < 0:
            point = points[last]
            msg = (
                f"{point.name} takes {point.count} registers, "
                f"the longest read allowed (message size) is {longest}"
            )
            raise ConfigError(msg)
        best.append(cheapest)
        first_of.append(choice)
    blocks: list[Block] = []
    stop = len(points)
    while stop:
        first = first_of[stop - 1]
        run = tuple(points[first:stop])
        start = run[0].address
        blocks.append(Block(table, start, max(point.end for point in run) - start, run))
        stop = first
    blocks.reverse()
    return blocks


def _is_readable(
    start: int, end: int, points: Sequence[Point], stretches: Sequence[tuple[int, int]]
) -> bool:
    if any(first <= start and end <= last for first, last in stretches):
        return True
    # Outside the stretches only what a point itself declares is there, and no gap.
    reached = start
    for point in points:
        if point.address > reached:
            return False
        reached = max(reached, point.end)
    return True
