"""A frame in words: what each byte says, for a person with a hex dump.

Knows MBAP (Modbus TCP) and RTU frames and bare messages; which one it is follows from the bytes.
"""

from __future__ import annotations

from typing import NamedTuple

from energymeter.codec.checksum import crc16
from energymeter.codec.codes import EXCEPTION_EXPLANATIONS, Function, exception_name
from energymeter.codec.decode import decode_request
from energymeter.codec.messages import (
    MaskWrite,
    ReadRequest,
    ReadWriteRequest,
    Request,
    WriteCoil,
    WriteCoilsRequest,
    WriteRegister,
    WriteRegistersRequest,
)
from energymeter.codec.messages_ext import (
    IDENTIFICATION_NAMES,
    Diagnostics,
    ReadIdentificationRequest,
)
from energymeter.errors import InvalidRequestError

__all__ = ["Explanation", "Part", "explain_frame"]


class Part(NamedTuple):
    """Some bytes of a frame and what they say."""

    data: bytes
    meaning: str


class Explanation(NamedTuple):
    """A frame in words."""

    summary: str
    """One sentence."""

    parts: tuple[Part, ...]
    """All bytes, in order."""

    is_sound: bool
    """Whether nothing is wrong with it."""


def explain_frame(data: bytes) -> Explanation:
    """Explain a frame, or say what is wrong with it; never raises."""
    could_be_mbap = len(data) >= 8 and data[2:4] == b"\0\0"
    length = int.from_bytes(data[4:6], "big")
    is_mbap = could_be_mbap and length == len(data) - 6
    if len(data) >= 4 and int.from_bytes(data[-2:], "little") == crc16(data[:-2]):
        parts = [Part(data[:1], f"unit {data[0]}{_unit_remark(data[0])}")]
        message, more, sound = _explain_message(data[1:-2])
        # A read of two registers from 0 has the zeros and the length of MBAP by chance.
        if sound or not is_mbap:
            parts += [*more, Part(data[-2:], "CRC, right")]
            return Explanation(f"RTU, unit {data[0]}: {message}", tuple(parts), sound)
    if is_mbap:
        return _explain_mbap(data)
    if could_be_mbap and 2 <= length <= 254:
        return _explain_mbap(data)
    if len(data) >= 4 and data[0] <= 247 and (data[1] & 0x7F) in list(Function):
        crc = crc16(data[:-2])
        message, more, _ = _explain_message(data[1:-2])
        wrong = f"CRC, wrong: expected {crc & 0xFF:02X} {crc >> 8:02X}"
        parts = [Part(data[:1], f"unit {data[0]}"), *more, Part(data[-2:], wrong)]
        summary = f"RTU with a wrong CRC (or cut short), unit {data[0]}: {message}"
        return Explanation(summary, tuple(parts), is_sound=False)
    summary = f"no Modbus frame: {len(data)} bytes, neither an MBAP header nor a right CRC"
    return Explanation(summary, (Part(data, "not understood"),), is_sound=False)


def _explain_mbap(data: bytes) -> Explanation:
    length = int.from_bytes(data[4:6], "big")
    there = len(data) - 6
    remark = "" if length == there else f", but {there} are there"
    parts = [
        Part(data[0:2], f"transaction {int.from_bytes(data[0:2], 'big')}"),
        Part(data[2:4], "protocol 0, Modbus"),
        Part(data[4:6], f"{length} bytes follow{remark}"),
        Part(data[6:7], f"unit {data[6]}{_unit_remark(data[6])}"),
    ]
    message, more, sound = _explain_message(data[7 : 6 + length])
    parts += more
    rest = data[6 + length :]
    if rest:
        parts.append(Part(rest, "beyond the frame: the next one, or noise"))
    summary = f"Modbus TCP, unit {data[6]}: {message}"
    if there < length:
        summary += f" (cut short, {length - there} bytes are missing)"
    return Explanation(summary, tuple(parts), sound and length == there and length <= 254)


def _unit_remark(unit: int) -> str:
    if unit == 0:
        return " (everybody, on a serial line)"
    return " (no particular one)" if unit == 255 else ""


def _explain_message(pdu: bytes) -> tuple[str, list[Part], bool]:
    if not pdu:
        return "an empty message", [], False
    code = pdu[0]
    if code & 0x80:
        return _explain_exception(pdu)
    if code not in list(Function):
        parts = [Part(pdu[:1], f"function {code}, not known"), Part(pdu[1:], "its data")]
        return f"function {code}, not known", parts, False
    name = f"function {code}, {Function(code).phrase}"
    answer = _as_answer(pdu)
    try:
        request = decode_request(pdu)
    except InvalidRequestError as error:
        if answer is not None:
            return answer[0], [Part(pdu[:1], name), *answer[1]], True
        parts = [Part(pdu[:1], name), Part(pdu[1:], f"does not fit: {error.message}")]
        return f"{name}: {error.message}", parts, False
    summary, parts = _as_request(request, pdu)
    if answer is not None and code <= 4:
        summary += f"; or {answer[0]}"
    return summary, [Part(pdu[:1], name), *parts], True


def _explain_exception(pdu: bytes) -> tuple[str, list[Part], bool]:
    function = pdu[0] & 0x7F
    name = Function(function).phrase if function in list(Function) else "not known"
    head = Part(pdu[:1], f"refusal of function {function}, {name}")
    if len(pdu) != 2:
        return "a refusal of the wrong length", [head, Part(pdu[1:], "one byte expected")], False
    reason = EXCEPTION_EXPLANATIONS.get(pdu[1], "not defined by the specification")
    text = f"exception {pdu[1]}, {exception_name(pdu[1])}: {reason}"
    return f"refusal of function {function} ({name}), {text}", [head, Part(pdu[1:], text)], True


