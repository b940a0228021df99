"""Points that are read at different rates: the reads of each, so that the bus is used least.

What is read fast may carry along what is read slowly: a counter in the middle of a fast read
costs nothing, one beside it only its words, where a request of its own costs much more, but
less often. Which is cheaper is a question of milliseconds a second, over all rates together.

The answer is found by dynamic programming over the points by address. The state is, for each
rate, the read begun last; a point joins one of them, or begins a new one. That is enough: within
one rate the proof of `plan` holds, so older reads need not be looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from operator import le
from typing import Final, NamedTuple

from energymeter.codec.codes import Table
from energymeter.errors import ConfigError
from energymeter.planner.cluster import clusters_of
from energymeter.planner.cost import TCP_COST, Cost
from energymeter.planner.ground import Ground
from energymeter.planner.plan import Block, cheapest_blocks, points_by_table
from energymeter.profiles import Point, Profile

__all__ = ["bus_use", "plan_rates"]

_ONCE_S: Final = 1e7
"""What is read once counts as if it were read again after so long, about four months."""


class _Item(NamedTuple):
    """Points that are read together; sorts by place."""

    start: int
    end: int
    layer: int
    """The slowest rate that will do, 0 the fastest."""

    is_fixed: bool
    """Whether a faster rate will not do: others of this rate need it."""

    points: tuple[Point, ...]


def plan_rates(
    profile: Profile,
    rates: Mapping[str, float | None],
    cost: Cost = TCP_COST,
    *,
    points: Sequence[Point] | None = None,
    max_words: int | None = None,
) -> dict[str, tuple[Block, ...]]:
    """Choose the reads of each rate such that all together use the bus least.

    Each point is read at its own rate (`Point.how_often`) or, where that is cheaper, at a faster
    one. The registers that tell the scale of a point are read at whatever rate it is, so each
    plan can be used alone; such a register may be in more than one.

    The plans are the cheapest there are, as long as no scale register serves points of different
    rates, and never cost more than `plan_reads` for each rate by itself.

    Args:
        profile: The meter.
        rates: Seconds from one reading to the next, by `fast`, `slow`, `once`; None: once. Points
            whose rate is not named are left out.
        cost: What a read costs.
        points: Which of its points; None means all that can be read.
        max_words: Longest read of registers wanted, 1 to 125; None: what the profile allows.

    Returns:
        Blocks by table and ascending address, for each rate in the order given; the points it
        carries along for slower ones are among theirs.

    Raises:
        ConfigError: A point alone is longer than the longest read, or a rate is no time.
    """
    names = sorted(rates, key=lambda name: _period_s(name, rates[name]))
    weights = [1 / _period_s(name, rates[name]) for name in names]
    wanted = profile.readable_points if points is None else points
    layers = [
        with_scales([point for point in wanted if point.how_often == name], profile)
        for name in names
    ]
    together = {point.name: point for layer in layers for point in layer}
    blocks: dict[str, list[Block]] = {name: [] for name in rates}
    grounds = {
        table: Ground(profile, table, in_table, max_words)
        for table, in_table in points_by_table(profile, tuple(together.values()))
    }
    items = _items(layers, grounds)
    for table, ground in grounds.items():
        for name, plan in zip(names, _plan_table(items[table], weights, ground, cost), strict=True):
            blocks[name] += plan
    return {name: tuple(plan) for name, plan in blocks.items()}


def bus_use(
    plans: Mapping[str, Sequence[Block]], rates: Mapping[str, float | None], cost: Cost
) -> float:
    """Milliseconds of every second these plans keep the bus busy.

    What is read once counts as if it were read every four months.
    """
    return sum(
        cost.table_ms(block.table, block.count) / _period_s(name, rates[name])
        for name, blocks in plans.items()
        for block in blocks
    )


def with_scales(points: Sequence[Point], profile: Profile) -> tuple[Point, ...]:
    """The points and the registers that tell their scales, in the profile's order."""
    readable = {point.name: point for point in profile.readable_points}
    wanted = {point.name for point in points}
    queue = [*points]
    while queue:
        source = queue.pop().scale_from
        for name in () if source is None else source.registers:
            if name in readable and name not in wanted:
                wanted.add(name)
                queue.append(readable[name])
    return tuple(point for name, point in readable.items() if name in wanted)


def _period_s(name: str, period_s: float | None) -> float:
    if name not in ("fast", "slow", "once"):
        msg = f"{name!r} is no rate, there are fast, slow and once"
        raise ConfigError(msg)
    if period_s is None:
        return _ONCE_S
    if not 0 < period_s < _ONCE_S:
        msg = f"{name}: every {period_s} seconds cannot be, write a time above 0"
        raise ConfigError(msg)
    return period_s


