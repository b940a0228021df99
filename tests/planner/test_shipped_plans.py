"""The promises of the planner, on every shipped profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from time import perf_counter
from typing import Final

import numpy as np
import pytest
from tests.planner.reference import Reference

from energymeter.codec.codes import Table
from energymeter.planner import (
    FIXED_GAPS,
    Block,
    Cost,
    bus_use,
    cost_of,
    plan_rates,
    plan_reads,
    reads_by_gap,
    serial_cost,
    tcp_cost,
)
from energymeter.planner.rates import with_scales
from energymeter.profiles import Point, Profile, ProfileLibrary

COSTS: Final = (serial_cost(9600, 20), serial_cost(115_200, 2), tcp_cost(5), tcp_cost(0.2))
USUAL: Final[dict[str, float | None]] = {"fast": 1.0, "slow": 60.0, "once": None}
CLOSE: Final[dict[str, float | None]] = {"fast": 2.0, "slow": 5.0, "once": 60.0}

SMALL: Final = 20
"""Points of one table that can be checked by trying everything."""

SDM630_AT_MBMD: Final = {
    *range(0, 36, 2),
    *(52, 56, 60, 62, 66),
    *range(70, 80, 2),
    *range(234, 240, 2),
    248,
    *range(342, 382, 2),
}
"""The 52 addresses that mbmd reads from an SDM630 (meters/rs485/sdm.go): the common example."""


@cache
def shipped() -> tuple[Profile, ...]:
    library = ProfileLibrary([])
    return tuple(library.load(name) for name in library.names())


def tables_of(profile: Profile) -> Iterator[list[Point]]:
    for table in Table:
        points = [point for point in profile.readable_points if point.table is table]
        if points:
            yield sorted(points, key=lambda point: (point.address, point.end))


def by_all_cuts(reference: Reference, cost: Cost) -> float:
    """The lowest cost over all 2^(n-1) ways to cut the points, by address, into reads."""
    size = len(reference.points)
    inseparable = reference.inseparable()
    prices = np.full((size, size), np.inf)
    for first in range(size):
        for last in range(first, size):
            run = reference.points[first : last + 1]
            names = {point.name for point in run}
            if all(names & group in (set(), group) for group in inseparable):
                prices[first, last] = reference.price_of(run, cost)
    cuts = np.arange(1 << (size - 1))
    total = np.zeros(cuts.size)
    begin = np.zeros(cuts.size, dtype=np.int64)
    for last in range(size):
        ends = (cuts >> last & 1 == 1) | (last == size - 1)
        total[ends] += prices[begin[ends], last]
        begin[ends] = last + 1
    return float(total.min())


def test_there_are_profiles_to_be_checked() -> None:
    assert len(shipped()) > 90
    assert sum(len(points) <= SMALL for p in shipped() for points in tables_of(p)) > 40


def test_every_plan_equals_trying_everything_where_that_can_be_done() -> None:
    for profile in shipped():
        for points in tables_of(profile):
            if len(points) > SMALL:
                continue
            reference = Reference(profile, points, 125)
            for cost in COSTS[::2] if len(points) <= 16 else COSTS[:1]:
                found = cost_of(plan_reads(profile, points, cost=cost), cost)
                is_tiny = len(points) <= 8
                best = reference.cheapest(cost) if is_tiny else by_all_cuts(reference, cost)
                assert found == pytest.approx(best, rel=1e-9), profile.name


def assert_sound(profile: Profile, blocks: Sequence[Block], points: Sequence[Point]) -> None:
    brought = [point for block in blocks for point in block.points]
    assert sorted(p.name for p in brought) == sorted(p.name for p in points), profile.name
    for block in blocks:
        place = f"{profile.name} {block.table} {block.address}+{block.count}"
        assert all(block.address <= p.address and p.end <= block.end for p in block.points), place
        if block.table.is_bits:
            continue
        assert block.count <= (profile.max_read_words or 125), place
        if profile.even_reads:
            assert (block.address % 2, block.count % 2) == (0, 0), place
        for hole in profile.holes:
            if block.table in hole.tables:
                assert not (block.address <= hole.last and hole.first < block.end), place
        if profile.readable or profile.gaps == "refused":
            answers = {
                n for first, end in profile.readable_in(block.table) for n in range(first, end)
            }
            answers |= {n for p in block.points for n in range(p.address, p.end)}
            assert {*range(block.address, block.end)} <= answers, place


@pytest.mark.parametrize("cost", COSTS, ids=str)
def test_every_plan_is_sound_and_no_fixed_rule_is_cheaper(cost: Cost) -> None:
    for profile in shipped():
        blocks = plan_reads(profile, cost=cost)
        assert_sound(profile, blocks, profile.readable_points)
        best = cost_of(blocks, cost)
        for gap in {*FIXED_GAPS.values(), 2, 7, 100}:
            rule = reads_by_gap(profile, gap)
            assert_sound(profile, rule, profile.readable_points)
            assert best <= cost_of(rule, cost) + 1e-9, f"{profile.name}, gap {gap}"


def test_value_and_the_register_of_its_scale_come_by_one_read_on_the_sunspec_meters() -> None:
    library = ProfileLibrary([])
    for name in ("kostal/smart-energy-meter", "solaredge/inverter-meter-1"):
        for max_words in (125, 40, 20):
            blocks = plan_reads(library.load(name), max_words=max_words)
            home = {point.name: block for block in blocks for point in block.points}
            for point in home.values():
                for value in point.points:
                    if value.scale_from is not None:
                        assert home[value.scale_from.point] is home[value.name], name


@pytest.mark.parametrize(
    ("cost", "rates"), [(COSTS[0], USUAL), (COSTS[2], CLOSE)], ids=["serial", "network"]
)
def test_rates_together_never_cost_more_than_each_alone(
    cost: Cost, rates: dict[str, float | None]
) -> None:
    for profile in shipped():
        plans = plan_rates(profile, rates, cost)
        groups = {
            name: with_scales([p for p in profile.readable_points if p.how_often == name], profile)
            for name in rates
        }
        alone = {name: plan_reads(profile, groups[name], cost=cost) for name in rates}
        assert bus_use(plans, rates, cost) <= bus_use(alone, rates, cost) * (1 + 1e-9), profile.name
        for blocks in plans.values():
            assert_sound(profile, blocks, [p for block in blocks for p in block.points])
        read = {point.name for blocks in plans.values() for b in blocks for point in b.points}
        assert read == {point.name for point in profile.readable_points}, profile.name


def test_all_profiles_are_planned_in_a_second_and_the_pm8000_in_2_ms() -> None:
    profiles = shipped()
    begin = perf_counter()
    for profile in profiles:
        plan_reads(profile)
    assert perf_counter() - begin < 1
    pm8000 = next(p for p in profiles if p.name == "schneider-electric/pm8000")
    times = []
    for _ in range(20):
        begin = perf_counter()
        plan_reads(pm8000)
        times.append(perf_counter() - begin)
    assert min(times) < 0.002


def test_the_common_example_reaches_what_was_promised() -> None:
    sdm630 = ProfileLibrary([]).load("eastron/sdm630")
    cost = serial_cost(9600, 20)
    points = [point for point in sdm630.points if point.address in SDM630_AT_MBMD]
    assert len(points) == 52

    found = {
        gap: (len(blocks), round(cost_of(blocks, cost) / 1000, 2))
        for gap in (None, 0, 7, 16, 50)
        for blocks in [reads_by_gap(sdm630, gap, points)]
    }
    blocks = plan_reads(sdm630, points, cost=cost)

    # PEERS.md, section 4: one request a value, adjacent only, gap 7, 16, 50.
    assert found == {None: (52, 2.34), 0: (9, 0.58), 7: (5, 0.44), 16: (3, 0.41), 50: (3, 0.41)}
    assert [(b.address, b.count) for b in blocks] == [(0, 80), (234, 16), (342, 40)]
    assert cost_of(blocks, cost) <= 410


def test_all_62_values_of_the_sdm630_cannot_be_had_in_410_ms() -> None:
    sdm630 = ProfileLibrary([]).load("eastron/sdm630")
    cost = serial_cost(9600, 20)
    blocks = plan_reads(sdm630, cost=cost)

    # 62 floats are 124 words; 88 addresses to 87 take two reads of 80, 200 and 342 one each.
    least = 4 * cost.request_ms + 124 * cost.word_ms
    assert least > 420
    assert least <= cost_of(blocks, cost) < 525
    assert [(b.address, b.count) for b in blocks] == [(0, 36), (42, 46), (200, 50), (342, 40)]
