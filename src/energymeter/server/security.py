"""Who may write: the role in a client's certificate decides.

Source: MODBUS/TCP Security Protocol Specification v2.1 (MB-TCP-Security-v21), section 8.3: what a
role allows is the server's affair, a certificate without a role has none, and a request that its
sender may not make draws exception 1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Final

from energymeter.codec.codes import ExceptionCode
from energymeter.codec.messages import ExceptionResponse
from energymeter.errors import ConfigError
from energymeter.server.handler import Respond

__all__ = ["Roles", "reading_only"]

_READING: Final = frozenset((1, 2, 3, 4, 7, 11, 12, 17, 20, 24))
"""Functions that change nothing, whatever they carry (MODBUS Application Protocol v1.1b3, 6)."""

_READING_IF: Final = {8: b"\x00\x00", 43: b"\x0e"}
"""Functions that change nothing if this follows: diagnostics 0 (echo), encapsulated 14 (identity).
Diagnostics 1 would restart a unit, encapsulated 13 is a transport of its own."""


class Roles:
    """Which roles may write; all others, and clients without a role, may only read.

    What changes nothing is listed here and everything else is a write: functions 5, 6, 15, 16,
    21, 22, 23, and whatever a vendor has made up.

    Args:
        writers: Names of roles, compared letter by letter; none: nobody may write.

    Raises:
        ConfigError: The package that reads certificates is missing.
    """

    __slots__ = ("writers",)

    def __init__(self, writers: Iterable[str] = ()) -> None:
        self.writers = frozenset(writers)
        if self.writers and find_spec("cryptography") is None:
            msg = "roles need the package cryptography, install energymeter with its extra: tls"
            raise ConfigError(msg)

    def may_write(self, transport: asyncio.BaseTransport) -> bool:
        """Whether the client at the other end has a role that may."""
        if not self.writers:
            return False
        from energymeter.transports.tls import peer_role  # noqa: PLC0415 - imported when used

        return peer_role(transport) in self.writers


def reading_only(respond: Respond) -> Respond:
    """The part of `respond` that changes nothing; the rest is refused."""

    def answer(unit: int, pdu: bytes) -> bytes | None:
        function = pdu[0]
        detail = _READING_IF.get(function)
        if function in _READING or (detail is not None and pdu.startswith(detail, 1)):
            return respond(unit, pdu)
        return ExceptionResponse(function & 0x7F, ExceptionCode.ILLEGAL_FUNCTION).pdu

    return answer
