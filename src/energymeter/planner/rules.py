"""What others do instead of planning: join neighbours up to a fixed gap. Kept to be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from energymeter.planner.cluster import Cluster, clusters_of
from energymeter.planner.cost import Cost
from energymeter.planner.ground import Ground
from energymeter.planner.plan import Block, block_of, points_by_table
from energymeter.profiles import Point, Profile

__all__ = ["FIXED_GAPS", "cost_of", "reads_by_gap"]

FIXED_GAPS: Final[dict[str, int | None]] = {
    "per_value": None,
    "adjacent": 0,
    "gap_16": 16,
    "gap_50": 50,
}
"""Usual rules and the gap, in registers, over which each joins; None: never."""


def reads_by_gap(
    profile: Profile,
    gap: int | None,
    points: Sequence[Point] | None = None,
    *,
    max_words: int | None = None,
) -> tuple[Block, ...]:
    """The reads of a fixed rule: points in order, joined while the gap is not larger.

    So that the rules can be compared with `plan_reads`, they obey what it obeys: holes, the
    longest read, even reads, and a value together with the register that tells its scale. One
    request a point joins nothing, not even these.

    Args:
        profile: The meter.
        gap: Unused items accepted between two points; None: one request a point.
        points: Which of its points; None means all that can be read.
        max_words: Longest read of registers wanted; None: what the profile allows.

    Raises:
        ConfigError: A point alone is longer than the longest read.
    """
    blocks: list[Block] = []
    for table, in_table in points_by_table(profile, points):
        ground = Ground(profile, table, in_table, max_words)
        if gap is None:
            blocks.extend(block_of([point], ground) for point in in_table)
        else:
            runs = _joined(clusters_of(in_table, ground), gap, ground)
            blocks.extend(block_of(run, ground) for run in runs)
    return tuple(blocks)


def _joined(clusters: Sequence[Cluster], gap: int, ground: Ground) -> list[list[Point]]:
    runs: list[list[Point]] = []
    start = end = 0
    for cluster in clusters:
        reach = max(end, cluster.end)
        if runs and cluster.start - end <= gap and ground.read_over(start, reach) is not None:
            runs[-1] += cluster.points
            end = reach
        else:
            runs.append([*cluster.points])
            start, end = cluster.start, cluster.end
    return runs


def cost_of(blocks: Iterable[Block], cost: Cost) -> float:
    """Milliseconds all these reads take, one after the other."""
    return sum(cost.table_ms(block.table, block.count) for block in blocks)
