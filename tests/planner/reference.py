"""The slow way to the cheapest plan: every way to divide the points is looked at.

Written apart from the planner, with sets of addresses instead of intervals, so that the two do
not share a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from math import inf

from energymeter.codec.codes import Table
from energymeter.planner import Cost
from energymeter.profiles import Point, Profile

__all__ = ["Reference"]

Price = Callable[[int], float]


class Reference:
    """What one table of a meter allows, and the lowest cost of reading points of it."""

    def __init__(self, profile: Profile, points: Sequence[Point], max_words: int) -> None:
        assert len({point.table for point in points}) == 1
        self.points = tuple(points)
        self.table = points[0].table
        self.longest = 2000 if self.table.is_bits else min(max_words, profile.max_read_words or 125)
        self.is_even = profile.even_reads and not self.table.is_bits
        self.lone = [a.address for a in profile.lone_answers if self.table in a.tables]
        self.holes = _addresses(profile.holes, self.table)
        known = [p for p in (*profile.points, *points) if self.table in p.tables]
        self.readable = _addresses(profile.readable, self.table)
        if not self.readable:
            of_profile = [p for p in profile.points if self.table in p.tables]
            for point in of_profile:
                self.readable |= {*range(point.address, point.end)}
            if profile.gaps == "zero" and of_profile:
                self.readable |= {*range(min(self.readable), max(self.readable) + 1)}
        self.readable -= self.holes
        for point in known:
            declared = self._rounded([point])
            if not declared & self.holes:
                self.readable |= declared

    def read_of(self, points: Sequence[Point]) -> tuple[int, int] | None:
        """Address and count of the shortest read that brings these points; None: none may."""
        addresses = self._rounded(points)
        if len(addresses) == 1 and (None in self.lone or min(addresses) in self.lone):
            address = min(addresses)
            if self.longest > 1 and address + 1 in self.readable and address in self.readable:
                return address, 2
            if self.longest > 1 and address - 1 in self.readable and address in self.readable:
                return address - 1, 2
        # What lies in a hole is asked for by itself.
        is_allowed = addresses <= self.readable or any(
            addresses <= declared
            for declared in (self._rounded([point]) for point in self.points)
            if declared & self.holes
        )
        if not is_allowed or len(addresses) > self.longest:
            return None
        return min(addresses), len(addresses)

    def price_of(self, points: Sequence[Point], cost: Cost) -> float:
        """Milliseconds one read of these points takes; infinite when there is none."""
        read = self.read_of(points)
        if read is None:
            return inf
        return cost.bits_ms(read[1]) if self.table.is_bits else cost.read_ms(read[1])

    def inseparable(self) -> list[frozenset[str]]:
        """Names of the points that have to be in one read."""
        groups = []
        for source in self.points:
            values = [
                point
                for point in self.points
                if point.scale_from is not None
                and point.scale_from.point == source.name
                and source.scale_from is None
            ]
            ranked = [
                (-size, len(_hull([source, *chosen])), min(_hull([source, *chosen])), chosen)
                for size in range(1, len(values) + 1)
                for chosen in combinations(values, size)
                if self.read_of([source, *chosen]) is not None
            ]
            if ranked:
                chosen = min(ranked, key=lambda entry: entry[:3])[3]
                groups.append(frozenset({source.name, *(point.name for point in chosen)}))
        return groups

    def cheapest(self, cost: Cost) -> float:
        """The lowest cost over all ways to divide the points into reads."""
        size = len(self.points)
        places = {point.name: place for place, point in enumerate(self.points)}
        together = [sum(1 << places[name] for name in group) for group in self.inseparable()]
        prices = [0.0] + [inf] * ((1 << size) - 1)
        for mask in range(1, 1 << size):
            if all(mask & group in (0, group) for group in together):
                chosen = [p for place, p in enumerate(self.points) if mask >> place & 1]
                prices[mask] = self.price_of(chosen, cost)
        lowest = [0.0] + [inf] * ((1 << size) - 1)
        for mask in range(1, 1 << size):
            first = mask & -mask
            rest = others = mask ^ first
            while True:  # every set of the others may share the first one's read
                block = first | others
                lowest[mask] = min(lowest[mask], prices[block] + lowest[mask ^ block])
                if not others:
                    break
                others = (others - 1) & rest
        return lowest[-1]

    def _rounded(self, points: Sequence[Point]) -> set[int]:
        hull = _hull(points)
        if self.is_even:
            hull |= {address ^ 1 for address in (min(hull), max(hull))}
            hull = {*range(min(hull) // 2 * 2, max(hull) + 1)}
        return hull


def _hull(points: Iterable[Point]) -> set[int]:
    spans = [range(point.address, point.end) for point in points]
    return {*range(min(span.start for span in spans), max(span.stop for span in spans))}


def _addresses(ranges: Iterable[object], table: Table) -> set[int]:
    found: set[int] = set()
    for stretch in ranges:
        if table in stretch.tables:  # type: ignore[attr-defined]
            found |= {*range(stretch.first, stretch.last + 1)}  # type: ignore[attr-defined]
    return found
