"""Units behind one port answer for themselves; nobody answers for the others."""

from __future__ import annotations

from energymeter.server import Broadcaster, RegisterImage, Tables, UnitRouter

READ_ONE = bytes((3, 0, 0, 0, 1))


def unit_with(word: int) -> Tables:
    return Tables(holding=RegisterImage([(0, word.to_bytes(2, "big"))]))


def test_each_unit_answers_with_its_own_registers() -> None:
    router = UnitRouter({1: unit_with(7), 9: unit_with(8)})

    assert router.answer(1, READ_ONE) == bytes((3, 2, 0, 7))
    assert router.answer(9, READ_ONE) == bytes((3, 2, 0, 8))


def test_nobody_answers_for_a_unit_that_is_not_there() -> None:
    assert UnitRouter({1: unit_with(7)}).answer(2, READ_ONE) is None


def test_a_gateway_says_that_the_unit_does_not_respond() -> None:
    assert UnitRouter({}, is_silent=False).answer(2, READ_ONE) == bytes((0x83, 11))


def test_a_broadcast_reaches_every_unit_there_is_now() -> None:
    units = {1: unit_with(7)}
    router = UnitRouter(units)
    units[9] = unit_with(8)
    router.broadcast(bytes((6, 0, 0, 0, 3)))

    assert [router.answer(unit, READ_ONE) for unit in units] == [bytes((3, 2, 0, 3))] * 2
    assert isinstance(router, Broadcaster)
    assert not isinstance(unit_with(1), Broadcaster)
