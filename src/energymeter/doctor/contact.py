"""The first word: ask, and if there is no answer, try one explanation after the other.

An explanation gets the case and its first exchange, tries whatever would prove it, and returns a
step, or None. The cheap and the likely come first; those that need no new connection before
those that do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from energymeter.codec import Framing
from energymeter.codec.codes import EXCEPTION_EXPLANATIONS, exception_name
from energymeter.doctor.case import Case
from energymeter.doctor.echo import echo_step, explain_echo
from energymeter.doctor.envelope import (
    explain_hanging_up,
    explain_other_framing,
    explain_other_framing_and_unit,
    explain_other_transport,
    explain_other_units,
    explain_stranger,
    explain_tls_needed,
)
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.line import explain_line, explain_other_master
from energymeter.doctor.patience import (
    explain_connect_pause,
    explain_other_question,
    explain_slowness,
)
from energymeter.doctor.probe import Exchange
from energymeter.doctor.secure import explain_tls_loss
from energymeter.doctor.shape import (
    explain_failing,
    explain_foreign_answer,
    explain_gateway,
    explain_ids,
)
from energymeter.doctor.silence import explain_silence
from energymeter.doctor.sound import Nature
from energymeter.doctor.way import speech_of

__all__ = ["examine_contact"]

Explanation = Callable[[Case, Exchange], Awaitable[Step | None]]

_ON_NETWORKS: Final[Sequence[Explanation]] = (
    explain_stranger,
    explain_tls_loss,
    explain_gateway,
    explain_ids,
    explain_foreign_answer,
    explain_hanging_up,
    explain_other_transport,
    explain_slowness,
    explain_connect_pause,
    explain_other_question,
    explain_echo,
    explain_other_framing,
    explain_other_units,
    explain_tls_needed,
    explain_other_framing_and_unit,
    explain_silence,
)

_ON_LINES: Final[Sequence[Explanation]] = (
    explain_echo,
    explain_other_master,
    explain_foreign_answer,
    explain_slowness,
    explain_other_master,
    explain_other_question,
    explain_line,
)

_BUSY_PAUSES_S: Final = (0.2, 0.5, 1.0)
"""Before each repetition of a question the unit was too busy for."""

_CHANCES: Final = 2
_BUSY: Final = (5, 6)
_FAILURE: Final = 4


async def examine_contact(case: Case) -> list[Step]:
    """Get an answer, whatever it says, from the unit the user names."""
    case.tell(f"asking unit {case.unit}")
    case.contact = await case.ask(next(iter(case.questions())))
    steps = await _second_chance(case, case.contact)
    if not case.contact.is_answered:
        for explain in _ON_LINES if case.is_serial else _ON_NETWORKS:
            step = await explain(case, case.contact)
            if step is not None:
                steps.append(step)
                break
        if not case.contact.is_answered:
            return steps
        if steps and steps[-1].is_broken:
            return steps
    return [*steps, *await _welcome(case, case.contact)]


async def _second_chance(case: Case, contact: Exchange) -> list[Step]:
    """What happens now and then is another matter than what happens always."""
    is_telling = contact.sound.nature not in (Nature.NOTHING, Nature.STRANGER)
    if contact.is_answered or not is_telling:
        return []
    for _ in range(_CHANCES):
        again = await case.ask(contact.request)
        if again.is_answered:
            case.contact = again
            seen = f"the first answer was of no use: {contact.error}"
            return [Step(Layer.TIMING, Verdict.NOTED, seen)]
    return []


async def _welcome(case: Case, contact: Exchange) -> list[Step]:
    if case.wire.framing is Framing.MBAP:
        how = "the answer is a valid one, its number that of the question"
    else:
        how = "the answer is a valid one, its checksum right"
    layer = Layer.LINE if case.is_serial else Layer.FRAMING
    steps = [Step(layer, Verdict.FINE, f"{speech_of(case.wire)}: {how}")]
    if contact.sound.is_echoed and not case.wire.removes_echo:
        return [*steps, echo_step(case)]
    for pause_s in _BUSY_PAUSES_S:
        if contact.code not in _BUSY:
            break
        await case.clock.sleep_until(case.clock.monotonic() + pause_s)
        contact = await case.ask(contact.request)
    if contact.code in _BUSY:
        return [*steps, _busy(case, contact)]
    if contact.code == _FAILURE and (failing := await explain_failing(case, contact)) is not None:
        return [*steps, failing]
    case.contact = contact
    case.question = contact.request
    took = f"unit {case.unit} answers after {contact.seconds * 1000:.0f} ms"
    if contact.code is not None:
        took += f", with exception {contact.code} ({exception_name(contact.code)})"
    return [*steps, Step(Layer.UNIT, Verdict.FINE, took)]


def _busy(case: Case, contact: Exchange) -> Step:
    code = contact.code or 0
    return Step(
        Layer.UNIT,
        Verdict.BUSY,
        f"exception {code} each time: {EXCEPTION_EXPLANATIONS[code]}",
        f"unit {case.unit} says it is busy (exception {code}) for longer than it should: end other "
        f"programs that ask it, ask less often, and restart it if that does not help",
    )
