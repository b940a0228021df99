"""One link shared by many units: whose turn it is, pauses, time-outs, loss and reconnection.

A link opens when it is first used, and again after it was lost; between failed attempts it
waits longer and longer (`Backoff`). Requests wait for their turn, the urgent ones first. A unit
that is silent is left alone for a while when others on the link are alive (`health.py`). It never
repeats a request by itself, but for one: a unit that says it is busy is asked again. Cancelling a
request leaves the link usable; its answer, should it come, is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import Final, Self

from energymeter.client.backoff import Backoff
from energymeter.client.connection import Connection, Waiting
from energymeter.client.health import LinkHealth, UnitHealth
from energymeter.client.tap import Tap
from energymeter.client.turns import Priority, Turns
from energymeter.client.unit import Unit
from energymeter.clock import Clock, SystemClock
from energymeter.codec import (
    ClientState,
    ExceptionCode,
    Framer,
    Framing,
    OrderedState,
    ReadRequest,
    Request,
    Side,
)
from energymeter.codec.echo import EchoRemover
from energymeter.codec.framers import make_framer
from energymeter.errors import (
    ConfigError,
    ExceptionReplyError,
    LinkClosedError,
    LinkOpenError,
    LocalProtocolError,
    MeterError,
    RequestTimeout,
    UnitSilentError,
)
from energymeter.transports import Endpoint, Pacing, Wire, parse_wire

__all__ = ["Link"]

_log = logging.getLogger(__name__)

_AT_ONCE: Final = Pacing()
"""No pauses at all."""

_USUAL_BACKOFF: Final = Backoff()

_BUSY_PAUSES_S: Final = (0.1, 0.3, 1.0)
"""Before each repetition of a request a unit was too busy for."""

_RTU_ANSWER_EXTRA: Final = 3
"""Unit and check around an answer's message on a serial line, in characters."""


