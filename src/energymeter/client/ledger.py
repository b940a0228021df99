"""Book-keeping for each question: statistics of its unit and link, and the pause that follows it.

No socket; it is told when a question is over, and how.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final, NamedTuple

from energymeter.client.connection import Connection
from energymeter.client.health import LinkHealth
from energymeter.client.pace import Pace
from energymeter.clock import Clock
from energymeter.codec import Request
from energymeter.codec.ordered_state import DoubtfulAnswerError
from energymeter.errors import ExceptionReplyError, MeterError, RequestTimeout

__all__ = ["Asked", "Ledger"]

_REFUSAL_BYTES: Final = 2


class Asked(NamedTuple):
    """A question that was sent."""

    connection: Connection
    unit: int
    request: Request
    moment_s: float
    """When, on the link's clock."""


class Ledger:
    """Keeps the figures of one link.

    Args:
        health: Where they are.
        pace: Told when questions end, for the pauses, and says how long they are on the line.
        clock: The link's.
    """

    def __init__(self, health: LinkHealth, pace: Pace, clock: Clock) -> None:
        self._health = health
        self._pace = pace
        self._now = clock.monotonic

    def answered(self, asked: Asked, answer_bytes: int | None) -> None:
        """The unit answered; how long it thought is what is left without the time on the line.

        Args:
            asked: The question.
            answer_bytes: Size of the answer's PDU; None: not known.
        """
        heard_at = asked.connection.heard_at
        took_s = self._end(asked, heard_at)
        thought_s = took_s - self._pace.line_s(asked.request, answer_bytes)
        self._health.of(asked.unit).answered(heard_at, max(thought_s, 0.0))

    def failed(self, asked: Asked, error: MeterError) -> None:
        """It came to nothing, or to a refusal, which is an answer too."""
        health = self._health.of(asked.unit)
        if isinstance(error, ExceptionReplyError):
            health.refusals += 1
            self.answered(asked, _REFUSAL_BYTES)
        elif isinstance(error, DoubtfulAnswerError):
            self.answered(asked, asked.request.answer_bytes)
        elif isinstance(error, RequestTimeout):
            self._timed_out(asked)
        else:
            self._end(asked, self._now())
            health.faults += 1

    def left(self, asked: Asked, leftover: asyncio.Future[bool] | None) -> None:
        """Nobody waits for the answer any more.

        Args:
            asked: The question.
            leftover: See `Connection.leave`: what the unit does is known when the line is free.
        """
        if leftover is None:
            self._end(asked, self._now())
        else:
            leftover.add_done_callback(partial(self._settle, asked))

    def _settle(self, asked: Asked, leftover: asyncio.Future[bool]) -> None:
        if leftover.result():
            self.answered(asked, asked.request.answer_bytes)
        else:
            self._timed_out(asked)

    def _timed_out(self, asked: Asked) -> None:
        now = self._now()
        self._health.timed_out(self._health.of(asked.unit), now, self._end(asked, now))

    def _end(self, asked: Asked, now: float) -> float:
        """Note that it is over; returns how long it took."""
        self._pace.done(asked.unit, now)
        took_s = now - asked.moment_s
        self._health.busy_s += took_s + self._pace.silence_s
        return took_s
