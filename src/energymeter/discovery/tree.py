"""Which read splits the profiles best: a decision tree, grown only where it is walked.

A probe is a read that some profile answers well. What each profile would make of it stands in
its `Expectation`: whether it would answer, and what it has there. Profiles that expect the same
of a probe are not told apart by it; the best probe leaves the fewest together. Trees grown for
one unit serve the next. Pure: asks nobody, knows no values.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from energymeter.codec.codes import MAX_READ_WORDS, Table
from energymeter.profiles import Point, Profile
from energymeter.profiles.model import Fingerprint
from energymeter.values import DataType, Encoding, quantity_of

__all__ = ["MARKER", "Expectation", "Leaf", "Probe", "ProfileTree"]

_MAX_PROBE_WORDS: Final = 40
"""Long enough for the phases of several quantities, short enough for a slow bus."""

_TELLING: Final = ("voltage", "frequency", "active_power", "current", "voltage_ll")

MARKER: Final = Fingerprint(
    tables=(Table.HOLDING,), address=40000, type=DataType.STRING, length=2, expect=("SunS",)
)
"""Where a SunSpec map begins on nearly every device."""


class Probe(NamedTuple):
    """One read."""

    table: Table
    address: int
    words: int

    @property
    def end(self) -> int:
        """First address after it."""
        return self.address + self.words


class Expectation(NamedTuple):
    """What a profile says of a probe."""

    chance: float
    """That the meter answers it."""

    content: tuple[object, ...]
    """What is there, in a form that can be compared."""

    points: tuple[Point, ...]
    fingerprints: tuple[Fingerprint, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for profiles that this probe does not tell apart."""
        if self.chance < 0.5:
            return ("refused",)
        return self.content or ("blank",)


