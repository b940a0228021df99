"""What a plan of reads looks like: which points share a read, and which never do."""

from __future__ import annotations

from typing import Any

import pytest

from energymeter.codec.codes import Table
from energymeter.errors import ConfigError
from energymeter.planner import TCP_COST, Cost, plan_reads
from energymeter.profiles import Profile, ProfileLibrary, parse_profile


def profile_of(*points: dict[str, Any], **keys: Any) -> Profile:
    return parse_profile(
        {"name": "x/y", "vendor": "x", "model": "y", "points": list(points), **keys}, "test"
    )


def word(address: int, **keys: Any) -> dict[str, Any]:
    return {"name": f"p{address}", "address": address, "type": "uint16", **keys}


def coil(address: int, table: str = "coil") -> dict[str, Any]:
    return {"name": f"{table}{address}", "address": address, "type": "bool", "tables": [table]}


def reads(profile: Profile, **keys: Any) -> list[tuple[int, int]]:
    return [(block.address, block.count) for block in plan_reads(profile, **keys)]


def test_neighbours_share_a_read() -> None:
    assert reads(profile_of(word(0), word(1), word(2))) == [(0, 3)]


def test_gap_is_read_over_when_that_is_cheaper() -> None:
    profile = profile_of(word(0), word(50))

    assert reads(profile, cost=Cost(request_ms=5.0, word_ms=0.1)) == [(0, 51)]
    assert reads(profile, cost=Cost(request_ms=4.0, word_ms=0.1)) == [(0, 1), (50, 1)]


def test_hole_is_never_read_over() -> None:
    readable = [{"first": 0, "last": 9}, {"first": 11, "last": 20}]

    assert reads(profile_of(word(9), word(11), readable=readable)) == [(9, 1), (11, 1)]


def test_gap_outside_the_readable_stretches_is_never_read_over() -> None:
    profile = profile_of(word(0), word(20), word(21), word(23), readable=[{"first": 0, "last": 9}])

    assert reads(profile) == [(0, 1), (20, 2), (23, 1)]


def test_stretches_of_one_table_do_not_count_for_another() -> None:
    readable = [{"first": 0, "last": 9, "tables": ["input"]}]
    profile = profile_of(
        word(0), word(2), word(4, tables=["input"]), word(6, tables=["input"]), readable=readable
    )

    found = [(block.table, block.address, block.count) for block in plan_reads(profile)]

    # Nothing is said about holding registers, so all from the first point to the last answer.
    assert found == [(Table.HOLDING, 0, 3), (Table.INPUT, 4, 3)]


def test_value_of_several_registers_is_read_whole() -> None:
    points = [{"name": f"e{n}", "address": 4 * n, "type": "uint64"} for n in range(4)]

    assert reads(profile_of(*points), max_words=7) == [(0, 4), (4, 4), (8, 4), (12, 4)]


def test_twins_are_brought_by_one_read() -> None:
    profile = profile_of(word(7), word(7, name="int_p7"))

    [block] = plan_reads(profile)

    assert (block.address, block.count) == (7, 1)
    assert [point.name for point in block.points] == ["p7", "int_p7"]


def test_profiles_longest_read_is_kept_whatever_is_wanted() -> None:
    profile = profile_of(*(word(address) for address in range(30)), max_read_words=10)

    assert reads(profile) == [(0, 10), (10, 10), (20, 10)]
    assert reads(profile, max_words=125) == reads(profile)
    assert len(reads(profile, max_words=6)) == 5


@pytest.mark.parametrize("max_words", [0, 1, 3])
def test_point_longer_than_the_longest_read_is_refused_by_name(max_words: int) -> None:
    profile = profile_of({"name": "energy", "address": 0, "type": "uint64"})

    with pytest.raises(ConfigError, match=rf"energy takes 4 .* is {max_words}$"):
        plan_reads(profile, max_words=max_words)


def test_bits_are_read_by_the_thousand_and_not_bound_by_the_registers_limit() -> None:
    profile = profile_of(coil(0), coil(1999), coil(2000), max_read_words=1)

    assert reads(profile, cost=Cost(request_ms=10_000, word_ms=1)) == [(0, 1), (1999, 2)]
    assert reads(profile, points=profile.points[:2], cost=Cost(10_000, 1)) == [(0, 2000)]


def test_tables_are_never_mixed() -> None:
    profile = profile_of(word(0), word(1, tables=["input"]), coil(2), coil(3, "discrete"), word(4))

    assert [(block.table, block.address, block.count) for block in plan_reads(profile)] == [
        (Table.HOLDING, 0, 5),
        (Table.INPUT, 1, 1),
        (Table.COIL, 2, 1),
        (Table.DISCRETE, 3, 1),
    ]


def test_mirrored_point_is_read_from_its_first_table_only() -> None:
    profile = profile_of(word(0), word(1), tables=["input", "holding"])

    [block] = plan_reads(profile)

    assert block.table is Table.INPUT


def test_commands_are_never_read() -> None:
    profile = profile_of(word(0), word(1, access="w"), word(2, access="rw"))

    [block] = plan_reads(profile)

    assert [point.name for point in block.points] == ["p0", "p2"]


def test_only_the_points_asked_for_are_read_in_any_order() -> None:
    profile = profile_of(*(word(10 * n) for n in range(10)), readable=[{"first": 0, "last": 0}])
    wanted = [profile.points[7], profile.points[2]]

    blocks = plan_reads(profile, wanted)

    assert [block.points for block in blocks] == [(wanted[1],), (wanted[0],)]
    assert wanted == [profile.points[7], profile.points[2]]


def test_nothing_asked_for_needs_no_read() -> None:
    assert plan_reads(profile_of(word(0)), []) == ()


def test_cost_of_a_read_is_its_request_and_its_words() -> None:
    assert Cost(request_ms=3.0, word_ms=0.5).read_ms(10) == 8.0
    assert TCP_COST.read_ms(125) < 2 * TCP_COST.read_ms(1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("schneider-electric/pm8000", [("holding", 2999, 112), ("holding", 3203, 40)]),
        (
            "energymeter/electric",
            [("holding", 0, 102), ("coil", 0, 3), ("discrete", 10, 3)],
        ),
        ("energymeter/water", [("holding", 0, 102), ("coil", 0, 3), ("discrete", 10, 3)]),
        ("energymeter/gas", [("holding", 0, 102), ("coil", 0, 3), ("discrete", 10, 3)]),
    ],
)
def test_shipped_profile_is_read_in_few_reads(
    name: str, expected: list[tuple[str, int, int]]
) -> None:
    blocks = plan_reads(ProfileLibrary([]).load(name))

    assert [(block.table, block.address, block.count) for block in blocks] == expected
