"""Two serial ports joined crosswise: what goes in at one comes out at the other. POSIX only."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Final

from energymeter.errors import ConfigError

__all__ = ["NullModem"]

_PIECE: Final = 4096
"""Bytes carried at once."""


class NullModem:
    """Two ptys, and what carries bytes between them; it has the time of no line.

    Opened by the constructor; bytes are carried once it is attached to a loop. What nobody takes is
    lost, as on a wire.

    Attributes:
        path: One port, such as `/dev/pts/3`.
        far_path: The other.

    Raises:
        ConfigError: This system has no ptys.
    """

    def __init__(self) -> None:
        if not hasattr(os, "openpty"):
            msg = "this system has no ptys, joined serial ports need Linux, macOS or another POSIX"
            raise ConfigError(msg)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ports: list[int] = []
        try:
            self._one, self.path = self._open()
            self._other, self.far_path = self._open()
        except BaseException:
            self.close()
            raise

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Carry bytes from now on; to be called in that loop."""
        self._loop = loop
        loop.add_reader(self._one, self._carry, self._one, self._other)
        loop.add_reader(self._other, self._carry, self._other, self._one)

    def close(self) -> None:
        """Pull both ports out: who has one open loses it. In the loop, if there is one."""
        if self._loop is not None:
            self._loop.remove_reader(self._one)
            self._loop.remove_reader(self._other)
            self._loop = None
        ports, self._ports = self._ports, []
        for port in ports:
            with suppress(OSError):
                os.close(port)

    def _open(self) -> tuple[int, str]:
        import tty  # noqa: PLC0415 - absent on Windows

        ours, theirs = os.openpty()
        # Theirs stays open here too: otherwise the pty would be lost with its first user.
        self._ports += [ours, theirs]
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        return ours, os.ttyname(theirs)

    @staticmethod
    def _carry(source: int, target: int) -> None:
        with suppress(BlockingIOError):
            os.write(target, os.read(source, _PIECE))
