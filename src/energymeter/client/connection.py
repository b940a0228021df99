"""One connection of a link, from its opening to its loss; the next one is a new object.

It writes when it is told to, matches what comes to what was asked, and gives up what takes too
long. It knows nothing of turns, pauses or reconnection: those are the link's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol, cast

from energymeter.client.tap import Tap
from energymeter.clock import Alarm, Clock
from energymeter.codec import ClientState, Framer, Framing, OrderedState, ReadRequest, Request
from energymeter.errors import (
    LinkLostError,
    MeterError,
    MismatchError,
    RemoteProtocolError,
    RequestTimeout,
)

__all__ = ["Connection", "State", "Waiting"]

_MAX_SILENT_TIMEOUTS: Final = 3
"""Time-outs in a row, nothing heard between them, after which the connection is renewed."""

_TOLERATED_GAPS_S: Final = {Framing.RTU: 0.1, Framing.ASCII: 1.0}
"""A frame may pause this long: USB adapters hand bytes on in pieces, up to 16 ms apart; for ASCII
the specification allows a second. With a length in front a pause says nothing."""

_LATEST_S: Final = 60.0
"""How long after a question was given up a late answer to it is still expected."""

_EARLY_S: Final = 0.001
"""Loops count in milliseconds; an alarm this much early counts as on time."""

Waiting = tuple[asyncio.Future[bytes], float, int, float]
"""The future of an answer, the moment it is given up (monotonic), the unit, the time-out."""

State = ClientState[Waiting] | OrderedState[Waiting]
"""Matches answers to questions."""


class Owner(Protocol):
    """The link, as its connection sees it. `str()` of it is where it leads."""

    framing: Framing
    clock: Clock
    tap: Tap | None

    def on_lost(self, connection: Connection, reason: str, *, by_peer: bool) -> None:
        """The connection cannot be used any more; said once."""
        ...


class Connection(asyncio.Protocol):
    """An open way to the units.

    Args:
        owner: The link it belongs to.
        state: Matches answers to questions; a new one of this connection's own.
        make_framer: Makes a new framer, where packets stand for themselves; None elsewhere.
    """

    def __init__(
        self, owner: Owner, state: State, make_framer: Callable[[], Framer] | None
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.state = state
        self.ordered = state if isinstance(state, OrderedState) else None
        """The state, where answers carry no transaction."""
        self.gone = asyncio.Event()
        self.heard_at = owner.clock.monotonic()
        """When bytes came last, on the owner's clock; when it was made, if none came."""
        self.was_heard = False
        """Whether any came."""
        self.is_wanted = False
        """Whether a request was or will be sent here: then it is a fault if the peer hangs up."""
        self.leftover: asyncio.Future[bool] | None = None
        """Set while a cancelled question still holds the line; tells whether it was answered."""
        self._owner = owner
        self.tap = owner.tap
        """Told every byte and event; may be changed at any time."""

        self._now = owner.clock.monotonic
        self._make_framer = make_framer
        self._gap_s = _TOLERATED_GAPS_S.get(owner.framing)
        self._transport: asyncio.Transport | None = None
        self._is_over = False
        self._alarm: Alarm | None = None
        self._alarm_due = 0.0
        self._gap_alarm: Alarm | None = None
        self._silent_timeouts = 0
        self._foreign_mark = 0
        self._drop_reason: Callable[[], MeterError] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        # uvloop's transports do not inherit from asyncio's, so this cannot be an isinstance.
        self._transport = cast(asyncio.Transport, transport)
        if self._drop_reason is not None:
            self._transport.abort()
        elif self.tap is not None:
            self.tap.opened(self._now())

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        for alarm in (self._alarm, self._gap_alarm):
            if alarm is not None:
                alarm.cancel()
        why = f" ({exc})" if exc is not None else ""
        reason = f"the connection to {self._owner} was lost{why}"
        self._end(reason, by_peer=True)
        lost = partial(LinkLostError, reason)
        for future, *_ in self.state.abandon():
            if not future.done():
                # An error of its own for each: it will carry the unit that was asked.
                future.set_exception((self._drop_reason or lost)())
        self._end_leftover(is_answered=False)
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._silent_timeouts = 0
        self.was_heard = True
        self.heard_at = self._now()
        if self.tap is not None:
            self.tap.received(self.heard_at, data)
        state = self.state
        settled = state.receive(data)
        if settled:
            self._foreign_mark = state.foreign_answers
            self._hand_out(settled)
        framer = state.framer
        if framer.error is not None:
            self._broken(framer.error)
        elif framer.pending_bytes:
            self._await_rest()

    def is_ready_for(self, unit: int, request: Request) -> bool:
        """A quick check: whether this can surely be asked at once, without a fence."""
        ordered = self.ordered
        return ordered is None or (self.leftover is None and ordered.is_clear(unit, request))

    def fence(self, unit: int, request: Request) -> ReadRequest | None:
        """See `OrderedState.fence`; None where answers carry their transaction."""
        return None if self.ordered is None else self.ordered.fence(unit, request, self._now())

    def write(self, data: bytes) -> None:
        """Put bytes on the wire that nobody answers."""
        self._transport.write(data)  # type: ignore[union-attr]
        if self.tap is not None:
            self.tap.sent(self._now(), data)

    def send(  # noqa: PLR0913, PLR0917 - flat, for it runs once a request
        self,
        unit: int,
        request: Request,
        future: asyncio.Future[bytes],
        deadline: float,
        timeout_s: float,
        is_fence: bool = False,
    ) -> int:
        """Ask; `future` gets the answer's PDU, or a `MeterError`, at `deadline` at the latest.

        Returns the transaction by which the state knows the question.
        """
        self.is_wanted = True
        waiting = (future, deadline, unit, timeout_s)
        if self.ordered is None:
            transaction, data = self.state.ask(unit, request, waiting)
        else:
            if self.state.framer.pending_bytes:
                self._silence()  # what is left of an answer will not become one any more
            transaction, data = self.ordered.ask(
                unit, request, waiting, is_fence=is_fence, expires=deadline + _LATEST_S
            )
        self._transport.write(data)  # type: ignore[union-attr]
        if self.tap is not None:
            self.tap.sent(self._now(), data)
        # One alarm for the connection, set to the earliest deadline or sooner, never moved back.
        if self._alarm is None or deadline < self._alarm_due:
            if self._alarm is not None:
                self._alarm.cancel()
            self._arm(deadline)
        return transaction

    def leave(self, transaction: int) -> asyncio.Future[bool] | None:
        """Learn that the asker was cancelled.

        Where answers carry no transaction the line stays taken until it is answered or given up,
        and the future returned says which. None: the line is free at once.
        """
        if self.ordered is None or not self.ordered.in_flight:
            self.state.forget(transaction)
            return None
        self.leftover = self.loop.create_future()
        return self.leftover

    def drop(self, reason: Callable[[], MeterError]) -> None:
        """End this connection; what waits for an answer gets the error `reason` makes."""
        self._drop_reason = reason
        self._end(reason().message, by_peer=False)  # nobody shall use it from now on
        if self._transport is not None:
            self._transport.abort()

    def _end(self, reason: str, *, by_peer: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self.tap is not None and self._transport is not None:
            self.tap.lost(self._now(), reason)
        self._owner.on_lost(self, reason, by_peer=by_peer)

    def _hand_out(self, settled: list[tuple[Waiting, bytes | MeterError]]) -> None:
        for (future, *_), outcome in settled:
            if future.done():  # cancelled, perhaps in this very turn of the loop
                self._end_leftover(is_answered=True)
            elif type(outcome) is bytes:
                future.set_result(outcome)
            else:
                future.set_exception(outcome)  # type: ignore[arg-type]

    def _end_leftover(self, *, is_answered: bool) -> None:
        if self.leftover is not None:
            self.leftover.set_result(is_answered)
            self.leftover = None

    def _broken(self, error: RemoteProtocolError) -> None:
        if self._make_framer is not None:  # a packet that is nonsense says nothing of the next
            self.state.framer = self._make_framer()
            return
        msg = f"{self._owner} sent {error.message}"
        self.drop(partial(RemoteProtocolError, msg, data=error.data))

    def _await_rest(self) -> None:
        """A frame has begun: it goes on soon, or never."""
        if self._make_framer is not None:  # the packet is at its end
            self._silence()
        elif self._gap_alarm is None and self._gap_s is not None:
            self._gap_alarm = self._owner.clock.call_at(self.heard_at + self._gap_s, self._end_gap)

    def _end_gap(self) -> None:
        self._gap_alarm = None
        if self._gap_s is not None and self._now() + _EARLY_S < self.heard_at + self._gap_s:
            self._await_rest()
        else:
            self._silence()

    def _silence(self) -> None:
        if self._gap_s is None and self._make_framer is None:  # the stream goes on where it is
            return
        if self.ordered is not None:
            self._hand_out(self.ordered.silence())
        else:
            self.state.framer.silence()

    def _arm(self, deadline: float) -> None:
        self._alarm_due = deadline
        self._alarm = self._owner.clock.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        now = self._now()
        earliest = None
        for transaction, (future, deadline, unit, timeout_s) in self.state.waiting():
            if future.done() and self.ordered is None:
                continue  # cancelled in this very turn of the loop
            if deadline <= now + _EARLY_S:
                self._give_up(transaction, future, unit, timeout_s)
                if self.tap is not None:
                    self.tap.timed_out(now, unit)
                self._note_timeout()
            elif earliest is None or deadline < earliest:
                earliest = deadline
        if earliest is not None and not self._is_over:
            self._arm(earliest)

    def _give_up(
        self, transaction: int, future: asyncio.Future[bytes], unit: int, timeout_s: float
    ) -> None:
        problem = "" if self.ordered is None else self.ordered.misfit(transaction)
        self.state.forget(transaction)
        if future.done():
            self._end_leftover(is_answered=bool(problem))
        elif problem:
            future.set_exception(MismatchError(f"{problem}; it was not used"))
        else:
            msg = f"no answer from {self._owner} unit {unit} within {timeout_s:g} s"
            future.set_exception(RequestTimeout(msg))

    def _note_timeout(self) -> None:
        # Late answers of earlier questions mean the other side is behind and may stay so; half an
        # answer that does not go on would swallow the next; long silence means it may be gone
        # without a word. All are cured by a new connection only. On a serial line there is no
        # other one; late answers are told apart there, and half ones end with a silence.
        self._silent_timeouts += 1
        is_stream = self.ordered is None and self._make_framer is None
        if is_stream and self.state.framer.pending_bytes:
            msg = f"{self._owner} sent half an answer, the connection was renewed"
            self.drop(partial(LinkLostError, msg))
            return
        if self.ordered is None and self.state.foreign_answers > self._foreign_mark:
            msg = f"{self._owner} answered late, the connection was renewed"
            self.drop(partial(LinkLostError, msg))
        elif self._silent_timeouts >= _MAX_SILENT_TIMEOUTS:
            msg = f"{self._owner} is silent, the connection was renewed"
            self.drop(partial(LinkLostError, msg))
