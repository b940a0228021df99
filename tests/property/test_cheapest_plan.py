"""The plan of reads against exhaustive search, and against the rules others use."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planner.reference import Reference

from energymeter.errors import ConfigError
from energymeter.planner import Block, Cost, cost_of, plan_reads, reads_by_gap
from energymeter.profiles import Point, Profile, parse_profile

SHAPES = (("uint16", None), ("int32", None), ("float64", None), ("string", 1), ("string", 9))
COSTS = st.builds(
    # Whole numbers, so that sums are exact in any order.
    lambda request, word: Cost(float(request), float(word)),
    st.integers(0, 30),
    st.integers(0, 4),
)


class Case(NamedTuple):
    """A meter with points of one table to be read, in no particular order."""

    profile: Profile
    points: tuple[Point, ...]
    longest: int
    cost: Cost

    @property
    def reference(self) -> Reference:
        return Reference(self.profile, self.points, self.longest)


@st.composite
def ranges(draw: st.DrawFn, most: int) -> list[dict[str, int]]:
    edges = sorted(draw(st.lists(st.integers(0, 80), max_size=2 * most, unique=True)))
    return [{"first": first, "last": end - 1} for first, end in pairwise(edges)][::2]


@st.composite
def raw_points(draw: st.DrawFn, most: int, *, overlaps: bool, bits: bool) -> list[dict[str, Any]]:
    """Points as a file has them; some take their scale from another."""
    raws: list[dict[str, Any]] = []
    address = 0
    while len(raws) < most and (not raws or draw(st.integers(0, 7))):
        data_type, length = ("bool", None) if bits else draw(st.sampled_from(SHAPES))
        if overlaps:
            address = draw(st.integers(0, 40))
        else:
            address += draw(st.sampled_from([0, 0, 0, 1, 2, 5, 12, 30]))
        raw = {"name": f"p{len(raws)}", "address": address, "type": data_type}
        raws.append(raw if length is None else {**raw, "length": length})
        if not overlaps and len(raws) < most and draw(st.integers(0, 5)) == 0:
            raws.append({**raws[-1], "name": f"p{len(raws)}"})
        address += Point.model_validate(raws[-1]).count
    sources = draw(st.lists(st.integers(0, len(raws) - 1), max_size=2, unique=True))
    if sources:
        # Not more than a few, whose subsets the reference has to look at.
        for place in draw(st.lists(st.integers(0, len(raws) - 1), max_size=7, unique=True)):
            source = draw(st.sampled_from(sources))
            if source != place:
                raws[place]["scale_from"] = {"point": f"p{source}"}
    return raws


@st.composite
def cases(draw: st.DrawFn, most: int, *, overlaps: bool = False) -> Case:
    bits = draw(st.integers(0, 5)) == 0
    raws = draw(raw_points(most, overlaps=overlaps, bits=bits))
    table = "coil" if bits else "holding"
    longest = draw(st.integers(1, 40))
    # A profile itself has no overlaps but twins; points of several profiles may.
    own = [{**raws[0], "scale_from": None}] if overlaps else raws
    lone = draw(st.lists(st.integers(0, 40) | st.none(), max_size=3))
    data: dict[str, object] = {
        "name": "x/y",
        "vendor": "x",
        "model": "y",
        "tables": [table],
        "readable": draw(ranges(3)) if draw(st.booleans()) else [],
        "holes": draw(ranges(2)) if draw(st.booleans()) else [],
        "gaps": draw(st.sampled_from(["zero", "refused"])),
        "even_reads": draw(st.booleans()),
        "lone_answers": [{"address": address, "value": 1} for address in lone],
        "max_read_words": draw(st.sampled_from([longest, 125])),
        "points": own,
    }
    profile = parse_profile(data, "test")
    points = tuple(Point.model_validate({**raw, "tables": [table]}) for raw in raws)
    return Case(profile, tuple(draw(st.permutations(points))), longest, draw(COSTS))


def plan(case: Case) -> tuple[Block, ...]:
    return plan_reads(case.profile, case.points, max_words=case.longest, cost=case.cost)


def is_plannable(case: Case) -> bool:
    return all(case.reference.read_of([point]) is not None for point in case.points)


def assert_sound(case: Case, blocks: Sequence[Block]) -> None:
    reference = case.reference
    brought = [point.name for block in blocks for point in block.points]
    assert sorted(brought) == sorted(point.name for point in case.points)
    for block in blocks:
        assert block.table is reference.table
        assert (block.address, block.count) == reference.read_of(block.points)
        assert [p.address for p in block.points] == sorted(p.address for p in block.points)
        assert all(block.address <= p.address and p.end <= block.end for p in block.points)
    assert [block.address for block in blocks] == sorted(block.address for block in blocks)
    of_point = {point.name: place for place, block in enumerate(blocks) for point in block.points}
    for group in reference.inseparable():
        assert len({of_point[name] for name in group}) == 1


@pytest.mark.parametrize("overlaps", [False, True], ids=["separate", "overlapping"])
def test_plan_is_sound_and_as_cheap_as_the_best_of_all_plans(*, overlaps: bool) -> None:
    @given(cases(7 if overlaps else 8, overlaps=overlaps))
    @settings(max_examples=400, deadline=None)
    def check(case: Case) -> None:
        if not is_plannable(case):
            with pytest.raises(ConfigError):
                plan(case)
            return
        blocks = plan(case)
        assert_sound(case, blocks)
        assert cost_of(blocks, case.cost) == case.reference.cheapest(case.cost)

    check()


@given(cases(40))
@settings(max_examples=150, deadline=None)
def test_no_fixed_gap_is_cheaper(case: Case) -> None:
    if is_plannable(case):
        blocks = plan(case)
        assert_sound(case, blocks)
        for gap in (0, 7, 16, 50):
            rule = reads_by_gap(case.profile, gap, case.points, max_words=case.longest)
            assert_sound(case, rule)
            assert cost_of(blocks, case.cost) <= cost_of(rule, case.cost)


@given(cases(40))
@settings(max_examples=50, deadline=None)
def test_one_request_a_value_is_never_cheaper_where_no_scale_has_to_be_brought_along(
    case: Case,
) -> None:
    if is_plannable(case) and not case.reference.inseparable():
        singles = reads_by_gap(case.profile, None, case.points, max_words=case.longest)
        assert len(singles) == len(case.points)
        assert cost_of(plan(case), case.cost) <= cost_of(singles, case.cost)


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


@given(cases(5, overlaps=True))
@settings(max_examples=100, deadline=None)
def test_exhaustive_search_itself_is_the_minimum_over_all_partitions(case: Case) -> None:
    reference = case.reference
    best = float("inf")
    for division in partitions(len(case.points)):
        groups = [[case.points[place] for place in block] for block in division]
        names = [{point.name for point in group} for group in groups]
        if all(any(bound <= held for held in names) for bound in reference.inseparable()):
            best = min(best, sum(reference.price_of(group, case.cost) for group in groups))

    assert reference.cheapest(case.cost) == best


def test_all_partitions_are_as_many_as_bell_counted() -> None:
    assert [len(partitions(size)) for size in range(7)] == [1, 1, 2, 5, 15, 52, 203]


@given(cases(40))
@settings(max_examples=50, deadline=None)
def test_order_of_the_points_does_not_matter(case: Case) -> None:
    if is_plannable(case):
        turned = case._replace(points=case.points[::-1])
        assert cost_of(plan(case), case.cost) == cost_of(plan(turned), case.cost)


@given(cases(40), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_shorter_reads_never_cost_less_where_no_scale_has_to_be_brought_along(
    case: Case, shorter: int
) -> None:
    tight = case._replace(longest=min(case.longest, shorter))
    if is_plannable(tight) and not case.reference.inseparable():
        assert cost_of(plan(tight), case.cost) >= cost_of(plan(case), case.cost)
