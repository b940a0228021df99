"""What was it that came back? Bytes in, a judgement out: echo, frames, a stranger, noise. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from energymeter.codec import Frame, Framing, Side, decode_request, make_framer
from energymeter.codec.checksum import crc16
from energymeter.doctor.stranger import name_stranger
from energymeter.errors import InvalidRequestError

__all__ = ["Nature", "Sound", "judge_sound", "requests_in"]

_ORDER: Final = (Framing.MBAP, Framing.RTU, Framing.ASCII)

_READS: Final = range(1, 5)


class Nature(StrEnum):
    """What bytes are."""

    NOTHING = "nothing"
    FRAMES = "frames"
    STRANGER = "stranger"
    BAD_CHECKSUM = "bad checksum"
    """Shaped like an answer, but for the checksum."""

    NOISE = "noise"


@dataclass(frozen=True, slots=True)
class Sound:
    """What was heard after a question, its echo taken off."""

    nature: Nature
    data: bytes
    is_echoed: bool = False
    """Whether our own bytes came back in front of it."""

    framing: Framing | None = None
    """The envelope of `frames`."""

    frames: tuple[Frame, ...] = ()
    stranger: str = ""
    """Who it is, when it is no Modbus."""


def judge_sound(sent: bytes, heard: bytes) -> Sound:
    """Say what `heard` is, after `sent` was written.

    Args:
        sent: The frame of the question; empty: nothing was asked.
        heard: All that came from then on, and before if nothing was awaited.
    """
    is_echoed = bool(sent) and heard.startswith(sent)
    data = heard[len(sent) :] if is_echoed else heard
    if not data:
        return Sound(Nature.NOTHING, data, is_echoed)
    stranger = name_stranger(data)
    for framing in _ORDER:
        frames = _frames_in(data, framing)
        if frames and (stranger is None or framing is not Framing.MBAP):
            return Sound(Nature.FRAMES, data, is_echoed, framing, frames)
    if stranger is not None:
        return Sound(Nature.STRANGER, data, is_echoed, stranger=stranger)
    nature = Nature.BAD_CHECKSUM if _is_nearly_rtu(sent, data) else Nature.NOISE
    return Sound(nature, data, is_echoed)


def requests_in(data: bytes) -> tuple[Frame, ...]:
    """RTU requests somebody else asks, as heard on a bus; empty: there are none."""
    framer = make_framer(Framing.RTU, Side.SERVER)
    found = []
    for frame in (*framer.feed(data), *framer.silence()):
        try:
            decode_request(frame.pdu)
        except InvalidRequestError:
            continue
        found.append(frame)
    return tuple(found)


def _frames_in(data: bytes, framing: Framing) -> tuple[Frame, ...]:
    framer = make_framer(framing, Side.CLIENT)
    frames = framer.feed(data)
    if framing is Framing.MBAP:  # nothing in it is checked: it has to be so from the first byte
        return tuple(frames) if framer.error is None else ()
    return (*frames, *framer.silence())


def _is_nearly_rtu(sent: bytes, data: bytes) -> bool:
    """Whether it is the answer to a read in RTU, of the right unit and length, spoilt."""
    if len(sent) < 8 or crc16(sent) != 0 or len(data) < 5:
        return False
    if data[0] != sent[0] or data[1] & 0x7F != sent[1] or sent[1] not in _READS:
        return False
    return len(data) == (5 if data[1] & 0x80 else data[2] + 5)
