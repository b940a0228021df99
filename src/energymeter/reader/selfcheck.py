"""Does a block bring the same as its points read alone?

Some meters drop an address they lack and move everything behind it forward, without a word.
The last telling points of a block show it: what they hold there and alone is compared, twice
before anything is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from energymeter.errors import DecodeError, MeterError
from energymeter.planner import Block
from energymeter.profiles import Point
from energymeter.reader.asking import Asker
from energymeter.reader.decoder import BlockDecoder
from energymeter.reader.learning import Learner
from energymeter.reader.reading import Value
from energymeter.values import WireOrder, quantity_of

__all__ = ["find_shift"]

_MOST_READS: Final = 3
"""Points compared in all."""

_STEADY: Final = {"voltage": 0.1, "voltage_ll": 0.1, "frequency": 0.05}
"""Quantities that are nearly the same a moment later, and by how much they may differ."""

_COUNTER_SHARE: Final = 1e-3


class _Comparison(NamedTuple):
    decoder: BlockDecoder
    answer: bytes
    place: int
    """Of the point, in the block."""


async def find_shift(
    ask: Asker,
    answered: Sequence[tuple[BlockDecoder, bytes]],
    learner: Learner,
    order_of: Callable[[Point], WireOrder],
) -> str | bool | None:
    """Compare a few points with what their blocks say of them.

    Args:
        ask: Reads.
        answered: Blocks and what they brought just now.
        learner: Plans the reads of single points.
        order_of: Byte and word order of a point.

    Returns:
        A sentence when a block cannot be trusted; False when all is well; None when nothing
        could be told, because everything is zero or a read failed.
    """
    verdict: bool | None = None
    for comparison in _comparisons(answered, learner):
        try:
            found = await _compare(ask, comparison, learner, order_of)
        except (MeterError, DecodeError):
            return None
        if isinstance(found, str):
            return found
        if found is not None:
            verdict = found
    return verdict


def _comparisons(
    answered: Sequence[tuple[BlockDecoder, bytes]], learner: Learner
) -> list[_Comparison]:
    """For each block its last telling point, and the last of a quantity that is never zero."""
    lone = {(t, a.address) for a in learner.profile.lone_answers for t in a.tables}
    found: list[tuple[int, _Comparison]] = []
    for decoder, answer in answered:
        block = decoder.block
        if len(block.points) < 2 or block.table.is_bits:
            continue
        telling = [
            place
            for place, point in enumerate(block.points)
            if place and _tolerance(point) is not None
            if not {(point.table, point.address), (point.table, None)} & lone
        ]
        steady = [place for place in telling if _is_steady(block.points[place])]
        places = sorted({*telling[-1:], *steady[-1:]}, reverse=True)
        found += [(_gap_words(block), _Comparison(decoder, answer, place)) for place in places]
    found.sort(key=lambda item: -item[0])
    return [comparison for _, comparison in found[:_MOST_READS]]


async def _compare(
    ask: Asker,
    comparison: _Comparison,
    learner: Learner,
    order_of: Callable[[Point], WireOrder],
) -> str | bool | None:
    decoder, answer, place = comparison
    point = decoder.block.points[place]
    single = BlockDecoder(learner.alone(point), order_of)
    in_block = alone = None
    # What changed between the two reads does so hardly twice.
    for attempt in range(2):
        if attempt:
            answer = await ask(decoder.block)
        in_block = decoder.decode(answer)[0][place]
        alone = single.decode(await ask(single.block))[0][0]
        if _is_same(point, in_block, alone):
            return False if in_block or alone else None
    block = decoder.block
    return (
        f"{block.table} {block.address}..{block.end - 1} says {in_block} for {point.name}, "
        f"which read alone is {alone}: the meter leaves out addresses it has not"
    )


def _is_same(point: Point, first: Value, second: Value) -> bool:
    share = _tolerance(point)
    if first == second or share is None:
        return True
    if not isinstance(first, (int, float)) or not isinstance(second, (int, float)):
        return False
    step = 0.0 if point.type.is_float else abs(float(point.scale))
    return abs(first - second) <= share * max(abs(first), abs(second)) + 2 * step


def _tolerance(point: Point) -> float | None:
    """Share by which two readings of a point may differ; None where they tell nothing."""
    quantity = quantity_of(point.name)
    if quantity is None:
        return None
    if quantity.is_setting:
        return 0.0
    return _COUNTER_SHARE if quantity.is_counter else _STEADY.get(quantity.name)


def _is_steady(point: Point) -> bool:
    quantity = quantity_of(point.name)
    return quantity is not None and quantity.name in _STEADY


def _gap_words(block: Block) -> int:
    return block.count - sum(point.count for point in block.points)
