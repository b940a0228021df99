"""The four tables of a unit as a handler: reads are slices, writes go through one hook.

Source: MODBUS Application Protocol Specification v1.1b3, section 6 (state diagrams: the
function is judged first, then the quantity, then the addresses, then the execution).
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from energymeter.codec.codes import MAX_READ_WORDS, ExceptionCode, Table
from energymeter.codec.decode import decode_request
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
)
from energymeter.codec.messages_ext import (
    Diagnostics,
    ReadIdentificationRequest,
    ReportServerIdRequest,
    ServerIdResponse,
    identification_page,
)
from energymeter.errors import (
    ConfigError,
    ExceptionReplyError,
    InvalidRequestError,
    LocalProtocolError,
)
from energymeter.server.image import BitImage, RegisterImage

__all__ = ["Tables", "Write", "refusal"]

_log = logging.getLogger(__name__)

_unpack_read = struct.Struct(">BHH").unpack
_READ_HEADS: Final = tuple(
    tuple(bytes((function, 2 * count)) for count in range(MAX_READ_WORDS + 1))
    for function in range(5)
)


class Write(NamedTuple):
    """What a client wants to change."""

    table: Table
    """HOLDING or COIL."""

    address: int
    values: tuple[int, ...]
    """Words 0 to 65535, or 0 and 1 for coils."""


def refusal(code: ExceptionCode, function: int = 0) -> ExceptionReplyError:
    """The error a write hook raises to refuse; the client gets `code`."""
    msg = f"refused with exception {code.value}"
    return ExceptionReplyError(msg, function=function, code=code)


class Tables:
    """A unit's tables, answering functions 1-6, 8 (sub 0), 15-17, 22, 23 and 43/14.

    Every unit number is answered alike.

    Args:
        holding: Holding registers, read by function 3.
        input: Input registers, read by function 4; the same object makes the two mirrors.
        coils: Read by function 1.
        discrete: Read by function 2.
        max_read_words: Longest read of registers answered, 1 to 125; longer ones draw code 3.
        on_read: Asked first for every read of registers, with function, address and count: it
            returns the bytes to answer, None for what is in the table, or raises
            `refusal(code)`. For meters with rules of their own; slower for every read.
        on_write: Called with each write to addresses that exist; it carries the write out, or
            raises `refusal(code)`. None: what is written is stored.
        server_id: Answer to function 17, the run indicator byte included.
        identification: Objects for function 43/14.

    Raises:
        LocalProtocolError: The server id does not fit into a message.
        ConfigError: `max_read_words` is outside 1 to 125.
    """

    def __init__(  # noqa: PLR0913 - the four tables and what goes with them
        self,
        *,
        holding: RegisterImage | None = None,
        input: RegisterImage | None = None,  # noqa: A002 - the table's name
        coils: BitImage | None = None,
        discrete: BitImage | None = None,
        max_read_words: int = MAX_READ_WORDS,
        on_read: Callable[[int, int, int], bytes | None] | None = None,
        on_write: Callable[[Write], None] | None = None,
        server_id: bytes = b"energymeter\xff",
        identification: Mapping[int, bytes] | None = None,
    ) -> None:
        if not 1 <= max_read_words <= MAX_READ_WORDS:
            msg = f"a longest read of {max_read_words} registers is not possible, use 1 to 125"
            raise ConfigError(msg)
        self.holding = holding if holding is not None else RegisterImage()
        self.input = input if input is not None else RegisterImage()
        self.coils = coils if coils is not None else BitImage()
        self.discrete = discrete if discrete is not None else BitImage()
        self.server_id = ServerIdResponse(server_id).data
        self.identification = dict(identification or {})
        self._max_read_words = max_read_words
        self._on_read = on_read
        # With rules of its own a meter has no read that can be answered without asking them.
        self._max_short_words = max_read_words if on_read is None else 0
        self._on_write = on_write if on_write is not None else self._keep
        # Indexed by function: 3 and 4 read registers.
        self._registers = (self.holding,) * 4 + (self.input,)

    def answer(self, unit: int, pdu: bytes) -> bytes:
        """See `Handler.answer`."""
        # Reads of registers are nearly all of a meter's life: no objects are made for them.
        if len(pdu) == 5 and 3 <= pdu[0] <= 4:
            function, address, count = _unpack_read(pdu)
            if 1 <= count <= self._max_short_words:
                data = self._registers[function].read(address, count)
                if data is not None:
                    answer: bytes = _READ_HEADS[function][count] + data
                    return answer
        try:
            request = decode_request(pdu)
        except InvalidRequestError as error:
            return ExceptionResponse(error.function, error.code).pdu
        try:
            return self._execute(request).pdu
        except ExceptionReplyError as error:
            return ExceptionResponse(request.function, error.code).pdu
        except Exception:
            # A hook of the user's failed: the client learns it, the server goes on.
            _log.exception("function %d failed", request.function)
            return ExceptionResponse(request.function, ExceptionCode.SERVER_DEVICE_FAILURE).pdu

    def _execute(self, request: Request) -> Response:
        match request:
            case ReadRequest():
                return self._read(request)
            case WriteCoil(address=address, value=value):
                self._write(Write(Table.COIL, address, (int(value),)))
                return request
            case WriteCoilsRequest(address=address, bits=bits):
                self._write(Write(Table.COIL, address, tuple(map(int, bits))))
                return WrittenResponse(request.function, address, len(bits))
            case WriteRegister(address=address, word=word):
                self._write(Write(Table.HOLDING, address, (word,)))
                return request
            case WriteRegistersRequest(address=address, words=words):
                self._write(Write(Table.HOLDING, address, words))
                return WrittenResponse(request.function, address, len(words))
            case MaskWrite(address=address):
                old = int.from_bytes(self._holding(address, 1), "big")
                self._write(Write(Table.HOLDING, address, (request.apply(old),)))
                return request
            case ReadWriteRequest():
                self._holding(request.read_address, request.read_count)
                self._write(Write(Table.HOLDING, request.write_address, request.words))
                data = self._holding(request.read_address, request.read_count)
                return ReadRegistersResponse(request.function, data)
            case Diagnostics(subfunction=0):
                return request
            case ReportServerIdRequest():
                return ServerIdResponse(self.server_id)
            case ReadIdentificationRequest():
                return self._identify(request)
            case _:  # a sub-function of diagnostics that is not served
                raise refusal(ExceptionCode.ILLEGAL_FUNCTION)

    def _read(self, request: ReadRequest) -> Response:
        if request.function <= 2:
            bits = self.coils if request.function == 1 else self.discrete
            data = bits.read(request.address, request.count)
            if data is not None:
                return ReadBitsResponse(request.function, data)
        else:
            if request.count > self._max_read_words:
                raise refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
            data = None
            if self._on_read is not None:
                data = self._on_read(request.function, request.address, request.count)
            if data is None:
                image = self._registers[request.function]
                data = image.read(request.address, request.count)
            if data is not None:
                return ReadRegistersResponse(request.function, data)
        raise refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)

    def _holding(self, address: int, count: int) -> bytes:
        data = self.holding.read(address, count)
        if data is None:
            raise refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        return data

    def _write(self, write: Write) -> None:
        image = self.holding if write.table is Table.HOLDING else self.coils
        if image.read(write.address, len(write.values)) is None:
            raise refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        self._on_write(write)

    def _keep(self, write: Write) -> None:
        if write.table is Table.HOLDING:
            self.holding.write(write.address, write.values)
        else:
            self.coils.write(write.address, [bool(value) for value in write.values])

    def _identify(self, request: ReadIdentificationRequest) -> Response:
        if not self.identification:
            raise refusal(ExceptionCode.ILLEGAL_FUNCTION)
        try:
            return identification_page(request, self.identification)
        except LocalProtocolError as error:
            raise refusal(ExceptionCode(error.code)) from error
