"""When faults happen: seeds, probabilities, how long and how often, which requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulator.faulty import WireBench, answer_of, read_pdu

from energymeter.errors import ConfigError
from energymeter.server import Chunk

MIX = ("late=100ms-900ms:0.3", "noise:0.2", "wrong_unit:0.1", "split:0.3", "exception:0.1")


def series(seed: int, *faults: str, count: int = 60) -> list[tuple[Chunk, ...]]:
    bench = WireBench(*faults, seed=seed)
    answers = []
    for _ in range(count):
        answers.append(tuple(bench.chunks()))
        bench.wait(10.0)
    return answers


@given(seed=st.integers(0, 2**32))
def test_the_same_seed_and_requests_give_the_same_bytes(seed: int) -> None:
    assert series(seed, *MIX, count=20) == series(seed, *MIX, count=20)


def test_another_seed_gives_other_faults() -> None:
    assert series(1, *MIX) != series(2, *MIX)


def lost(seed: int, *faults: str, others: bool) -> list[bool]:
    """Which requests of unit 1 are lost, with or without another unit being asked between."""
    bench = WireBench(*faults, seed=seed)
    found = []
    for _ in range(60):
        found.append(bench.answer(unit=1) is None)
        if others:
            bench.chunks(unit=2)
    return found


def test_what_one_unit_is_asked_does_not_change_what_happens_to_another() -> None:
    alone = lost(5, "swallow:0.3", others=False)
    assert alone == lost(5, "swallow:0.3", others=True)
    assert 5 < sum(alone) < 35


def test_one_fault_more_does_not_change_when_the_others_happen() -> None:
    alone = lost(5, "swallow:0.3", others=False)
    assert alone == lost(5, "late=10ms:0.5", "swallow:0.3", others=False)


def test_two_faults_of_the_same_words_have_dice_of_their_own() -> None:
    one = sum(lost(5, "swallow:0.3", others=False))
    both = lost(5, "swallow:0.3", "swallow:0.3", others=False)
    assert sum(both) > one


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_a_fault_happens_as_often_as_its_probability_says(probability: float) -> None:
    bench = WireBench(f"dead:{probability}")
    silent = sum(bench.answer() is None for _ in range(2000))
    assert silent / 2000 == pytest.approx(probability, abs=0.05)


def test_a_fault_may_happen_so_many_times_only() -> None:
    bench = WireBench("dead,times=3")
    assert [bench.answer() for _ in range(5)] == [None] * 3 + [answer_of()] * 2
    assert bench.misbehaviour.faults() == []


def test_times_count_what_happened_and_not_what_was_asked() -> None:
    bench = WireBench("dead,unit=2,times=1")
    assert bench.answer(unit=1) == answer_of()
    assert bench.answer(unit=2) is None
    assert bench.answer(unit=2) == answer_of()


def test_a_fault_ends_after_its_time() -> None:
    bench = WireBench("dead,for=20s")
    bench.wait(19.9)
    assert bench.answer() is None
    bench.wait(0.2)
    assert bench.answer() == answer_of()
    assert bench.misbehaviour.faults() == []


def test_a_fault_can_be_removed_and_no_other_goes() -> None:
    bench = WireBench()
    late, dead = bench.add("late=1s"), bench.add("dead,unit=2")
    bench.misbehaviour.remove(late)
    assert [active.number for active in bench.misbehaviour.faults()] == [dead]
    with pytest.raises(KeyError):
        bench.misbehaviour.remove(late)


def test_hits_are_counted() -> None:
    bench = WireBench("late=1ms")
    for _ in range(3):
        bench.chunks()
    (active,) = bench.misbehaviour.faults()
    assert active.hits == 3


@pytest.mark.parametrize(
    ("fault", "pdu", "unit", "is_hit"),
    [
        ("dead,unit=1-2", read_pdu(), 2, True),
        ("dead,unit=1-2", read_pdu(), 3, False),
        ("dead,unit=1,unit=3", read_pdu(), 3, True),
        ("dead,function=4", read_pdu(), 1, False),
        ("dead,function=3", read_pdu(), 1, True),
        ("dead,address=10-20", read_pdu(0, 10), 1, False),
        ("dead,address=10-20", read_pdu(0, 11), 1, True),
        ("dead,address=10-20", read_pdu(20, 1), 1, True),
        ("dead,address=10-20", bytes.fromhex("06 000a 0000"), 1, True),
        ("dead,address=10-20", bytes.fromhex("10 0008 0003 06 000000000000"), 1, True),
        ("dead,address=10-20", bytes.fromhex("2b 0e 01 00"), 1, False),
        ("dead,wire=1", read_pdu(), 1, True),
    ],
)
def test_a_fault_is_for_the_requests_it_names(
    fault: str, pdu: bytes, unit: int, is_hit: bool
) -> None:
    assert (WireBench(fault).chunks(pdu, unit) == ()) is is_hit


def test_a_fault_of_one_wire_leaves_the_other_alone() -> None:
    bench = WireBench("dead,wire=1")
    bench.misbehaviour.wire({})
    bench.add("late=1s,wire=2")
    assert bench.chunks() == ()
    with pytest.raises(ConfigError, match="1 to 2"):
        bench.add("dead,wire=3")


def test_no_request_however_short_is_a_riddle() -> None:
    bench = WireBench("dead,address=3", "holes=1-9", "frozen", "max_read=3", "reindexed=7")
    for length in range(1, 8):
        for function in (3, 4, 6, 16, 99, 0x83):
            bench.chunks(bytes((function,)).ljust(length, b"\0"))
