"""Order and values: do the numbers make sense, and is it the meter the user thinks it is?"""

from __future__ import annotations

import shlex
from typing import Final

from energymeter.discovery import Candidate, Finding
from energymeter.discovery.find import CLEAR_LEAD
from energymeter.doctor.case import Case
from energymeter.doctor.difference import Difference, documented_of, is_documented, soundness
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.likeness import difference_step, find_way, looks_like, other_profile_step
from energymeter.doctor.pace import examine_pace
from energymeter.profiles import Profile

__all__ = ["examine_values"]

_MOST_DOUBTFUL: Final = 0.3
"""Share of the values that may make no sense in a map that is right."""

_DOUBT: Final = -1.5
"""A clue of this weight or less is worth a remark: a relation that does not hold."""

_SHOWN: Final = 3


async def examine_values(case: Case) -> list[Step]:
    """Weigh what is read; without a profile, say which ones fit."""
    if case.profile is None:
        return [await _identify(case)]
    if not case.is_map_at_home:
        return []
    case.tell(f"reading all of {case.profile.name}")
    finding = await find_way(case, case.profile)
    if finding is None:
        steps = await examine_pace(case)  # it was well until now, but not for so long
        if any(step.is_broken for step in steps):
            return steps
        finding = await find_way(case, case.profile, is_shy=True)
    if finding is None:
        return [Step(Layer.VALUES, Verdict.NOTED, "not all could be read, so nothing was judged")]
    return await _judge(case, case.profile, finding)


async def _identify(case: Case) -> Step:
    fitting = case.fitting = await looks_like(case)
    if not fitting:
        seen = "no known profile fits what it answers"
        return Step(Layer.VALUES, Verdict.NOTED, seen)
    names = " and ".join(fitting[:_SHOWN])
    verb = "fits" if len(fitting) == 1 else "fit"
    return Step(Layer.VALUES, Verdict.FINE, f"{names} {verb}")


async def _judge(case: Case, profile: Profile, finding: Finding) -> list[Step]:
    documented = documented_of(finding, profile)
    if documented is None:
        return [Step(Layer.VALUES, Verdict.NOTED, "too little could be read to judge it")]
    best = finding.candidates[0]
    is_plain = finding.is_found and documented.score > best.score - CLEAR_LEAD
    is_sound = soundness(documented) >= 1 - _MOST_DOUBTFUL
    if is_plain and is_sound and finding.table is None:
        return await _praise(case, profile, finding, documented)
    if _is_blank(documented):
        return [_all_zero(case, finding)]
    fitting = await looks_like(case)
    if fitting and profile.name not in fitting:
        why = f"{documented.reading.plausible} of {finding.points} values make sense"
        is_other = not finding.is_sure or is_documented(best, profile)
        if is_other:
            return [other_profile_step(case, fitting, why)]
    is_other_way = finding.is_found and not is_documented(best, profile)
    if is_other_way and soundness(best) >= 1 - _MOST_DOUBTFUL:
        return [difference_step(case, Difference(finding, profile), finding)]
    scale = await _other_scale(case, profile, documented)
    return [_nonsense(case, documented) if scale is None else scale]


async def _praise(
    case: Case, profile: Profile, finding: Finding, documented: Candidate
) -> list[Step]:
    seen = f"{documented.reading.plausible} of {finding.points} values make sense"
    examples = ", ".join(documented.reading.examples)
    steps = [Step(Layer.ORDER, Verdict.FINE, f"order {documented.order.letters}, as documented")]
    fitting = await looks_like(case)
    if fitting and profile.name not in fitting and _is_known(case, profile):
        return [*steps, other_profile_step(case, fitting, seen)]
    doubts = [clue.text for clue in documented.reading.clues if clue.weight <= _DOUBT]
    if doubts:
        scale = await _other_scale(case, profile, documented)
        noted = Step(Layer.VALUES, Verdict.NOTED, f"{seen}; but {'; '.join(doubts[:_SHOWN])}")
        return [*steps, noted if scale is None else scale]
    return [*steps, Step(Layer.VALUES, Verdict.FINE, f"{seen}: {examples}" if examples else seen)]


def _is_known(case: Case, profile: Profile) -> bool:
    """Whether it took part in the comparison."""
    return case.tree is not None and any(
        leaf.profile.name == profile.name for leaf in case.tree().leaves
    )


def _is_blank(candidate: Candidate) -> bool:
    values = list(candidate.values.values())
    return bool(values) and not any(values)


def _all_zero(case: Case, finding: Finding) -> Step:
    return Step(
        Layer.VALUES,
        Verdict.ALL_ZERO,
        f"all {finding.points} values are 0 or missing",
        "all registers read 0: the meter has no voltage, or it answers 0 for whatever it has not "
        "got, and it is another model or another unit",
        shlex.join(["energymeter", "scan", str(case.wire)]),
    )


async def _other_scale(case: Case, profile: Profile, documented: Candidate) -> Step | None:
    """Whether the values make more sense in other types or scales."""
    if not case.has_time:
        return None
    case.tell("trying other types and scales")
    finding = await find_way(case, profile, with_types=True)
    best = finding.candidates[0] if finding is not None and finding.is_found else None
    if best is None or not best.reading.forms or best.shift:
        return None
    if best.score < documented.score + CLEAR_LEAD:
        return None
    forms = ", ".join(
        f"{kind.quantity} is kept as {form}, not as {kind.form}"
        for kind, form in best.reading.forms.items()
    )
    examples = ", ".join(best.reading.examples)
    return Step(
        Layer.VALUES,
        Verdict.OTHER_SCALE,
        f"values make sense when {forms} ({examples})",
        f"types or scales are other than in the profile: {forms}; put that right there, or take "
        f"the profile of this very model",
        case.command(verb="find", extra=("--types",)),
    )


def _nonsense(case: Case, documented: Candidate) -> Step:
    doubts = ", ".join(clue.text for clue in documented.reading.clues if clue.weight < 0)
    if not doubts:
        seen = "nothing speaks against the values, but none is of a kind that proves them"
        return Step(Layer.VALUES, Verdict.NOTED, seen)
    return Step(
        Layer.VALUES,
        Verdict.NONSENSE,
        f"the values make no sense in any order, shift or scale ({doubts[:120]})",
        "the meter answers, but its values make no sense as this profile and no known profile "
        "fits: compare the profile with the manual of this very model",
        case.command(verb="find", extra=("--types",)),
    )
