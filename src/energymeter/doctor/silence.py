"""Nothing worked: who else could it be, and what is left to say?"""

from __future__ import annotations

from typing import Final

from energymeter.codec import Framing
from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.probe import Exchange
from energymeter.doctor.sound import Nature
from energymeter.doctor.stranger import CALLS, TLS, name_stranger, quote
from energymeter.doctor.way import other_framings, speech_of, with_framing
from energymeter.doctor.who import stranger_step, units_text
from energymeter.transports import Way

__all__ = ["explain_silence"]

_LEAST_S: Final = 0.3
"""Other servers are not in a hurry either; seconds."""


async def explain_silence(case: Case, contact: Exchange) -> Step:
    """Call as other protocols do; then say what was heard, and what it may mean."""
    await case.hang_up()
    sound = contact.sound
    if sound.is_echoed and not sound.data:
        return Step(
            Layer.ECHO,
            Verdict.ECHO_ONLY,
            "only our own words come back",
            f"{_who(case)} only sends back what it is sent: a loop or an echo service, or an "
            f"adapter that hears itself and no meter (A and B swapped, meter off)",
        )
    if case.wire.way is Way.TCP and sound.nature is not Nature.BAD_CHECKSUM:
        step = await _call(case)
        if step is not None:
            return step
    if sound.nature is Nature.BAD_CHECKSUM:
        return Step(
            Layer.FRAMING,
            Verdict.BAD_CHECKSUM,
            f"answers of the right length with wrong checksums: {quote(sound.data)}",
            "the meter answers, but its checksums are wrong: bytes are changed on the way; look "
            "at parity and data bits of the converter (8 data bits), at terminators and at "
            "what runs beside the cable",
        )
    if sound.data and contact.is_lost:
        return Step(
            Layer.PORT,
            Verdict.HANGS_UP,
            f"it hangs up in the middle of its answer: {quote(sound.data)}",
            f"{_who(case)} hangs up in the middle of its answers: restart the device or "
            f"converter, and let only one program ask it",
        )
    if sound.data:
        return Step(
            Layer.FRAMING,
            Verdict.GARBLED,
            f"what comes is no answer: {quote(sound.data)}",
            f"{_who(case)} answers with something that is not Modbus: is it the right "
            f"port, and is the converter set to the meter's baud rate and parity?",
        )
    if contact.is_lost:
        return _hangs_up(case, contact)
    return _silent(case)


def _hangs_up(case: Case, contact: Exchange) -> Step:
    return Step(
        Layer.PORT,
        Verdict.HANGS_UP,
        f"it hangs up when it is asked, in {_framings(case)} ({contact.loss or contact.error})",
        f"{_who(case)} closes the connection at the first request: it is not Modbus, or the device "
        f"lets only certain addresses ask; look for a list of allowed clients in its menu",
    )


def _silent(case: Case) -> Step:
    units = units_text(dict.fromkeys((case.unit, *case.units())))
    seen = f"connected, but not a byte comes in {_framings(case)} (units {units})"
    if case.wire.framing is Framing.MBAP:
        hint = (
            "which unit number and port does its menu show, is the meter behind the gateway on "
            "and wired (A and B), and is another program connected to it?"
        )
    else:
        hint = (
            "has the converter the meter's baud rate and parity, is the meter on, are A and B "
            "the right way round, which unit number does its menu show, and is another program "
            "connected to the converter?"
        )
    sentence = f"{_who(case)} lets us in and says nothing: {hint}"
    return Step(Layer.UNIT, Verdict.SILENT, seen, sentence)


def _framings(case: Case) -> str:
    wires = [case.wire, *(with_framing(case.wire, f) for f in other_framings(case.wire))]
    return ", ".join(map(speech_of, wires))


def _who(case: Case) -> str:
    return "the device" if case.wire.host is None else f"{case.wire.host} port {case.wire.port}"


async def _call(case: Case) -> Step | None:
    for call in CALLS:
        case.tell(f"calling in {call.name}")
        data = await case.surroundings.converse(
            case.wire.host or "", case.wire.port or 0, call.data, max(_LEAST_S, case.timeout_s)
        )
        await case.breathe()
        name = name_stranger(data)
        if name is not None and name != TLS:
            return stranger_step(case, name, data)
    return None
