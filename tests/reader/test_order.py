"""The order of bytes and words is found from the values, or it is said that they cannot tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energymeter.planner import Block, plan_reads
from energymeter.profiles import Point, Profile, ProfileLibrary, parse_profile
from energymeter.reader import OrderFinding, find_order
from energymeter.values import BlockCodec, Field, Order, WireOrder

BOTH = (Order.BIG, Order.LITTLE)
ORDERS = [WireOrder(byte, word) for byte in BOTH for word in BOTH]
PM8000 = ProfileLibrary([]).load("pm8000")

LIVE: dict[str, float] = {
    "current_phase_a": 12.31,
    "current_phase_b": 8.77,
    "current_phase_c": 9.02,
    "voltage_phase_a": 229.8,
    "voltage_phase_b": 231.4,
    "voltage_phase_c": 230.6,
    "active_power_phase_a": 2.71,
    "active_power_phase_b": 1.93,
    "active_power_phase_c": 2.01,
    "active_power_total": 6.65,
    "reactive_power_phase_a": 0.81,
    "reactive_power_phase_b": 0.52,
    "reactive_power_phase_c": -0.33,
    "reactive_power_total": 1.0,
    "apparent_power_phase_a": 2.83,
    "apparent_power_phase_b": 2.03,
    "apparent_power_phase_c": 2.08,
    "apparent_power_total": 6.94,
    "frequency": 49.98,
    "active_energy_import": 81_234_567,
    "active_energy_export": 12,
    "reactive_energy_import": 4_567_890,
    "reactive_energy_export": 98_765,
    "apparent_energy_import": 91_234_567,
    "apparent_energy_export": 15,
}


def profile_of(*points: dict[str, Any]) -> Profile:
    return parse_profile(
        {"name": "x/y", "vendor": "x", "model": "y", "points": list(points)}, "test"
    )


def answers(
    profile: Profile, raws: Mapping[str, float], order: WireOrder
) -> list[tuple[Block, bytes]]:
    """What a meter of this order answers; an order of a point's own stays."""

    def field(block: Block, point: Point) -> Field:
        own = WireOrder(point.byte_order or order.byte, point.word_order or order.word)
        return Field(point.address - block.address, point.type, point.count, own)

    return [
        (
            block,
            BlockCodec([field(block, point) for point in block.points], block.count).encode(
                [raws[point.name] for point in block.points]
            ),
        )
        for block in plan_reads(profile)
    ]


def find(
    profile: Profile,
    raws: Mapping[str, float],
    order: WireOrder,
    *,
    byte: tuple[Order, ...] = BOTH,
    word: tuple[Order, ...] = BOTH,
) -> OrderFinding:
    return find_order(answers(profile, raws, order), bytes_orders=byte, word_orders=word)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.letters)
def test_order_of_a_meter_under_load_is_found(order: WireOrder) -> None:
    finding = find(PM8000, LIVE, order)

    assert finding.is_decided
    assert finding.order == order


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.letters)
def test_order_of_an_idle_meter_is_found_from_voltage_and_frequency(order: WireOrder) -> None:
    grid = ("voltage_phase_a", "voltage_phase_b", "voltage_phase_c", "frequency")
    idle = {name: value if name in grid else 0 for name, value in LIVE.items()}

    finding = find(PM8000, idle, order)

    assert finding.is_decided
    assert finding.order == order


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.letters)
def test_order_is_found_where_most_values_are_not_there(order: WireOrder) -> None:
    missing: dict[str, float] = dict.fromkeys(LIVE, 0)
    missing |= {"frequency": 60.01, "voltage_phase_a": 120.3}
    missing |= {name: math.nan for name in LIVE if name.startswith(("current", "reactive_power"))}

    finding = find(PM8000, missing, order)

    assert finding.is_decided
    assert finding.order == order


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.letters)
def test_one_frequency_is_enough(order: WireOrder) -> None:
    profile = profile_of({"name": "frequency", "address": 0, "type": "float32", "unit": "Hz"})

    finding = find(profile, {"frequency": 50.02}, order)

    assert finding.is_decided
    assert finding.order == order


@given(st.sampled_from(ORDERS), st.data())
@settings(max_examples=150, deadline=None)
def test_no_load_deceives(order: WireOrder, data: st.DataObject) -> None:
    load = data.draw(st.just(0.0) | st.floats(0.01, 400), label="load")
    voltage = data.draw(st.floats(100, 280), label="voltage")
    energy = data.draw(st.integers(0, 10**11), label="energy")
    raws: dict[str, float] = {}
    for name, value in LIVE.items():
        share = data.draw(st.floats(0.96, 1.04))
        if name.startswith("voltage"):
            raws[name] = voltage * share
        elif name == "frequency":
            raws[name] = data.draw(st.sampled_from([50, 60])) * (0.9 + share / 10)
        elif name.endswith(("import", "export")):
            raws[name] = int(energy * share)
        else:
            raws[name] = value * load / 10 * share
    optional = st.sampled_from([name for name in LIVE if name.endswith(("_a", "_b", "_c"))])
    raws |= dict.fromkeys(data.draw(st.sets(optional), label="not there"), math.nan)

    finding = find(PM8000, raws, order)

    assert finding.is_decided
    assert finding.order == order


