"""Bytes to messages: what a request asks, and whether a response answers it.

Any bytes give a message or a protocol error, nothing else.
Source: MODBUS Application Protocol Specification v1.1b3, sections 6 and 7.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from energymeter.codec.codes import MAX_WRITE_BITS, Function
from energymeter.codec.messages import (
    ExceptionResponse,
    MaskWrite,
    ReadBitsResponse,
    ReadRegistersResponse,
    ReadRequest,
    ReadWriteRequest,
    Request,
    Response,
    WriteCoil,
    WriteCoilsRequest,
    WriteRegister,
    WriteRegistersRequest,
    WrittenResponse,
    check_span,
    unpack_bits,
)
from energymeter.codec.messages_ext import (
    MEI_READ_IDENTIFICATION,
    Diagnostics,
    IdentificationResponse,
    ReadIdentificationRequest,
    ReportServerIdRequest,
    ServerIdResponse,
)
from energymeter.errors import (
    InvalidRequestError,
    LengthError,
    LocalProtocolError,
    MismatchError,
    RemoteProtocolError,
)

__all__ = ["decode_request", "decode_response", "is_exception", "reply_mismatch"]

_READ: Final = struct.Struct(">BHH")
_MASK_WRITE: Final = struct.Struct(">BHHH")
_WRITE_MANY: Final = struct.Struct(">BHHB")
_READ_WRITE: Final = struct.Struct(">BHHHHB")


def decode_request(pdu: bytes) -> Request:
    """Understand a request.

    Args:
        pdu: The message without framing, at least one byte.

    Raises:
        InvalidRequestError: With the exception code to answer: 1 for an unknown function or
            sub-function, 3 for a wrong length, count, byte count or value, 2 for addresses
            beyond 65535.
    """
    function = pdu[0] if pdu else 0
    decoder = _REQUESTS.get(function)
    if decoder is None:
        msg = f"function {function} is not known"
        raise InvalidRequestError(msg, function=function & 0x7F, code=1, data=pdu)
    try:
        return decoder(pdu)
    except LocalProtocolError as error:
        raise InvalidRequestError(
            error.message, function=function, code=error.code, data=pdu
        ) from error
    except struct.error as error:
        msg = f"{Function(function).phrase}: {len(pdu)} bytes are not a whole request"
        raise InvalidRequestError(msg, function=function, code=3, data=pdu) from error


def decode_response(request: Request, pdu: bytes) -> Response:
    """Understand the answer to `request`; an exception comes back as `ExceptionResponse`.

    Raises:
        MismatchError: It answers something else: function, size or echo are not the request's.
        LengthError: It is shorter or longer than its own fields say.
    """
    if is_exception(request, pdu):
        return ExceptionResponse(request.function, pdu[1])
    problem = reply_mismatch(request, pdu)
    if problem is not None:
        raise MismatchError(problem, data=pdu)
    return _RESPONSES[request.function](request, pdu)


def is_exception(request: Request, pdu: bytes) -> bool:
    """Whether `pdu` is the server's refusal of `request`."""
    return len(pdu) == 2 and pdu[0] == request.function | 0x80


def reply_mismatch(request: Request, pdu: bytes) -> str | None:
    """Say why `pdu` cannot be the good answer to `request`; None when it can."""
    if not pdu or pdu[0] != request.function:
        got = f"function {pdu[0]}" if pdu else "nothing"
        return f"the answer is for {got}, asked was function {request.function}"
    expected = request.answer_bytes
    if expected is not None and len(pdu) != expected:
        return f"the answer has {len(pdu)} bytes, expected were {expected}"
    if request.function in _COUNTED and (len(pdu) < 2 or pdu[1] != len(pdu) - 2):
        return "the byte count of the answer is not its size"
    if request.function in _ECHOED and pdu[:5] != request.pdu[:5]:
        return "the answer repeats another address or value than was written"
    if request.function == Function.MASK_WRITE_REGISTER and pdu != request.pdu:
        return "the answer repeats another mask than was written"
    if isinstance(request, Diagnostics):
        if pdu[:3] != request.pdu[:3]:
            return "the answer is for another sub-function"
        if request.subfunction == 0 and pdu != request.pdu:
            return "the answer returns other data than was sent"
    return None


_COUNTED: Final = frozenset((1, 2, 3, 4, 17, 23))
_ECHOED: Final = frozenset((5, 6, 15, 16))


def _exact(pdu: bytes, size: int) -> None:
    if len(pdu) != size:
        msg = f"{Function(pdu[0]).phrase}: {len(pdu)} bytes, expected {size}"
        raise LocalProtocolError(msg)


def _read(pdu: bytes) -> Request:
    _exact(pdu, 5)
    function, address, count = _READ.unpack(pdu)
    return ReadRequest(function, address, count)


def _write_coil(pdu: bytes) -> Request:
    _exact(pdu, 5)
    _, address, value = _READ.unpack(pdu)
    if value not in (0x0000, 0xFF00):
        msg = f"a coil is written 0xFF00 or 0x0000, not 0x{value:04X}"
        raise LocalProtocolError(msg)
    return WriteCoil(address, value == 0xFF00)


def _write_register(pdu: bytes) -> Request:
    _exact(pdu, 5)
    _, address, word = _READ.unpack(pdu)
    return WriteRegister(address, word)


