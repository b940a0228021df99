"""Faults of what simulated meters measure: frozen values, counters that lie."""

from __future__ import annotations

from tests.simulator.faulty import MeterBench
from tests.support.loops import run

KWH = 100
"""The electric meter's counter is in hundredths of a kWh."""


def counter(words: tuple[int, ...]) -> int:
    return words[0] | words[1] << 16


def test_frozen_values_stand_still_from_the_first_read_on() -> None:
    async def scenario() -> None:
        bench = MeterBench("frozen")
        await bench.tick(60.0)
        first = bench.words()
        assert first == bench.honest()
        await bench.tick(3600.0)
        assert bench.words() == first != bench.honest()
        bench.misbehaviour.clear()
        assert bench.words() == bench.honest()

    run(scenario())


def test_all_registers_freeze_at_the_same_moment() -> None:
    async def scenario() -> None:
        bench = MeterBench("frozen")
        before = bench.honest()
        bench.words(0, 2)
        await bench.tick(3600.0)
        assert bench.words() == before

    run(scenario())


def test_a_frozen_range_leaves_the_other_registers_alive() -> None:
    async def scenario() -> None:
        bench = MeterBench("frozen,address=10-11")
        before = bench.words()
        await bench.tick(3600.0)
        now = bench.honest()
        assert bench.words() == (*now[:10], *before[10:12], *now[12:])

    run(scenario())


def test_one_frozen_meter_leaves_the_other_alive() -> None:
    async def scenario() -> None:
        bench = MeterBench("frozen,unit=1", count=2)
        bench.words(unit=1)
        await bench.tick(3600.0)
        assert bench.words(unit=1) != bench.honest(unit=1)
        assert bench.words(unit=2) == bench.honest(unit=2)

    run(scenario())


def test_a_frozen_meter_still_refuses_what_it_has_not() -> None:
    bench = MeterBench("frozen")
    assert bench.answer(102, 1) == b"\x83\x02"


def test_a_counter_reads_zero_once() -> None:
    bench = MeterBench("counter_zero")
    assert bench.words(10, 5) == bench.honest(10, 5)
    zero = bench.words()
    assert counter(zero) == 0
    assert zero[2:] == bench.honest()[2:]
    assert bench.words() == bench.honest()


def test_a_counter_jumps_as_long_as_the_fault_is_there() -> None:
    bench = MeterBench("counter_jump=50")
    for _ in range(2):
        assert counter(bench.words()) == counter(bench.honest()) + 50 * KWH
    bench.misbehaviour.clear()
    assert bench.words() == bench.honest()


def test_a_counter_may_jump_back_once() -> None:
    bench = MeterBench("counter_jump=-50,times=1")
    assert counter(bench.words()) == counter(bench.honest()) - 50 * KWH
    assert bench.words() == bench.honest()


def test_only_what_is_billed_jumps() -> None:
    bench = MeterBench("counter_jump=1000")
    assert bench.words(2, 100) == bench.honest(2, 100)


def test_a_counter_reset_is_for_good() -> None:
    async def scenario() -> None:
        bench = MeterBench("counter_reset,unit=1", count=2)
        assert counter(bench.words(unit=1)) == 0
        assert counter(bench.words(unit=2)) > 0
        await bench.tick(3600.0)
        assert 0 < counter(bench.words(unit=1)) < 50 * KWH

    run(scenario())


def test_a_reboot_puts_a_meter_online_again() -> None:
    bench = MeterBench()
    (meter,) = bench.population.meters
    meter.set_online(False)
    assert bench.words()[100] == 0
    meter.restart()
    assert bench.words()[100] == 1