@pytest.mark.parametrize("name", ["electric", "water"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_whole_numbers_are_decided_rightly_or_not_at_all(name: str, data: st.DataObject) -> None:
    profile = ProfileLibrary([]).load(name)
    registers = tuple(point for point in profile.readable_points if not point.table.is_bits)
    bare = profile.model_copy(update={"points": registers})
    size = data.draw(st.sampled_from([10, 10_000, 100_000]))
    raws: dict[str, float] = {
        point.name: data.draw(st.integers(0, min(size, point.type.integer_range[1])))
        for point in registers
    }
    raws |= {f"voltage_phase_{p}": 2300 + i for i, p in enumerate("abc")} | {"frequency": 5001}

    finding = find(bare, raws, WireOrder(Order.BIG, Order.LITTLE), byte=(Order.BIG,))

    assert finding.order.word is (Order.LITTLE if finding.is_decided else Order.BIG)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.letters)
def test_all_zero_decides_nothing_and_big_is_taken(order: WireOrder) -> None:
    finding = find(PM8000, dict.fromkeys(LIVE, 0), order)

    assert not finding.is_decided
    assert finding.order == WireOrder(Order.BIG, Order.BIG)
    assert "read the same in every order" in finding.reason
    assert "byte order BIG, word order BIG taken" in finding.reason


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.letters)
def test_values_that_are_not_there_never_decide_for_a_wrong_order(order: WireOrder) -> None:
    # A NaN, 7FC0 0000, reads as -3.98 with its bytes swapped: not odd for a current or a power.
    floats = [point.model_dump() for point in PM8000.points if point.type.is_float]
    currents = [point for point in floats if point["name"].startswith("current")]

    all_nan = find(profile_of(*floats), dict.fromkeys(LIVE, math.nan), order)
    few_nan = find(profile_of(*currents), dict.fromkeys(LIVE, math.nan), order)

    assert all_nan.order == (order if all_nan.is_decided else WireOrder(Order.BIG, Order.BIG))
    assert not few_nan.is_decided
    assert few_nan.order == WireOrder(Order.BIG, Order.BIG)


SHORT = [
    {"name": "voltage_phase_a", "address": 0, "type": "uint16", "unit": "V", "scale": "0.1"},
    {"name": "voltage_phase_b", "address": 1, "type": "uint16", "unit": "V", "scale": "0.1"},
    {"name": "frequency", "address": 2, "type": "uint16", "unit": "Hz", "scale": "0.01"},
]
SHORT_RAWS = {"voltage_phase_a": 2301, "voltage_phase_b": 2311, "frequency": 4998}


@pytest.mark.parametrize("word", BOTH)
def test_single_registers_cannot_tell_the_order_of_words(word: Order) -> None:
    finding = find(profile_of(*SHORT), SHORT_RAWS, WireOrder(Order.BIG, word), byte=(Order.BIG,))

    assert not finding.is_decided
    assert finding.order == WireOrder(Order.BIG, Order.BIG)
    assert finding.reason == "the values read the same in every order, word order BIG taken"


@pytest.mark.parametrize("byte", BOTH)
def test_single_registers_tell_the_order_of_bytes_and_words_stay_big(byte: Order) -> None:
    finding = find(profile_of(*SHORT), SHORT_RAWS, WireOrder(byte, Order.LITTLE))

    assert finding.is_decided
    assert finding.order == WireOrder(byte, Order.BIG)


def test_numbers_without_a_meaning_do_not_decide() -> None:
    profile = profile_of({"name": "thing", "address": 0, "type": "uint32"})

    finding = find(profile, {"thing": 0x00020001}, WireOrder(Order.BIG, Order.LITTLE))

    assert not finding.is_decided
    assert finding.order == WireOrder(Order.BIG, Order.BIG)
    assert "cannot decide between" in finding.reason


def test_points_with_an_order_of_their_own_decide_nothing_about_the_rest() -> None:
    own = {"byte_order": "little", "word_order": "little"}
    profile = profile_of(
        {"name": "frequency", "address": 0, "type": "float32", "unit": "Hz", **own},
        {"name": "voltage_phase_a", "address": 2, "type": "float32", "unit": "V", **own},
    )

    finding = find(profile, {"frequency": 50.0, "voltage_phase_a": 230.0}, ORDERS[0])

    assert not finding.is_decided


@pytest.mark.parametrize("taken", BOTH)
def test_order_that_is_not_asked_for_is_left_as_given(taken: Order) -> None:
    order = WireOrder(Order.LITTLE, taken)

    words = find(PM8000, LIVE, order, byte=(Order.LITTLE,))
    lengths = find(PM8000, LIVE, order, word=(taken,))

    assert (words.order, lengths.order) == (order, order)
    assert "byte order" not in words.reason
    assert "word order" not in lengths.reason


def test_evidence_names_what_was_taken_and_why() -> None:
    finding = find(PM8000, LIVE, WireOrder(Order.BIG, Order.LITTLE))

    taken, _, rest = finding.reason.partition(" taken: ")
    assert taken == "byte order BIG, word order LITTLE"
    assert rest.startswith("25 of 25 values make sense (voltage_phase_a 229.8 V, ")
    assert "; with byte order " in rest


def test_evidence_speaks_only_of_the_order_in_question() -> None:
    finding = find(PM8000, LIVE, WireOrder(Order.BIG, Order.LITTLE), byte=(Order.BIG,))

    assert finding.reason.startswith("word order LITTLE taken: 25 of 25 values make sense")
    assert "; with word order BIG " in finding.reason


def test_several_blocks_are_judged_together() -> None:
    blocks = answers(PM8000, LIVE, WireOrder(Order.BIG, Order.LITTLE))

    assert len(blocks) > 1
    both = find_order(blocks, bytes_orders=BOTH, word_orders=BOTH)
    assert f"25 of {sum(len(block.points) for block, _ in blocks)} " in both.reason
