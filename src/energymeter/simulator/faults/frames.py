"""Faults of the frame: a wrong address on the envelope, bytes that were spoilt on the way."""

from __future__ import annotations

from typing import Final

from energymeter.codec.framing import Framing
from energymeter.simulator.faults.exchange import Exchange, Hit

__all__ = [
    "answer_other_function",
    "answer_other_unit",
    "cut_short",
    "keep_id",
    "send_garbage",
    "send_noise",
    "send_previous",
    "shift_id",
    "spoil_checksum",
]

_TWINS: Final = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 15: 16, 16: 15}
"""Functions whose answers look alike."""

_MOST_NOISE: Final = 8
"""Bytes of noise, unless the user says how many."""

_MBAP_LENGTH: Final = 5
"""Where the low byte of the length stands in an MBAP header."""

_MBAP_HEADER: Final = 7


def answer_other_unit(exchange: Exchange, hit: Hit) -> None:
    """Another unit's number, the next one unless the amount says which."""
    exchange.unit = int(hit.draw(otherwise=exchange.unit % 247 + 1))


def answer_other_function(exchange: Exchange, _hit: Hit) -> None:
    """The function next to the one asked for."""
    pdu = exchange.pdu or b"\0"
    function = pdu[0] & 0x7F
    other = _TWINS.get(function, function % 100 + 1)
    exchange.pdu = bytes((pdu[0] & 0x80 | other,)) + pdu[1:]


def shift_id(exchange: Exchange, _hit: Hit) -> None:
    """The number of the request before."""
    exchange.transaction = (exchange.transaction - 1) & 0xFFFF


def keep_id(exchange: Exchange, hit: Hit) -> None:
    """Always the same number."""
    exchange.transaction = int(hit.draw())


def send_previous(exchange: Exchange, _hit: Hit) -> None:
    """What the request before should have got; silence for the very first."""
    exchange.frame = exchange.memory.last_frame or b""


def spoil_checksum(exchange: Exchange, hit: Hit) -> None:
    """A checksum that does not fit; where there is none, a header that does not."""
    frame, chance = bytearray(exchange.frame), hit.chance
    if len(frame) < 4:
        return
    if exchange.framing is Framing.RTU:
        frame[-chance.randint(1, 2)] ^= chance.randint(1, 255)
    elif exchange.framing is Framing.ASCII:
        lrc = int(frame[-4:-2], 16) ^ chance.randint(1, 255)
        frame[-4:-2] = b"%02X" % lrc
    else:
        # Not the data: nobody could notice, and TCP's own checksum does not let it happen.
        places = (_MBAP_LENGTH, _MBAP_HEADER, min(_MBAP_HEADER + 1, len(frame) - 1))
        frame[chance.choice(places)] ^= 1 << chance.randint(0, 7)
    exchange.frame = bytes(frame)


def send_garbage(exchange: Exchange, hit: Hit) -> None:
    """Random bytes, as many as the answer has."""
    exchange.frame = hit.chance.randbytes(len(exchange.frame))


def cut_short(exchange: Exchange, hit: Hit) -> None:
    """The first bytes only: half of them unless the amount says how many."""
    size = len(exchange.frame)
    exchange.frame = exchange.frame[: min(size - 1, int(hit.draw(otherwise=size // 2)))]


def send_noise(exchange: Exchange, hit: Hit) -> None:
    """Random bytes in front or behind."""
    count = int(hit.draw(otherwise=hit.chance.randint(1, _MOST_NOISE)))
    noise, frame = hit.chance.randbytes(count), exchange.frame
    exchange.frame = noise + frame if hit.chance.random() < 0.5 else frame + noise
