"""The plan of reads against exhaustive search, and against the rules others use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energymeter.codec.codes import Table
from energymeter.errors import ConfigError
from energymeter.planner import Block, Cost, plan_reads
from energymeter.profiles import Point, Profile, parse_profile

SHAPES = (("uint16", None), ("int32", None), ("float64", None), ("string", 1), ("string", 9))
COSTS = st.builds(
    # Whole numbers, so that sums are exact in any order.
    lambda request, word: Cost(float(request), float(word)),
    st.integers(0, 30),
    st.integers(0, 4),
)


class Case(NamedTuple):
    """A meter with points to be read, in no particular order."""

    profile: Profile
    points: tuple[Point, ...]
    longest: int
    cost: Cost


def make_point(number: int, address: int, shape: tuple[str, int | None]) -> dict[str, object]:
    data_type, length = shape
    point: dict[str, object] = {"name": f"p{number}", "address": address, "type": data_type}
    return point if length is None else {**point, "length": length}


@st.composite
def cases(draw: st.DrawFn, most: int, *, overlaps: bool) -> Case:
    raws: list[dict[str, object]] = []
    address = 0
    for number in range(draw(st.integers(1, most))):
        shape = draw(st.sampled_from(SHAPES))
        if overlaps:
            address = draw(st.integers(0, 40))
        else:
            address += draw(st.sampled_from([0, 0, 0, 1, 2, 5, 12, 30]))
        raws.append(make_point(number, address, shape))
        if not overlaps:
            if draw(st.integers(0, 5)) == 0:
                raws.append({**raws[-1], "name": f"twin{number}"})
            address += Point.model_validate(raws[-1]).count
    edges = sorted(draw(st.lists(st.integers(0, 80), max_size=6, unique=True)))
    readable = [
        {"first": first, "last": last - 1}
        for first, last in zip(edges[::2], edges[1::2], strict=False)
    ]
    longest = draw(st.integers(1, 40))
    data: dict[str, object] = {
        "name": "x/y",
        "vendor": "x",
        "model": "y",
        "readable": readable,
        "max_read_words": draw(st.sampled_from([longest, 125])),
        # A profile itself has no overlaps but twins; points of several profiles may.
        "points": raws[:1] if overlaps else raws,
    }
    profile = parse_profile(data, "test")
    points = tuple(Point.model_validate({**raw, "tables": ["holding"]}) for raw in raws)
    return Case(profile, tuple(draw(st.permutations(points))), longest, draw(COSTS))


def span_of(points: Sequence[Point]) -> tuple[int, int]:
    return min(point.address for point in points), max(point.end for point in points)


def is_allowed(case: Case, points: Sequence[Point]) -> bool:
    """One read may bring these points: short enough, and nothing in it is known to be a hole."""
    start, end = span_of(points)
    if end - start > case.longest:
        return False
    stretches = case.profile.readable_in(Table.HOLDING)
    if any(first <= start and end <= last for first, last in stretches):
        return True
    declared = {address for point in points for address in range(point.address, point.end)}
    return declared == set(range(start, end))


def price(case: Case, points: Sequence[Point]) -> float:
    start, end = span_of(points)
    return case.cost.read_ms(end - start)


def exhaustive(case: Case) -> float:
    """The lowest cost over all ways to divide the points into reads."""
    size = len(case.points)
    prices = {}
    for chosen in range(1, 1 << size):
        points = [point for place, point in enumerate(case.points) if chosen >> place & 1]
        prices[chosen] = price(case, points) if is_allowed(case, points) else float("inf")
    lowest = [0.0] + [float("inf")] * ((1 << size) - 1)
    for points_in in range(1, 1 << size):
        first = points_in & -points_in
        rest = points_in ^ first
        others = rest
        while True:  # every set of the others may share the first one's read
            block = first | others
            lowest[points_in] = min(lowest[points_in], prices[block] + lowest[points_in ^ block])
            if not others:
                break
            others = (others - 1) & rest
    return lowest[-1]


def partitions(size: int) -> list[list[set[int]]]:
    """Every division of 0..size-1 into sets, made the slow way."""
    if size == 0:
        return [[]]
    found = []
    for division in partitions(size - 1):
        found.append([*division, {size - 1}])
        for place, block in enumerate(division):
            found.append([*division[:place], block | {size - 1}, *division[place + 1 :]])
    return found


def plan(case: Case) -> tuple[Block, ...]:
    return plan_reads(case.profile, case.points, max_words=case.longest, cost=case.cost)


def cost_of(case: Case, blocks: Sequence[Block]) -> float:
    return sum(case.cost.read_ms(block.count) for block in blocks)


def assert_sound(case: Case, blocks: Sequence[Block]) -> None:
    brought = [point for block in blocks for point in block.points]
    assert sorted(point.name for point in brought) == sorted(point.name for point in case.points)
    for block in blocks:
        assert block.table is Table.HOLDING
        assert (block.address, block.end) == span_of(block.points)
        assert is_allowed(case, block.points)
        assert [p.address for p in block.points] == sorted(p.address for p in block.points)
    assert [block.address for block in blocks] == sorted(block.address for block in blocks)


def is_plannable(case: Case) -> bool:
    return all(point.count <= case.longest for point in case.points)


def by_fixed_gap(case: Case, gap: int) -> float:
    """What the usual rule costs: join neighbours while the gap between them is small enough."""
    total = 0.0
    block: list[Point] = []
    for point in sorted(case.points, key=lambda point: (point.address, point.end)):
        joined = [*block, point]
        fits = block and point.address - span_of(block)[1] <= gap and is_allowed(case, joined)
        if block and not fits:
            total += price(case, block)
            block = []
        block.append(point)
    return total + price(case, block)


@pytest.mark.parametrize("overlaps", [False, True], ids=["separate", "overlapping"])
def test_plan_is_sound_and_as_cheap_as_the_best_of_all_plans(*, overlaps: bool) -> None:
    @given(cases(7 if overlaps else 4, overlaps=overlaps))
    @settings(max_examples=400, deadline=None)
    def check(case: Case) -> None:
        if not is_plannable(case):
            with pytest.raises(ConfigError):
                plan(case)
            return
        blocks = plan(case)
        assert_sound(case, blocks)
        assert cost_of(case, blocks) == exhaustive(case)

    check()


@pytest.mark.parametrize("gap", [0, 7, 16, 50])
def test_no_fixed_gap_is_cheaper(gap: int) -> None:
    @given(cases(40, overlaps=False))
    @settings(max_examples=100, deadline=None)
    def check(case: Case) -> None:
        if is_plannable(case):
            blocks = plan(case)
            assert_sound(case, blocks)
            assert cost_of(case, blocks) <= by_fixed_gap(case, gap)

    check()


@given(cases(5, overlaps=True))
@settings(max_examples=100, deadline=None)
def test_exhaustive_search_itself_is_the_minimum_over_all_partitions(case: Case) -> None:
    best = float("inf")
    for division in partitions(len(case.points)):
        groups = [[case.points[place] for place in block] for block in division]
        if all(is_allowed(case, group) for group in groups):
            best = min(best, sum(price(case, group) for group in groups))

    assert exhaustive(case) == best


def test_all_partitions_are_as_many_as_bell_counted() -> None:
    assert [len(partitions(size)) for size in range(7)] == [1, 1, 2, 5, 15, 52, 203]


@given(cases(40, overlaps=False))
@settings(max_examples=50, deadline=None)
def test_order_of_the_points_does_not_matter(case: Case) -> None:
    if is_plannable(case):
        turned = case._replace(points=case.points[::-1])
        assert [(b.address, b.count) for b in plan(case)] == [
            (b.address, b.count) for b in plan(turned)
        ]


@given(cases(40, overlaps=False), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_shorter_reads_never_cost_less(case: Case, shorter: int) -> None:
    tight = case._replace(longest=min(case.longest, shorter))
    if is_plannable(tight):
        assert cost_of(case, plan(tight)) >= cost_of(case, plan(case))
