"""What discovery has to say of the meter: which way its map is read, which profiles it is like."""

from __future__ import annotations

from collections.abc import Sequence

from energymeter.discovery import Finding, find_map, identify
from energymeter.doctor.case import Case
from energymeter.doctor.difference import Difference
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.errors import ConfigError, MeterError
from energymeter.profiles import Profile

__all__ = ["difference_step", "find_way", "looks_like", "name_of", "other_profile_step"]


async def find_way(case: Case, profile: Profile, *, with_types: bool = False) -> Finding | None:
    """How the map is to be read; None: the meter fell silent, or is no meter."""
    unit = await case.client()
    try:
        return await find_map(unit, profile, with_types=with_types, clock=case.clock)
    except (MeterError, ConfigError):
        return None


async def looks_like(case: Case) -> tuple[str, ...]:
    """The profiles that fit, best first; empty: none is known, or nobody could be asked."""
    if case.tree is None or not case.has_time:
        return ()
    case.tell("comparing with all profiles")
    try:
        identity = await identify(await case.client(), case.tree())
    except MeterError:
        return ()
    return identity.profiles


def other_profile_step(case: Case, fitting: Sequence[str], why: str) -> Step:
    """The step that says that it is another model."""
    names = " or ".join(fitting[:3])
    return Step(
        Layer.VALUES,
        Verdict.OTHER_PROFILE,
        f"{why}; {names} fits",
        f"the meter is another model than {name_of(case)}: {names} fits",
        case.command(meter=("--profile", fitting[0])),
    )


def difference_step(case: Case, difference: Difference, finding: Finding) -> Step:
    """The step that says how the map differs."""
    best = finding.candidates[0]
    examples = ", ".join(best.reading.examples)
    sure = "" if finding.is_sure else "probably "
    return Step(
        difference.layer,
        difference.verdict,
        f"{best.reading.plausible} of {finding.points} values make sense when {difference}"
        + (f" ({examples})" if examples else ""),
        f"{sure}{difference}: put that right in the profile {name_of(case)}, or take the profile "
        f"of this very model",
        _remedy(case, difference),
    )


def _remedy(case: Case, difference: Difference) -> str:
    """Orders can be said on the command line; all else has to be put right in the profile."""
    if len(difference.parts) != 1 or difference.verdict is not Verdict.OTHER_ORDER:
        return ""
    order = difference.order
    profile = case.profile
    extra: list[str] = []
    if profile is not None and order.byte != profile.byte_order:
        extra += ["--byteorder", order.byte.upper()]
    if profile is not None and order.word != profile.word_order:
        extra += ["--wordorder", order.word.upper()]
    return case.command(extra=extra)


def name_of(case: Case) -> str:
    """What the user calls the profile."""
    if case.meter_words:
        return case.meter_words[-1]
    return "the profile" if case.profile is None else case.profile.name
