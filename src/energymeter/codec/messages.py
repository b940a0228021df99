"""Requests and responses for registers and bits: functions 1 to 6, 15, 16, 22 and 23.

A message validates itself on construction, so one that exists can be sent; `pdu` is its bytes
without framing, made once. Knows no socket, clock or log.
Source: MODBUS Application Protocol Specification v1.1b3, section 6.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from energymeter.codec import codes
from energymeter.codec.codes import Function
from energymeter.errors import LocalProtocolError

__all__ = [
    "ExceptionResponse",
    "MaskWrite",
    "ReadBitsResponse",
    "ReadRegistersResponse",
    "ReadRequest",
    "ReadWriteRequest",
    "Request",
    "Response",
    "WriteCoil",
    "WriteCoilsRequest",
    "WriteRegister",
    "WriteRegistersRequest",
    "WrittenResponse",
    "check_span",
    "pack_bits",
    "unpack_bits",
]

_READ: Final = struct.Struct(">BHH")
_MASK_WRITE: Final = struct.Struct(">BHHH")
_WRITE_MANY: Final = struct.Struct(">BHHB")
_READ_WRITE: Final = struct.Struct(">BHHHHB")

_COIL_ON: Final = 0xFF00


class Request:
    """What every request offers to the layers that carry it.

    Attributes:
        function: Function code, 1 to 127.
        pdu: The message as bytes, without framing.
        answer_bytes: Exact size of a good answer's PDU; None when the answer decides itself.
    """

    __slots__ = ()

    function: int
    pdu: bytes
    answer_bytes: int | None


class Response:
    """What every response offers: `function`, and `pdu`, its bytes without framing."""

    __slots__ = ()

    function: int
    pdu: bytes


def check_span(address: int, count: int, max_count: int) -> None:
    """Refuse a count outside 1..`max_count`, then an address range outside 0..65535.

    Raises:
        LocalProtocolError: With `code` 3 for the count or 2 for the address, judged in this
            order as the specification's state diagrams do.
    """
    if not 1 <= count <= max_count:
        msg = f"count {count} is outside 1..{max_count}"
        raise LocalProtocolError(msg, code=3)
    if not 0 <= address <= 0x10000 - count:
        msg = f"addresses {address}..{address + count - 1} are outside 0..65535"
        raise LocalProtocolError(msg, code=2)


def pack_bits(bits: tuple[bool, ...]) -> bytes:
    """Pack bits eight to a byte, first bit in the lowest place (section 6.1)."""
    value = sum(1 << place for place, bit in enumerate(bits) if bit)
    return value.to_bytes((len(bits) + 7) // 8, "little")


def unpack_bits(data: bytes, count: int) -> tuple[bool, ...]:
    """Undo `pack_bits`; padding bits after `count` are ignored."""
    value = int.from_bytes(data, "little")
    return tuple(bool(value >> place & 1) for place in range(count))


def _check_words(words: tuple[int, ...]) -> None:
    for word in words:
        if not 0 <= word <= 0xFFFF:
            msg = f"register value {word} is outside 0..65535"
            raise LocalProtocolError(msg)


@dataclass(frozen=True, slots=True)
class ReadRequest(Request):
    """Ask for `count` items of one table from `address` (functions 1 to 4)."""

    function: int
    address: int
    count: int
    pdu: bytes = field(init=False, repr=False, compare=False)
    answer_bytes: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.function <= 4:
            msg = f"function {self.function} does not read a table"
            raise LocalProtocolError(msg, code=1)
        is_bits = self.function <= 2
        check_span(
            self.address, self.count, codes.MAX_READ_BITS if is_bits else codes.MAX_READ_WORDS
        )
        data_bytes = (self.count + 7) // 8 if is_bits else 2 * self.count
        object.__setattr__(self, "pdu", _READ.pack(self.function, self.address, self.count))
        object.__setattr__(self, "answer_bytes", 2 + data_bytes)


@dataclass(frozen=True, slots=True)
class ReadBitsResponse(Response):
    """Bits read, packed as on the wire (functions 1 and 2)."""

    function: int
    data: bytes

    @property
    def pdu(self) -> bytes:  # type: ignore[override]
        """The message as bytes."""
        return bytes((self.function, len(self.data))) + self.data

    def bits(self, count: int) -> tuple[bool, ...]:
        """The first `count` bits; the wire does not say how many of the last byte are meant."""
        return unpack_bits(self.data, count)


@dataclass(frozen=True, slots=True)
class ReadRegistersResponse(Response):
    """Registers read, as on the wire: two bytes each (functions 3, 4 and 23)."""

    function: int
    data: bytes

    @property
    def pdu(self) -> bytes:  # type: ignore[override]
        """The message as bytes."""
        return bytes((self.function, len(self.data))) + self.data

    @property
    def words(self) -> tuple[int, ...]:
        """The registers as numbers 0 to 65535."""
        return struct.unpack(f">{len(self.data) // 2}H", self.data)


@dataclass(frozen=True, slots=True)
class WriteCoil(Request, Response):
    """Switch one coil; the answer repeats the request (function 5)."""

    address: int
    value: bool
    function: int = field(init=False, default=Function.WRITE_SINGLE_COIL)
    pdu: bytes = field(init=False, repr=False, compare=False)
    answer_bytes: int | None = field(init=False, default=5, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_span(self.address, 1, 1)
        value = _COIL_ON if self.value else 0
        object.__setattr__(self, "pdu", _READ.pack(self.function, self.address, value))


@dataclass(frozen=True, slots=True)
class WriteRegister(Request, Response):
    """Write one holding register; the answer repeats the request (function 6)."""

    address: int
    word: int
    function: int = field(init=False, default=Function.WRITE_SINGLE_REGISTER)
    pdu: bytes = field(init=False, repr=False, compare=False)
    answer_bytes: int | None = field(init=False, default=5, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_words((self.word,))
        check_span(self.address, 1, 1)
        object.__setattr__(self, "pdu", _READ.pack(self.function, self.address, self.word))


@dataclass(frozen=True, slots=True)
class MaskWrite(Request, Response):
    """Change bits of one register: (old AND and_mask) OR (or_mask AND NOT and_mask).

    The answer repeats the request (function 22).
    """

    address: int
    and_mask: int
    or_mask: int
    function: int = field(init=False, default=Function.MASK_WRITE_REGISTER)
    pdu: bytes = field(init=False, repr=False, compare=False)
    answer_bytes: int | None = field(init=False, default=7, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_words((self.and_mask, self.or_mask))
        check_span(self.address, 1, 1)
        pdu = _MASK_WRITE.pack(self.function, self.address, self.and_mask, self.or_mask)
        object.__setattr__(self, "pdu", pdu)

    def apply(self, word: int) -> int:
        """The register's new value for its old one."""
        return (word & self.and_mask) | (self.or_mask & ~self.and_mask & 0xFFFF)


