"""What is spoken at that port: which framing, or what else if no Modbus."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.probe import Exchange
from energymeter.doctor.secure import find_tls
from energymeter.doctor.sound import Nature
from energymeter.doctor.stranger import TLS
from energymeter.doctor.way import other_framings, speech_of, with_framing
from energymeter.doctor.who import find_unit, other_unit, stranger_step
from energymeter.errors import LinkOpenError
from energymeter.transports import Way, Wire

__all__ = [
    "explain_hanging_up",
    "explain_other_framing",
    "explain_other_framing_and_unit",
    "explain_other_transport",
    "explain_other_units",
    "explain_stranger",
    "explain_tls_needed",
]

_PATIENCE_S: Final = 0.3
"""How long a port that closes by itself takes to do it, at the most; seconds."""

_RETRIES: Final = 2
"""A device with one place may need a moment to see that ours is free again."""


async def explain_stranger(case: Case, contact: Exchange) -> Step | None:
    """Somebody introduced itself, and it is no Modbus."""
    sound = contact.sound
    if sound.nature is not Nature.STRANGER:
        return None
    if sound.stranger == TLS:
        return await find_tls(case)
    return stranger_step(case, sound.stranger, sound.data)


async def explain_hanging_up(case: Case, contact: Exchange) -> Step | None:
    """The connection ends without a word: at once, or because of what was asked?"""
    if not contact.is_lost or not contact.is_silent or case.wire.way is Way.UDP:
        return None
    for attempt in range(_RETRIES + 1):
        await case.hang_up()
        await asyncio.sleep(attempt * min(case.timeout_s, 1.0))
        case.tell("connecting once more, without a question")
        if not await _closes_by_itself(case, contact):
            return None
    return Step(
        Layer.PORT,
        Verdict.CLOSED_AT_ONCE,
        f"accepted and closed at once, {_RETRIES + 2} times, before anything was asked",
        f"{case.wire.host} accepts connections at port {case.wire.port} and closes them at once: "
        f"it has room for one client, and another program is connected (end that one, or read "
        f"through it), or it lets only certain addresses in",
    )


async def _closes_by_itself(case: Case, contact: Exchange) -> bool:
    try:
        probe = await case.open()
    except LinkOpenError:
        return True
    await probe.listen(contact, max(_PATIENCE_S, case.timeout_s))
    return bool(probe.losses)


async def explain_other_transport(case: Case, contact: Exchange) -> Step | None:
    """Over UDP a refusal comes only after the question; perhaps TCP is spoken there."""
    if case.wire.way is not Way.UDP or contact.heard:
        return None
    tcp = replace(case.wire, way=Way.TCP)
    case.tell("trying TCP")
    again = await case.ask(next(iter(case.questions())), wire=tcp)
    await case.hang_up()
    if again.is_answered or again.is_from_gateway:
        return Step(
            Layer.PORT,
            Verdict.OTHER_TRANSPORT,
            "nothing over UDP, but it answers over TCP",
            f"port {case.wire.port} answers over TCP, not over UDP",
            case.command(wire=tcp),
        )
    if not contact.is_lost:
        return None
    seen = f"{case.wire.host} is there and refuses UDP port {case.wire.port}"
    return Step(
        Layer.PORT,
        Verdict.PORT_REFUSED,
        seen,
        f"{seen}: switch Modbus over UDP on in the device's menu, or look up its port there",
    )


async def explain_other_framing(case: Case, contact: Exchange) -> Step | None:
    """The same unit in the other envelopes."""
    for framing in other_framings(case.wire):
        wire = with_framing(case.wire, framing)
        case.tell(f"trying {speech_of(wire)}")
        found = await find_unit(case, wire, [case.unit])
        if found is not None:
            return _other_framing(case, wire, found)
    return None


async def explain_other_units(case: Case, contact: Exchange) -> Step | None:
    """Other units in the envelope the user says."""
    found = await find_unit(case, case.wire, case.units())
    why = f"unit {case.unit} is silent"
    return None if found is None else other_unit(case, found, why)


async def explain_other_framing_and_unit(case: Case, contact: Exchange) -> Step | None:
    """Two wrongs at once: the likeliest other envelope, and other units in it."""
    wire = with_framing(case.wire, other_framings(case.wire)[0])
    found = await find_unit(case, wire, case.units())
    return None if found is None else _other_framing(case, wire, found)


async def explain_tls_needed(case: Case, contact: Exchange) -> Step | None:
    """A TLS server may hang up without a word when it hears something else."""
    return await find_tls(case) if contact.is_lost else None


def _other_framing(case: Case, wire: Wire, found: Exchange) -> Step:
    spoken, asked = speech_of(wire), speech_of(case.wire)
    unit = "" if found.unit == case.unit else f", and the meter is unit {found.unit}"
    return Step(
        Layer.FRAMING,
        Verdict.OTHER_FRAMING,
        f"no answer in {asked}; in {spoken} unit {found.unit} answers after "
        f"{found.seconds * 1000:.0f} ms",
        f"{case.wire.host or 'the device'} speaks {spoken} at port {case.wire.port}, not "
        f"{asked}{unit}",
        case.command(wire=wire, unit=found.unit),
    )
