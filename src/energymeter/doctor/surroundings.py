"""What an examination needs of this machine and its network: names, doors, serial ports.

Knows no Modbus. Everything waits for a bounded time; tests put another one in its place.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final

from energymeter.errors import UnknownHostError
from energymeter.transports import Endpoint, Wire

__all__ = ["Door", "NoNameServerError", "Surroundings"]

_NAME_S: Final = 5.0
"""How long looking up a name may take; resolvers try several servers."""

_DISCARD_PORT: Final = 9
"""Nothing is sent there: a datagram socket says by itself which way it would go."""

_MOST_HEARD: Final = 256
"""Bytes in which a server has said who it is."""


class Door(StrEnum):
    """What a TCP port does when one knocks."""

    OPEN = "open"
    REFUSED = "refused"
    SILENT = "silent"
    UNREACHABLE = "unreachable"


class NoNameServerError(UnknownHostError):
    """Nobody could be asked for the name, so it may well be right."""


class Surroundings:
    """The real ones."""

    def endpoint(self, wire: Wire) -> Endpoint:
        """What to connect to.

        Raises:
            ConfigError: A client cannot connect to such a thing, or a file cannot be used.
        """
        return wire.endpoint()

    async def addresses(self, host: str) -> Sequence[str]:
        """The addresses of a name, those the system prefers first.

        Raises:
            UnknownHostError: There are none; a `NoNameServerError`: nobody answers who knows.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_NAME_S):
                found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            msg = f"no name server resolved {host!r} within {_NAME_S:g} s"
            raise NoNameServerError(msg) from error
        except (socket.gaierror, UnicodeError) as error:
            if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                msg = f"no name server is available to resolve {host!r}"
                raise NoNameServerError(msg) from error
            msg = f"the name {host!r} does not resolve"
            raise UnknownHostError(msg) from error
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))

    def own_address(self, address: str) -> str | None:
        """The address this machine would use on its way there; None: it knows no way."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asker:
                asker.connect((address, _DISCARD_PORT))
                return str(asker.getsockname()[0])
        except OSError:
            return None

    async def try_door(self, host: str, port: int, seconds: float) -> Door:
        """Connect to a TCP port, and hang up."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                transport, _ = await loop.create_connection(asyncio.Protocol, host, port)
        except TimeoutError:
            return Door.SILENT
        except ConnectionRefusedError:
            return Door.REFUSED
        except OSError as error:
            return Door.SILENT if error.errno == errno.ETIMEDOUT else Door.UNREACHABLE
        transport.abort()
        return Door.OPEN

    async def converse(self, host: str, port: int, data: bytes, seconds: float) -> bytes:
        """Connect over TCP, say something, and return what comes back first; empty: nothing."""
        heard = b""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    writer.write(data)
                    heard = await reader.read(_MOST_HEARD)
                finally:
                    writer.transport.abort()  # nothing that is left unsaid matters
                    await writer.wait_closed()
        return heard

    def serial_ports(self) -> Sequence[str]:
        """The serial ports that adapters bring, by their lasting names where there are such."""
        named = sorted(Path("/dev/serial/by-id").glob("*"))
        return [str(path) for path in named or sorted(Path("/dev").glob("tty[UA][SC][BM]*"))]

    def holder_of(self, path: str) -> str | None:
        """The program that has a device open, as far as it can be seen; None: nobody known."""
        wanted = os.path.realpath(path)
        for entry in Path("/proc").glob("[0-9]*"):
            if entry.name != str(os.getpid()) and wanted in _open_files(entry):
                with suppress(OSError):  # gone meanwhile
                    name = (entry / "comm").read_text("utf-8", "replace").strip()
                    return f"{name} (process {entry.name})"
        return None


def _open_files(process: Path) -> set[str]:
    try:
        return {os.readlink(handle) for handle in (process / "fd").iterdir()}  # noqa: PTH115
    except OSError:  # somebody else's, or gone meanwhile
        return set()
