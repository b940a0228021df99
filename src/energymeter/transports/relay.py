"""What stands between a transport and a protocol when the transport has manners of its own.

The protocol gets a `Guarded` transport that keeps the promises of asyncio's TCP, and its loss is
told in words, to the transport's owner too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

__all__ = ["Guarded", "Relay"]


class Relay(asyncio.Protocol):
    """Passes everything on to a protocol made when the connection is.

    Args:
        factory: Makes the protocol.
        in_words: What a loss is to be called; not asked when there is no reason.
        lost: Called once, after the protocol was told.
        is_wanted: Asked when the connection is made; if not, it is dropped and nobody told.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.Protocol],
        *,
        in_words: Callable[[Exception], Exception] = lambda error: error,
        lost: Callable[[], None] = lambda: None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self.transport: Guarded | None = None
        self.gone = asyncio.Event()
        self._factory = factory
        self._in_words = in_words
        self._lost = lost
        self._is_wanted = is_wanted
        self._protocol: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make the protocol and give it the transport."""
        # uvloop's transports do not inherit from asyncio's, so this cannot be an isinstance.
        self.transport = Guarded(cast(asyncio.Transport, transport))
        if not self._is_wanted():
            self.transport.abort()
            return
        self._protocol = self._factory()
        self._protocol.connection_made(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say why, in words."""
        if self.transport is not None:
            self.transport.is_lost = True
        if self._protocol is not None:
            self._protocol.connection_lost(None if exc is None else self._in_words(exc))
        self.gone.set()
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Pass it on, unless the protocol has closed meanwhile."""
        if self._protocol is not None:
            self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return None if self._protocol is None else self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        if self._protocol is not None:
            self._protocol.resume_writing()


class Guarded(asyncio.Transport):
    """A transport that may be written to, closed and aborted at any time and any number of times.

    serialx raises on writing to a port that has just gone; asyncio's TLS forgets, closed twice,
    what it would abort.
    """

    def __init__(self, inner: asyncio.Transport) -> None:
        super().__init__()
        self.is_lost = False
        """Whether the protocol has been told of the end."""
        self.was_closed_by_us = False
        """Whether the protocol wanted the end."""
        self._inner = inner

    def get_extra_info(self, name: str, default: object = None) -> object:
        """As the transport inside."""
        return self._inner.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, unless it is closing."""
        if not self.is_closing():
            self._inner.write(data)

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self.was_closed_by_us or self._inner.is_closing()

    def close(self) -> None:
        """Send what is left to send, then close."""
        if not self.is_closing():
            self.was_closed_by_us = True
            self._inner.close()

    def abort(self) -> None:
        """Close now."""
        self.was_closed_by_us = True
        if not self.is_lost:
            self._inner.abort()

    def is_reading(self) -> bool:
        """Whether what arrives is handed on."""
        return not self.is_closing() and self._inner.is_reading()

    def pause_reading(self) -> None:
        """Leave what arrives where it is."""
        if not self.is_closing():
            self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Take what has arrived, and what will."""
        if not self.is_closing():
            self._inner.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes that wait here for being sent."""
        return 0 if self.is_lost else self._inner.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When to pause and resume the protocol's writing."""
        if not self.is_lost:
            self._inner.set_write_buffer_limits(high, low)
