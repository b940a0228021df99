"""A message in words: what each byte says, without the envelope around it."""

from __future__ import annotations

from typing import Final, NamedTuple

from energymeter.codec.codes import EXCEPTION_EXPLANATIONS, Function, exception_name
from energymeter.codec.decode import decode_request
from energymeter.codec.framing import Side
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

__all__ = ["MessageWords", "Part", "amount", "explain_message"]


class Part(NamedTuple):
    """Some bytes of a frame and what they say."""

    data: bytes
    meaning: str


class MessageWords(NamedTuple):
    """A message in words."""

    summary: str
    """Less than a sentence."""

    parts: tuple[Part, ...]
    """All bytes, in order."""

    is_sound: bool
    """Whether nothing is wrong with it."""


def explain_message(pdu: bytes, side: Side | None = None) -> MessageWords:
    """Explain a message without its framing, or say what is wrong with it; never raises.

    Args:
        pdu: The message; may be empty.
        side: Who hears it: a server hears a request, a client an answer. None: it may be either.
    """
    if not pdu:
        return MessageWords("an empty message", (), is_sound=False)
    code = pdu[0]
    if code & 0x80:
        return _refusal(pdu, side)
    if code not in _FUNCTIONS:
        head = Part(pdu[:1], f"function {code}, not known")
        return MessageWords(head.meaning, (head, Part(pdu[1:], "its data")), is_sound=False)
    head = Part(pdu[:1], f"function {code}, {Function(code).phrase}")
    answer = None if side is Side.SERVER else _as_answer(pdu)
    problem = "this is no answer"
    if side is not Side.CLIENT or code in _ECHOED:
        try:
            summary, parts = _as_request(decode_request(pdu), pdu, side)
        except InvalidRequestError as error:
            problem = error.message
        else:
            if answer is not None and code <= 4:
                summary += f"; or {answer[0]}"
            return MessageWords(summary, (head, *parts), is_sound=True)
    if answer is not None:
        return MessageWords(answer[0], (head, *answer[1]), is_sound=True)
    parts = [Part(pdu[1:], f"does not fit: {problem}")]
    return MessageWords(f"{head.meaning}: {problem}", (head, *parts), is_sound=False)


_FUNCTIONS: Final = frozenset(Function)
_ECHOED: Final = frozenset((5, 6, 8, 22))
"""Functions whose answer repeats the request, or has its shape."""

_DIAGNOSTIC_ROLES: Final = {
    None: "request or answer",
    Side.SERVER: "request",
    Side.CLIENT: "answer",
}


def _refusal(pdu: bytes, side: Side | None) -> MessageWords:
    function = pdu[0] & 0x7F
    name = Function(function).phrase if function in _FUNCTIONS else "not known"
    head = Part(pdu[:1], f"refusal of function {function}, {name}")
    if len(pdu) != 2:
        parts = (head, Part(pdu[1:], "one byte expected"))
        return MessageWords("a refusal of the wrong length", parts, is_sound=False)
    reason = EXCEPTION_EXPLANATIONS.get(pdu[1], "not defined by the specification")
    text = f"exception {pdu[1]}, {exception_name(pdu[1])}: {reason}"
    summary = f"refusal of function {function} ({name}), {text}"
    if side is Side.SERVER:
        summary += "; this is no request"
    parts = (head, Part(pdu[1:], text))
    return MessageWords(summary, parts, is_sound=side is not Side.SERVER)


def _as_request(request: Request, pdu: bytes, side: Side | None) -> tuple[str, list[Part]]:
    """Explain a request; one that is also the answer to itself, as what it is on this side."""
    name = Function(request.function).phrase
    match request:
        case ReadRequest(address=address, count=count):
            parts = [Part(pdu[1:3], f"address {address}"), Part(pdu[3:5], amount(count, "item"))]
            return f"request to {name} {_span(address, count)}", parts
        case WriteCoil(address=address, value=value):
            state = "ON" if value else "OFF"
            parts = [Part(pdu[1:3], f"address {address}"), Part(pdu[3:5], state)]
            return _echoed(f"{name} {address} {state}", side), parts
        case WriteRegister(address=address, word=word):
            parts = [Part(pdu[1:3], f"address {address}"), Part(pdu[3:5], f"value {word}")]
            return _echoed(f"{name} {address} = {word}", side), parts
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
            return _echoed(f"{name} {address}", side), parts
        case ReadWriteRequest():
            read = _span(request.read_address, request.read_count)
            write = _span(request.write_address, len(request.words))
            parts = [
                Part(pdu[1:5], f"read {read}"),
                Part(pdu[5:9], f"write {write}"),
                Part(pdu[9:10], f"{amount(pdu[9], 'byte')} follow"),
                Part(pdu[10:], f"values {_list(request.words)}"),
            ]
            return f"request to write {write} and read {read}", parts
        case Diagnostics(subfunction=subfunction):
            parts = [Part(pdu[1:3], f"sub-function {subfunction}"), Part(pdu[3:], "data")]
            return f"diagnostics {subfunction}, {_DIAGNOSTIC_ROLES[side]}", parts
        case ReadIdentificationRequest(code=code, object_id=object_id):
            parts = [
                Part(pdu[1:2], "14, read device identification"),
                Part(pdu[2:3], f"class {code}"),
                Part(pdu[3:4], f"from object {object_id}"),
            ]
            return f"request for identification class {code}", parts
        case _:
            return f"request to {name}", [Part(pdu[1:], "")] if pdu[1:] else []


def amount(count: int, noun: str) -> str:
    """How many there are, in words: `1 byte`, `2 bytes`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _echoed(words: str, side: Side | None) -> str:
    if side is Side.CLIENT:
        return f"answer to {words}"
    return f"request to {words}" if side is Side.SERVER else f"request to {words}, or its answer"


def _many(name: str, address: int, count: int, pdu: bytes, values: str) -> tuple[str, list[Part]]:
    parts = [
        Part(pdu[1:3], f"address {address}"),
        Part(pdu[3:5], amount(count, "item")),
        Part(pdu[5:6], f"{amount(pdu[5], 'byte')} follow"),
        Part(pdu[6:], values),
    ]
    return f"request to {name} {_span(address, count)}: {values}", parts


def _as_answer(pdu: bytes) -> tuple[str, list[Part]] | None:
    """Explain the message as an answer; None when it cannot be one."""
    function = pdu[0]
    if function in (1, 2, 3, 4, 17, 23) and len(pdu) >= 2 and pdu[1] == len(pdu) - 2:
        data = pdu[2:]
        head = Part(pdu[1:2], f"{amount(pdu[1], 'byte')} follow")
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
            return f"answer with {amount(len(words), 'register')}: {_list(words)}", [head, *parts]
    if function in (15, 16) and len(pdu) == 5:
        address, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        parts = [Part(pdu[1:3], f"address {address}"), Part(pdu[3:5], amount(count, "item"))]
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