class Link:
    """A connection to where one or more units are.

    Args:
        endpoint: Where it leads.
        framing: The envelope of the messages.
        pacing: When it may send; by default as soon as it is a request's turn.
        timeout_s: How long to wait for an answer, seconds, unless a request says otherwise. The
            time that question and answer take on a slow line comes on top.
        connect_timeout_s: How long opening may take, seconds; None means `timeout_s`.
        max_in_flight: Requests that may be under way at once, 1 or more. Most meters want 1, and
            framings without transactions allow no more.
        ignores_transactions: Whether answers carry any transaction, as those of some gateways.
        removes_echo: Whether everything sent comes back first, as from some two-wire adapters.
        backoff: Pauses between failed attempts to open the link.
        clock: Times it all.
        tap: Told every byte and event.

    Raises:
        ConfigError: Fewer than 1 request may be in flight.
    """

    def __init__(  # noqa: PLR0913 - each is a property of the wire that users set
        self,
        endpoint: Endpoint,
        *,
        framing: Framing = Framing.MBAP,
        pacing: Pacing = _AT_ONCE,
        timeout_s: float = 1.0,
        connect_timeout_s: float | None = None,
        max_in_flight: int = 1,
        ignores_transactions: bool = False,
        removes_echo: bool = False,
        backoff: Backoff = _USUAL_BACKOFF,
        clock: Clock | None = None,
        tap: Tap | None = None,
    ) -> None:
        if max_in_flight < 1:
            msg = f"{max_in_flight} requests in flight are not possible, use 1 or more"
            raise ConfigError(msg)
        self.endpoint = endpoint
        self.framing = framing
        self.timeout_s = timeout_s
        self.clock = clock if clock is not None else SystemClock()
        self.tap = tap
        self.health = LinkHealth()
        """How its units are doing."""
        self.busy_s = 0.0
        """Time spent waiting for answers so far, seconds; with one request in flight the share of
        the clock's time is the link's utilisation."""
        self._now = self.clock.monotonic
        self._removes_echo = removes_echo
        self._connect_timeout_s = timeout_s if connect_timeout_s is None else connect_timeout_s
        self._backoff = backoff
        is_ordered = ignores_transactions or not framing.has_transactions
        # What every connection's state goes on from; its framer is never fed.
        self._state: ClientState[Waiting] | OrderedState[Waiting] = (
            OrderedState(self._make_framer()) if is_ordered else ClientState(self._make_framer())
        )
        self._turns = Turns(1 if is_ordered else max_in_flight)
        self._pacing = pacing
        self._is_plain = pacing == _AT_ONCE and not is_ordered
        self._free_at = 0.0
        """Nothing is sent before: the pauses after a connection and after a broadcast."""
        self._done_at = 0.0
        """When the last question was answered or given up."""
        self._last_unit = -1
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()
        self._opening_limit: asyncio.Timeout | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._reason = ""
        self._is_closed = False

    @classmethod
    def to(
        cls,
        wire: Wire | str,
        *,
        timeout_s: float | None = None,
        backoff: Backoff = _USUAL_BACKOFF,
        clock: Clock | None = None,
        tap: Tap | None = None,
    ) -> Self:
        """The link a URL describes, such as `rtu:///dev/ttyUSB0?baudrate=9600`.

        Args:
            wire: The URL, as a text or parsed.
            timeout_s: How long to wait for an answer unless the URL says it; None: 1 s.
            backoff: Pauses between failed attempts to open the link.
            clock: Times it all.
            tap: Told every byte and event.

        Raises:
            ConfigError: The URL is wrong, or a file it names cannot be used.
        """
        if isinstance(wire, str):
            wire = parse_wire(wire)
        answer_s = wire.timeout_s or (1.0 if timeout_s is None else timeout_s)
        return cls(
            wire.endpoint(),
            framing=wire.framing,
            pacing=wire.pacing,
            timeout_s=answer_s,
            connect_timeout_s=wire.connect_timeout_s,
            max_in_flight=wire.max_in_flight,
            ignores_transactions=wire.ignores_transactions,
            removes_echo=wire.removes_echo,
            backoff=backoff,
            clock=clock,
            tap=tap,
        )

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

    def unit(self, number: int, *, priority: Priority = Priority.POLL) -> Unit:
        """The unit with this number, 0 to 255; costs nothing, opens nothing."""
        return Unit(self, number, priority)

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
            self.endpoint.release()

    async def exchange(
        self,
        unit: int,
        request: Request,
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.POLL,
        repeats_busy: bool = True,
    ) -> bytes:
        """Send a request and return the answer's PDU, checked against the request.

        Args:
            unit: The unit addressed, 0 to 255.
            request: What to ask.
            timeout_s: Seconds to wait for this answer; None means the link's own.
            priority: Whether it goes before others that wait. A person's request is sent even
                to a unit that is left alone.
            repeats_busy: Whether to ask again when the unit is busy (exceptions 5 and 6), up
                to 3 times within 1.4 s.

        Raises:
            LinkError: The link could not be opened, or broke.
            RequestTimeout: No answer in time; a `UnitSilentError`: it was not even asked.
            ExceptionReplyError: The unit refused.
            RemoteProtocolError: The answer was of another question, or no Modbus at all.
            LocalProtocolError: Nobody can answer, for everybody is addressed.
        """
        # Flat on purpose: this is what polling spends its time in.
        health = self.health.units.get(unit) or self.health.of(unit)
        turns = self._turns
        if turns.free:
            turns.free -= 1
        else:
            await turns.take(priority)
        try:
            if self._is_plain and not health.timeouts_in_row:
                connection = self._connection or await self._connected()
            else:
                connection = await self._prepare(unit, health, request, priority)
            patience_s = self.timeout_s if timeout_s is None else timeout_s
            if len(self.health.units) > 1:
                patience_s = self.health.patience_s(health, patience_s, self._now())
            return await self._answer(connection, unit, health, request, patience_s)
        except ExceptionReplyError as error:
            if not (repeats_busy and _asks_again(error, request)):
                raise
        finally:
            turns.give_back()
        return await self._ask_again(unit, request, timeout_s, priority)

    async def broadcast(self, request: Request) -> None:
        """Send a write to all units of a serial line; nobody answers.

        Returns when the units have had time to carry it out.

        Raises:
            LinkError: The link could not be opened, or broke.
            LocalProtocolError: The request is no write.
        """
        if isinstance(request, ReadRequest):
            msg = "unit 0 is everybody on a serial line and nobody answers, only writes make sense"
            raise LocalProtocolError(msg)
        await self._turns.take(Priority.PERSON)
        try:
            connection = await self._quiet(0)
            data = connection.state.framer.encode(0, 0, request.pdu)
            connection.write(data)
            self._free_at = (
                self._now() + len(data) * self._pacing.character_s + self._pacing.broadcast_pause_s
            )
            await self.clock.sleep_until(self._free_at)
        finally:
            self._turns.give_back()

    async def _ask_again(
        self, unit: int, request: Request, timeout_s: float | None, priority: Priority
    ) -> bytes:
        """Repeat what the unit was too busy for; others have their turns meanwhile."""
        for pause_s in _BUSY_PAUSES_S[:-1]:
            await self.clock.sleep_until(self._now() + pause_s)
            try:
                return await self.exchange(
                    unit, request, timeout_s=timeout_s, priority=priority, repeats_busy=False
                )
            except ExceptionReplyError as error:
                if not _asks_again(error, request):
                    raise
        await self.clock.sleep_until(self._now() + _BUSY_PAUSES_S[-1])
        return await self.exchange(
            unit, request, timeout_s=timeout_s, priority=priority, repeats_busy=False
        )

    async def _answer(  # noqa: PLR0913, PLR0917 - flat, for it runs once a request
        self,
        connection: Connection,
        unit: int,
        health: UnitHealth,
        request: Request,
        timeout_s: float,
        is_fence: bool = False,
    ) -> bytes:
        future: asyncio.Future[bytes] = connection.loop.create_future()
        asked_at = self._now()
        line_s = self._line_s(request) if self._pacing.character_s else 0.0
        health.requests += 1
        transaction = connection.send(
            unit, request, future, asked_at + line_s + timeout_s, timeout_s, is_fence
        )
        try:
            answer = await future
        except MeterError as error:
            error.endpoint, error.unit = str(self), unit
            self._note_fault(health, error, connection, asked_at, line_s)
            raise
        except asyncio.CancelledError:
            connection.state.forget(transaction)
            raise
        finally:
            if not self._is_plain:
                self._done_at = self._now()
                self._last_unit = unit
        heard_at = connection.heard_at
        health.answered(heard_at, max(heard_at - asked_at - line_s, 0.0))
        self.busy_s += heard_at - asked_at + self._pacing.silence_s
        return answer

    def _note_fault(
        self,
        health: UnitHealth,
        error: MeterError,
        connection: Connection,
        asked_at: float,
        line_s: float,
    ) -> None:
        now = self._now()
        self.busy_s += now - asked_at
        if isinstance(error, ExceptionReplyError):
            health.refusals += 1
            health.answered(now, max(connection.heard_at - asked_at - line_s, 0.0))
        elif isinstance(error, RequestTimeout):
            self.health.timed_out(health, now, now - asked_at)
        else:
            health.faults += 1

    async def _prepare(
        self, unit: int, health: UnitHealth, request: Request, priority: Priority
    ) -> Connection:
        """See to it that the unit may be asked now, and that its answer will be its answer."""
        if not unit and not self.framing.has_transactions:
            msg = "unit 0 is everybody on a serial line and nobody answers, give the unit's number"
            raise LocalProtocolError(msg)
        if health.timeouts_in_row and priority is not Priority.PERSON:
            self._check_silent(unit, health)
        connection = await self._quiet(unit)
        if isinstance(connection.state, OrderedState):
            while (fence := connection.state.fence(unit, request)) is not None:
                patience_s = self.health.patience_s(health, self.timeout_s, self._now())
                with contextlib.suppress(ExceptionReplyError):  # an answer like any other
                    await self._answer(connection, unit, health, fence, patience_s, is_fence=True)
                connection = await self._quiet(unit)
        return connection

    def _check_silent(self, unit: int, health: UnitHealth) -> None:
        now = self._now()
        wait_s = self.health.wait_s(health, now)
        if not wait_s:
            return
        since_s = now - (health.silent_since or now)
        msg = (
            f"unit {unit} at {self} has been silent for {since_s:.0f} s, it is left alone for "
            f"{wait_s:.1f} s more because the others want to be asked"
        )
        raise UnitSilentError(msg, endpoint=str(self), unit=unit)

    async def _quiet(self, unit: int) -> Connection:
        """A connection whose line has been silent for as long as it must be."""
        pacing = self._pacing
        pause_s = pacing.pause_s
        if unit != self._last_unit:
            pause_s = max(pause_s, pacing.unit_pause_s)
        while True:
            connection = self._connection or await self._connected()
            free_at = max(
                self._free_at, self._done_at + pause_s, connection.heard_at + pacing.silence_s
            )
            if self._now() < free_at:
                # Loops wake up to a millisecond early: the rest is waited for in turns of it.
                await self.clock.sleep_until(free_at)
            elif connection is self._connection:
                return connection

    def _line_s(self, request: Request) -> float:
        """How long question and answer are under way on a slow line, at least."""
        answer_bytes = request.answer_bytes or 0
        question_bytes = len(request.pdu) + _RTU_ANSWER_EXTRA
        characters = question_bytes + answer_bytes + _RTU_ANSWER_EXTRA
        if self.framing is Framing.ASCII:
            characters *= 2
        return characters * self._pacing.character_s + 2 * self._pacing.silence_s

    async def _connected(self) -> Connection:
        async with self._opening:
            if self._is_closed:
                raise self._closed()
            if self._connection is not None:
                return self._connection
            wait = self._retry_at - self._now()
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
            self._retry_at = 0.0
            self._free_at = self._now() + self._pacing.connect_pause_s
            _log.debug("connected to %s", self)
            return connection

    async def _connect(self) -> Connection:
        self._state = self._state.renewed(self._make_framer())
        packets = self._make_framer if self.endpoint.is_datagram else None
        connection = Connection(self, self._state, packets)
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

    def _make_framer(self) -> Framer:
        framer = make_framer(self.framing, Side.CLIENT)
        return EchoRemover(framer) if self._removes_echo else framer

    def _closed(self) -> LinkClosedError:
        return LinkClosedError(f"the link to {self} was closed", endpoint=str(self))

    def _note_failure(self, reason: str) -> None:
        self._failures += 1
        self._reason = reason
        pause = self._backoff.pause_s(self._failures, random.random())  # noqa: S311
        self._retry_at = self._now() + pause
        _log.debug("%s; left alone for %.2f s", reason, pause)

    def on_lost(self, connection: Connection, reason: str, *, by_peer: bool) -> None:
        """Called by a connection of this link when it cannot be used any more."""
        if self._connection is not connection:
            return
        self._connection = None
        if self.tap is not None:
            self.tap.lost(self._now(), reason)
        _log.debug("connection to %s is gone", self)
        if connection.heard_at:
            self._failures = 0
        elif by_peer and connection.state.last_transaction != connection.first_transaction:
            # It was asked, never said a word and hung up, as a peer that has no place left.
            self._note_failure(reason)


def _asks_again(error: ExceptionReplyError, request: Request) -> bool:
    """Whether a unit's busyness is a reason to repeat: it must not carry a write out twice."""
    if error.code == ExceptionCode.SERVER_DEVICE_BUSY:
        return True
    return error.code == ExceptionCode.ACKNOWLEDGE and isinstance(request, ReadRequest)