@dataclass(frozen=True, slots=True)
class WriteCoilsRequest(Request):
    """Switch adjacent coils (function 15)."""

    address: int
    bits: tuple[bool, ...]
    function: int = field(init=False, default=Function.WRITE_MULTIPLE_COILS)
    pdu: bytes = field(init=False, repr=False, compare=False)
    answer_bytes: int | None = field(init=False, default=5, repr=False, compare=False)

    def __post_init__(self) -> None:
        count = len(self.bits)
        check_span(self.address, count, codes.MAX_WRITE_BITS)
        data = pack_bits(self.bits)
        head = _WRITE_MANY.pack(self.function, self.address, count, len(data))
        object.__setattr__(self, "pdu", head + data)


@dataclass(frozen=True, slots=True)
class WriteRegistersRequest(Request):
    """Write adjacent holding registers (function 16)."""

    address: int
    words: tuple[int, ...]
    function: int = field(init=False, default=Function.WRITE_MULTIPLE_REGISTERS)
    pdu: bytes = field(init=False, repr=False, compare=False)
    answer_bytes: int | None = field(init=False, default=5, repr=False, compare=False)

    def __post_init__(self) -> None:
        count = len(self.words)
        check_span(self.address, count, codes.MAX_WRITE_WORDS)
        _check_words(self.words)
        head = _WRITE_MANY.pack(self.function, self.address, count, 2 * count)
        object.__setattr__(self, "pdu", head + struct.pack(f">{count}H", *self.words))


@dataclass(frozen=True, slots=True)
class WrittenResponse(Response):
    """Acknowledge a write of several items (functions 15 and 16)."""

    function: int
    address: int
    count: int

    @property
    def pdu(self) -> bytes:  # type: ignore[override]
        """The message as bytes."""
        return _READ.pack(self.function, self.address, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWriteRequest(Request):
    """Write registers, then read registers, in one transaction (function 23)."""

    read_address: int
    read_count: int
    write_address: int
    words: tuple[int, ...]
    function: int = field(init=False, default=Function.READ_WRITE_MULTIPLE_REGISTERS)
    pdu: bytes = field(init=False, repr=False, compare=False)
    answer_bytes: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        count = len(self.words)
        # Both counts are judged before either address (section 6.17).
        check_span(0, self.read_count, codes.MAX_READ_WORDS)
        check_span(0, count, codes.MAX_READ_WRITE_WORDS)
        check_span(self.read_address, self.read_count, codes.MAX_READ_WORDS)
        check_span(self.write_address, count, codes.MAX_READ_WRITE_WORDS)
        _check_words(self.words)
        head = _READ_WRITE.pack(
            self.function,
            self.read_address,
            self.read_count,
            self.write_address,
            count,
            2 * count,
        )
        object.__setattr__(self, "pdu", head + struct.pack(f">{count}H", *self.words))
        object.__setattr__(self, "answer_bytes", 2 + 2 * self.read_count)


@dataclass(frozen=True, slots=True)
class ExceptionResponse(Response):
    """The server refuses (section 7).

    `function` is the one that was asked for, 0 to 127; `code` is 0 to 255.
    """

    function: int
    code: int

    @property
    def pdu(self) -> bytes:  # type: ignore[override]
        """The message as bytes."""
        return bytes((self.function | 0x80, self.code))