def _diagnostics(pdu: bytes) -> Request:
    (subfunction,) = struct.unpack_from(">H", pdu, 1)
    return Diagnostics(subfunction, pdu[3:])


def _write_coils(pdu: bytes) -> Request:
    _, address, count, size = _WRITE_MANY.unpack_from(pdu)
    _check_byte_count(pdu, 6, size, (count + 7) // 8)
    check_span(address, count, MAX_WRITE_BITS)
    return WriteCoilsRequest(address, unpack_bits(pdu[6:], count))


def _write_registers(pdu: bytes) -> Request:
    _, address, count, size = _WRITE_MANY.unpack_from(pdu)
    _check_byte_count(pdu, 6, size, 2 * count)
    return WriteRegistersRequest(address, struct.unpack_from(f">{count}H", pdu, 6))


def _read_write(pdu: bytes) -> Request:
    _, read_address, read_count, write_address, count, size = _READ_WRITE.unpack_from(pdu)
    _check_byte_count(pdu, 10, size, 2 * count)
    return ReadWriteRequest(
        read_address=read_address,
        read_count=read_count,
        write_address=write_address,
        words=struct.unpack_from(f">{count}H", pdu, 10),
    )


def _check_byte_count(pdu: bytes, head: int, size: int, expected: int) -> None:
    if size != expected or len(pdu) != head + size:
        msg = (
            f"{Function(pdu[0]).phrase}: byte count {size} with {len(pdu) - head} bytes of data, "
            f"expected {expected}"
        )
        raise LocalProtocolError(msg)


def _report_server_id(pdu: bytes) -> Request:
    _exact(pdu, 1)
    return ReportServerIdRequest()


def _mask_write(pdu: bytes) -> Request:
    _exact(pdu, 7)
    _, address, and_mask, or_mask = _MASK_WRITE.unpack(pdu)
    return MaskWrite(address, and_mask, or_mask)


def _identification(pdu: bytes) -> Request:
    if len(pdu) > 1 and pdu[1] != MEI_READ_IDENTIFICATION:
        msg = f"function 43/{pdu[1]} is not known"
        raise LocalProtocolError(msg, code=1)
    _exact(pdu, 4)
    return ReadIdentificationRequest(pdu[2], pdu[3])


_REQUESTS: Final[dict[int, Callable[[bytes], Request]]] = {
    1: _read,
    2: _read,
    3: _read,
    4: _read,
    5: _write_coil,
    6: _write_register,
    8: _diagnostics,
    15: _write_coils,
    16: _write_registers,
    17: _report_server_id,
    22: _mask_write,
    23: _read_write,
    43: _identification,
}


def _bits_read(request: Request, pdu: bytes) -> Response:
    return ReadBitsResponse(request.function, pdu[2:])


def _registers_read(request: Request, pdu: bytes) -> Response:
    return ReadRegistersResponse(request.function, pdu[2:])


def _echo(request: Request, _pdu: bytes) -> Response:
    # reply_mismatch has compared it byte by byte; such a request is its own answer.
    assert isinstance(request, Response)  # noqa: S101 - narrows the type
    return request


def _written(request: Request, pdu: bytes) -> Response:
    _, address, count = _READ.unpack(pdu)
    return WrittenResponse(request.function, address, count)


def _diagnosed(_request: Request, pdu: bytes) -> Response:
    if len(pdu) < 3:
        msg = "the diagnostics answer is cut short"
        raise LengthError(msg, data=pdu)
    try:
        return Diagnostics(int.from_bytes(pdu[1:3], "big"), pdu[3:])
    except LocalProtocolError as error:
        raise LengthError(error.message, data=pdu) from error


def _server_id(_request: Request, pdu: bytes) -> Response:
    return ServerIdResponse(pdu[2:])


def _identified(_request: Request, pdu: bytes) -> Response:
    if len(pdu) < 7 or pdu[1] != MEI_READ_IDENTIFICATION:
        msg = "the identification answer is cut short or of another kind"
        raise LengthError(msg, data=pdu)
    objects = []
    start = 7
    for _ in range(pdu[6]):
        if start + 2 > len(pdu) or start + 2 + pdu[start + 1] > len(pdu):
            msg = "the identification answer ends inside an object"
            raise LengthError(msg, data=pdu)
        end = start + 2 + pdu[start + 1]
        objects.append((pdu[start], pdu[start + 2 : end]))
        start = end
    if start != len(pdu):
        msg = f"the identification answer has {len(pdu) - start} bytes too many"
        raise LengthError(msg, data=pdu)
    if pdu[4] not in (0, 0xFF):
        msg = f"the identification answer says 0x{pdu[4]:02X} for more or no more to follow"
        raise RemoteProtocolError(msg, data=pdu)
    return IdentificationResponse(
        code=pdu[2],
        conformity=pdu[3],
        objects=tuple(objects),
        next_object=pdu[5] if pdu[4] else None,
    )


_RESPONSES: Final[dict[int, Callable[[Request, bytes], Response]]] = {
    1: _bits_read,
    2: _bits_read,
    3: _registers_read,
    4: _registers_read,
    5: _echo,
    6: _echo,
    8: _diagnosed,
    15: _written,
    16: _written,
    17: _server_id,
    22: _echo,
    23: _registers_read,
    43: _identified,
}
