"""Points read at different rates: who rides along with whom, against trying everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import inf
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planner.reference import Reference

from energymeter.errors import ConfigError
from energymeter.planner import Block, Cost, bus_use, cost_of, plan_rates, plan_reads
from energymeter.planner.rates import with_scales
from energymeter.profiles import Point, Profile, parse_profile

RATES = ("fast", "slow", "once")
COST = Cost(request_ms=40.0, word_ms=2.0)
USUAL: Mapping[str, float | None] = {"fast": 1.0, "slow": 60.0, "once": None}


def profile_of(*points: dict[str, Any], **keys: Any) -> Profile:
    return parse_profile(
        {"name": "x/y", "vendor": "x", "model": "y", "points": list(points), **keys}, "test"
    )


def word(address: int, rate: str, **keys: Any) -> dict[str, Any]:
    return {"name": f"{rate}{address}", "address": address, "type": "uint16", "rate": rate, **keys}


def names(plans: Mapping[str, Sequence[Block]]) -> dict[str, list[list[str]]]:
    return {
        rate: [[point.name for point in block.points] for block in blocks]
        for rate, blocks in plans.items()
    }


def test_slow_point_inside_a_fast_read_rides_along() -> None:
    profile = profile_of(word(0, "fast"), word(1, "slow"), word(2, "fast"))

    plans = plan_rates(profile, USUAL, COST)

    assert names(plans) == {"fast": [["fast0", "slow1", "fast2"]], "slow": [], "once": []}


def test_slow_point_beside_a_fast_read_rides_along_while_its_words_cost_less() -> None:
    profile = profile_of(word(0, "fast"), word(5, "slow"))

    # Five words more, 10 ms every second, or 42 ms every 4 seconds, or every 5.
    assert names(plan_rates(profile, {"fast": 1, "slow": 4}, COST))["slow"] == []
    assert names(plan_rates(profile, {"fast": 1, "slow": 5}, COST))["slow"] == [["slow5"]]


def test_what_is_read_once_never_makes_a_fast_read_longer_but_rides_inside() -> None:
    profile = profile_of(word(0, "fast"), word(1, "once"), word(2, "fast"), word(3, "once"))

    plans = plan_rates(profile, USUAL, COST)

    assert names(plans)["fast"] == [["fast0", "once1", "fast2"]]
    assert names(plans)["once"] == [["once3"]]


def test_slow_read_may_reach_over_a_fast_one() -> None:
    # The fast one in the middle is read every second anyway; the slow two need one request.
    profile = profile_of(word(0, "slow"), word(10, "fast"), word(20, "slow"))

    plans = plan_rates(profile, USUAL, COST)

    assert names(plans) == {"fast": [["fast10"]], "slow": [["slow0", "slow20"]], "once": []}


def test_fast_point_is_never_left_to_a_slower_read() -> None:
    profile = profile_of(word(0, "slow"), word(1, "fast"), word(2, "slow"))

    assert names(plan_rates(profile, USUAL, COST))["fast"] != []


def test_scale_register_comes_with_its_values_at_their_rate() -> None:
    profile = profile_of(
        word(0, "fast", scale_from={"point": "once2"}),
        word(2, "once"),
        word(90, "slow", scale_from={"point": "once2"}),
    )

    plans = plan_rates(profile, USUAL, COST)

    assert names(plans) == {"fast": [["fast0", "once2"]], "slow": [["once2", "slow90"]], "once": []}


def test_value_stays_at_its_rate_when_its_scale_comes_from_another_table() -> None:
    profile = profile_of(
        word(0, "fast"),
        word(1, "slow", scale_from={"point": "once9"}),
        word(2, "fast"),
        word(9, "once", tables=["input"]),
    )

    plans = plan_rates(profile, USUAL, COST)

    assert names(plans)["fast"] == [["fast0", "fast2"]]
    assert names(plans)["slow"] == [["slow1"], ["once9"]]


def test_points_of_rates_that_are_not_named_are_left_out() -> None:
    profile = profile_of(word(0, "fast"), word(1, "slow"))

    assert names(plan_rates(profile, {"fast": 1.0}, COST)) == {"fast": [["fast0"]]}


def test_quantity_tells_the_rate_where_the_profile_does_not() -> None:
    profile = profile_of(
        {"name": "voltage_phase_a", "address": 0, "type": "uint16"},
        {"name": "active_energy_import", "address": 500, "type": "uint32"},
        {"name": "label", "address": 900, "type": "string", "length": 4},
    )

    found = names(plan_rates(profile, USUAL, COST))

    assert found == {
        "fast": [["voltage_phase_a"]],
        "slow": [["active_energy_import"]],
        "once": [["label"]],
    }


@pytest.mark.parametrize(
    "rates", [{"quick": 1.0}, {"fast": 0.0}, {"fast": -1.0}, {"slow": float("nan")}], ids=str
)
def test_what_is_no_rate_is_refused(rates: dict[str, float | None]) -> None:
    with pytest.raises(ConfigError):
        plan_rates(profile_of(word(0, "fast")), rates)


class Case(NamedTuple):
    """A meter with points of several rates, and the rates."""

    profile: Profile
    rates: dict[str, float | None]
    cost: Cost

    def alone(self) -> dict[str, tuple[Block, ...]]:
        return {
            name: plan_reads(
                self.profile,
                with_scales([p for p in self.profile.points if p.how_often == name], self.profile),
                cost=self.cost,
            )
            for name in self.rates
        }


@st.composite
def cases(draw: st.DrawFn, most: int, *, scales: bool) -> Case:
    bits = draw(st.integers(0, 5)) == 0
    raws: list[dict[str, Any]] = []
    address = 0
    while len(raws) < most and (not raws or draw(st.integers(0, 7))):
        address += draw(st.sampled_from([0, 0, 0, 1, 2, 5, 12]))
        kind = "bool" if bits else draw(st.sampled_from(["uint16", "uint32", "uint64"]))
        rate = draw(st.sampled_from(RATES))
        raws.append({"name": f"p{len(raws)}", "address": address, "type": kind, "rate": rate})
        address += Point.model_validate(raws[-1]).count
    if scales:
        for place in draw(st.lists(st.integers(0, len(raws) - 1), max_size=5, unique=True)):
            source = draw(st.integers(0, len(raws) - 1))
            if source != place:
                raws[place]["scale_from"] = {"point": f"p{source}"}
    lone = draw(st.lists(st.integers(0, 40), max_size=2))
    profile = profile_of(
        *raws,
        tables=["coil" if bits else "holding"],
        gaps=draw(st.sampled_from(["zero", "zero", "refused"])),
        even_reads=draw(st.booleans()),
        holes=draw(st.sampled_from([[], [], [{"first": 7, "last": 9}]])),
        lone_answers=[{"address": address, "value": 1} for address in lone],
        max_read_words=draw(st.sampled_from([6, 10, 20, 125])),
    )
    # Powers of two, so that sums are exact in any order.
    periods = draw(st.lists(st.sampled_from([1.0, 2.0, 4.0, 16.0, 64.0]), min_size=3, max_size=3))
    once = draw(st.sampled_from([None, periods[2]]))
    rates: dict[str, float | None] = {"fast": periods[0], "slow": periods[1], "once": once}
    cost = Cost(float(draw(st.integers(0, 30))), float(draw(st.integers(0, 4))))
    return Case(profile, rates, cost)


def exhaustive(case: Case) -> float:
    """The least use of the bus over all ways to choose each point's rate and each rate's reads."""
    points = case.profile.points
    periods = {name: 1e7 if period is None else period for name, period in case.rates.items()}
    by_speed = sorted(periods, key=lambda name: periods[name])
    allowed = [by_speed[: by_speed.index(point.how_often) + 1] for point in points]
    known: dict[frozenset[str], float] = {}
    best = inf
    for choice in product(*allowed):
        total = 0.0
        for name in set(choice):
            chosen = [p for p, rate in zip(points, choice, strict=True) if rate == name]
            key = frozenset(point.name for point in chosen)
            if key not in known:
                known[key] = Reference(case.profile, chosen, 125).cheapest(case.cost)
            total += known[key] / periods[name]
        best = min(best, total)
    return best


@given(cases(6, scales=False))
@settings(max_examples=200, deadline=None)
def test_rates_together_use_the_bus_as_little_as_can_be(case: Case) -> None:
    plans = plan_rates(case.profile, case.rates, case.cost)

    assert bus_use(plans, case.rates, case.cost) == pytest.approx(exhaustive(case), rel=1e-9)


@given(cases(25, scales=True))
@settings(max_examples=150, deadline=None)
def test_every_point_is_read_often_enough_and_nothing_costs_more_than_alone(case: Case) -> None:
    plans = plan_rates(case.profile, case.rates, case.cost)
    alone = case.alone()

    assert bus_use(plans, case.rates, case.cost) <= bus_use(alone, case.rates, case.cost) * (
        1 + 1e-9
    )
    period = {name: 1e7 if case.rates[name] is None else case.rates[name] for name in case.rates}
    for point in case.profile.points:
        homes = [n for n in plans for block in plans[n] if point in block.points]
        assert min(period[home] or 0 for home in homes) <= (period[point.how_often] or 0)
    for blocks in plans.values():
        brought = [point for block in blocks for point in block.points]
        assert len({point.name for point in brought}) == len(brought)
        assert len(with_scales(brought, case.profile)) == len(brought)
        for block in blocks:
            reference = Reference(case.profile, block.points, 125)
            assert (block.address, block.count) == reference.read_of(block.points)
            assert cost_of([block], case.cost) == reference.price_of(block.points, case.cost)
