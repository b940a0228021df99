"""Find out what meter a unit is: walk the tree, weigh every profile by what was answered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from energymeter.client import UnitClient
from energymeter.discovery.asking import Asker
from energymeter.discovery.sunspec import SunSpecMap, read_sunspec
from energymeter.discovery.tree import MARKER, Leaf, Probe, ProfileTree
from energymeter.errors import MeterError, RequestTimeout
from energymeter.planner import Block, plan_reads
from energymeter.profiles import Point
from energymeter.profiles.model import Fingerprint
from energymeter.reader.decoder import BlockDecoder
from energymeter.reader.dependent import Rescaler
from energymeter.reader.evidence import Judge
from energymeter.reader.reading import Quality, Value
from energymeter.values import WireOrder, quantity_of

__all__ = ["Identity", "identify"]

_DOUBTED: Final = 2.0
"""Profiles whose weight is less than the best's by more are left aside, at first."""

_POSSIBLE: Final = 8.0
"""And by more than this for good."""

_EQUAL: Final = 3.0
"""Profiles this near to the best fit as well as it does."""

_LEAST: Final = 3.5
"""Less than this is no fit: a voltage and a frequency are worth more."""

_MOST_DOUBTFUL: Final = 0.1
"""Share of the values that may make no sense."""

_FEWEST: Final = 3
"""Values that have to be seen, where no register names the model."""

_MATCH: Final = 6.0
_OTHER: Final = -6.0
_MAX_REQUESTS: Final = 40
"""After so many a unit is what no profile describes."""

_MAX_VERIFIED: Final = 6
_VERIFY_WORDS: Final = 100
"""Registers read at most to verify one candidate."""

