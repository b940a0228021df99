"""Find the order of bytes and words from the values themselves.

Every order is tried on the same answers and judged by physics: a wrong order gives voltages of
1e-40 V and frequencies of 4 billion Hz. The best must win clearly, otherwise nothing is claimed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from energymeter.planner import Block
from energymeter.profiles import Point
from energymeter.reader.decoder import BlockDecoder
from energymeter.reader.reading import Value
from energymeter.values import Order, WireOrder, quantity_of, unit_factor

__all__ = ["OrderFinding", "find_order"]

_CLEAR_LEAD: Final = 1.5
"""Points of evidence by which the best order has to beat the next."""


@dataclass(frozen=True, slots=True)
class OrderFinding:
    """Which order the values speak for."""

    order: WireOrder
    """The order taken; BIG for whatever could not be decided."""

    is_decided: bool
    """Whether the values decided it."""

    reason: str
    """One sentence for people: what was taken, and why."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    order: WireOrder
    values: tuple[Value, ...]
    score: float
    plausible: int
    examples: tuple[str, ...]


def find_order(
    answers: Sequence[tuple[Block, bytes]],
    *,
    bytes_orders: Sequence[Order],
    word_orders: Sequence[Order],
) -> OrderFinding:
    """Judge every combination of the orders given.

    Args:
        answers: Blocks of registers and what the meter answered.
        bytes_orders: Orders of bytes to try, BIG first.
        word_orders: Orders of words to try, BIG first.
    """
    verdicts = [
        _judge(answers, WireOrder(byte, word)) for byte in bytes_orders for word in word_orders
    ]
    total = sum(len(block.points) for block, _ in answers)
    # A stable sort: among equals the first one tried, BIG, stays in front.
    ranked = sorted(verdicts, key=lambda verdict: -verdict.score)
    best = ranked[0]
    rivals = [verdict for verdict in ranked[1:] if verdict.values != best.values]
    twins = [verdict for verdict in ranked[1:] if verdict.values == best.values]
    if twins:
        # No value of this meter tells the two apart: any order reads the same.
        best = next(verdict for verdict in verdicts if verdict in (best, *twins))
    chosen = _name(best.order, bytes_orders, word_orders)
    if best.score > 0 and rivals and best.score - rivals[0].score >= _CLEAR_LEAD:
        examples = f" ({', '.join(best.examples)})" if best.examples else ""
        rival = _name(rivals[0].order, bytes_orders, word_orders)
        reason = (
            f"{chosen} taken: {best.plausible} of {total} values make sense{examples}; "
            f"with {rival} {rivals[0].plausible} of {total} do"
        )
        return OrderFinding(best.order, is_decided=True, reason=reason)
    fallback = WireOrder(bytes_orders[0], word_orders[0])
    name = _name(fallback, bytes_orders, word_orders)
    if not rivals:
        reason = f"the values read the same in every order, {name} taken"
    else:
        others = " and ".join(_name(v.order, bytes_orders, word_orders) for v in ranked[:2])
        reason = f"the values cannot decide between {others}, {name} taken for now"
    return OrderFinding(fallback, is_decided=False, reason=reason)


def _name(order: WireOrder, bytes_orders: Sequence[Order], word_orders: Sequence[Order]) -> str:
    parts = []
    if len(bytes_orders) > 1:
        parts.append(f"byte order {order.byte.upper()}")
    if len(word_orders) > 1:
        parts.append(f"word order {order.word.upper()}")
    return ", ".join(parts)


def _judge(answers: Sequence[tuple[Block, bytes]], order: WireOrder) -> _Verdict:
    score = 0.0
    plausible = 0
    examples: list[str] = []
    values: list[Value] = []
    voltages: list[float] = []
    for block, answer in answers:
        decoder = BlockDecoder(block, lambda point: _own_or(point, order))
        block_values, _ = decoder.decode(answer)
        for point, value in zip(block.points, block_values, strict=True):
            values.append(value)
            evidence = _evidence(point, value)
            score += evidence
            plausible += evidence >= 0
            quantity = quantity_of(point.name)
            if quantity is None or not isinstance(value, (int, float)):
                continue
            if quantity.name == "voltage":
                voltages.append(float(value))
            if quantity.name in ("frequency", "voltage") and evidence > 0 and len(examples) < 3:
                examples.append(f"{point.name} {value:.5g} {point.unit}".rstrip())
    if len(voltages) > 1 and min(voltages) > 0 and max(voltages) < 1.25 * min(voltages):
        score += 2.0  # the phases of one grid have nearly the same voltage
    return _Verdict(order, tuple(values), score, plausible, tuple(examples))


def _own_or(point: Point, order: WireOrder) -> WireOrder:
    return WireOrder(point.byte_order or order.byte, point.word_order or order.word)


_LIKELY: Final[Mapping[bool, float]] = {True: 1.0, False: -0.5}


def _evidence(point: Point, value: Value) -> float:
    """How much one value speaks for (positive) or against an order; 0 says nothing."""
    if isinstance(value, (str, bool)):
        return 0.0
    if value is None:
        # Meters answer NaN for what they lack; a wrong order hardly ever makes one of a number.
        return _LIKELY[True]
    if not math.isfinite(value):
        return -1.0
    if value == 0 or (point.type.words == 1 and point.byte_order is not None):
        return 0.0
    if point.type.is_float and not 1e-12 < abs(value) < 1e18:
        return -2.0  # the mark of a float in the wrong order
    quantity = quantity_of(point.name)
    if quantity is None:
        return 0.25 if abs(value) < 1e9 else -0.25
    factor = unit_factor(point.unit, quantity.unit)
    if factor is None:
        # The unit is not told (or unknown): judge by size with a thousandfold allowance.
        low, high = quantity.low * 1e3, quantity.high * 1e3
        likely = (
            (0.0, float("inf"))
            if quantity.typical is None
            else (quantity.typical[0] / 1e3, quantity.typical[1] * 1e3)
        )
        factor = 1.0
    else:
        low, high = quantity.low, quantity.high
        likely = quantity.typical or (0.0, float("inf"))
    if not low <= value * factor <= high:
        return -2.0
    return _LIKELY[likely[0] <= abs(value * factor) <= likely[1]]
