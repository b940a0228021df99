"""How a meter's map differs from the profile, as `find` saw it: in words. Pure."""

from __future__ import annotations

from energymeter.discovery import Candidate, Finding
from energymeter.doctor.finding import Layer, Verdict
from energymeter.profiles import Profile
from energymeter.values import WireOrder

__all__ = ["Difference", "documented_of", "is_documented", "soundness"]


class Difference:
    """What is other than documented; of several things the lowest layer gives its name.

    Args:
        finding: What was found.
        profile: The map as documented.
        moved_by: By how much the addresses of `profile` were moved before it was looked for.
    """

    def __init__(self, finding: Finding, profile: Profile, moved_by: int = 0) -> None:
        best = finding.candidates[0]
        self.parts: list[str] = []
        self.layer, self.verdict = Layer.VALUES, Verdict.FINE
        self.order = best.order
        order = WireOrder(profile.byte_order, profile.word_order)
        if best.order != order:
            self._add(Layer.ORDER, Verdict.OTHER_ORDER, _order_text(order, best.order))
        shift = best.shift + moved_by
        if shift:
            self._add(Layer.ADDRESS, Verdict.OTHER_BASE, _shift_text(shift))
        if finding.table is not None:
            text = f"the registers are {finding.table} registers"
            self._add(Layer.FUNCTION, Verdict.OTHER_TABLE, text)

    def _add(self, layer: Layer, verdict: Verdict, text: str) -> None:
        self.layer, self.verdict = layer, verdict
        self.parts.insert(0, text)

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __str__(self) -> str:
        return " and ".join(self.parts)


def documented_of(finding: Finding, profile: Profile) -> Candidate | None:
    """The candidate that reads the map as documented, or gives the very same values."""
    return next((c for c in finding.candidates if is_documented(c, profile)), None)


def is_documented(candidate: Candidate, profile: Profile) -> bool:
    """Whether a candidate is the documented way, or cannot be told from it."""
    documented = (0, WireOrder(profile.byte_order, profile.word_order))
    return documented in ((candidate.shift, candidate.order), *candidate.alike)


def soundness(candidate: Candidate) -> float:
    """Part of the values that make sense, 0 to 1."""
    return candidate.reading.plausible / max(len(candidate.values), 1)


def _shift_text(shift: int) -> str:
    count = "one" if abs(shift) == 1 else str(abs(shift))
    way = "higher" if shift > 0 else "lower"
    return f"the addresses are {count} {way} than in the profile"


def _order_text(documented: WireOrder, found: WireOrder) -> str:
    parts = []
    if documented.word != found.word:
        parts.append(f"the words of a value come {found.word} first")
    if documented.byte != found.byte:
        parts.append(f"the bytes of a word come {found.byte} first")
    return f"{' and '.join(parts)} ({found.letters}, the profile says {documented.letters})"
