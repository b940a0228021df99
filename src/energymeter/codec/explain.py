"""A frame in words: what each byte says, for a person with a hex dump.

Knows MBAP (Modbus TCP), RTU and ASCII frames; which one it is follows from the bytes, if need be.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from energymeter.codec.ascii_mode import MAX_ASCII_BYTES
from energymeter.codec.checksum import crc16, lrc
from energymeter.codec.codes import Function
from energymeter.codec.explain_message import Part, amount, explain_message
from energymeter.codec.framing import Framing, Side
from energymeter.codec.length import message_bytes

__all__ = ["Explanation", "Part", "explain_frame"]

_ASCII_LINE: Final = re.compile(rb"(.*?)(:)([0-9A-Fa-f]*)(\r\n)?(.*)", re.DOTALL)
"""Noise, colon, digits, end, and what is behind."""

_BEYOND: Final = "beyond the frame: the next one, or noise"


class Explanation(NamedTuple):
    """A frame in words."""

    summary: str
    """One sentence."""

    parts: tuple[Part, ...]
    """All bytes, in order."""

    is_sound: bool
    """Whether nothing is wrong with it."""


def explain_frame(
    data: bytes, *, framing: Framing | None = None, side: Side | None = None
) -> Explanation:
    """Explain a frame, or say what is wrong with it; never raises.

    Args:
        data: The frame, as on the wire.
        framing: What the wire speaks; None: to be found out, which now and then is a guess.
        side: Who hears it: a server hears a request, a client an answer. None: it may be either,
            and is told as both where it could be.
    """
    match framing:
        case Framing.MBAP:
            return _mbap(data, side) if _has_mbap_header(data) else _nothing(data, "MBAP header")
        case Framing.RTU:
            found = _rtu(data, side) or _rtu_with_more(data, side)
            return found or _rtu_broken(data, side) or _nothing(data, "right CRC")
        case Framing.ASCII:
            return _ascii(data, side) or _nothing(data, "line in hexadecimal")
    if re.fullmatch(rb":[0-9A-Fa-f]{6,}([\r\n].*)?", data, re.DOTALL):
        return _ascii(data, side) or _nothing(data, "line in hexadecimal")
    is_mbap = _has_mbap_header(data)
    is_whole = is_mbap and int.from_bytes(data[4:6], "big") == len(data) - 6
    rtu = _rtu(data, side)
    # A read of two registers from 0 has the zeros and the length of MBAP by chance.
    if rtu is not None and (rtu.is_sound or not is_whole):
        return rtu
    if is_mbap:
        return _mbap(data, side)
    found = _rtu_with_more(data, side)
    if found is None and len(data) >= 4 and data[0] <= 247 and (data[1] & 0x7F) in set(Function):
        found = _rtu_broken(data, side)
    return found or _nothing(data, "MBAP header", "right CRC")


def _nothing(data: bytes, *missing: str) -> Explanation:
    lacks = f"no {missing[0]}" if len(missing) == 1 else f"neither an {' nor a '.join(missing)}"
    summary = f"no Modbus frame: {len(data)} bytes, {lacks}"
    return Explanation(summary, (Part(data, "not understood"),), is_sound=False)


def _unit_part(data: bytes, unit: int) -> Part:
    remark = " (everybody, on a serial line)" if unit == 0 else ""
    return Part(data, f"unit {unit}{' (no particular one)' if unit == 255 else remark}")


def _has_mbap_header(data: bytes) -> bool:
    # A frame may be of any length that is right, and be cut short if the length is possible.
    length = int.from_bytes(data[4:6], "big")
    is_possible = 2 <= length <= 254 or length == len(data) - 6
    return len(data) >= 8 and data[2:4] == b"\0\0" and is_possible


def _mbap(data: bytes, side: Side | None) -> Explanation:
    length = int.from_bytes(data[4:6], "big")
    there = len(data) - 6
    remark = "" if length == there else f", but {there} are there"
    message = explain_message(data[7 : 6 + length], side)
    parts = [
        Part(data[0:2], f"transaction {int.from_bytes(data[0:2], 'big')}"),
        Part(data[2:4], "protocol 0, Modbus"),
        Part(data[4:6], f"{amount(length, 'byte')} follow{remark}"),
        _unit_part(data[6:7], data[6]),
        *message.parts,
    ]
    if there > length:
        parts.append(Part(data[6 + length :], _BEYOND))
    summary = f"Modbus TCP, unit {data[6]}: {message.summary}"
    if there < length:
        summary += f" (cut short, {length - there} bytes are missing)"
    is_sound = message.is_sound and length == there and length <= 254
    return Explanation(summary, tuple(parts), is_sound)


def _rtu(data: bytes, side: Side | None) -> Explanation | None:
    if len(data) < 4 or crc16(data) != 0:
        return None
    message = explain_message(data[1:-2], side)
    parts = (_unit_part(data[:1], data[0]), *message.parts, Part(data[-2:], "CRC, right"))
    return Explanation(f"RTU, unit {data[0]}: {message.summary}", parts, message.is_sound)


def _rtu_with_more(data: bytes, side: Side | None) -> Explanation | None:
    """Explain a good frame with something behind it."""
    for ear in Side if side is None else (side,):
        length = message_bytes(data[1:], ear)
        if not isinstance(length, int) or length + 3 >= len(data):
            continue
        found = _rtu(data[: length + 3], ear)
        if found is not None:
            rest = Part(data[length + 3 :], _BEYOND)
            summary = f"{found.summary}; and {len(rest.data)} bytes behind it"
            return Explanation(summary, (*found.parts, rest), is_sound=False)
    return None


def _rtu_broken(data: bytes, side: Side | None) -> Explanation | None:
    if len(data) < 4:
        return None
    crc = crc16(data[:-2])
    message = explain_message(data[1:-2], side)
    wrong = f"CRC, wrong: expected {crc & 0xFF:02X} {crc >> 8:02X}"
    parts = (_unit_part(data[:1], data[0]), *message.parts, Part(data[-2:], wrong))
    summary = f"RTU with a wrong CRC (or cut short), unit {data[0]}: {message.summary}"
    return Explanation(summary, parts, is_sound=False)


def _ascii(data: bytes, side: Side | None) -> Explanation | None:
    line = _ASCII_LINE.fullmatch(data)
    if line is None:
        return None
    noise, colon, digits, end, rest = line.groups()
    if len(digits) < 6 or len(digits) % 2:
        return None
    body = bytes.fromhex(digits.decode("ascii"))
    message = explain_message(body[1:-1], side)
    expected = lrc(body[:-1])
    faults = []
    if body[-1] != expected:
        faults.append("a wrong LRC (or cut short)")
    elif end is None:
        faults.append("no CR LF at its end")
    if len(colon + digits) + 2 > MAX_ASCII_BYTES:
        faults.append("too many characters")
    check = "right" if body[-1] == expected else f"wrong: expected {expected:02X}"
    parts = [Part(noise, "noise in front of the colon")] if noise else []
    parts += [Part(colon, "begin"), _unit_part(digits[:2], body[0])]
    place = 2
    for part in message.parts:
        size = 2 * len(part.data)
        parts.append(Part(digits[place : place + size], part.meaning))
        place += size
    parts.append(Part(digits[-2:], f"LRC, {check}"))
    if end is not None:
        parts.append(Part(end, "end"))
    if rest:
        parts.append(Part(rest, _BEYOND))
    kind = f"ASCII with {' and '.join(faults)}" if faults else "ASCII"
    is_sound = message.is_sound and not (faults or noise or rest)
    return Explanation(f"{kind}, unit {body[0]}: {message.summary}", tuple(parts), is_sound)
