"""Function and address: are the registers where the profile says, or elsewhere?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from energymeter.codec.codes import EXCEPTION_EXPLANATIONS, Function, Table
from energymeter.discovery.survey import in_table
from energymeter.doctor.case import Case, question_of, telling_points
from energymeter.doctor.difference import Difference
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.likeness import (
    difference_step,
    find_way,
    looks_like,
    name_of,
    other_profile_step,
)
from energymeter.doctor.probe import Exchange
from energymeter.profiles import Point, Profile

__all__ = ["examine_home"]

_ASKED: Final = 3
"""Points asked for before the profile counts as refused; one may be an option not fitted."""

_BASES: Final = (-40001, -40000, -30001, -30000, 40001, 40000, 30001, 30000)
"""What documents add to addresses, or leave out: the printed number for the address on the wire."""

_TABLES: Final = (Table.HOLDING, Table.INPUT)


async def examine_home(case: Case) -> list[Step]:
    """Ask for a few points of the profile; if they are refused, look for them elsewhere."""
    profile = case.profile
    if profile is None:
        return []
    points = telling_points(profile)
    if not points:
        return [Step(Layer.FUNCTION, Verdict.NOTED, f"{profile.name} has no registers to judge")]
    refused: list[Exchange] = []
    for point in points[:_ASKED]:
        case.tell(f"reading {point.name}")
        exchange = await case.ask(question_of(point), repeats_busy=True)
        if exchange.answer is not None:
            case.question, case.is_map_at_home = exchange.request, True
            seen = f"{point.table} register {point.address} ({point.name}) answers"
            return [Step(Layer.FUNCTION, Verdict.FINE, seen)]
        refused.append(exchange)
    return [await _explain(case, profile, points, refused)]


async def _explain(
    case: Case, profile: Profile, points: Sequence[Point], refused: Sequence[Exchange]
) -> Step:
    case.tell("looking for the registers in the other table and one address beside")
    finding = await find_way(case, profile)
    if finding is not None and finding.is_found:
        difference = Difference(finding, profile)
        if difference:
            return difference_step(case, difference, finding)
    moved = await _find_base(case, profile, points[0])
    if moved is not None:
        return moved
    fitting = await looks_like(case)
    others = [name for name in fitting if name != profile.name]
    if others:
        return other_profile_step(case, others, f"{profile.name} is refused")
    return _all_refused(case, profile, refused)


async def _find_base(case: Case, profile: Profile, point: Point) -> Step | None:
    """The printed number was taken for the address, or the reverse."""
    for base in _BASES:
        if not 0 <= point.address + base <= 0xFFFF - point.count:
            continue
        moved_point = point.model_copy(update={"address": point.address + base})
        for table in sorted(_TABLES, key=lambda table: table is not point.table):
            if not case.has_time:
                return None
            case.tell(f"looking {base:+d} addresses away, in {table} registers")
            exchange = await case.ask(question_of(moved_point, table))
            if exchange.answer is None:
                continue
            moved = _moved(profile, base, table)
            finding = None if moved is None else await find_way(case, moved)
            if moved is not None and finding is not None and finding.is_found:
                difference = Difference(finding, moved, moved_by=base)
                if table is not point.table:
                    difference.parts.append(f"the registers are {table} registers")
                return difference_step(case, difference, finding)
    return None


def _moved(profile: Profile, base: int, table: Table) -> Profile | None:
    """The profile with all its registers moved to other addresses; None: some would fall off."""
    points = [
        point.model_copy(update={"address": point.address + base})
        for point in profile.readable_points
        if not point.table.is_bits and 0 <= point.address + base <= 0xFFFF - point.count
    ]
    if not points:
        return None
    update = {
        "points": tuple(points),
        "readable": (),
        "holes": (),
        "lone_answers": (),
        "fingerprints": (),
    }
    return in_table(profile.model_copy(update=update), table)


def _all_refused(case: Case, profile: Profile, refused: Sequence[Exchange]) -> Step:
    codes = sorted({exchange.code for exchange in refused if exchange.code is not None})
    function = Function(refused[0].request.function).phrase
    if codes:
        why = " and ".join(
            f"exception {code}, {EXCEPTION_EXPLANATIONS.get(code, 'of its own')}" for code in codes
        )
    else:
        why = "no answer"
    layer = Layer.FUNCTION if codes == [1] else Layer.ADDRESS
    return Step(
        layer,
        Verdict.ALL_REFUSED,
        f"{function} of {profile.name}: {why}; nor are they anywhere near",
        f"the meter answers, but has none of the registers of {name_of(case)} ({why}), and no "
        f"profile that is known fits: write one from its manual, or see what is there",
        case.command(verb="find", meter=(), extra=("--range", "0-200")),
    )
