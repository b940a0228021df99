"""Reads of a meter of which nothing is certain: counted, and a refusal is an answer."""

from __future__ import annotations

from typing import Final

from energymeter.client import UnitClient
from energymeter.codec import ReadRequest
from energymeter.codec.codes import READ_FUNCTIONS, ExceptionCode, Table
from energymeter.errors import ExceptionReplyError, RequestTimeout

__all__ = ["Asker", "is_from_gateway"]

_MAX_SILENCES: Final = 3
"""Reads a living meter may leave unanswered before it counts as gone."""

_GATEWAY: Final = (
    ExceptionCode.GATEWAY_PATH_UNAVAILABLE,
    ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND,
)


def is_from_gateway(error: ExceptionReplyError) -> bool:
    """Whether not the unit but the gateway before it answered: nobody is there."""
    return error.code in _GATEWAY


class Asker:
    """Reads registers of one unit.

    Args:
        unit: Whom to ask.
        max_requests: After so many every read counts as refused.
    """

    def __init__(self, unit: UnitClient, max_requests: int = 1000) -> None:
        self.requests = 0
        """Reads sent so far."""
        self.is_alive = False
        """Whether the unit itself ever answered, be it with a refusal."""
        self.last_refusal: ExceptionReplyError | None = None
        self._unit = unit
        self._max_requests = max_requests
        self._silences = 0

    @property
    def has_given_up(self) -> bool:
        """Whether no more reads are sent."""
        return self.requests >= self._max_requests

    async def read(self, table: Table, address: int, count: int) -> bytes | None:
        """The registers as on the wire; None when the meter refuses them.

        Silence of a meter that answered before counts as a refusal too: some do so.

        Raises:
            LinkError: The link could not be opened, or broke.
            RequestTimeout: The unit never answered, or does not any more.
            ExceptionReplyError: The gateway says that nobody is there.
            RemoteProtocolError: The answer was no Modbus, or of another question.
        """
        if self.has_given_up or address < 0 or address + count > 0x10000:
            return None
        request = ReadRequest(READ_FUNCTIONS[table], address, count)
        for is_last in (False, True):
            self.requests += 1
            try:
                data = await self._unit.read(request)
            except ExceptionReplyError as error:
                if is_from_gateway(error) and not self.is_alive:
                    raise
                self.is_alive = True
                self.last_refusal = error
                if error.is_busy and not is_last:
                    continue
                return None
            except RequestTimeout:
                self._silences += 1
                if not self.is_alive or self._silences >= _MAX_SILENCES:
                    raise
                return None
            self.is_alive = True
            return data
        return None
