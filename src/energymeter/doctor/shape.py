"""Answers came, but not the ones asked for: numbers, units and refusals that tell why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import Final

from energymeter.codec import Frame, ReadRequest
from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.probe import Exchange
from energymeter.doctor.who import find_unit, other_unit, units_text

__all__ = [
    "Numbering",
    "explain_failing",
    "explain_foreign_answer",
    "explain_gateway",
    "explain_ids",
    "judge_numbers",
    "varied",
]

_FURTHER: Final = 2
"""Questions asked to see a pattern."""


class Numbering(Enum):
    """How answers are numbered, seen over some exchanges."""

    OWN = "as asked"
    CONSTANT = "answers always carry the same one"
    FOREIGN = "answers carry other ones"
    BEHIND = "the answer to the question before"


async def explain_gateway(case: Case, contact: Exchange) -> Step | None:
    """A gateway says that the unit is not there: perhaps another one is."""
    if not contact.is_from_gateway:
        return None
    code = contact.code
    patience_s = max(case.timeout_s, 1.5 * contact.seconds)
    found = await find_unit(case, case.wire, case.units(), timeout_s=patience_s)
    if found is not None:
        said = f"the gateway has no unit {case.unit} (exception {code})"
        return other_unit(case, found, said)
    tried = f"no other usual unit number answers either ({units_text(case.units())})"
    if code == 10:
        return Step(
            Layer.GATEWAY,
            Verdict.NO_PATH,
            f"exception 10: no way to unit {case.unit}; {tried}",
            f"the gateway answers, but knows no way to unit {case.unit} (exception 10): enter the "
            f"meter's unit number and serial port in the gateway's configuration",
        )
    return Step(
        Layer.GATEWAY,
        Verdict.TARGET_SILENT,
        f"exception 11: unit {case.unit} does not answer the gateway; {tried}",
        f"the gateway works, but no meter answers it as unit {case.unit} (exception 11): look at "
        f"the serial side: is the meter on, are A and B the right way round, are baud rate, "
        f"parity and unit number those of the meter?",
    )


async def explain_failing(case: Case, contact: Exchange) -> Step | None:
    """Exception 4 for everything: many gateways say so of a meter that does not answer them."""
    for question in case.questions():
        if (await case.ask(question)).code != contact.code:
            return None
    found = await find_unit(case, case.wire, case.units(), is_good=lambda e: e.code != contact.code)
    if found is not None:
        return other_unit(case, found, f"unit {case.unit} answers everything with exception 4")
    return Step(
        Layer.UNIT,
        Verdict.FAILING,
        "exception 4 for every question, of every usual unit number",
        f"unit {case.unit} answers everything with exception 4 (device failure): the meter is "
        f"faulty, or this is a gateway, and the meter behind it is silent: look at its wiring, "
        f"speed and unit number",
    )


async def explain_ids(case: Case, contact: Exchange) -> Step | None:
    """Answers that carry other numbers than the questions, or belong to other questions."""
    if not contact.is_timeout or not _own_frames(contact):
        return None
    case.tell("asking more, to see how answers are numbered")
    further = [varied(contact.request, number) for number in range(1, _FURTHER + 1)]
    exchanges = [contact, *[await case.ask(request) for request in further]]
    numbering = judge_numbers(exchanges)
    if numbering is Numbering.BEHIND:
        return Step(
            Layer.FRAMING,
            Verdict.ONE_BEHIND,
            "each answer is the one to the question before",
            "the other side is one answer behind: restart the gateway or meter, let only one "
            "program ask it, and give it a longer --timeout",
        )
    tolerant = replace(case.wire, ignores_transactions=True, max_in_flight=1)
    wrong = [e for e in exchanges if _own_frames(e) and not e.is_answered]
    if numbering is Numbering.OWN or len(wrong) <= 1 or not case.wire.framing.has_transactions:
        return None
    again = await case.ask(contact.request, wire=tolerant)
    shown = ", ".join(f"{_id_of(e.sent)}→{e.sound.frames[-1].transaction}" for e in exchanges)
    what = numbering.value
    if not again.is_answered:
        return None
    return Step(
        Layer.FRAMING,
        Verdict.WRONG_IDS,
        f"good answers with wrong numbers (asked→answered: {shown})",
        f"the gateway does not repeat the transaction number of the question, {what}; update it, "
        f"or have the number ignored",
        case.command(wire=tolerant),
    )


async def explain_foreign_answer(case: Case, contact: Exchange) -> Step | None:
    """Somebody else answers than was asked."""
    frames = contact.sound.frames
    strangers = [f.unit for f in frames if f.unit != case.unit]
    is_ours = contact.sound.framing is case.wire.framing
    if contact.is_lost or not strangers or not is_ours or contact.sound.is_echoed:
        return None
    unit = strangers[-1]
    if unit == 0 and not case.wire.framing.has_transactions:
        return None
    case.tell(f"asking unit {unit}, which answered instead")
    again = await case.ask(varied(contact.request, 1), unit=unit)
    if again.is_answered:
        return other_unit(case, again, f"asked for unit {case.unit}, unit {unit} answers")
    return Step(
        Layer.UNIT,
        Verdict.UNIT_CHANGED,
        f"asked for unit {case.unit}, the answer says unit {unit}; asked for {unit}, "
        f"it says something else again",
        f"answers carry another unit number than the one asked ({unit} for {case.unit}): a gateway "
        f"renumbers the units, switch that off in its configuration",
    )


def judge_numbers(exchanges: Sequence[Exchange]) -> Numbering:
    """How the answers of these exchanges, in order, are numbered."""
    frames = [_own_frames(exchange) for exchange in exchanges]
    if not all(frames):
        # The very first answer may be missing where each one is late by a question.
        return _judge_shapes(exchanges[1:], frames[1:], exchanges[:-1])
    behind = _judge_shapes(exchanges[1:], frames[1:], exchanges[:-1])
    if behind is Numbering.BEHIND:
        return behind
    asked = [_id_of(exchange.sent) for exchange in exchanges]
    answered = [found[-1].transaction for found in frames]
    if asked == answered:
        return Numbering.OWN
    return Numbering.CONSTANT if len(set(answered)) == 1 else Numbering.FOREIGN


def _judge_shapes(
    exchanges: Sequence[Exchange],
    frames: Sequence[Sequence[Frame]],
    before: Sequence[Exchange],
) -> Numbering:
    fits = [
        _fits(found[-1], earlier.request) and not _fits(found[-1], exchange.request)
        for exchange, found, earlier in zip(exchanges, frames, before, strict=True)
        if found
    ]
    return Numbering.BEHIND if fits and all(fits) else Numbering.OWN


def _fits(frame: Frame, request: ReadRequest) -> bool:
    if frame.pdu[0] & 0x80:
        return frame.pdu[0] & 0x7F == request.function
    return frame.pdu[0] == request.function and len(frame.pdu) == request.answer_bytes


def _own_frames(exchange: Exchange) -> list[Frame]:
    return [frame for frame in exchange.sound.frames if frame.unit == exchange.unit]


def _id_of(frame: bytes) -> int:
    return int.from_bytes(frame[:2], "big")


def varied(request: ReadRequest, number: int) -> ReadRequest:
    """A question like this one whose answer has another length; `number` is 1 or more."""
    count = (request.count + 2 * number - 1) % 16 + 1
    return ReadRequest(request.function, min(request.address, 0x10000 - count), count)
