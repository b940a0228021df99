"""Reads in a row are told apart by their length, where a wire has no transactions."""

from __future__ import annotations

from typing import Any

from energymeter.planner import Block, plan_reads, told_apart
from energymeter.profiles import Profile, ProfileLibrary, parse_profile


def profile_of(addresses: list[int], **more: Any) -> Profile:
    points = [{"name": f"at_{a}", "address": a, "type": "float32"} for a in addresses]
    data = {"name": "test/plain", "vendor": "T", "model": "m", "kind": "electricity"}
    return parse_profile({**data, "points": points, **more}, "plain.toml")


def counts(blocks: tuple[Block, ...]) -> list[int]:
    return [block.count for block in blocks]


def apart(profile: Profile, max_words: int | None = None) -> tuple[Block, ...]:
    plan = plan_reads(profile, max_words=max_words)
    return told_apart(plan, profile, max_words=max_words)


def test_three_reads_of_one_length_become_three_lengths() -> None:
    assert counts(apart(profile_of([0, 1000, 2000]))) == [2, 3, 4]


def test_of_many_reads_each_differs_from_its_neighbours_only() -> None:
    assert counts(apart(profile_of([0, 1000, 2000, 3000]))) == [2, 3, 2, 3]


def test_the_last_read_differs_from_the_first_which_follows_it() -> None:
    blocks = apart(profile_of([0, 1000, 1002, 2000]))
    assert counts(blocks) == [2, 4, 3]


def test_reads_that_differ_already_stay_as_they_are() -> None:
    profile = profile_of([0, 1000, 1002])
    assert told_apart(plan_reads(profile), profile, max_words=None) == plan_reads(profile)


def test_every_point_is_still_in_its_read() -> None:
    for block in apart(profile_of([0, 1000, 2000])):
        assert all(
            block.address <= point.address and point.end <= block.end for point in block.points
        )


def test_where_even_reads_are_wanted_the_longer_ones_are_even() -> None:
    assert counts(apart(profile_of([0, 1000, 2000], even_reads=True))) == [2, 4, 6]


def test_no_read_grows_into_a_hole() -> None:
    holes = [{"first": 1002, "last": 1100}, {"first": 900, "last": 999}]
    assert counts(apart(profile_of([0, 1000], holes=holes))) == [2, 2]


def test_no_read_grows_beyond_the_longest_allowed() -> None:
    assert counts(apart(profile_of([0, 1000], max_read_words=2))) == [2, 2]
    assert counts(apart(profile_of([0, 1000]), max_words=2)) == [2, 2]


def test_a_read_at_the_end_of_the_addresses_grows_at_its_front() -> None:
    first, second = apart(profile_of([0, 0xFFFE]))
    assert (second.address, second.count) == (0xFFFD, 3)
    assert first.count == 2


def test_of_the_shipped_profiles_nearly_all_can_be_told_apart() -> None:
    library = ProfileLibrary([])
    alike = set()
    for name in library.names():
        blocks = apart(library.load(name))
        pairs = zip(blocks, (*blocks[1:], blocks[0]), strict=True)
        if len(blocks) > 1 and any(
            a.table is b.table and a.count == b.count and not a.table.is_bits for a, b in pairs
        ):
            alike.add(name)
    # Their registers are islands: nothing beside them answers.
    assert alike <= {"dzg/dvh4013", "pq-plus/umd-96", "siemens/sentron-pac1600"}
