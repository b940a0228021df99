"""Several units behind one port, each with a handler of its own."""

from __future__ import annotations

from collections.abc import Mapping

from energymeter.codec.codes import ExceptionCode
from energymeter.codec.messages import ExceptionResponse
from energymeter.server.handler import Handler

__all__ = ["UnitRouter"]


class UnitRouter:
    """Hands each request to the unit it is for, as a gateway to a bus does.

    Args:
        units: Unit number to handler; it may change while the server runs.
        is_silent: Whether nobody answers for units that are not there, as on a bus; otherwise
            they draw exception 11, as from many a gateway.
    """

    def __init__(self, units: Mapping[int, Handler], *, is_silent: bool = True) -> None:
        self.units = units
        self.is_silent = is_silent

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        """See `Handler.answer`."""
        handler = self.units.get(unit)
        if handler is not None:
            return handler.answer(unit, pdu)
        if self.is_silent:
            return None
        code = ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND
        return ExceptionResponse(pdu[0] & 0x7F, code).pdu

    def broadcast(self, pdu: bytes) -> None:
        """See `Broadcaster.broadcast`; each unit is asked by its own number."""
        for unit, handler in list(self.units.items()):
            handler.answer(unit, pdu)
