"""What a map reads under one shift, one order and one choice of types; judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from energymeter.values import WireOrder, quantity_of

__all__ = ["CandidateReader", "Later", "Reading", "Truths", "is_telling"]

_REFUSED: Final = -2.0
"""A shift needs a word that the meter does not let be read."""

_FALLS: Final = -4.0
_GROWS: Final = 1.5
_MOST_OF_CHANGES: Final = 12.0

_STEADY: Final = 2e-3
"""Share by which a voltage or a frequency may change between two reads in a row."""

_OTHER_FORM: Final = -2.0
"""What it costs to say that the document is wrong about a quantity's type or scale."""

Forms = Mapping[Kind, Form]

_PLAIN: Final[Forms] = {}

_SLOW: Final = ("voltage", "voltage_ll", "frequency")


class Later(NamedTuple):
    """What must not jump, read once more."""

    frames: Sequence[Frame]
    seconds: float


class Truths:
    """What was read, and the points it can be."""

    def __init__(self, profile: Profile, frames: Sequence[Frame], later: Later | None) -> None:
        self.profile = profile
        self.frames = tuple(frames)
        self.later = later
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
        if truths.later is not None:
            after = _decode(truths.later.frames, points, shift, order)
            changes = [
                *_growth(points, raw, after, truths.later.seconds),
                *_drift(points, raw, after),
            ]
            score += max(-_MOST_OF_CHANGES, sum(clue.weight for clue in changes))
            clues += changes
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


def is_telling(points: Sequence[Point]) -> bool:
    """Whether there is something among them that must not jump."""
    return any(
        quantity.is_counter or quantity.name in _SLOW
        for point in points
        if (quantity := quantity_of(point.name)) is not None
    )


def _pairs(before: _Raw, after: _Raw, places: Iterable[int]) -> Iterator[tuple[int, float, float]]:
    """Values at these places that changed."""
    for place in places:
        old, new = before.values[place], after.values[place]
        if (
            place not in before.skipped
            and place not in after.skipped
            and isinstance(old, (int, float))
            and isinstance(new, (int, float))
            and old != new
        ):
            yield place, old, new


def _growth(points: Sequence[Point], before: _Raw, after: _Raw, seconds: float) -> Iterator[Clue]:
    """Counters that grow, and those that fall or leap."""
    counters = {counter.place: counter for counter in counters_of(points)}
    for place, old, new in _pairs(before, after, counters):
        counter = counters[place]
        step = (new - old) * counter.direction
        most = counter.growth_per_s * seconds + counter.step
        text = f"{counter.name} goes from {old:.7g} to {new:.7g} {counter.unit}".rstrip()
        yield Clue(_GROWS if 0 < step <= most else _FALLS, text)


def _drift(points: Sequence[Point], before: _Raw, after: _Raw) -> Iterator[Clue]:
    """Voltages and frequencies hardly change; with a foreign low word they leap."""
    slow = [
        place
        for place, point in enumerate(points)
        if (quantity := quantity_of(point.name)) is not None and quantity.name in _SLOW
    ]
    for place, old, new in _pairs(before, after, slow):
        point = points[place]
        step = 0.0 if point.type.is_float else abs(float(point.scale))
        is_steady = abs(new - old) <= _STEADY * abs(old) + 2 * step
        text = f"{point.name} goes from {old:.7g} to {new:.7g} {point.unit}".rstrip()
        yield Clue(1.0 if is_steady else -2.0, text)


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
