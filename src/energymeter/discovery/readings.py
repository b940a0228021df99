"""What a map reads under one shift, one order and one choice of types; judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from energymeter.discovery.forms import FORMS, Form, Kind, in_form, kind_of
from energymeter.discovery.survey import Frame
from energymeter.profiles import Point, Profile
from energymeter.reader.counters import counters_of
from energymeter.reader.decoder import BlockDecoder
from energymeter.reader.dependent import Rescaler
from energymeter.reader.evidence import Clue, Judge
from energymeter.reader.order import own_or
from energymeter.reader.reading import Quality, Value
from energymeter.values import WireOrder

__all__ = ["CandidateReader", "Growth", "Reading", "Truths"]

_REFUSED: Final = -2.0
"""A shift needs a word that the meter does not let be read."""

_FALLS: Final = -4.0
_GROWS: Final = 1.5
_MOST_OF_COUNTERS: Final = 12.0

_OTHER_FORM: Final = -2.0
"""What it costs to say that the document is wrong about a quantity's type or scale."""

Forms = Mapping[Kind, Form]

_PLAIN: Final[Forms] = {}


class Growth(NamedTuple):
    """The counters once more, a little later."""

    frames: Sequence[Frame]
    seconds: float


class Truths:
    """What was read, and the points it can be."""

    def __init__(self, profile: Profile, frames: Sequence[Frame], growth: Growth | None) -> None:
        self.profile = profile
        self.frames = tuple(frames)
        self.growth = growth
        self.points = tuple(point for frame in self.frames for point in frame.block.points)

    @property
    def first_address(self) -> int:
        """The lowest documented address of a point."""
        return min(point.address for point in self.points)


@dataclass(frozen=True, slots=True)
class Reading:
    """Values and what they are worth."""

    values: Mapping[str, Value]
    score: float
    plausible: int
    clues: tuple[Clue, ...]
    examples: tuple[str, ...]
    forms: Forms = field(default_factory=dict)
    """Quantities whose type or scale is not the documented one."""


class _Raw(NamedTuple):
    values: list[Value]
    skipped: set[int]
    refusals: int


class CandidateReader:
    """Reads and judges candidates of one survey."""

    def __init__(self, truths: Truths) -> None:
        self._truths = truths
        self._judge = Judge(truths.points)
        self._members: dict[Kind, list[Point]] = {}
        for point in truths.points:
            kind = kind_of(point)
            if kind is not None:
                self._members.setdefault(kind, []).append(point)
        self._formed: dict[tuple[str, Form], Point] = {}

    def read(self, shift: int, order: WireOrder, forms: Forms = _PLAIN) -> Reading:
        """Read everything this way."""
        truths = self._truths
        points = truths.points
        judge = self._judge
        if forms:
            points = tuple(self._in_forms(point, forms) for point in points)
            judge = Judge(points)
        raw = _decode(truths.frames, points, shift, order)
        verdict = judge.judge(raw.values, raw.skipped)
        clues = list(verdict.clues)
        score = verdict.score + _OTHER_FORM * len(forms)
        if raw.refusals:
            clues.append(
                Clue(
                    _REFUSED * min(raw.refusals, 3),
                    f"{raw.refusals} of the registers it needs at the edges are refused",
                )
            )
            score += clues[-1].weight
        if truths.growth is not None:
            grown = self._growth(raw.values, points, shift, order)
            score += max(-_MOST_OF_COUNTERS, sum(clue.weight for clue in grown))
            clues += grown
        clues.sort(key=lambda clue: -abs(clue.weight))
        values = {
            point.name: None if place in raw.skipped else value
            for place, (point, value) in enumerate(zip(points, raw.values, strict=True))
        }
        return Reading(
            values, score, verdict.plausible, tuple(clues), verdict.examples, dict(forms)
        )

    def read_freely(self, shift: int, order: WireOrder) -> Reading:
        """Choose for each quantity the type and scale that make most sense of it alone."""
        forms: dict[Kind, Form] = {}
        for kind, points in self._members.items():
            most = self._alone(points, shift, order)
            for form in FORMS:
                changed = [self._in_form(point, form) for point in points]
                score = self._alone(changed, shift, order) + _OTHER_FORM
                if form != kind.form and score > most + 0.5:
                    forms[kind], most = form, score
        free = self.read(shift, order, forms)
        plain = self.read(shift, order)
        return free if free.score > plain.score else plain

    def refine(self, shift: int, order: WireOrder, reading: Reading) -> Reading:
        """Try other types and scales of each quantity in the light of all the others."""
        for kind in self._members:
            others = {other: form for other, form in reading.forms.items() if other != kind}
            tries = [self.read(shift, order, others)]
            tries += [
                self.read(shift, order, {**others, kind: form})
                for form in FORMS
                if form != kind.form
            ]
            best = max(tries, key=lambda tried: tried.score)
            if best.score > reading.score:
                reading = best
        return reading

    def _in_form(self, point: Point, form: Form) -> Point:
        key = (point.name, form)
        if key not in self._formed:
            self._formed[key] = in_form(point, form)
        return self._formed[key]

    def _in_forms(self, point: Point, forms: Forms) -> Point:
        kind = kind_of(point)
        form = forms.get(kind) if kind is not None else None
        return point if form is None else self._in_form(point, form)

    def _alone(self, points: Sequence[Point], shift: int, order: WireOrder) -> float:
        raw = _decode(self._truths.frames, points, shift, order)
        return Judge(points).judge(raw.values, raw.skipped).score

    def _growth(
        self, before: Sequence[Value], points: Sequence[Point], shift: int, order: WireOrder
    ) -> list[Clue]:
        growth = self._truths.growth
        if growth is None:
            return []
        after = _decode(growth.frames, points, shift, order)
        clues = []
        for counter in counters_of(points):
            old, new = before[counter.place], after.values[counter.place]
            if (
                counter.place in after.skipped
                or not isinstance(old, (int, float))
                or not isinstance(new, (int, float))
                or old == new
            ):
                continue
            step = (new - old) * counter.direction
            text = f"{counter.name} goes from {old:.7g} to {new:.7g} {counter.unit}".rstrip()
            most = counter.growth_per_s * growth.seconds + counter.step
            clues.append(Clue(_GROWS if 0 < step <= most else _FALLS, text))
        return clues


def _decode(frames: Sequence[Frame], points: Sequence[Point], shift: int, order: WireOrder) -> _Raw:
    places = {point.name: place for place, point in enumerate(points)}
    values: list[Value] = [None] * len(points)
    skipped = set(range(len(points)))
    refusals = 0
    for frame in frames:
        own = {point.name for point in frame.block.points}
        mine = [point for point in points if point.name in own]
        if not mine:
            continue
        view = frame.view(shift, mine)
        refusals += view.is_refused
        decoder = BlockDecoder(view.block, lambda point: own_or(point, order))
        decoded, _ = decoder.decode(view.data)
        for point, value in zip(view.block.points, decoded, strict=True):
            if point.name not in view.unknown:
                values[places[point.name]] = value
                skipped.discard(places[point.name])
    names = set(places)
    dependent = [
        p for p in points if p.scale_from is None or names.issuperset(p.scale_from.registers)
    ]
    rescaler = Rescaler(points, {}) if len(dependent) == len(points) else None
    if rescaler is not None and not rescaler.is_idle:
        qualities = [Quality.NOT_READ if n in skipped else Quality.GOOD for n in range(len(values))]
        plain = list(values)
        rescaler.apply(values, qualities)
        skipped.update(
            place
            for place, value in enumerate(values)
            if value is None and plain[place] is not None
        )
    return _Raw(values, skipped, refusals)
