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
    """Put each value with the registers its scale is read from, where one read may hold all.

    When the exponent changes between two reads, a value is wrong by a power of ten, so this is
    no question of cost. Of the values that share a scale register as many are put with it as
    one read can hold; the shortest such read if there are several, then the first. A scale
    register that has itself a scale register binds nothing.

    Args:
        points: Of one table, each name once.
        ground: What a read of that table may cover.

    Returns:
        Clusters by start, then end; most have one point. Every point is in exactly one.
    """
    groups = []
    for centre, values in _stars(points, ground):
        held = _reachable(centre, values, ground)
        if held:
            groups.append((*held, *centre))
    taken = {point.name for group in groups for point in group}
    groups += [(point,) for point in points if point.name not in taken]
    clusters = (Cluster(*_hull(group), group) for group in groups)
    return sorted(clusters, key=lambda cluster: cluster[:2])


def _stars(points: Sequence[Point], ground: Ground) -> list[tuple[tuple[Point, ...], list[Point]]]:
    """Scale registers that one read has to bring together, and the values that need them."""
    by_name = {point.name: point for point in points}
    centre_of: dict[str, frozenset[str]] = {}
    needs: list[tuple[Point, str]] = []
    for value in points:
        if value.scale_from is None:
            continue
        names = [n for n in value.scale_from.registers if _is_plain(by_name.get(n))]
        if not names:
            continue  # in another table, not asked for, or scaled itself
        centre = frozenset(names).union(*(centre_of.get(name, ()) for name in names))
        if ground.read_over(*_hull((value, *(by_name[n] for n in centre)))) is None:
            centre = centre_of.get(names[0], frozenset(names[:1]))  # its first has to do
        centre_of.update(dict.fromkeys(centre, centre))
        needs.append((value, names[0]))
    stars: dict[frozenset[str], list[Point]] = {}
    for value, name in needs:
        stars.setdefault(centre_of[name], []).append(value)
    return [(tuple(p for p in points if p.name in star), stars[star]) for star in stars]


def _is_plain(point: Point | None) -> bool:
    return point is not None and point.scale_from is None


def _reachable(
    centre: Sequence[Point], values: Sequence[Point], ground: Ground
) -> tuple[Point, ...]:
    """The values that one read can hold together with their scale registers."""
    if ground.read_over(*_hull((*centre, *values))) is not None:
        return tuple(values)
    first, last = _hull(centre)
    best: tuple[Point, ...] = ()
    best_rank = (0, 0, 0)
    for start in sorted({first, *(v.address for v in values if v.address < first)}):
        for end in sorted({last, *(v.end for v in values if v.end > last)}):
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