def _items(
    layers: Sequence[Sequence[Point]], grounds: Mapping[Table, Ground]
) -> dict[Table, list[_Item]]:
    items: dict[Table, list[_Item]] = {table: [] for table in grounds}
    for layer, points in enumerate(layers):
        clusters = [
            (table, cluster)
            for table, ground in grounds.items()
            for cluster in clusters_of([p for p in points if p.table is table], ground)
        ]
        home = {point.name: cluster for _, cluster in clusters for point in cluster.points}
        fixed = set()
        for point in points:
            registers = () if point.scale_from is None else point.scale_from.registers
            if any(home.get(name) is not home[point.name] for name in registers):
                # Its scale comes by another read, which has to be of the same rate.
                fixed |= {point.name, *registers}
        for table, (start, end, group) in clusters:
            is_fixed = any(point.name in fixed for point in group)
            items[table].append(_Item(start, end, layer, is_fixed, group))
    return {table: sorted(found, key=lambda item: item[:3]) for table, found in items.items()}


def _plan_table(
    items: Sequence[_Item], weights: Sequence[float], ground: Ground, cost: Cost
) -> list[list[Block]]:
    def plan(layer_of: Sequence[int]) -> list[list[Block]]:
        groups: list[dict[str, Point]] = [{} for _ in weights]
        for item, layer in zip(items, layer_of, strict=True):
            groups[layer].update((point.name, point) for point in item.points)
        return [cheapest_blocks(tuple(group.values()), ground, cost) for group in groups]

    def price(plans: Sequence[Sequence[Block]]) -> float:
        return sum(
            weight * cost.table_ms(block.table, block.count)
            for weight, blocks in zip(weights, plans, strict=True)
            for block in blocks
        )

    alone = plan([item.layer for item in items])
    joint = plan(_best_layers(items, weights, ground, cost))
    return min(joint, alone, key=price)


_Hull = tuple[int, int]
"""Where the items of a read lie: first address, and the one after the last."""

_Hulls = tuple[_Hull | None, ...]
"""Of each rate the read begun last; None where it cannot hold anything more."""

_Price = Callable[[int, int], float | None]
"""Milliseconds of the read over a hull; None where there is none."""

_Choices = tuple[int, "_Choices | None"]
"""The rate chosen for an item, and the choices before it."""

_States = dict[_Hulls, tuple[float, _Choices | None]]


def _best_layers(
    items: Sequence[_Item], weights: Sequence[float], ground: Ground, cost: Cost
) -> list[int]:
    """At which rate to read each item; exact, if no point is in two of them."""

    @cache
    def price(start: int, end: int) -> float | None:
        read = ground.read_over(start, end)
        return None if read is None else cost.table_ms(ground.table, read[1] - read[0])

    states: _States = {(None,) * len(weights): (0.0, None)}
    for place, item in enumerate(items, 1):
        following = items[place] if place < len(items) else None
        after: _States = {}
        for hulls, (total, choices) in states.items():
            for layer, hull, more_ms in _moves(item, hulls, price):
                spent = total + weights[layer] * more_ms
                grown = (*hulls[:layer], hull, *hulls[layer + 1 :])
                state = tuple(_if_open(h, following, price) for h in grown)
                if state not in after or spent < after[state][0]:
                    after[state] = spent, (layer, choices)
        states = after if ground.table.is_bits else _undominated(after)
    _, last = min(states.values(), key=lambda value: value[0])
    layers: list[int] = []
    while last is not None:
        layer, last = last
        layers.append(layer)
    return layers[::-1]


def _moves(item: _Item, hulls: _Hulls, price: _Price) -> Iterator[tuple[int, _Hull, float]]:
    """Ways to read an item: the rate, the hull of its read then, and what that costs more."""
    slowest_first = (item.layer,) if item.is_fixed else range(item.layer, -1, -1)
    for layer in slowest_first:
        hull = hulls[layer]
        if hull is not None and hull[0] <= item.start and item.end <= hull[1]:
            yield layer, hull, 0.0  # nothing can be better
            return
    alone_ms = price(item.start, item.end)
    for layer in slowest_first:
        if alone_ms is not None:
            yield layer, (item.start, item.end), alone_ms
        hull = hulls[layer]
        if hull is not None:
            longer = hull[0], max(hull[1], item.end)
            before_ms, longer_ms = price(*hull), price(*longer)
            if before_ms is not None and longer_ms is not None:
                yield layer, longer, longer_ms - before_ms


def _if_open(hull: _Hull | None, following: _Item | None, price: _Price) -> _Hull | None:
    """The hull, if its read may go on to the next item's first address."""
    if hull is None or following is None:
        return None
    reach = max(hull[1], following.start + 1)
    return hull if price(hull[0], reach) is not None else None


def _undominated(states: _States) -> _States:
    """The states without those for which another one costs no more and can do the same.

    Where reads end alike, what comes costs alike, and a read that began later may go on for
    longer. Not so for bits, eight of which cost what one does.
    """
    groups: dict[tuple[int | None, ...], list[tuple[int, ...]]] = {}
    kept: _States = {}
    for state, value in sorted(states.items(), key=lambda entry: entry[1][0]):
        starts = tuple(0 if hull is None else hull[0] for hull in state)
        group = groups.setdefault(tuple(None if h is None else h[1] for h in state), [])
        if not any(all(map(le, starts, cheaper)) for cheaper in group):
            group.append(starts)
            kept[state] = value
    return kept
