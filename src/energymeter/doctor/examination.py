"""The walk from the ground up: one layer after the other, to the first that is broken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from energymeter.doctor.case import Case
from energymeter.doctor.contact import examine_contact
from energymeter.doctor.device import examine_device
from energymeter.doctor.finding import Diagnosis, Layer, Step, Verdict
from energymeter.doctor.home import examine_home
from energymeter.doctor.length import examine_length
from energymeter.doctor.name import examine_name
from energymeter.doctor.pace import examine_pace
from energymeter.doctor.values import examine_values
from energymeter.doctor.way import examine_way

__all__ = ["Examiner", "examine"]

Examiner = Callable[[Case], Awaitable[Sequence[Step]]]
"""Looks at a layer or a few; nothing is wrong with those below. Returns what was seen."""

_TO_THE_DOOR: Final[Sequence[Examiner]] = (examine_name, examine_way)

_AT_THE_METER: Final[Sequence[Examiner]] = (
    examine_contact,
    examine_pace,
    examine_home,
    examine_length,
    examine_values,
)

_LAYERS: Final[dict[Examiner, Layer]] = {
    examine_name: Layer.NAME,
    examine_way: Layer.PORT,
    examine_device: Layer.DEVICE,
    examine_contact: Layer.FRAMING,
    examine_pace: Layer.TIMING,
    examine_home: Layer.FUNCTION,
    examine_length: Layer.LENGTH,
    examine_values: Layer.VALUES,
}


async def examine(case: Case, *, on_step: Callable[[Step], None] = lambda _step: None) -> Diagnosis:
    """Examine layer by layer and stop where one is broken. Only reads.

    Args:
        case: What is examined; used up by it.
        on_step: Called with each step as soon as it is made.

    Raises:
        ConfigError: A client cannot connect to such a wire, or a file it names cannot be used.
    """
    steps: list[Step] = []
    first = (examine_device,) if case.is_serial else _TO_THE_DOOR
    async with case:
        for examiner in (*first, *_AT_THE_METER):
            for step in await _in_time(case, examiner):
                steps.append(step)
                on_step(step)
            if steps and steps[-1].is_broken:
                break
    return Diagnosis(
        tuple(steps), case.seconds, praise=_praise(case, steps), next_command=_next(case)
    )


async def _in_time(case: Case, examiner: Examiner) -> Sequence[Step]:
    try:
        async with asyncio.timeout(max(case.limit_s - case.seconds, 0.0)):
            return await examiner(case)
    except TimeoutError:
        layer = _LAYERS[examiner]
        seen = f"not finished within {case.limit_s:g} s"
        return [
            Step(
                layer,
                Verdict.NOT_FINISHED,
                seen,
                f"the examination of the {layer} was {seen}: the meter answers too slowly to say "
                f"more; give a longer --timeout",
            )
        ]


def _praise(case: Case, steps: Sequence[Step]) -> str:
    notes = [step.seen for step in steps if step.verdict is Verdict.NOTED]
    where = f"unit {case.unit} at {case.place}"
    if case.profile is not None:
        praise = f"all is well: {case.profile.name}, {where}, can be read"
    elif case.fitting:
        praise = f"all is well: {where} answers, and {' or '.join(case.fitting[:3])} fits"
    else:
        praise = f"the way to {where} is all right, but which meter it is could not be told"
    return f"{praise} (to note: {notes[0]})" if notes else praise


def _next(case: Case) -> str:
    if case.profile is not None:
        return case.command()
    if case.fitting:
        return case.command(meter=("--profile", case.fitting[0]))
    return case.command(verb="find", extra=("--range", "0-200"))