class Leaf:
    """A profile as the tree sees it."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.fingerprints = (*profile.fingerprints, *((MARKER,) if profile.sunspec else ()))
        self._points: dict[Table, list[Point]] = {}
        for point in sorted(profile.readable_points, key=lambda p: (p.address, p.count)):
            for table in point.tables:
                if not table.is_bits:
                    self._points.setdefault(table, []).append(point)
        self._starts = {t: [p.address for p in points] for t, points in self._points.items()}
        self._readable = {t: profile.readable_in(t) for t in (Table.HOLDING, Table.INPUT)}
        self._lone = {
            (table, lone.address) for lone in profile.lone_answers for table in lone.tables
        }
        self._known: dict[Probe, Expectation] = {}

    def expect(self, probe: Probe) -> Expectation:
        """What this profile says of a probe."""
        known = self._known.get(probe)
        if known is None:
            known = self._known[probe] = self._expect(probe)
        return known

    def probes(self) -> tuple[list[Probe], list[Probe]]:
        """Reads that this meter answers well: those with telling values, and the others."""
        limit = min(self.profile.max_read_words or MAX_READ_WORDS, _MAX_PROBE_WORDS)
        telling: list[Probe] = []
        others: list[Probe] = []
        for fingerprint in self.fingerprints:
            count = fingerprint.length or fingerprint.type.words
            telling.append(Probe(fingerprint.tables[0], fingerprint.address, count))
        for table, points in self._points.items():
            for run in _runs(points, limit):
                first, end = run[0].address, max(point.end for point in run)
                if self.profile.even_reads:
                    end += end % 2
                kind = telling if any(_is_telling(point) for point in run) else others
                kind.append(Probe(table, first, end - first))
        return telling, others

    def inside(self, probe: Probe) -> tuple[Point, ...]:
        """Points that lie wholly in a probe."""
        points = self._points.get(probe.table, [])
        start = bisect_left(self._starts.get(probe.table, []), probe.address)
        found = []
        for point in points[start:]:
            if point.address >= probe.end:
                break
            if point.end <= probe.end:
                found.append(point)
        return tuple(found)

    def _expect(self, probe: Probe) -> Expectation:
        points = self.inside(probe)
        fingerprints = tuple(
            f
            for f in self.fingerprints
            if probe.table in f.tables and self._is_read(f, probe) and f.expect
        )
        content = (
            *((f.address, f.type, f.expect) for f in fingerprints),
            *(_content(point, self.profile) for point in points if _counts(point)),
        )
        return Expectation(self._chance(probe, points, fingerprints), content, points, fingerprints)

    def _is_read(self, fingerprint: Fingerprint, probe: Probe) -> bool:
        end = fingerprint.address + (fingerprint.length or fingerprint.type.words)
        if (probe.table, fingerprint.address) in self._lone:
            return (probe.address, probe.end) == (fingerprint.address, end)
        return probe.address <= fingerprint.address and end <= probe.end

    def _chance(
        self, probe: Probe, points: Sequence[Point], fingerprints: Sequence[Fingerprint]
    ) -> float:
        profile = self.profile
        if profile.even_reads and (probe.address % 2 or probe.words % 2):
            return 0.1
        if probe.words > (profile.max_read_words or MAX_READ_WORDS):
            return 0.1
        covered = {a for p in points if not p.optional for a in range(p.address, p.end)}
        for f in fingerprints:
            covered.update(range(f.address, f.address + (f.length or f.type.words)))
        if covered.issuperset(range(probe.address, probe.end)):
            return 0.99
        if any(a <= probe.address and probe.end <= b for a, b in self._readable[probe.table]):
            return 0.9
        return 0.15


class ProfileTree:
    """The profiles and the probes that tell them apart.

    Args:
        profiles: All that a meter can be.
    """

    def __init__(self, profiles: Iterable[Profile]) -> None:
        self.leaves = tuple(Leaf(profile) for profile in profiles)
        both = [leaf.probes() for leaf in self.leaves]
        telling = dict.fromkeys(probe for probes, _ in both for probe in probes)
        others = dict.fromkeys(probe for _, probes in both for probe in probes)
        self.probes = tuple(telling)
        self._others = tuple(probe for probe in others if probe not in telling)
        self._grown: dict[tuple[frozenset[int], frozenset[Probe]], Probe | None] = {}

    def best_probe(self, left: frozenset[int], done: frozenset[Probe]) -> Probe | None:
        """The probe that leaves the fewest profiles together; None when none tells any apart.

        For a single profile it is the one that shows most of it.

        Args:
            left: Places in `leaves` of the profiles that are still possible.
            done: Probes that were made.
        """
        key = (left, done)
        if key not in self._grown:
            self._grown[key] = self._choose(self.probes, left, done) or self._choose(
                self._others, left, done
            )
        return self._grown[key]

    def _choose(
        self, probes: Sequence[Probe], left: frozenset[int], done: frozenset[Probe]
    ) -> Probe | None:
        leaves = [self.leaves[place] for place in sorted(left)]
        best: Probe | None = None
        least = float(len(leaves) ** 2)
        for probe in probes:
            if probe in done:
                continue
            classes = Counter(leaf.expect(probe).key for leaf in leaves)
            if len(classes) == 1 and (len(leaves) > 1 or ("refused",) in classes):
                continue
            # Those who have something there are told apart surely, by their values; a blank says
            # less. Of equals the shorter read.
            together = sum(n * n for n in classes.values()) + 0.01 * probe.words
            together += 0.5 * classes[("blank",)]
            if len(leaves) == 1:
                # Nothing to tell apart, but something to show.
                together = -len(leaves[0].expect(probe).content)
            if together < least:
                best, least = probe, together
        return best


def _runs(points: Sequence[Point], limit: int) -> Iterator[list[Point]]:
    """Points without gaps between them, no run longer than the limit."""
    run: list[Point] = []
    for point in points:
        if run and (point.address > run[-1].end or point.end - run[0].address > limit):
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def _is_telling(point: Point) -> bool:
    quantity = quantity_of(point.name)
    return quantity is not None and quantity.name in _TELLING


def _counts(point: Point) -> bool:
    """Whether its value can speak for or against the profile."""
    quantity = quantity_of(point.name)
    if point.value is not None:
        return True
    return (
        quantity is not None
        and not quantity.is_setting
        and quantity.typical is not None
        and not quantity.is_counter
        and point.encoding is not Encoding.ASCII_FLOAT
    )


def _content(point: Point, profile: Profile) -> tuple[object, ...]:
    order = profile.order_of(point) if point.count > 1 else (profile.order_of(point).byte,)
    return (point.address, point.name, point.type, point.scale, point.unit, order, point.value)
