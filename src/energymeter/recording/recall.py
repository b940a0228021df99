"""The registers a recording knows, as they were at a moment of it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from energymeter.codec import (
    ReadBitsResponse,
    ReadRegistersResponse,
    ReadRequest,
    Request,
    Table,
    decode_request,
    decode_response,
)
from energymeter.codec.codes import READ_FUNCTIONS
from energymeter.codec.messages import pack_bits
from energymeter.errors import ProtocolError
from energymeter.recording.exchanges import Exchange

__all__ = ["Recall", "read_items", "understood"]

_TABLES: Final[dict[int, Table]] = {function: table for table, function in READ_FUNCTIONS.items()}


def understood(pdu: bytes) -> Request | None:
    """The request in a message; None when it is none that this program knows."""
    try:
        return decode_request(pdu)
    except ProtocolError:
        return None


def read_items(exchange: Exchange) -> tuple[Table, dict[int, int]] | None:
    """What an exchange says of a table: words, or bits as 0 and 1, by address.

    None when it reads no table, or was refused or not answered well.
    """
    request = understood(exchange.question.pdu)
    if not isinstance(request, ReadRequest) or exchange.answer is None:
        return None
    try:
        response = decode_response(request, exchange.answer)
    except ProtocolError:
        return None
    if isinstance(response, ReadBitsResponse):
        items: Sequence[int] = response.bits(request.count)
    elif isinstance(response, ReadRegistersResponse):
        items = response.words
    else:
        return None
    addresses = range(request.address, request.address + request.count)
    return _TABLES[request.function], dict(zip(addresses, map(int, items), strict=True))


class Recall:
    """Everything that was read in a recording, by unit, table and address.

    It begins with the first value of each, so that what was read late is not lacking at first.

    Args:
        exchanges: Of the recording, in order.
    """

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._reads = [
            (exchange.moment_s, (exchange.question.unit, *found))
            for exchange in exchanges
            if (found := read_items(exchange)) is not None
        ]
        self.restart()

    def restart(self) -> None:
        """Go back to the beginning."""
        self._place = 0
        self._items: dict[tuple[int, Table], dict[int, int]] = {}
        for _, (unit, table, items) in reversed(self._reads):
            self._items.setdefault((unit, table), {}).update(items)

    def advance(self, moment_s: float) -> None:
        """Go on to a moment of the recording; does nothing for one that has been."""
        while self._place < len(self._reads) and self._reads[self._place][0] <= moment_s:
            unit, table, items = self._reads[self._place][1]
            self._items[unit, table].update(items)
            self._place += 1

    def answer(self, unit: int, request: ReadRequest) -> bytes | None:
        """The message that answers a read; None when not all of it was ever read."""
        table = _TABLES[request.function]
        known = self._items.get((unit, table), {})
        span = range(request.address, request.address + request.count)
        items = [known[address] for address in span if address in known]
        if len(items) < request.count:
            return None
        if table.is_bits:
            data = pack_bits(tuple(map(bool, items)))
            return ReadBitsResponse(request.function, data).pdu
        return ReadRegistersResponse(request.function, struct.pack(f">{len(items)}H", *items)).pdu
