"""Let clients in, and let a handler answer: limits, start and shutdown, on any wire.

Each connection is a session of its own: what one client sends, however slow or broken, costs
the others nothing but the time it takes to read it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self, TypedDict, Unpack

from energymeter.clock import Clock, SystemClock
from energymeter.codec import Framing
from energymeter.server.delivery import Delivery, Prompt
from energymeter.server.handler import Handler, respond_on
from energymeter.server.security import Roles
from energymeter.server.session import Session, Terms, TimedSession
from energymeter.server.watch import Watch
from energymeter.transports import Listener, TcpListener

if TYPE_CHECKING:
    from energymeter.transports.wire import Wire

__all__ = ["ModbusServer", "ServerOptions"]

_ADAPTER_S: Final = 0.02
"""How long a USB adapter may hold bytes back (16 ms as a rule): a frame is split so far apart."""

_NETWORK_REST_S: Final = 0.2
"""The same for a stream over a network, which may lose a packet and send it again."""

_ASCII_REST_S: Final = 1.0
"""The longest pause inside an ASCII frame (MODBUS over Serial Line v1.02, 2.5.2.1)."""


class ServerOptions(TypedDict, total=False):
    """What a server on any wire can be told; see `ModbusServer`."""

    delivery: Delivery | None
    roles: Roles | None
    max_connections: int
    idle_timeout_s: float | None
    frame_timeout_s: float
    clock: Clock | None


class ModbusServer:
    """A Modbus server; on TCP unless a listener says otherwise.

    Args:
        handler: Answers the requests.
        listener: Where clients come in; None: on TCP, at `host` and `port`.
        host: Address to listen on; only loopback by default.
        port: Port to listen on; 0 lets the system choose, see `port`.
        framing: The envelope of messages on this wire.
        silence_s: The silence of a serial line between two frames, seconds: kept before each
            answer, unless there is a `delivery`. None: the wire is no serial line.
        removes_echo: Whether everything sent comes back first, as from some two-wire adapters.
        delivery: When and how answers are sent; None: at once.
        roles: Who may write, by the role in a client's certificate; None: everybody.
        max_connections: One more client is turned away at once; over UDP, where nobody says
            good-bye, it takes the place of the one longest silent.
        idle_timeout_s: Seconds without a byte after which a client is dropped; None: never. Does
            not count for a serial line.
        frame_timeout_s: Seconds in which a request that has begun must be complete. Likewise.
        clock: Measures all of these.
    """

    def __init__(  # noqa: PLR0913 - each is a limit that users set
        self,
        handler: Handler,
        *,
        listener: Listener | None = None,
        host: str = "127.0.0.1",
        port: int = 502,
        framing: Framing = Framing.MBAP,
        silence_s: float | None = None,
        removes_echo: bool = False,
        delivery: Delivery | None = None,
        roles: Roles | None = None,
        max_connections: int = 4096,
        idle_timeout_s: float | None = None,
        frame_timeout_s: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        self.handler = handler
        self.listener: Listener = TcpListener(host, port) if listener is None else listener
        is_line = silence_s is not None
        self._delivery = delivery
        if delivery is None and (is_line or self.listener.is_datagram):
            self._delivery = Prompt(silence_s or 0.0)
        clock = SystemClock() if clock is None else clock
        self._terms = Terms(
            respond=respond_on(framing, handler),
            framing=framing,
            clock=clock,
            rest_s=_rest_s(framing, silence_s),
            is_line=is_line,
            is_datagram=self.listener.is_datagram,
            removes_echo=removes_echo,
            roles=roles,
        )
        self._watch: Watch[Session] = Watch(
            clock,
            max_connections=max_connections,
            is_exchanging=self.listener.is_datagram,
            admits=None if delivery is None else delivery.admits,
            idle_timeout_s=None if is_line else idle_timeout_s,
            frame_timeout_s=None if is_line else frame_timeout_s,
        )

    @classmethod
    def at(cls, wire: Wire, handler: Handler, **options: Unpack[ServerOptions]) -> Self:
        """A server on the wire that a URL says.

        Args:
            wire: What `parse_wire` made of the URL.
            handler: Answers the requests.
            **options: As for the class.

        Raises:
            EndpointError: A server cannot listen on such a wire.
            ConfigError: A certificate or key cannot be used.
        """
        return cls(
            handler,
            listener=wire.listener(),
            framing=wire.framing,
            silence_s=None if wire.path is None else wire.pacing.silence_s,
            removes_echo=wire.removes_echo,
            **options,
        )

    def __str__(self) -> str:
        return str(self.listener)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def port(self) -> int:
        """The port that is listened on, the wanted one before `start`; 0 where there is none."""
        return self.listener.port

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return len(self._watch.clients)

    @property
    def rejected_connections(self) -> int:
        """Clients turned away because there were enough."""
        return self._watch.rejected

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: The place cannot be listened on; the message says why.
        """
        self._watch.is_open = True
        try:
            await self.listener.start(self._make_session)
        except BaseException:
            self.cut()
            raise

    async def close(self, grace_s: float = 1.0) -> None:
        """Stop listening, let answers under way go out for up to `grace_s`, then cut.

        Answers whose moment has not come are not sent. Cancelled, it cuts at once.
        """
        if not self._watch.is_open:
            return
        self._watch.is_open = False
        self.listener.close()
        sessions = list(self._watch.clients)
        for session in sessions:
            session.finish()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await _all_gone(sessions)
        finally:
            self.cut()
        await _all_gone(sessions)
        await self.listener.wait_closed()

    def cut(self) -> None:
        """Stop listening and drop all clients, now and without a word."""
        self.listener.close()
        self._watch.cut()

    def _make_session(self) -> Session:
        if self._delivery is None:
            return Session(self._terms, self._watch)
        return TimedSession(self._terms, self._watch, self._delivery)


def _rest_s(framing: Framing, silence_s: float | None) -> float | None:
    """After how much silence the rest of a half received frame will not come; None: it will."""
    if framing is Framing.MBAP:
        return None
    if framing is Framing.ASCII:
        return _ASCII_REST_S
    return _NETWORK_REST_S if silence_s is None else silence_s + _ADAPTER_S


async def _all_gone(sessions: Iterable[Session]) -> None:
    for session in sessions:
        await session.gone.wait()
