"""One link shared by many units: turns, time-outs, and which requests are repeated.

A link opens when it is first used, and again after it was lost (`opener.py`). Requests wait for
their turn, the urgent ones first, and for the pauses of the wire (`pace.py`). A unit that is silent
is left alone for a while when others on the link are alive (`health.py`). It never repeats a
request by itself, but for two: a unit that says it is busy is asked again, and so is one whose
answer may have been the one before. Cancelling a request leaves the link usable; its answer,
should it come, is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from math import inf
from typing import Final, Self

from energymeter.client.backoff import Backoff
from energymeter.client.connection import Connection
from energymeter.client.health import LinkHealth, UnitHealth
from energymeter.client.ledger import Asked, Ledger
from energymeter.client.opener import USUAL_BACKOFF, Opener
from energymeter.client.pace import Pace
from energymeter.client.tap import Tap
from energymeter.client.turns import Priority, Turns
from energymeter.client.unit import Unit
from energymeter.clock import Clock, SystemClock
from energymeter.codec import ExceptionCode, Framing, Function, ReadRequest, Request
from energymeter.codec.ordered_state import DoubtfulAnswerError
from energymeter.errors import (
    ConfigError,
    ExceptionReplyError,
    LocalProtocolError,
    MeterError,
    MismatchError,
    UnitSilentError,
)
from energymeter.transports import Endpoint, Pacing, Wire, parse_wire

__all__ = ["Link"]

_AT_ONCE: Final = Pacing()
"""No pauses at all."""

_BUSY_PAUSES_S: Final = (0.1, 0.3, 1.0)
"""Before each repetition of a request a unit was too busy for."""

_WRITES: Final = frozenset(
    {
        Function.WRITE_SINGLE_COIL,
        Function.WRITE_SINGLE_REGISTER,
        Function.WRITE_MULTIPLE_COILS,
        Function.WRITE_MULTIPLE_REGISTERS,
        Function.MASK_WRITE_REGISTER,
    }
)

_MAX_FENCES: Final = 8
"""Questions asked only to tell answers apart, in front of one; a sane unit needs two."""


class Link:
    """A connection to one or more units, opened at the first request and again after a loss.

    It belongs to the event loop in which it is first used.

    Args:
        endpoint: Where it leads.
        framing: The envelope of the messages.
        pacing: The pauses to keep before sending; none by default.
        timeout_s: How long to wait for an answer, seconds, unless a request says otherwise. The
            time that question and answer take on a slow line comes on top.
        connect_timeout_s: How long opening may take, seconds; None means `timeout_s`.
        max_in_flight: Requests that may be under way at once, 1 or more. Most meters want 1, and
            framings without transactions allow no more.
        ignores_transactions: Whether the transaction numbers of answers mean nothing, because the
            gateway does not repeat those of the requests.
        removes_echo: Whether everything sent comes back first, as from some two-wire adapters.
        backoff: Pauses between failed attempts to open the link.
        clock: Measures all times but that of opening.
        tap: Told every byte and event.

    Raises:
        ConfigError: Fewer than 1 request may be in flight, or a time-out is not above 0.
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
        backoff: Backoff = USUAL_BACKOFF,
        clock: Clock | None = None,
        tap: Tap | None = None,
    ) -> None:
        if max_in_flight < 1:
            msg = f"{max_in_flight} requests in flight are not possible, use 1 or more"
            raise ConfigError(msg)
        if connect_timeout_s is None:
            connect_timeout_s = timeout_s
        for limit_s in (timeout_s, connect_timeout_s):
            if not 0 < limit_s < inf:
                msg = f"a timeout of {limit_s:g} s is not possible, use more than 0"
                raise ConfigError(msg)
        self.endpoint = endpoint
        self.framing = framing
        self.timeout_s = timeout_s
        self.clock = clock if clock is not None else SystemClock()
        self._now = self.clock.monotonic
        is_ordered = ignores_transactions or not framing.has_transactions
        self.health = LinkHealth(self._now(), is_numbered=not is_ordered)
        """How its units are doing."""
        self._units = self.health.units
        self._turns = Turns(1 if is_ordered else max_in_flight)
        self._pace = Pace(pacing, framing)
        self._is_paced = self._pace.is_needed
        self._ledger = Ledger(self.health, self._pace, self.clock)
        self._opener = Opener(
            endpoint,
            framing=framing,
            is_ordered=is_ordered,
            removes_echo=removes_echo,
            connect_timeout_s=connect_timeout_s,
            backoff=backoff,
            clock=self.clock,
            tap=tap,
        )

    @classmethod
    def to(
        cls,
        wire: Wire | str,
        *,
        timeout_s: float | None = None,
        backoff: Backoff = USUAL_BACKOFF,
        clock: Clock | None = None,
        tap: Tap | None = None,
    ) -> Self:
        """Make the link that a URL describes, such as `rtu:///dev/ttyUSB0?baudrate=9600`.

        Args:
            wire: The URL, as a text or parsed.
            timeout_s: How long to wait for an answer unless the URL says it; None: 1 s.
            backoff: Pauses between failed attempts to open the link.
            clock: Measures all times but that of opening.
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
    def tap(self) -> Tap | None:
        """Told every byte and event; may be changed while the link is at work."""
        return self._opener.tap

    @tap.setter
    def tap(self, tap: Tap | None) -> None:
        self._opener.tap = tap
        if self._opener.connection is not None:
            self._opener.connection.tap = tap

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._opener.connection is not None

    @property
    def busy_s(self) -> float:
        """See `LinkHealth.busy_s`."""
        return self.health.busy_s

    def unit(self, number: int, *, priority: Priority = Priority.POLL) -> Unit:
        """The unit with this number, 0 to 255; costs nothing, opens nothing."""
        return Unit(self, number, priority)

    async def open(self) -> None:
        """Open the link now rather than at the first request.

        Raises:
            LinkOpenError: It cannot be opened, or failed so recently that it is left alone.
            LinkClosedError: `close` was called before.
        """
        await self._opener.connected()

    async def close(self) -> None:
        """Close for good; requests under way end with `LinkClosedError`."""
        await self._opener.close()

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
            repeats_busy: Whether to ask again when the unit is busy, up to 3 times within 1.4 s:
                after exception 6, and after 5 unless it is a write, which has been accepted then.

        Raises:
            LinkError: The link could not be opened, or broke.
            RequestTimeout: No answer in time; a `UnitSilentError`: it was not even asked.
            ExceptionReplyError: The unit refused.
            RemoteProtocolError: The answer was of another question, or no Modbus at all.
            LocalProtocolError: Unit 0 on a serial line, where it means all units and none answers.
        """
        # Flat on purpose: this is what polling spends its time in.
        units = self._units
        health = units.get(unit) or self._meet(unit)
        patience_s = self.timeout_s if timeout_s is None else timeout_s
        turns = self._turns
        if turns.free:
            turns.free -= 1
        else:
            await turns.take(priority)
        try:
            if len(units) > 1:
                patience_s = self.health.patience_s(health, patience_s, self._now())
            connection = self._opener.connection
            if (
                connection is None
                or self._is_paced
                or health.timeouts_in_row
                or not connection.is_ready_for(unit, request)
            ):
                connection = await self._prepare(unit, health, request, patience_s, priority)
            return await self._answer(connection, unit, health, request, patience_s)
        except DoubtfulAnswerError:
            connection = await self._prepare(unit, health, request, patience_s, priority)
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
            LocalProtocolError: The request is no write, or this is no serial line.
        """
        if request.function not in _WRITES or self.framing.has_transactions:
            msg = "only writes can be sent to everybody, and only on a serial line"
            raise LocalProtocolError(msg)
        await self._turns.take(Priority.PERSON)
        try:
            connection = await self._quiet(0)
            data = connection.state.framer.encode(0, 0, request.pdu)
            connection.write(data)
            now = self._now()
            done_at = self._pace.announced(data, now)
            self.health.busy_s += done_at - now + self._pace.silence_s
            await self.clock.sleep_until(done_at)
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
        deadline = asked_at + timeout_s
        if self._is_paced:
            deadline += self._pace.line_s(request, request.answer_bytes)
        health.requests += 1
        transaction = connection.send(unit, request, future, deadline, timeout_s, is_fence)
        try:
            answer = await future
        except MeterError as error:
            error.endpoint, error.unit = str(self), unit
            self._ledger.failed(Asked(connection, unit, request, asked_at), error)
            raise
        except asyncio.CancelledError:
            asked = Asked(connection, unit, request, asked_at)
            self._ledger.left(asked, connection.leave(transaction))
            raise
        if self._is_paced:
            self._ledger.answered(Asked(connection, unit, request, asked_at), len(answer))
            return answer
        # The same without a slow line: it is done for each answer of a poll.
        heard_at = connection.heard_at
        self.health.busy_s += heard_at - asked_at
        health.answered(heard_at, heard_at - asked_at)
        return answer

    async def _prepare(
        self,
        unit: int,
        health: UnitHealth,
        request: Request,
        patience_s: float,
        priority: Priority,
    ) -> Connection:
        """Wait until the unit may be asked and its answer cannot be mistaken for another."""
        if health.timeouts_in_row and priority is not Priority.PERSON:
            self._check_silent(unit, health)
        connection = await self._quiet(unit)
        for _ in range(_MAX_FENCES):
            fence = connection.fence(unit, request)
            if fence is None:
                return connection
            with contextlib.suppress(ExceptionReplyError):  # an answer like any other
                await self._answer(connection, unit, health, fence, patience_s, is_fence=True)
            connection = await self._quiet(unit)
        told = "sends so many unrequested answers that they cannot be matched to requests"
        msg = f"unit {unit} at {self} {told}"
        raise MismatchError(msg, endpoint=str(self), unit=unit)

    async def _quiet(self, unit: int) -> Connection:
        """A connection whose line is free, and has been silent for as long as it must be."""
        while True:
            connection = self._opener.connection or await self._opener.connected()
            connection.is_wanted = True
            leftover = connection.leftover
            if leftover is not None:
                await asyncio.shield(leftover)
                continue
            free_at = self._pace.free_at(unit, self._opener.opened_at, connection.heard_at)
            if self._now() >= free_at:
                return connection
            # Loops wake up to a millisecond early: the rest is waited for in turns of it.
            await self.clock.sleep_until(free_at)

    def _meet(self, unit: int) -> UnitHealth:
        """A unit that was not asked before."""
        if not unit and not self.framing.has_transactions:
            told = "unit 0 is the broadcast address on a serial line and nobody answers it"
            msg = f"{told}, give a unit id"
            raise LocalProtocolError(msg)
        return self.health.of(unit)

    def _check_silent(self, unit: int, health: UnitHealth) -> None:
        now = self._now()
        wait_s = self.health.wait_s(health, now)
        if not wait_s:
            return
        since = health.silent_since
        silent_s = 0.0 if since is None else now - since
        msg = (
            f"unit {unit} at {self} has been silent for {silent_s:.0f} s, it is left alone for "
            f"{wait_s:.1f} s more so that the other units keep their rate"
        )
        raise UnitSilentError(msg, endpoint=str(self), unit=unit)


def _asks_again(error: ExceptionReplyError, request: Request) -> bool:
    """Whether a unit's busyness is a reason to repeat: it must not carry a write out twice."""
    if error.code == ExceptionCode.SERVER_DEVICE_BUSY:
        return True
    return error.code == ExceptionCode.ACKNOWLEDGE and isinstance(request, ReadRequest)
