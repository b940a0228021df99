"""A line inside one process: what is written on one side arrives at the other, later if wanted.

No system is involved, so an injected clock moves days of it in seconds. For tests, of this
library and of those who use it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import ClassVar, Final

from energymeter.clock import Clock, SystemClock
from energymeter.errors import ConfigError, LinkOpenError

__all__ = ["MemoryLine"]

_END: Final = b""
"""Behind the last bytes: the other side has closed. Nobody can write it, being empty."""


class MemoryLine:
    """A line between any number of clients and one server, in one event loop.

    Set the attributes at any time; they count for what is written from then on.

    Args:
        name: What it is called in messages.
        latency_s: How long bytes are under way, seconds; 0: until the next turn of the loop.
        clock: What `latency_s` is measured by.

    Attributes:
        is_up: Whether clients can connect; connections there are stay.
        is_mute: Whether all that is written is lost on the way.
        bytes_carried: Bytes written so far, both ways, without those lost.
    """

    def __init__(
        self, *, name: str = "memory", latency_s: float = 0.0, clock: Clock | None = None
    ) -> None:
        self.name = name
        self.latency_s = latency_s
        self.is_up = True
        self.is_mute = False
        self.bytes_carried = 0
        self._clock = SystemClock() if clock is None else clock
        self._factory: Callable[[], asyncio.Protocol] | None = None
        self._ends: set[_End] = set()

    def __str__(self) -> str:
        return self.name

    def endpoint(self) -> MemoryEndpoint:
        """The client's end; each call gives another, and all lead to the same server."""
        return MemoryEndpoint(self)

    def listener(self) -> MemoryListener:
        """The server's end; one of them can be started at a time."""
        return MemoryListener(self)

    def cut(self) -> None:
        """Lose every connection, now, with what is under way; new ones can be made."""
        for end in list(self._ends):
            end.lose(ConnectionResetError("the line was cut"))

    def _connect(self, client: asyncio.Protocol) -> None:
        if not self.is_up or self._factory is None:
            reason = "the line is down" if not self.is_up else "nobody listens"
            msg = f"{self} refused the connection, {reason}"
            raise LinkOpenError(msg, endpoint=str(self))
        near, far = _End(self, client), _End(self, self._factory())
        near.other, far.other = far, near
        self._ends |= {near, far}
        far.protocol.connection_made(far)
        near.protocol.connection_made(near)

    def _carry(self, data: bytes, deliver: Callable[[], None]) -> None:
        self.bytes_carried += len(data)
        if self.latency_s > 0:
            self._clock.call_at(self._clock.monotonic() + self.latency_s, deliver)
        else:
            asyncio.get_running_loop().call_soon(deliver)


class MemoryEndpoint:
    """The client's end of a `MemoryLine`."""

    is_datagram: ClassVar[bool] = False

    def __init__(self, line: MemoryLine) -> None:
        self._line = line

    def __str__(self) -> str:
        return str(self._line)

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Endpoint.connect`."""
        await asyncio.sleep(0)  # as any other way: not in the turn in which it was asked for
        self._line._connect(protocol_factory())  # noqa: SLF001 - the two halves of one machine

    def release(self) -> None:
        """See `Endpoint.release`; nothing is kept."""


class MemoryListener:
    """The server's end of a `MemoryLine`."""

    is_datagram: ClassVar[bool] = False
    port: ClassVar[int] = 0

    def __init__(self, line: MemoryLine) -> None:
        self._line = line
        self._factory: Callable[[], asyncio.Protocol] | None = None

    def __str__(self) -> str:
        return str(self._line)

    async def start(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Listener.start`."""
        if self._line._factory is not None:  # noqa: SLF001 - the two halves of one machine
            msg = f"cannot listen on {self}: somebody does already"
            raise ConfigError(msg)
        self._factory = self._line._factory = protocol_factory  # noqa: SLF001

    def close(self) -> None:
        """See `Listener.close`."""
        if self._factory is not None and self._line._factory is self._factory:  # noqa: SLF001
            self._line._factory = None  # noqa: SLF001
        self._factory = None

    async def wait_closed(self) -> None:
        """See `Listener.wait_closed`."""


class _End(asyncio.Transport):
    """One end of one connection."""

    def __init__(self, line: MemoryLine, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.other: _End
        self._line = line
        self._is_closing = False
        self._is_lost = False
        self._is_reading = True
        self._under_way: deque[bytes] = deque()
        """Sent by the other end, in order; each has a delivery coming."""
        self._arrived: deque[bytes] = deque()
        """Not to be read yet."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Only `peername` is known: the name of the line."""
        return str(self._line) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send to the other end."""
        if data and not self._is_closing and not self._line.is_mute:
            self.other.send(bytes(data))

    def close(self) -> None:
        """Let what was written arrive, then end both ends."""
        if not self._is_closing:
            self.other.send(_END)
            self.lose(None)

    def abort(self) -> None:
        """End both ends."""
        self.close()

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._is_closing

    def is_reading(self) -> bool:
        """Whether what arrives is handed on."""
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        """Keep what arrives."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Hand on what has arrived meanwhile, and what will."""
        self._is_reading = True
        if self._arrived:
            asyncio.get_running_loop().call_soon(self._hand_on)

    def get_write_buffer_size(self) -> int:
        """Nothing waits here: the line takes everything at once."""
        return 0

    def send(self, data: bytes) -> None:
        """Have `data` arrive at this end."""
        self._under_way.append(data)
        self._line._carry(data, self._arrive)  # noqa: SLF001 - the two halves of one machine

    def lose(self, reason: Exception | None) -> None:
        """End this end only; the protocol is told in the next turn."""
        self._is_closing = True
        if not self._is_lost:
            self._is_lost = True
            self._line._ends.discard(self)  # noqa: SLF001
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, reason)

    def _arrive(self) -> None:
        # What was sent first arrives first, whatever the order of timers due at one moment.
        self._arrived.append(self._under_way.popleft())
        self._hand_on()

    def _hand_on(self) -> None:
        while self._arrived and self.is_reading():
            data = self._arrived.popleft()
            if data == _END:
                self.lose(None)
            else:
                self.protocol.data_received(data)
