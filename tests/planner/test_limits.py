"""What a meter refuses or falsifies, and how the plan goes around it."""

from __future__ import annotations

from typing import Any

import pytest

from energymeter.errors import ConfigError
from energymeter.planner import Cost, plan_reads, reads_by_gap
from energymeter.profiles import Profile, parse_profile

CHEAP_WORDS = Cost(request_ms=1000.0, word_ms=1.0)
DEAR_WORDS = Cost(request_ms=1.0, word_ms=1000.0)


def profile_of(*points: dict[str, Any], **keys: Any) -> Profile:
    return parse_profile(
        {"name": "x/y", "vendor": "x", "model": "y", "points": list(points), **keys}, "test"
    )


def word(address: int, **keys: Any) -> dict[str, Any]:
    return {"name": f"p{address}", "address": address, "type": "uint16", **keys}


def scaled(address: int, source: int, **keys: Any) -> dict[str, Any]:
    return word(address, scale_from={"point": f"p{source}", **keys})


def reads(profile: Profile, cost: Cost = CHEAP_WORDS, **keys: Any) -> list[tuple[int, int]]:
    return [(block.address, block.count) for block in plan_reads(profile, cost=cost, **keys)]


def homes(profile: Profile, cost: Cost = DEAR_WORDS, **keys: Any) -> list[list[str]]:
    return [[p.name for p in block.points] for block in plan_reads(profile, cost=cost, **keys)]


def test_even_reads_grow_to_even_bounds() -> None:
    profile = profile_of(word(3), word(8), word(21), even_reads=True)

    assert reads(profile) == [(2, 20)]
    assert reads(profile, DEAR_WORDS) == [(2, 2), (8, 2), (20, 2)]


def test_neighbours_in_one_even_read_cost_one() -> None:
    assert reads(profile_of(word(2), word(3), even_reads=True), DEAR_WORDS) == [(2, 2)]


def test_even_reads_are_not_longer_than_allowed() -> None:
    profile = profile_of(*(word(n) for n in range(1, 9)), even_reads=True, max_read_words=5)

    assert reads(profile) == [(0, 2), (2, 4), (6, 4)]
    assert reads(profile, max_words=3) == [(0, 2), (2, 2), (4, 2), (6, 2), (8, 2)]


def test_point_that_no_even_read_can_hold_is_refused() -> None:
    profile = profile_of({"name": "energy", "address": 1, "type": "uint32"}, even_reads=True)

    with pytest.raises(ConfigError, match="energy"):
        plan_reads(profile, max_words=3)


def test_bits_need_not_be_read_evenly() -> None:
    coil = {"name": "c", "address": 3, "type": "bool", "tables": ["coil"]}

    assert reads(profile_of(coil, even_reads=True)) == [(3, 1)]


def test_hole_of_the_profile_is_never_read_over() -> None:
    profile = profile_of(word(0), word(4), word(9), holes=[{"first": 6, "last": 6}])

    assert reads(profile) == [(0, 5), (9, 1)]


def test_hole_in_the_table_of_the_others_does_not_matter() -> None:
    holes = [{"first": 2, "last": 2, "tables": ["input"]}]

    assert reads(profile_of(word(0), word(4), holes=holes)) == [(0, 5)]


def test_even_read_does_not_grow_into_a_hole_that_is_not_the_points_own() -> None:
    profile = profile_of(
        word(0), word(3), word(4), even_reads=True, holes=[{"first": 5, "last": 5}]
    )

    # The last point's only even read takes in the hole; the others are not lost with it.
    assert reads(profile) == [(0, 4), (4, 2)]


def test_point_in_a_hole_is_asked_for_by_itself() -> None:
    profile = profile_of(word(0), word(1), word(2), word(3), holes=[{"first": 1, "last": 2}])

    assert reads(profile) == [(0, 1), (1, 1), (2, 1), (3, 1)]


def test_where_gaps_are_refused_only_points_are_read() -> None:
    profile = profile_of(word(0), word(1), word(3), gaps="refused")

    assert reads(profile) == [(0, 2), (3, 1)]


def test_points_that_are_not_wanted_are_read_over_where_gaps_are_refused() -> None:
    profile = profile_of(word(0), word(1), word(2), gaps="refused")

    assert reads(profile, points=[profile.points[0], profile.points[2]]) == [(0, 3)]


