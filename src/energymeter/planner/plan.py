"""The cheapest set of reads that covers all points, found exactly.

Points that have to be read together (`cluster`) count as one from here on: an interval of
addresses. A read is the hull of the intervals it brings. Two facts are used: a read that becomes
shorter stays allowed, and never costs more (`ground`, `cost`).

Claim: among the cheapest divisions into reads there is one in which, with the intervals sorted
by their starts, each read brings a run of neighbours.

Proof: Take a cheapest division with as few reads as possible. No read's hull lies inside
another's, or the two could be merged for nothing. So the hulls h1, h2, ... can be numbered such
that both their starts and their ends ascend. Now give every interval to the last hull that holds
it: hulls only shrink, so the division stays allowed and cheapest. If it had no runs, there were
intervals x before y with x in hj, y in hi and i < j. Then y starts no earlier than x, which is
not before hj starts, and y ends no later than hi, which is before hj ends. So hj holds y, and y
would have been given to hj or a later one.

So looking at runs is enough: best(i) = min over j of best(j) + cost(j..i). Nothing is assumed of
the intervals; they may overlap, interleave, or lie inside one another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from energymeter.codec.codes import Table
from energymeter.errors import ConfigError
from energymeter.planner.cluster import Cluster, clusters_of
from energymeter.planner.cost import TCP_COST, Cost
from energymeter.planner.ground import Ground
from energymeter.profiles import Point, Profile

__all__ = ["Block", "block_of", "cheapest_blocks", "plan_reads", "points_by_table"]


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

    No read is longer than the profile and `max_words` allow, none covers an address that is
    known not to answer, and none is odd where the meter answers even reads only (`Ground`). Every
    point is read whole, and in one read with the register that tells its scale, if that is among
    the points and one read may hold both (`clusters_of`).

    Args:
        profile: The meter.
        points: Which of its points; None means all that can be read.
        max_words: Longest read of registers wanted, 1 to 125; None: what the profile allows.
        cost: What a read costs.

    Returns:
        Blocks by table and ascending address; each point is in exactly one.

    Raises:
        ConfigError: A point alone is longer than the longest read.
    """
    blocks: list[Block] = []
    for table, in_table in points_by_table(profile, points):
        ground = Ground(profile, table, in_table, max_words)
        blocks.extend(cheapest_blocks(in_table, ground, cost))
    return tuple(blocks)


def points_by_table(
    profile: Profile, points: Sequence[Point] | None
) -> Iterator[tuple[Table, list[Point]]]:
    """The points (None: all that can be read) of each table that has any, by address."""
    wanted = profile.readable_points if points is None else points
    for table in Table:
        in_table = [point for point in wanted if point.table is table]
        if in_table:
            yield table, sorted(in_table, key=lambda point: (point.address, point.end))


def cheapest_blocks(points: Sequence[Point], ground: Ground, cost: Cost) -> list[Block]:
    """The cheapest reads of points of one table.

    Raises:
        ConfigError: A point alone is longer than the longest read.
    """
    clusters = clusters_of(points, ground)
    starts_of_runs = _cheapest_runs(clusters, ground, lambda n: cost.table_ms(ground.table, n))
    blocks: list[Block] = []
    stop = len(clusters)
    while stop:
        first = starts_of_runs[stop - 1]
        blocks.append(block_of([p for run in clusters[first:stop] for p in run.points], ground))
        stop = first
    blocks.reverse()
    return blocks


def _cheapest_runs(
    clusters: Sequence[Cluster], ground: Ground, price: Callable[[int], float]
) -> list[int]:
    """For each cluster, where the run that ends with it best begins."""
    best = [0.0]
    choices: list[int] = []
    for last in range(len(clusters)):
        cheapest, choice, end = float("inf"), -1, 0
        for first in range(last, -1, -1):
            start = clusters[first].start
            end = max(end, clusters[first].end)
            read = ground.read_over(start, end)
            if read is None:
                break  # nor any longer one
            total = best[first] + price(read[1] - read[0])
            if total <= cheapest:  # of two that cost the same, the one with fewer requests
                cheapest, choice = total, first
        if choice < 0:
            _refuse(clusters[last].points[0], ground)
        best.append(cheapest)
        choices.append(choice)
    return choices


def block_of(points: Sequence[Point], ground: Ground) -> Block:
    """The read that brings these points.

    Raises:
        ConfigError: There is none.
    """
    in_order = tuple(sorted(points, key=lambda point: (point.address, point.end)))
    read = ground.read_over(in_order[0].address, max(point.end for point in in_order))
    if read is None:
        _refuse(in_order[0], ground)
    return Block(ground.table, read[0], read[1] - read[0], in_order)


def _refuse(point: Point, ground: Ground) -> NoReturn:
    msg = (
        f"{point.name} takes {point.count} registers, "
        f"the longest read allowed (message size) is {ground.longest}"
    )
    raise ConfigError(msg)
