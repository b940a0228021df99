"""TCP: open a connection to a host and port."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

from energymeter.errors import EndpointError, LinkOpenError, UnknownHostError
from energymeter.transports.endpoint import check_port

__all__ = ["TcpEndpoint"]


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A host name or IP address and a port, 1 to 65535.

    Raises:
        EndpointError: The host is empty or the port out of range.
    """

    host: str
    port: int = 502

    def __post_init__(self) -> None:
        if not self.host:
            msg = "the host is empty, give a name or an IP address"
            raise EndpointError(msg)
        check_port(self.port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Endpoint.connect`. A name that does not resolve raises the same error."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(protocol_factory, self.host, self.port)
        except socket.gaierror as error:
            raise self._unknown(error) from error
        except (OSError, UnicodeError) as error:
            numbers = _error_numbers(error)
            if numbers == [errno.ECONNREFUSED]:
                msg = f"{self} refused the connection, is a Modbus server listening on that port?"
            else:
                reason = ", ".join(map(os.strerror, numbers)) or error
                msg = f"{self} cannot be reached ({reason})"
            raise LinkOpenError(msg, endpoint=str(self)) from error
        raw = transport.get_extra_info("socket")
        if raw is not None:
            # A peer that vanishes without a word is noticed even when nothing is asked.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    async def resolve(self) -> None:
        """Look the host's name up and nothing more.

        Raises:
            UnknownHostError: It does not resolve.
        """
        try:
            await asyncio.get_running_loop().getaddrinfo(self.host, self.port)
        except (socket.gaierror, UnicodeError) as error:
            raise self._unknown(error) from error

    def _unknown(self, error: Exception) -> UnknownHostError:
        reason = getattr(error, "strerror", None) or error
        msg = f"host {self.host!r} is not known ({reason}), check the name"
        return UnknownHostError(msg, endpoint=str(self))


def _error_numbers(error: Exception) -> list[int]:
    """The reasons of the system, each once; of a name with several addresses there may be many."""
    number = getattr(error, "errno", None)
    # What happened at each address stands in the text only.
    numbers = [number] if number else map(int, re.findall(r"\[Errno (\d+)\]", str(error)))
    return sorted(set(numbers))
