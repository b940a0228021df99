"""Find the order of bytes and words from the values themselves.

Every order is tried on the same answers and judged by physics (`evidence`): a wrong order gives
voltages of 1e-40 V and frequencies of 4 billion Hz. The best must win clearly, otherwise nothing
is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from energymeter.planner import Block
from energymeter.profiles import Point
from energymeter.reader.decoder import BlockDecoder
from energymeter.reader.evidence import Judge
from energymeter.reader.reading import Value
from energymeter.values import Order, WireOrder

__all__ = ["OrderFinding", "find_order", "own_or"]

_CLEAR_LEAD: Final = 2.5
"""Weight of evidence by which the best order has to beat the next: twelve to one."""


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
    judge = Judge([point for block, _ in answers for point in block.points])
    verdicts = [
        _judge(answers, WireOrder(byte, word), judge)
        for byte in bytes_orders
        for word in word_orders
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


def _judge(answers: Sequence[tuple[Block, bytes]], order: WireOrder, judge: Judge) -> _Verdict:
    values: list[Value] = []
    for block, answer in answers:
        decoder = BlockDecoder(block, lambda point: own_or(point, order))
        values += decoder.decode(answer)[0]
    found = judge.judge(values)
    return _Verdict(order, tuple(values), found.score, found.plausible, found.examples)


def own_or(point: Point, order: WireOrder) -> WireOrder:
    """The order of a point: what it says of itself, else this one."""
    return WireOrder(point.byte_order or order.byte, point.word_order or order.word)
