"""What discovery has to say of the meter: which way its map is read, which profiles it is like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from energymeter.client import UnitClient
from energymeter.codec import ExceptionCode, ReadRequest
from energymeter.discovery import Finding, find_map, identify
from energymeter.doctor.case import Case
from energymeter.doctor.difference import Difference
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.errors import ConfigError, ExceptionReplyError, MeterError, RequestTimeout
from energymeter.profiles import Profile

__all__ = ["difference_step", "find_way", "looks_like", "name_of", "other_profile_step"]


_MOST_SILENCES: Final = 12
"""Reads that may be left unanswered; each costs a time-out."""


class _Forgiving:
    """A unit whose silence is a refusal: some meters say nothing to what they have not got.

    For one that is known to answer what it has.
    """

    def __init__(self, case: Case, unit: UnitClient) -> None:
        self._case = case
        self._unit = unit
        self._silences = 0

    async def read(self, request: ReadRequest) -> bytes:
        """See `UnitClient.read`."""
        try:
            return await self._unit.read(request)
        except RequestTimeout as error:
            self._silences += 1
            if self._silences > _MOST_SILENCES or not self._case.has_time:
                raise
            function, code = request.function, ExceptionCode.ILLEGAL_DATA_ADDRESS
            raise ExceptionReplyError(error.message, function=function, code=code) from error


async def find_way(
    case: Case, profile: Profile, *, with_types: bool = False, is_shy: bool = False
) -> Finding | None:
    """How the map is to be read; None: the meter fell silent, or is no meter.

    Args:
        case: The examination.
        profile: The map as documented.
        with_types: Whether types and scales are in doubt too.
        is_shy: Whether the meter is known to say nothing to what it has not got.
    """
    unit: UnitClient = await case.client()
    unit = _Forgiving(case, unit) if is_shy else unit
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
        identity = await identify(_Forgiving(case, await case.client()), case.tree())
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
