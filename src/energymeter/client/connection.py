"""One connection of a link, from its opening to its loss; the next one is a new object.

It writes when it is told to, matches what comes to what was asked, and gives up what takes too
long. It knows nothing of turns, units or reconnection: that is the link's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol, cast

from energymeter.client.tap import Tap
from energymeter.clock import Alarm, Clock
from energymeter.codec import ClientState, Framer, OrderedState, Request
from energymeter.errors import (
    LinkLostError,
    MeterError,
    MismatchError,
    RemoteProtocolError,
    RequestTimeout,
)

__all__ = ["Connection", "Waiting"]

_MAX_SILENT_TIMEOUTS: Final = 3
"""Time-outs in a row, nothing heard between them, after which the connection is renewed."""

_TOLERATED_GAP_S: Final = 0.1
"""A frame may pause this long: USB adapters hand bytes on in pieces, up to 16 ms apart."""

_EARLY_S: Final = 0.001
"""Loops count in milliseconds; an alarm this much early counts as on time."""

Waiting = tuple[asyncio.Future[bytes], float, int, float]
"""The future of an answer, the moment it is given up (monotonic), the unit, the time-out."""


class Owner(Protocol):
    """The link, as its connection sees it. `str()` of it is where it leads."""

    clock: Clock
    tap: Tap | None

    def on_lost(self, connection: Connection, reason: str, *, by_peer: bool) -> None:
        """The connection cannot be used any more; the first word counts."""
        ...


class Connection(asyncio.Protocol):
    """An open way to the units.

    Args:
        owner: The link it belongs to.
        state: Matches answers to questions; a new one of this connection's own.
        make_framer: Makes a new framer, where packets stand for themselves; None elsewhere.
    """

    def __init__(
        self,
        owner: Owner,
        state: ClientState[Waiting] | OrderedState[Waiting],
        make_framer: Callable[[], Framer] | None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.state = state
        self.first_transaction = state.last_transaction
        """Where counting stood when this connection began."""
        self.gone = asyncio.Event()
        self.heard_at = 0.0
        """When bytes came last, on the owner's clock; 0.0: never."""
        self._owner = owner
        self._tap = owner.tap
        self._now = owner.clock.monotonic
        self._ordered = state if isinstance(state, OrderedState) else None
        self._make_framer = make_framer
        self._transport: asyncio.Transport | None = None
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
        elif self._tap is not None:
            self._tap.opened(self._now())

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        for alarm in (self._alarm, self._gap_alarm):
            if alarm is not None:
                alarm.cancel()
        why = f" ({exc})" if exc is not None else ""
        reason = f"the connection to {self._owner} was lost{why}"
        lost = partial(LinkLostError, reason)
        for future, *_ in self.state.abandon():
            if not future.done():
                # An error of its own for each: it will carry the unit that was asked.
                future.set_exception((self._drop_reason or lost)())
        self._owner.on_lost(self, reason, by_peer=True)
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._silent_timeouts = 0
        self.heard_at = self._now()
        if self._tap is not None:
            self._tap.received(self.heard_at, data)
        state = self.state
        settled = state.receive(data)
        if settled:
            self._foreign_mark = state.foreign_answers
            self._hand_out(settled)
        framer = state.framer
        if framer.error is not None:
            self._broken(framer.error)
        elif framer.pending_bytes and (self._ordered or self._make_framer):
            self._await_rest()

    def write(self, data: bytes) -> None:
        """Put bytes on the wire that nobody answers."""
        self._transport.write(data)  # type: ignore[union-attr]
        if self._tap is not None:
            self._tap.sent(self._now(), data)

    def send(  # noqa: PLR0913, PLR0917 - flat, for it runs once a request
        self,
        unit: int,
        request: Request,
        future: asyncio.Future[bytes],
        deadline: float,
        timeout_s: float,
        is_fence: bool,
    ) -> int:
        """Ask; `future` gets the answer's PDU, or a `MeterError`, at `deadline` at the latest.

        Returns the transaction by which the state knows the question.
        """
        waiting = (future, deadline, unit, timeout_s)
        if is_fence:
            assert self._ordered is not None  # noqa: S101 - only there questions look alike
            transaction, data = self._ordered.ask(unit, request, waiting, is_fence=True)
        else:
            transaction, data = self.state.ask(unit, request, waiting)
        self._transport.write(data)  # type: ignore[union-attr]
        if self._tap is not None:
            self._tap.sent(self._now(), data)
        # One alarm for the connection, set to the earliest deadline or sooner, never moved back.
        if self._alarm is None or deadline < self._alarm_due:
            if self._alarm is not None:
                self._alarm.cancel()
            self._arm(deadline)
        return transaction

    def drop(self, reason: Callable[[], MeterError]) -> None:
        """End this connection; what waits for an answer gets the error `reason` makes."""
        # Nobody shall use it from now on.
        self._owner.on_lost(self, reason().message, by_peer=False)
        self._drop_reason = reason
        if self._transport is not None:
            self._transport.abort()

    def _hand_out(self, settled: list[tuple[Waiting, bytes | MeterError]]) -> None:
        for (future, *_), outcome in settled:
            if future.done():  # cancelled in this very turn of the loop
                continue
            if type(outcome) is bytes:
                future.set_result(outcome)
            else:
                future.set_exception(outcome)  # type: ignore[arg-type]

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
            return
        if self._gap_alarm is None:
            self._gap_alarm = self._owner.clock.call_at(
                self.heard_at + _TOLERATED_GAP_S, self._end_gap
            )

    def _end_gap(self) -> None:
        self._gap_alarm = None
        if self._now() + _EARLY_S >= self.heard_at + _TOLERATED_GAP_S:
            self._silence()
        else:
            self._await_rest()

    def _silence(self) -> None:
        if self._ordered is not None:
            self._hand_out(self._ordered.silence())
        else:
            self.state.framer.silence()

    def _arm(self, deadline: float) -> None:
        self._alarm_due = deadline
        self._alarm = self._owner.clock.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        now = self._now() + _EARLY_S
        earliest = None
        for transaction, (future, deadline, unit, timeout_s) in self.state.waiting():
            if future.done():
                continue
            if deadline <= now:
                future.set_exception(self._given_up(transaction, unit, timeout_s))
                self.state.forget(transaction)
                if self._tap is not None:
                    self._tap.timed_out(now, unit)
                self._note_timeout()
            elif earliest is None or deadline < earliest:
                earliest = deadline
        if earliest is not None and not self._transport.is_closing():  # type: ignore[union-attr]
            self._arm(earliest)

    def _given_up(self, transaction: int, unit: int, timeout_s: float) -> MeterError:
        if self._ordered is not None:
            problem = self._ordered.misfit(transaction)
            if problem:
                return MismatchError(f"{problem}; it was not used")
        msg = f"no answer from {self._owner} unit {unit} within {timeout_s:g} s"
        return RequestTimeout(msg)

    def _note_timeout(self) -> None:
        # Late answers of earlier questions mean the other side is behind and may stay so; long
        # silence means it may be gone without a word. Both are cured by a new connection only.
        # On a serial line there is no other one, and late answers are told apart there.
        self._silent_timeouts += 1
        if self._ordered is None and self.state.foreign_answers > self._foreign_mark:
            msg = f"{self._owner} answered late, the connection was renewed"
            self.drop(partial(LinkLostError, msg))
        elif self._silent_timeouts >= _MAX_SILENT_TIMEOUTS:
            msg = f"{self._owner} is silent, the connection was renewed"
            self.drop(partial(LinkLostError, msg))