_MAIN: Final = (
    *("voltage", "voltage_ll", "frequency", "current", "active_power", "power_factor"),
    *("apparent_power", "reactive_power", "flow_rate", "volume", "temperature"),
)
_SHOWN: Final = ("voltage_phase_a", "frequency", "active_power_total", "flow_rate", "volume")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a unit is, as far as can be told."""

    profiles: tuple[str, ...]
    """Profiles that fit, equally well; empty: none does."""

    values: Mapping[str, tuple[Value, str]]
    """A few values of the first of them, with their units."""

    requests: int
    plausible: int
    """Values of it that make sense, and how many were looked at."""

    judged: int
    sunspec: SunSpecMap | None = None


class _Answer(NamedTuple):
    probe: Probe
    data: bytes | None


async def identify(unit: UnitClient, tree: ProfileTree) -> Identity:
    """Ask the unit as little as is needed to name what it can be.

    Raises:
        RequestTimeout: Nobody answers.
        ExceptionReplyError: The gateway says that nobody is there.
        LinkError: The way to it is not there.
    """
    return await _Detective(unit, tree).work()


class _Detective:
    def __init__(self, unit: UnitClient, tree: ProfileTree) -> None:
        self._asker = Asker(unit)
        self._tree = tree
        self._answers: list[_Answer] = []
        self._weights = [0.0] * len(tree.leaves)
        self._shown = [0.0] * len(tree.leaves)
        """How much of the weight is what values and identification say."""
        self._refuted = [0.0] * len(tree.leaves)
        """And how much that it refused what it should answer."""

    async def work(self) -> Identity:
        try:
            await self._look()
        except RequestTimeout:
            if not self._asker.is_alive:
                raise
            # It fell silent on the way: what was heard until then has to do.
            self._weigh()
        return await self._conclude()

    async def _look(self) -> None:
        margin = _DOUBTED
        verified: set[int] = set()
        while self._asker.requests < _MAX_REQUESTS:
            best = max(range(len(self._weights)), key=self._rank)
            # Before anything is named, whatever would be named with it is told from it.
            left = self._possible(max(margin, _EQUAL) if self._fits(best) else margin)
            probe = None
            if len(left) > 1 or self._shown[best] < _LEAST:
                done = frozenset(answer.probe for answer in self._answers)
                probe = self._tree.best_probe(left, done)
                if probe is None and self._shown[best] < _LEAST:
                    probe = self._tree.best_probe(frozenset({best}), done)
            ranked = sorted(left - verified, key=self._rank, reverse=True)
            if probe is not None:
                await self._ask(probe)
            elif ranked and len(verified) < _MAX_VERIFIED and self._shown[ranked[0]] > 0:
                verified.add(ranked[0])
                await self._verify(self._tree.leaves[ranked[0]])
            elif self._fits(best) or margin >= _POSSIBLE:
                break
            else:  # nobody fits: perhaps one was given up too early
                margin += _DOUBTED
                continue
            self._weigh()

    def _fits(self, place: int) -> bool:
        if self._shown[place] + self._refuted[place] < _LEAST:
            return False
        _, values = self._judge(self._tree.leaves[place])
        is_sound = values.plausible >= (1 - _MOST_DOUBTFUL) * len(values.points)
        return is_sound and (len(values.points) >= _FEWEST or self._shown[place] >= _MATCH)

    def _rank(self, place: int) -> float:
        return self._weights[place]

    async def _ask(self, probe: Probe) -> None:
        if any(answer.probe == probe for answer in self._answers):
            return
        data = await self._asker.read(probe.table, probe.address, probe.words)
        self._answers.append(_Answer(probe, data))

    def _weigh(self) -> None:
        for place, leaf in enumerate(self._tree.leaves):
            shown, _ = self._judge(leaf)
            weight = refuted = 0.0
            for probe, data in self._answers:
                expected = leaf.expect(probe)
                weight += math.log(1 - expected.chance if data is None else expected.chance)
                if data is None and expected.chance > 0.5:
                    refuted += math.log(1 - expected.chance)
                if data is not None:
                    shown += sum(_compare(f, probe, data, leaf) for f in expected.fingerprints)
            self._shown[place] = shown
            self._refuted[place] = refuted
            self._weights[place] = weight + shown

    def _possible(self, margin: float) -> frozenset[int]:
        least = max(self._weights) - margin
        return frozenset(place for place, w in enumerate(self._weights) if w >= least)

    def _judge(self, leaf: Leaf) -> tuple[float, _Values]:
        values = _values_of(leaf, self._answers)
        if not values.points:
            return 0.0, values
        verdict = Judge(values.points).judge(values.values, values.skipped)
        return verdict.score, values._replace(plausible=verdict.plausible)

    async def _verify(self, leaf: Leaf) -> None:
        """Read the main values of a candidate that no probe has brought yet."""
        seen = {point.name for point in _values_of(leaf, self._answers).points}
        profile = leaf.profile
        wanted = [p for p in profile.readable_points if _is_main(p) and p.name not in seen]
        if not wanted:
            return
        words = 0
        for block in plan_reads(profile, wanted):
            words += block.count
            if words > _VERIFY_WORDS:
                break
            if not block.table.is_bits:
                await self._ask(Probe(block.table, block.address, block.count))

    async def _conclude(self) -> Identity:
        fitting = [place for place in self._possible(_EQUAL) if self._fits(place)]
        fitting.sort(key=lambda p: -self._weights[p])
        sunspec = await self._sunspec(is_known=bool(fitting))
        if not fitting:
            return Identity((), {}, self._asker.requests, 0, 0, sunspec)
        leaves = [self._tree.leaves[place] for place in fitting]
        _, values = self._judge(leaves[0])
        shown = {
            point.name: (value, point.unit)
            for name in _SHOWN
            for point, value in zip(values.points, values.values, strict=True)
            if point.name in (name, f"{name}_total")
        }
        return Identity(
            profiles=tuple(leaf.profile.name for leaf in leaves),
            values=shown,
            requests=self._asker.requests,
            plausible=values.plausible,
            judged=len(values.points),
            sunspec=sunspec,
        )

    async def _sunspec(self, *, is_known: bool) -> SunSpecMap | None:
        """The chain of models; looked for where the marker was seen, or nothing else fits."""
        marker = Probe(MARKER.tables[0], MARKER.address, 2)
        answer = next((a.data for a in self._answers if a.probe == marker), None)
        if answer is None and is_known:
            return None
        try:
            return await read_sunspec(self._asker, answer)
        except MeterError:
            return None  # an extra; what was found out stands


class _Values(NamedTuple):
    points: list[Point]
    values: list[Value]
    skipped: set[int]
    plausible: int = 0


def _values_of(leaf: Leaf, answers: Sequence[_Answer]) -> _Values:
    """Everything a profile has in what was answered, each point once."""
    profile = leaf.profile
    found: dict[str, tuple[Point, Value]] = {}
    for probe, data in answers:
        if data is None:
            continue
        points = tuple(p for p in leaf.expect(probe).points if p.name not in found)
        if not points:
            continue
        block = Block(probe.table, probe.address, probe.words, points)
        values, _ = BlockDecoder(block, profile.order_of).decode(data)
        found.update((p.name, (p, v)) for p, v in zip(points, values, strict=True))
    names = set(found)
    points_found = [
        point
        for point, _ in found.values()
        if point.scale_from is None or names.issuperset(point.scale_from.registers)
    ]
    values_found = [found[point.name][1] for point in points_found]
    rescaler = Rescaler(points_found, {})
    if rescaler.is_idle:
        return _Values(points_found, values_found, set())
    plain = list(values_found)
    rescaler.apply(values_found, [Quality.GOOD] * len(values_found))
    skipped = {n for n, v in enumerate(values_found) if v is None and plain[n] is not None}
    return _Values(points_found, values_found, skipped)


def _compare(fingerprint: Fingerprint, probe: Probe, data: bytes | None, leaf: Leaf) -> float:
    """What a register that names the model says of this profile."""
    point = Point(
        name="fingerprint",
        tables=(probe.table,),
        address=fingerprint.address,
        type=fingerprint.type,
        length=fingerprint.length,
    )
    order = WireOrder(fingerprint.byte_order or leaf.profile.byte_order, leaf.profile.word_order)
    block = Block(probe.table, probe.address, probe.words, (point,))
    value = BlockDecoder(block, lambda _point: order).decode(data or b"")[0][0]
    return _MATCH if value in fingerprint.expect else _OTHER


def _is_main(point: Point) -> bool:
    quantity = quantity_of(point.name)
    return quantity is not None and quantity.name in _MAIN
