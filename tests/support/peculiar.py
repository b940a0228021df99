"""Units with habits no profile tells of, as handlers of our server, and a count of what they heard.

`Peculiar` answers from a register image; its habits are plain attributes, changed while it runs.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from energymeter.client import Link, Unit
from energymeter.codec import ReadRequest
from energymeter.errors import ExceptionReplyError, MeterError
from energymeter.profiles import Profile, parse_profile
from energymeter.server import ModbusServer, RegisterImage, Tables
from energymeter.transports import TcpEndpoint

__all__ = ["MemoryUnit", "Peculiar", "profile_of", "served"]


def profile_of(*points: dict[str, Any], **keys: Any) -> Profile:
    """A profile of these points."""
    return parse_profile(
        {"name": "x/y", "vendor": "x", "model": "y", "points": list(points), **keys}, "test"
    )


class Peculiar:
    """A unit that serves words of holding registers in its own way.

    Args:
        words: Address and word; what is between the first and the last reads as 0.
        holes: Addresses that are refused.
        longest: Longest read in words that is answered; None: as the protocol allows.
        missing: Addresses that are left out of an answer without a word: what follows moves up.
        code: The exception it answers to what it refuses.
    """

    def __init__(
        self,
        words: Mapping[int, int],
        *,
        holes: set[int] | None = None,
        longest: int | None = None,
        missing: set[int] | None = None,
        code: int = 2,
    ) -> None:
        self.words = dict(words)
        self.holes = set(holes or ())
        self.longest = longest
        self.missing = set(missing or ())
        self.code = code
        self.asked: list[tuple[int, int]] = []
        """Address and count of every read."""
        self.refused = 0
        self.before: Callable[[int, int], bytes | None] | None = None
        """Called with address and count of each read; what it returns is the answer."""

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        """See `Handler.answer`."""
        function, address, count = struct.unpack(">BHH", pdu)
        self.asked.append((address, count))
        if self.before is not None and (special := self.before(address, count)) is not None:
            return special
        is_long = self.longest is not None and count > self.longest
        if is_long or any(a in self.holes for a in range(address, address + count)):
            self.refused += 1
            return bytes((function | 0x80, self.code))
        there = [a for a in range(address, address + 2 * count + 8) if a not in self.missing]
        image = RegisterImage(
            [(0, b"".join(self.words.get(a, 0).to_bytes(2, "big") for a in there[:count]))]
        )
        return Tables(holding=image).answer(unit, struct.pack(">BHH", function, 0, count))

    def requests(self) -> int:
        """How many reads came since this was last called."""
        count = len(self.asked)
        self.asked.clear()
        return count


class MemoryUnit:
    """A `UnitClient` without a wire: asks a handler directly."""

    def __init__(self, handler: Peculiar) -> None:
        self.handler = handler
        self.error: MeterError | None = None
        """Raised by every read while it is set."""

    async def read(self, request: ReadRequest) -> bytes:
        """See `UnitClient.read`."""
        if self.error is not None:
            raise self.error
        pdu = struct.pack(">BHH", request.function, request.address, request.count)
        answer = self.handler.answer(1, pdu)
        assert answer is not None
        if answer[0] & 0x80:
            msg = f"refused with exception {answer[1]}"
            raise ExceptionReplyError(msg, function=request.function, code=answer[1])
        return answer[2:]


@asynccontextmanager
async def served(handler: Peculiar) -> AsyncIterator[Unit]:
    """A unit on a real socket that leads to the handler."""
    async with (
        ModbusServer(handler, port=0) as server,
        Link(TcpEndpoint("127.0.0.1", server.port)) as link,
    ):
        yield link.unit(1)
