"""One unit on a link: every operation of the protocol, as calls with plain values.

`UnitClient` is the narrow type the reader needs; `Unit` is the one that speaks over a link.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from energymeter.client.turns import Priority
from energymeter.codec import (
    Diagnostics,
    Function,
    IdentificationResponse,
    MaskWrite,
    ReadIdentificationRequest,
    ReadRequest,
    ReadWriteRequest,
    ReportServerIdRequest,
    Request,
    Response,
    ServerIdResponse,
    WriteCoil,
    WriteCoilsRequest,
    WriteRegister,
    WriteRegistersRequest,
    decode_response,
)
from energymeter.codec.messages import ReadBitsResponse, ReadRegistersResponse
from energymeter.errors import LocalProtocolError, MeterError, MismatchError

if TYPE_CHECKING:
    from energymeter.client.link import Link

__all__ = ["Unit", "UnitClient"]

AnyResponse = TypeVar("AnyResponse", bound=Response)

_MAX_IDENTIFICATION_PAGES = 256


class UnitClient(Protocol):
    """What the reader asks of a unit, whoever carries the bytes."""

    async def read(self, request: ReadRequest) -> bytes:
        """Read items of one table; returns them as on the wire.

        Two bytes a register, high byte first; eight bits a byte, first bit lowest.

        Raises:
            MeterError: Any of the link's, the protocol's or the meter's own.
        """
        ...


class Unit:
    """A unit on a link.

    Every call raises `LinkError`, `RequestTimeout`, `ExceptionReplyError` or
    `RemoteProtocolError` as `Link.exchange` does, and `LocalProtocolError` for arguments the
    specification forbids. Addresses are zero-based, as on the wire; words are 0 to 65535.

    Args:
        link: The link it is on.
        number: The unit addressed, 0 to 255. On a serial line 0 is everybody: writes to it are
            carried out by all units and answered by none, reads are refused.
        priority: How urgent its requests are.
    """

    __slots__ = ("link", "number", "priority")

    def __init__(self, link: Link, number: int, priority: Priority = Priority.POLL) -> None:
        if not 0 <= number <= 255:
            msg = f"unit {number} is out of range, use 0 to 255"
            raise LocalProtocolError(msg)
        self.link = link
        self.number = number
        self.priority = priority

    async def read(self, request: ReadRequest) -> bytes:
        """See `UnitClient.read`."""
        return (await self.link.exchange(self.number, request, priority=self.priority))[2:]

    async def read_coils(self, address: int, count: int = 1) -> tuple[bool, ...]:
        """Read 1 to 2000 coils (function 1)."""
        request = ReadRequest(Function.READ_COILS, address, count)
        return (await self._ask(request, ReadBitsResponse)).bits(count)

    async def read_discrete_inputs(self, address: int, count: int = 1) -> tuple[bool, ...]:
        """Read 1 to 2000 discrete inputs (function 2)."""
        request = ReadRequest(Function.READ_DISCRETE_INPUTS, address, count)
        return (await self._ask(request, ReadBitsResponse)).bits(count)

    async def read_holding_registers(self, address: int, count: int = 1) -> tuple[int, ...]:
        """Read 1 to 125 holding registers (function 3)."""
        request = ReadRequest(Function.READ_HOLDING_REGISTERS, address, count)
        return (await self._ask(request, ReadRegistersResponse)).words

    async def read_input_registers(self, address: int, count: int = 1) -> tuple[int, ...]:
        """Read 1 to 125 input registers (function 4)."""
        request = ReadRequest(Function.READ_INPUT_REGISTERS, address, count)
        return (await self._ask(request, ReadRegistersResponse)).words

    async def write_coil(self, address: int, value: bool) -> None:
        """Switch one coil (function 5)."""
        await self._write(WriteCoil(address, value))

    async def write_register(self, address: int, word: int) -> None:
        """Write one holding register (function 6)."""
        await self._write(WriteRegister(address, word))

    async def write_coils(self, address: int, bits: Sequence[bool]) -> None:
        """Switch 1 to 1968 adjacent coils (function 15)."""
        await self._write(WriteCoilsRequest(address, tuple(bits)))

    async def write_registers(self, address: int, words: Sequence[int]) -> None:
        """Write 1 to 123 adjacent holding registers (function 16)."""
        await self._write(WriteRegistersRequest(address, tuple(words)))

    async def mask_write_register(self, address: int, and_mask: int, or_mask: int) -> None:
        """Set a register to (old AND and_mask) OR (or_mask AND NOT and_mask) (function 22)."""
        await self._write(MaskWrite(address, and_mask, or_mask))

    async def read_write_registers(
        self, *, read_address: int, read_count: int, write_address: int, words: Sequence[int]
    ) -> tuple[int, ...]:
        """Write 1 to 121 registers, then read 1 to 125, in one transaction (function 23)."""
        request = ReadWriteRequest(
            read_address=read_address,
            read_count=read_count,
            write_address=write_address,
            words=tuple(words),
        )
        return (await self._ask(request, ReadRegistersResponse)).words

    async def echo(self, data: bytes = b"\x00\x00") -> None:
        """Have the unit return `data`, 2 to 250 bytes, an even number (function 8, sub 0)."""
        await self._ask(Diagnostics(0, data), Diagnostics)

    async def report_server_id(self) -> bytes:
        """The unit's own description, laid out as its vendor likes (function 17)."""
        return (await self._ask(ReportServerIdRequest(), ServerIdResponse)).data

    async def read_identification(self, code: int = 1) -> dict[int, bytes]:
        """All identification objects of a class, 1 basic, 2 regular, 3 extended (43/14)."""
        objects: dict[int, bytes] = {}
        request = ReadIdentificationRequest(code)
        for _ in range(_MAX_IDENTIFICATION_PAGES):
            page = await self._ask(request, IdentificationResponse)
            objects.update(page.objects)
            if page.next_object is None:
                return objects
            request = ReadIdentificationRequest(code, page.next_object)
        msg = "the identification never ends"
        raise MismatchError(msg, endpoint=str(self.link), unit=self.number)

    async def _write(self, request: Request) -> None:
        if self.number or self.link.framing.has_transactions:
            await self._ask(request, Response)
        else:
            await self.link.broadcast(request)

    async def _ask(self, request: Request, answer: type[AnyResponse]) -> AnyResponse:
        pdu = await self.link.exchange(self.number, request, priority=self.priority)
        try:
            response = decode_response(request, pdu)
        except MeterError as error:
            error.endpoint, error.unit = str(self.link), self.number
            raise
        assert isinstance(response, answer)  # noqa: S101 - the codec's table pairs them
        return response