def test_register_that_lies_when_read_alone_is_read_with_a_neighbour() -> None:
    lone = [{"address": address, "value": 341} for address in (0, 11, 20)]
    profile = profile_of(word(0), word(11), word(20), lone_answers=lone)

    # To the right, or to the left where the map ends.
    assert reads(profile, DEAR_WORDS) == [(0, 2), (11, 2), (19, 2)]


def test_register_that_lies_when_read_alone_has_no_neighbour_where_gaps_are_refused() -> None:
    lone = [{"address": 5, "value": 341}]

    assert reads(profile_of(word(5), gaps="refused", lone_answers=lone)) == [(5, 1)]


def test_every_register_may_lie_when_read_alone() -> None:
    profile = profile_of(word(0), word(9), lone_answers=[{"value": 112}])

    assert reads(profile, DEAR_WORDS) == [(0, 2), (8, 2)]


def test_value_and_the_register_of_its_scale_are_one_read_whatever_it_costs() -> None:
    assert homes(profile_of(scaled(0, 50), word(50))) == [["p0", "p50"]]


def test_what_lies_between_a_value_and_its_scale_comes_along() -> None:
    assert homes(profile_of(scaled(0, 50), word(25), word(50))) == [["p0", "p25", "p50"]]


def test_reads_overlap_where_values_and_scales_interleave() -> None:
    profile = profile_of(scaled(0, 80), scaled(40, 120), word(80), word(120))

    assert reads(profile, max_words=100) == [(0, 81), (40, 81)]


def test_value_out_of_reach_of_its_scale_is_read_by_itself() -> None:
    profile = profile_of(scaled(0, 50), word(50), scaled(60, 50))

    assert homes(profile, max_words=20) == [["p0"], ["p50", "p60"]]


def test_as_many_values_as_one_read_can_hold_are_with_their_scale() -> None:
    profile = profile_of(scaled(0, 10), word(10), scaled(18, 10), scaled(19, 10))

    assert homes(profile, max_words=15) == [["p0"], ["p10", "p18", "p19"]]


def test_scale_in_another_table_binds_nothing() -> None:
    profile = profile_of(scaled(0, 1), word(1, tables=["input"]))

    assert homes(profile) == [["p0"], ["p1"]]


def test_scale_that_is_not_asked_for_binds_nothing() -> None:
    profile = profile_of(scaled(0, 50), word(50), scaled(60, 50))

    assert homes(profile, points=[profile.points[0], profile.points[2]]) == [["p0"], ["p60"]]


def test_value_with_two_registers_for_its_scale_is_read_with_both() -> None:
    profile = profile_of(scaled(0, 20, over="p40"), word(20), word(40), word(60))

    assert homes(profile) == [["p0", "p20", "p40"], ["p60"]]
    # Both together are too far apart, one is not.
    assert homes(profile, max_words=21) == [["p0", "p20"], ["p40"], ["p60"]]


def test_values_that_share_one_of_two_registers_are_read_with_both() -> None:
    profile = profile_of(
        scaled(0, 20, over="p40"), scaled(10, 40), word(20), word(40), scaled(50, 20)
    )

    assert homes(profile) == [["p0", "p10", "p20", "p40", "p50"]]


def test_scale_of_a_scale_binds_nothing() -> None:
    profile = profile_of(scaled(0, 30), scaled(30, 60), word(60))

    assert homes(profile) == [["p0"], ["p30", "p60"]]


def test_rules_join_what_is_not_further_apart_than_their_gap() -> None:
    profile = profile_of(word(0), word(1), word(4), word(9), word(9, name="twin"))

    def by(gap: int | None) -> list[tuple[int, int]]:
        return [(block.address, block.count) for block in reads_by_gap(profile, gap)]

    assert by(None) == [(0, 1), (1, 1), (4, 1), (9, 1), (9, 1)]
    assert by(0) == [(0, 2), (4, 1), (9, 1)]
    assert by(2) == [(0, 5), (9, 1)]
    assert by(4) == [(0, 10)]


def test_rules_keep_to_what_the_meter_allows() -> None:
    profile = profile_of(
        *(word(n) for n in (0, 1, 3, 6, 9)), holes=[{"first": 2, "last": 2}], max_read_words=4
    )

    blocks = reads_by_gap(profile, 50)

    assert [(block.address, block.count) for block in blocks] == [(0, 2), (3, 4), (9, 1)]
