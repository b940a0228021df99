"""Points that belong into one read: a value and the register that tells its scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from energymeter.planner.ground import Ground
from energymeter.profiles import Point

__all__ = ["Cluster", "clusters_of"]


class Cluster(NamedTuple):
    """Points that are read together or not at all, and the addresses they lie in."""

    start: int
    """Address of the first."""

    end: int
    """First address after all of them."""

    points: tuple[Point, ...]


def clusters_of(points: Sequence[Point], ground: Ground) -> list[Cluster]:
    """Put each value with the register its scale is read from, where one read may hold both.

    When the exponent changes between two reads, a value is wrong by a power of ten, so this is
    no question of cost. Of the values that share one scale register as many are put with it as
    one read can hold; the shortest such read if there are several, then the first. A scale
    register that has itself a scale register binds nothing.

    Args:
        points: Of one table, each name once.
        ground: What a read of that table may cover.

    Returns:
        Clusters by start, then end; most have one point. Every point is in exactly one.
    """
    by_name = {point.name: point for point in points}
    values_of: dict[str, list[Point]] = {}
    for point in points:
        if point.scale_from is not None:
            source = by_name.get(point.scale_from.point)
            if source is not None and source.scale_from is None:
                values_of.setdefault(source.name, []).append(point)
    bound = {
        name: (*values, by_name[name])
        for name, scaled in values_of.items()
        if (values := _reachable(by_name[name], scaled, ground))
    }
    taken = {point.name for group in bound.values() for point in group}
    groups = [*bound.values(), *((point,) for point in points if point.name not in taken)]
    clusters = (Cluster(*_hull(group), group) for group in groups)
    return sorted(clusters, key=lambda cluster: cluster[:2])


def _reachable(source: Point, values: Sequence[Point], ground: Ground) -> tuple[Point, ...]:
    if ground.read_over(*_hull((source, *values))) is not None:
        return tuple(values)
    best: tuple[Point, ...] = ()
    best_rank = (0, 0, 0)
    for start in sorted(
        {source.address, *(v.address for v in values if v.address < source.address)}
    ):
        for end in sorted({source.end, *(v.end for v in values if v.end > source.end)}):
            if ground.read_over(start, end) is None:
                break  # and none that is longer
            held = tuple(v for v in values if start <= v.address and v.end <= end)
            rank = (len(held), start - end, -start)
            if held and rank > best_rank:
                best, best_rank = held, rank
    return best


def _hull(points: Iterable[Point]) -> tuple[int, int]:
    spans = [(point.address, point.end) for point in points]
    return min(start for start, _ in spans), max(end for _, end in spans)
