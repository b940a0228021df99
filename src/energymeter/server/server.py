"""Listen, and let a handler answer: sessions, limits and shutdown.

Each connection is a session of its own: what one client sends, however slow or broken, costs
the others nothing but the time it takes to read it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Self, cast

from energymeter.codec import Framer, MbapFramer
from energymeter.errors import ConfigError
from energymeter.server.handler import Handler

__all__ = ["ModbusServer"]

_log = logging.getLogger(__name__)

_BACKLOG: Final = 1024
"""Connections the kernel keeps for us while we are busy: a thousand clients may come at once."""

_SWEEP_S: Final = 0.5
"""How often idle and half-sent connections are looked for."""


class ModbusServer:
    """A Modbus TCP server.

    Args:
        handler: Answers the requests.
        host: Address to listen on; only loopback by default.
        port: Port to listen on; 0 lets the system choose, see `port`.
        framer: Makes the framer of a new session.
        max_connections: One more client is turned away at once.
        idle_timeout_s: Seconds without a byte after which a client is dropped; None: never.
        frame_timeout_s: Seconds in which a request that has begun must be complete.
    """

    def __init__(  # noqa: PLR0913 - each is a limit that users set
        self,
        handler: Handler,
        *,
        host: str = "127.0.0.1",
        port: int = 502,
        framer: Callable[[], Framer] = MbapFramer,
        max_connections: int = 4096,
        idle_timeout_s: float | None = None,
        frame_timeout_s: float = 10.0,
    ) -> None:
        self.handler = handler
        self.host = host
        self.rejected_connections = 0
        """Clients turned away because of `max_connections`."""
        self._wanted_port = port
        self._make_framer = framer
        self._max_connections = max_connections
        self._idle_sweeps = None if idle_timeout_s is None else _sweeps(idle_timeout_s)
        self._frame_sweeps = _sweeps(frame_timeout_s)
        self._sessions: set[_Session] = set()
        self._server: asyncio.Server | None = None
        self._is_open = False
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweep = 1

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def port(self) -> int:
        """The port that is listened on; the wanted one before `start`."""
        if self._server is None or not self._server.sockets:
            return self._wanted_port
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return len(self._sessions)

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: The address cannot be listened on; the message says why.
        """
        if not 0 <= self._wanted_port <= 65535:  # uvloop would never end after this
            msg = f"cannot listen on {self.host} port {self._wanted_port}: use 0 to 65535"
            raise ConfigError(msg)
        loop = asyncio.get_running_loop()
        self._is_open = True
        try:
            # Two steps, because the first is not interrupted: what it opened can be closed.
            self._server = await loop.create_server(
                lambda: _Session(self),
                self.host,
                self._wanted_port,
                backlog=_BACKLOG,
                start_serving=False,
            )
            await self._server.start_serving()
        except asyncio.CancelledError:
            self.cut()
            raise
        except (OSError, UnicodeError) as error:
            self.cut()
            # The loop's own text repeats the address; the system's says why.
            code = getattr(error, "errno", None)
            reason = os.strerror(code) if code and code > 0 else error
            msg = f"cannot listen on {self.host} port {self._wanted_port}: {reason}"
            raise ConfigError(msg) from error
        self._sweeper = loop.call_later(_SWEEP_S, self._look_for_idle)

    async def close(self, grace_s: float = 1.0) -> None:
        """Stop listening, let answers under way go out for up to `grace_s`, then cut.

        Cancelled, it cuts at once.
        """
        server = self._server
        if server is None:
            return
        self._is_open = False
        server.close()
        sessions = list(self._sessions)
        for session in sessions:
            session.finish()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await _all_gone(sessions)
        finally:
            self.cut()
        await _all_gone(sessions)
        await server.wait_closed()

    def cut(self) -> None:
        """Stop listening and drop all clients, now and without a word."""
        self._is_open = False
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._server is not None:
            self._server.close()
            self._server = None
        for session in list(self._sessions):
            session.cut()

    def _admit(self, session: _Session) -> bool:
        if not self._is_open:  # it was let in while the door was being shut
            return False
        if len(self._sessions) >= self._max_connections:
            self.rejected_connections += 1
            return False
        self._sessions.add(session)
        return True

    def _look_for_idle(self) -> None:
        self._sweep += 1
        idle_before = 0 if self._idle_sweeps is None else self._sweep - self._idle_sweeps
        begun_before = self._sweep - self._frame_sweeps
        for session in list(self._sessions):
            if session.last_sweep < idle_before or 0 < session.frame_sweep < begun_before:
                session.cut()
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(_SWEEP_S, self._look_for_idle)


def _sweeps(seconds: float) -> int:
    return max(1, round(seconds / _SWEEP_S))


async def _all_gone(sessions: Iterable[_Session]) -> None:
    for session in sessions:
        await session.gone.wait()


class _Session(asyncio.Protocol):
    """One client, from its coming to its going."""

    def __init__(self, server: ModbusServer) -> None:
        self.gone = asyncio.Event()
        self.last_sweep = server._sweep  # noqa: SLF001 - the two halves of one machine
        self.frame_sweep = 0
        """The sweep in which the request now half received began; 0: none is."""
        self._server = server
        self._framer = server._make_framer()  # noqa: SLF001
        self._answer = server.handler.answer
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's, so this cannot be an isinstance.
        self._transport = cast(asyncio.Transport, transport)
        if not self._server._admit(self):  # noqa: SLF001
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server._sessions.discard(self)  # noqa: SLF001
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        sweep = self._server._sweep  # noqa: SLF001
        self.last_sweep = sweep
        framer, respond = self._framer, self._answer
        encode = framer.encode
        frames = framer.feed(data)
        if len(frames) == 1:
            transaction, unit, pdu = frames[0]
            answer = respond(unit, pdu)
            if answer is not None:
                self._transport.write(encode(transaction, unit, answer))  # type: ignore[union-attr]
        elif frames:
            # Answers to what came in one piece go out in one piece.
            self._transport.write(  # type: ignore[union-attr]
                b"".join(
                    [
                        encode(transaction, unit, answer)
                        for transaction, unit, pdu in frames
                        if (answer := respond(unit, pdu)) is not None
                    ]
                )
            )
        if not framer.pending_bytes:
            self.frame_sweep = 0
        elif frames or not self.frame_sweep:
            self.frame_sweep = sweep
        if framer.error is not None:
            _log.info("a client was dropped: %s", framer.error.message)
            self.finish()

    def pause_writing(self) -> None:
        # A client that does not take its answers is not asked for more questions.
        self._transport.pause_reading()  # type: ignore[union-attr]

    def resume_writing(self) -> None:
        if not self._transport.is_closing():  # type: ignore[union-attr]
            self._transport.resume_reading()  # type: ignore[union-attr]

    def finish(self) -> None:
        """Send what is left to send, then close."""
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()
