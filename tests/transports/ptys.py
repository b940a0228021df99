"""Two serial ports joined crosswise, made of ptys: what goes in at one comes out at the other."""

from __future__ import annotations

import asyncio
import os
import tty
from contextlib import suppress
from typing import Self

__all__ = ["NullModem", "Pty"]


class Pty:
    """A serial port without hardware; its far end is ours."""

    def __init__(self) -> None:
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        os.set_blocking(self.far, False)
        self.path = os.ttyname(self._near)

    def unplug(self) -> None:
        """Whoever has the port open loses it, and the port is no more."""
        for descriptor in (self.far, self._near):
            with suppress(OSError):
                os.close(descriptor)


class NullModem:
    """Two ports, joined while the context is open; nothing is lost, however slowly one reads."""

    def __init__(self) -> None:
        self.one, self.other = Pty(), Pty()

    async def __aenter__(self) -> Self:
        self._carry(self.one.far, self.other.far)
        self._carry(self.other.far, self.one.far)
        return self

    async def __aexit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for port in (self.one, self.other):
            loop.remove_reader(port.far)
            loop.remove_writer(port.far)
            port.unplug()

    def _carry(self, source: int, target: int) -> None:
        loop = asyncio.get_running_loop()
        waiting = bytearray()

        def take() -> None:
            waiting.extend(os.read(source, 1024))
            loop.remove_reader(source)
            give()

        def give() -> None:
            with suppress(BlockingIOError):
                del waiting[: os.write(target, waiting)]
            if waiting:
                loop.add_writer(target, give)
            else:
                loop.remove_writer(target)
                loop.add_reader(source, take)

        loop.add_reader(source, take)
