"""One link shared by many units: order, time-outs, loss and reconnection.

A link opens when it is first used, and again after it was lost; between failed attempts it
waits longer and longer (`Backoff`). It never repeats a request by itself: errors say whether
that makes sense (`retryable`). Cancelling a request leaves the link usable; its answer, should
it come, is dropped.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Self, cast

from energymeter.client.unit import Unit
from energymeter.codec import ClientState, Framer, MbapFramer, Request
from energymeter.errors import (
    ConfigError,
    LinkClosedError,
    LinkLostError,
    LinkOpenError,
    MeterError,
    RemoteProtocolError,
    RequestTimeout,
)
from energymeter.transports import Endpoint

__all__ = ["Backoff", "Link"]

_log = logging.getLogger(__name__)

_MAX_SILENT_TIMEOUTS: Final = 3
"""Time-outs in a row, nothing heard between them, after which the connection is renewed."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to leave a link alone after a failed attempt to open it.

    The pause starts at `first_s`, doubles up to `longest_s`, and each is shortened by a random
    share of up to `jitter`, so that many links do not come back in step.
    """

    first_s: float = 0.2
    longest_s: float = 10.0
    jitter: float = 0.5

    def pause_s(self, failures: int, chance: float) -> float:
        """The pause after so many failures in a row (1 or more); `chance` is 0.0 to 1.0."""
        full = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 32))
        return full * (1.0 - self.jitter * chance)


_Waiting = tuple[asyncio.Future[bytes], float, int, float]
"""The future of an answer, the moment it is given up (monotonic), the unit, the time-out."""


class Link:
    """A connection to where one or more units are.

    Args:
        endpoint: Where it leads.
        framer: Makes the framer of a new connection.
        timeout_s: How long to wait for an answer, seconds, unless a request says otherwise.
        connect_timeout_s: How long opening may take, seconds; None means `timeout_s`.
        max_in_flight: Requests that may be under way at once, 1 or more. Most meters want 1.
        backoff: Pauses between failed attempts to open the link.

    Raises:
        ConfigError: Fewer than 1 request may be in flight.
    """

    def __init__(  # noqa: PLR0913 - each is a property of the wire that users set
        self,
        endpoint: Endpoint,
        *,
        framer: Callable[[], Framer] = MbapFramer,
        timeout_s: float = 1.0,
        connect_timeout_s: float | None = None,
        max_in_flight: int = 1,
        backoff: Backoff = Backoff(),
    ) -> None:
        if max_in_flight < 1:
            msg = f"{max_in_flight} requests in flight are not possible, use 1 or more"
            raise ConfigError(msg)
        self.endpoint = endpoint
        self.timeout_s = timeout_s
        self._make_framer = framer
        self._connect_timeout_s = timeout_s if connect_timeout_s is None else connect_timeout_s
        self._backoff = backoff
        self._slots = asyncio.Semaphore(max_in_flight)
        self._connection: _Connection | None = None
        self._opening = asyncio.Lock()
        self._opening_limit: asyncio.Timeout | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._reason = ""
        self._last_transaction = 0
        self._is_closed = False

    def __str__(self) -> str:
        return str(self.endpoint)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    def unit(self, number: int) -> Unit:
        """The unit with this number, 0 to 255; costs nothing, opens nothing."""
        return Unit(self, number)

    async def open(self) -> None:
        """Open the link now rather than at the first request.

        Raises:
            LinkOpenError: It cannot be opened, or failed so recently that it is left alone.
            LinkClosedError: `close` was called before.
        """
        await self._connected()

    async def close(self) -> None:
        """Close for good; requests under way end with `LinkClosedError`."""
        self._is_closed = True
        limit = self._opening_limit
        if limit is not None and not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time())
        connection = self._connection
        if connection is not None:
            connection.drop(self._closed)
            await connection.gone.wait()
        async with self._opening:  # an attempt under way has come to its end
            pass

    async def exchange(
        self, unit: int, request: Request, *, timeout_s: float | None = None
    ) -> bytes:
        """Send a request and return the answer's PDU, checked against the request.

        Args:
            unit: The unit addressed, 0 to 255.
            request: What to ask.
            timeout_s: Seconds to wait for this answer; None means the link's own.

        Raises:
            LinkError: The link could not be opened, or broke.
            RequestTimeout: No answer in time.
            ExceptionReplyError: The unit refused.
            RemoteProtocolError: The answer was of another question, or no Modbus at all.
        """
        async with self._slots:
            connection = self._connection or await self._connected()
            if timeout_s is None:
                timeout_s = self.timeout_s
            future = connection.loop.create_future()
            transaction = connection.send(unit, request, future, timeout_s)
            try:
                answer: bytes = await future
            except MeterError as error:
                error.endpoint, error.unit = str(self), unit
                raise
            except asyncio.CancelledError:
                connection.state.forget(transaction)
                raise
            return answer

    async def _connected(self) -> _Connection:
        async with self._opening:
            if self._is_closed:
                raise self._closed()
            if self._connection is not None:
                return self._connection
            wait = self._retry_at - time.monotonic()
            if wait > 0:
                msg = f"{self._reason}; next attempt in {wait:.1f} s"
                raise LinkOpenError(msg, endpoint=str(self))
            try:
                connection = await self._connect()
            except TimeoutError as error:
                if self._is_closed:
                    raise self._closed() from None
                msg = f"{self} did not accept a connection within {self._connect_timeout_s:g} s"
                self._note_failure(msg)
                raise LinkOpenError(msg, endpoint=str(self)) from error
            except LinkOpenError as error:
                self._note_failure(error.message)
                raise
            if connection.gone.is_set():
                msg = f"{self} accepted the connection and closed it at once"
                self._note_failure(msg)
                raise LinkOpenError(msg, endpoint=str(self))
            if self._is_closed:  # meanwhile
                connection.drop(self._closed)
                raise self._closed()
            self._connection = connection
            self._failures = 0
            self._retry_at = 0.0
            _log.debug("connected to %s", self)
            return connection

    async def _connect(self) -> _Connection:
        connection = _Connection(self, self._make_framer())
        try:
            async with asyncio.timeout(self._connect_timeout_s) as self._opening_limit:
                await self.endpoint.connect(lambda: connection)
        except BaseException:
            # An attempt that was given up may come to life even now; nobody wants it any more.
            connection.drop(self._closed)
            raise
        finally:
            self._opening_limit = None
        return connection

    def _closed(self) -> LinkClosedError:
        return LinkClosedError(f"the link to {self} was closed", endpoint=str(self))

    def _note_failure(self, reason: str) -> None:
        self._failures += 1
        self._reason = reason
        pause = self._backoff.pause_s(self._failures, random.random())  # noqa: S311
        self._retry_at = time.monotonic() + pause
        _log.debug("%s; left alone for %.2f s", reason, pause)

    def _lost(self, connection: _Connection) -> None:
        if self._connection is connection:
            self._connection = None
            # A converter may give the next connection an answer meant for this one.
            self._last_transaction = connection.state.last_transaction
            _log.debug("connection to %s is gone", self)


class _Connection(asyncio.Protocol):
    """One connection of a link, from its opening to its loss; a new one has a new state."""

    def __init__(self, link: Link, framer: Framer) -> None:
        self.loop = asyncio.get_running_loop()
        self.state: ClientState[_Waiting] = ClientState(framer, link._last_transaction)  # noqa: SLF001
        self.gone = asyncio.Event()
        self._link = link
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._silent_timeouts = 0
        self._foreign_mark = 0
        self._drop_reason: Callable[[], MeterError] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's, so this cannot be an isinstance.
        self._transport = cast(asyncio.Transport, transport)
        if self._drop_reason is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._link._lost(self)  # noqa: SLF001 - the two halves of one machine
        if self._timer is not None:
            self._timer.cancel()
        why = f" ({exc})" if exc is not None else ""
        lost = partial(LinkLostError, f"the connection to {self._link} was lost{why}")
        for future, *_ in self.state.abandon():
            if not future.done():
                # An error of its own for each: it will carry the unit that was asked.
                future.set_exception((self._drop_reason or lost)())
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        self._silent_timeouts = 0
        settled = self.state.receive(data)
        if settled:
            self._foreign_mark = self.state.foreign_answers
        for (future, *_), outcome in settled:
            if future.done():  # cancelled in this very turn of the loop
                continue
            if type(outcome) is bytes:
                future.set_result(outcome)
            else:
                future.set_exception(outcome)  # type: ignore[arg-type]
        broken = self.state.framer.error
        if broken is not None:
            msg = f"{self._link} sent {broken.message}"
            self.drop(partial(RemoteProtocolError, msg, data=broken.data))

    def send(
        self, unit: int, request: Request, future: asyncio.Future[bytes], timeout_s: float
    ) -> int:
        deadline = time.monotonic() + timeout_s
        transaction, data = self.state.ask(unit, request, (future, deadline, unit, timeout_s))
        self._transport.write(data)  # type: ignore[union-attr]
        # One timer for the connection, set to the earliest deadline or sooner, never moved back.
        if self._timer is None or deadline < self._timer_due:
            if self._timer is not None:
                self._timer.cancel()
            self._arm(deadline)
        return transaction

    def drop(self, reason: Callable[[], MeterError]) -> None:
        """End this connection; what waits for an answer gets the error `reason` makes."""
        self._link._lost(self)  # noqa: SLF001 - nobody shall use it from now on
        self._drop_reason = reason
        if self._transport is not None:
            self._transport.abort()

    def _arm(self, deadline: float) -> None:
        self._timer_due = deadline
        self._timer = self.loop.call_later(max(0.0, deadline - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = time.monotonic() + 0.001  # the loop's clock counts in milliseconds
        earliest = None
        for transaction, (future, deadline, unit, timeout_s) in self.state.waiting():
            if future.done():
                continue
            if deadline <= now:
                self.state.forget(transaction)
                msg = f"no answer from {self._link} unit {unit} within {timeout_s:g} s"
                future.set_exception(RequestTimeout(msg))
                self._note_timeout()
            elif earliest is None or deadline < earliest:
                earliest = deadline
        if earliest is not None and not self._transport.is_closing():  # type: ignore[union-attr]
            self._arm(earliest)

    def _note_timeout(self) -> None:
        # Late answers of earlier questions mean the other side is behind and may stay so; long
        # silence means it may be gone without a word. Both are cured by a new connection only.
        self._silent_timeouts += 1
        if self.state.foreign_answers > self._foreign_mark:
            msg = f"{self._link} answered late, the connection was renewed"
            self.drop(partial(LinkLostError, msg))
        elif self._silent_timeouts >= _MAX_SILENT_TIMEOUTS:
            self.drop(partial(LinkLostError, f"{self._link} is silent, the connection was renewed"))
