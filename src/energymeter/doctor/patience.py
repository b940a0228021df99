"""Is it only slow? Answers that come late, and devices that want a pause before they listen."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from energymeter.codec import Function, ReadRequest
from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.probe import Exchange
from energymeter.doctor.shape import explain_gateway, explain_ids, varied
from energymeter.transports import Wire

__all__ = ["comfortable_s", "explain_connect_pause", "explain_other_question", "explain_slowness"]

_CONNECT_PAUSES: Final = (0.1, 0.3, 1.0, 2.0)
"""Tried one after the other, in seconds: what gateways and inverters are known to want."""

_FURTHER: Final = 2


async def explain_slowness(case: Case, contact: Exchange) -> Step | None:
    """Listen on: perhaps the answer comes when nobody waits any more."""
    if not contact.is_timeout or not contact.is_silent:
        return None
    case.tell(f"listening for {case.longest_s:g} s, perhaps it is slow")
    contact = await case.listen(contact, case.longest_s - case.timeout_s)
    case.contact = contact
    frames = contact.sound.frames
    if not any(frame.unit == case.unit for frame in frames):
        return None
    patient = await case.ask(contact.request, timeout_s=case.longest_s)
    if patient.is_from_gateway:
        case.contact = patient
        return await explain_gateway(case, patient)
    times = [contact.seconds]
    for number in range(1, _FURTHER + 1):
        request = varied(contact.request, number)
        again = await case.ask(request, timeout_s=case.longest_s)
        if again.is_answered:
            times.append(again.seconds)
    slowest = max(times)
    slow = [seconds for seconds in times if seconds > case.timeout_s]
    seen = ", ".join(f"{seconds:.2f} s" for seconds in times)
    if len(slow) == len(times):
        return Step(
            Layer.TIMING,
            Verdict.SLOW,
            f"every answer is slow: {seen}",
            f"the meter answers, but only after {slowest:.1f} s, and {case.timeout_s:g} s was "
            f"waited for",
            case.command(timeout_s=comfortable_s(slowest)),
        )
    return Step(
        Layer.TIMING,
        Verdict.LATE,
        f"answers after {seen}",
        f"the meter sometimes answers late, after {slowest:.1f} s, and {case.timeout_s:g} s was "
        f"waited for",
        case.command(timeout_s=comfortable_s(slowest)),
    )


async def explain_connect_pause(case: Case, contact: Exchange) -> Step | None:
    """The first question may be lost on a device that has only just opened the connection."""
    if not contact.is_timeout or not contact.is_silent or case.is_serial:
        return None
    case.tell("asking again over the same connection")
    again = await case.ask(_as_new(case, contact.request, 1))
    if again.is_timeout and again.has_frames:
        return await explain_ids(case, again)
    if not again.is_answered:
        return None
    if len(again.sound.frames) > 1:
        return Step(
            Layer.FRAMING,
            Verdict.ONE_BEHIND,
            "the answer came together with the one to the next question",
            "the other side keeps answers back until the next question comes: set the converter's "
            "packing time (frame gap) to a few milliseconds, or restart it",
        )
    await case.hang_up()
    fresh = await case.ask(contact.request)
    if fresh.is_answered:
        case.contact = fresh
        return Step(Layer.TIMING, Verdict.NOTED, "the very first question got no answer")
    for pause_s in _CONNECT_PAUSES:
        case.tell(f"waiting {pause_s:g} s after connecting")
        pacing = replace(case.wire.pacing, connect_pause_s=pause_s)
        wire = replace(case.wire, pacing=pacing)
        paused = await case.ask(contact.request, wire=wire)
        if paused.is_answered and await _is_deaf_again(case, contact, wire):
            return Step(
                Layer.TIMING,
                Verdict.CONNECT_PAUSE,
                f"silent when asked at once, answers {pause_s:g} s after connecting",
                f"the device does not hear what is asked right after connecting; it needs a "
                f"pause of about {pause_s:g} s there",
                case.command(wire=wire),
            )
    return None


async def _is_deaf_again(case: Case, contact: Exchange, paused: Wire) -> bool:
    """Whether it is the pause that makes the difference, and was no accident."""
    await case.hang_up()
    at_once = await case.ask(contact.request)
    await case.hang_up()
    later = await case.ask(contact.request, wire=paused)
    return not at_once.is_answered and later.is_answered


async def explain_other_question(case: Case, contact: Exchange) -> Step | None:
    """Some meters say nothing at all about addresses they have not got."""
    if contact.is_lost or not contact.is_silent:
        return None
    for question in case.questions():
        if question == contact.request or not case.has_time:
            continue
        case.tell(f"asking for {_what(question)}")
        other = await case.ask(question)
        if other.is_answered:
            case.contact = other
            return Step(
                Layer.UNIT,
                Verdict.NOTED,
                f"silent when asked for {_what(contact.request)}, but answers to {_what(question)}",
            )
    return None


def comfortable_s(slowest_s: float) -> float:
    """A time-out with room above the slowest answer seen, in round numbers."""
    wanted = 2 * slowest_s
    return float(math.ceil(wanted)) if wanted > 1 else math.ceil(10 * wanted) / 10


def _as_new(case: Case, request: ReadRequest, number: int) -> ReadRequest:
    """The question again; in another length where late answers are told by theirs alone."""
    return request if case.wire.framing.has_transactions else varied(request, number)


def _what(request: ReadRequest) -> str:
    return f"{Function(request.function).phrase.removeprefix('read ')} from {request.address}"