def _as_request(request: Request, pdu: bytes) -> tuple[str, list[Part]]:
    name = Function(request.function).phrase
    match request:
        case ReadRequest(address=address, count=count):
            parts = [Part(pdu[1:3], f"address {address}"), Part(pdu[3:5], f"{count} items")]
            return f"request to {name} {_span(address, count)}", parts
        case WriteCoil(address=address, value=value):
            state = "ON" if value else "OFF"
            parts = [Part(pdu[1:3], f"address {address}"), Part(pdu[3:5], state)]
            return f"request to {name} {address} {state}, or its answer", parts
        case WriteRegister(address=address, word=word):
            parts = [Part(pdu[1:3], f"address {address}"), Part(pdu[3:5], f"value {word}")]
            return f"request to {name} {address} = {word}, or its answer", parts
        case WriteCoilsRequest(address=address, bits=bits):
            shown = "".join("1" if bit else "0" for bit in bits)
            return _many(name, address, len(bits), pdu, f"coils {shown}")
        case WriteRegistersRequest(address=address, words=words):
            return _many(name, address, len(words), pdu, f"values {_list(words)}")
        case MaskWrite(address=address):
            parts = [
                Part(pdu[1:3], f"address {address}"),
                Part(pdu[3:5], "AND mask"),
                Part(pdu[5:7], "OR mask"),
            ]
            return f"request to {name} {address}, or its answer", parts
        case ReadWriteRequest():
            read = _span(request.read_address, request.read_count)
            write = _span(request.write_address, len(request.words))
            parts = [
                Part(pdu[1:5], f"read {read}"),
                Part(pdu[5:9], f"write {write}"),
                Part(pdu[9:10], f"{pdu[9]} bytes follow"),
                Part(pdu[10:], f"values {_list(request.words)}"),
            ]
            return f"request to write {write} and read {read}", parts
        case Diagnostics(subfunction=subfunction):
            parts = [Part(pdu[1:3], f"sub-function {subfunction}"), Part(pdu[3:], "data")]
            return f"diagnostics {subfunction}, request or answer", parts
        case ReadIdentificationRequest(code=code, object_id=object_id):
            parts = [
                Part(pdu[1:2], "14, read device identification"),
                Part(pdu[2:3], f"class {code}"),
                Part(pdu[3:4], f"from object {object_id}"),
            ]
            return f"request for identification class {code}", parts
        case _:
            return f"request to {name}", [Part(pdu[1:], "")] if pdu[1:] else []


def _many(name: str, address: int, count: int, pdu: bytes, values: str) -> tuple[str, list[Part]]:
    parts = [
        Part(pdu[1:3], f"address {address}"),
        Part(pdu[3:5], f"{count} items"),
        Part(pdu[5:6], f"{pdu[5]} bytes follow"),
        Part(pdu[6:], values),
    ]
    return f"request to {name} {_span(address, count)}: {values}", parts


def _as_answer(pdu: bytes) -> tuple[str, list[Part]] | None:
    """Explain the message as an answer; None when it cannot be one."""
    function = pdu[0]
    if function in (1, 2, 3, 4, 17, 23) and len(pdu) >= 2 and pdu[1] == len(pdu) - 2:
        data = pdu[2:]
        head = Part(pdu[1:2], f"{pdu[1]} bytes follow")
        if function in (1, 2) and data:
            bits = "".join(f"{byte:08b}"[::-1] for byte in data)
            return f"answer with bits {bits}", [head, Part(data, f"bits {bits}, first one first")]
        if function == 17:
            return f"answer with server id {data!r}", [head, Part(data, repr(data))]
        if function in (3, 4, 23) and len(data) % 2 == 0 and data:
            words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
            parts = [
                Part(data[2 * i : 2 * i + 2], f"register {i}: {word}")
                for i, word in enumerate(words)
            ]
            return f"answer with {len(words)} registers: {_list(words)}", [head, *parts]
    if function in (15, 16) and len(pdu) == 5:
        address, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        parts = [Part(pdu[1:3], f"address {address}"), Part(pdu[3:5], f"{count} items")]
        return f"answer: {_span(address, count)} written", parts
    if function == 43 and len(pdu) >= 7 and pdu[1] == 14:
        return _identification_answer(pdu)
    return None


def _identification_answer(pdu: bytes) -> tuple[str, list[Part]] | None:
    parts = [Part(pdu[1:7], f"identification, class {pdu[2]}, {pdu[6]} objects")]
    texts = []
    start = 7
    for _ in range(pdu[6]):
        if start + 2 > len(pdu) or start + 2 + pdu[start + 1] > len(pdu):
            return None
        end = start + 2 + pdu[start + 1]
        name = IDENTIFICATION_NAMES.get(pdu[start], f"object {pdu[start]}")
        text = pdu[start + 2 : end].decode("utf-8", "replace")
        parts.append(Part(pdu[start:end], f"{name}: {text}"))
        texts.append(f"{name} {text!r}")
        start = end
    if start != len(pdu):
        return None
    return f"answer with identification: {', '.join(texts)}", parts


def _span(address: int, count: int) -> str:
    return f"{address}" if count == 1 else f"{address}..{address + count - 1}"


def _list(words: list[int] | tuple[int, ...]) -> str:
    shown = " ".join(str(word) for word in words[:8])
    return shown if len(words) <= 8 else f"{shown} ..."
