"""Ask over a link and keep everything that was heard; an answer that fails is a finding, no error.

It knows no layer: what it all means is for the examiners.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple, Self

from energymeter.client import Backoff, Link, Priority
from energymeter.clock import Clock
from energymeter.codec import ReadRequest
from energymeter.doctor.sound import Nature, Sound, judge_sound
from energymeter.errors import (
    ExceptionReplyError,
    LinkError,
    LocalProtocolError,
    MeterError,
    RequestTimeout,
)
from energymeter.transports import Endpoint, Way, Wire

__all__ = ["Event", "Exchange", "Kind", "Probe"]

_AT_ONCE: Final = Backoff(first_s=0.0, longest_s=0.0)
"""The doctor chooses its pauses itself."""

_DEVICE_S: Final = 5.0
"""How long opening a serial port may take, with a look at what other ports there are."""

_REST_S: Final = 0.05
"""After the first bytes the others follow soon."""

_GATEWAY_CODES: Final = (10, 11)


class Kind(StrEnum):
    """What can happen on a link."""

    OPENED = "opened"
    SENT = "sent"
    HEARD = "heard"
    LOST = "lost"


class Event(NamedTuple):
    """Something that happened on the link, at a moment of its monotonic clock in seconds."""

    moment_s: float
    kind: Kind
    data: bytes = b""
    reason: str = ""


class _Ear:
    """A `Tap` that keeps it all."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.stirred = asyncio.Event()

    def opened(self, moment_s: float) -> None:
        self._keep(Event(moment_s, Kind.OPENED))

    def sent(self, moment_s: float, data: bytes) -> None:
        self._keep(Event(moment_s, Kind.SENT, bytes(data)))

    def received(self, moment_s: float, data: bytes) -> None:
        self._keep(Event(moment_s, Kind.HEARD, bytes(data)))

    def timed_out(self, moment_s: float, unit: int) -> None:
        """The question's error says it."""

    def lost(self, moment_s: float, reason: str) -> None:
        self._keep(Event(moment_s, Kind.LOST, reason=reason))

    def _keep(self, event: Event) -> None:
        self.events.append(event)
        self.stirred.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A question and what came of it."""

    unit: int
    request: ReadRequest
    events: Sequence[Event]
    """What happened since the question before, in order."""

    answer: bytes | None = None
    """The answer's PDU; None: there is no good one."""

    error: MeterError | None = None
    """Why there is none."""

    @property
    def is_answered(self) -> bool:
        """Whether the unit itself gave a valid answer, be it a refusal."""
        return self.answer is not None or (self.code is not None and not self.is_from_gateway)

    @property
    def code(self) -> int | None:
        """The exception code of a refusal; None: it was none."""
        return self.error.code if isinstance(self.error, ExceptionReplyError) else None

    @property
    def is_from_gateway(self) -> bool:
        """Whether the gateway says that it has no way to the unit, or no answer from it."""
        return self.code in _GATEWAY_CODES

    @property
    def is_lost(self) -> bool:
        """Whether the connection ended, or could not be made again."""
        return isinstance(self.error, LinkError)

    @property
    def is_timeout(self) -> bool:
        """Whether no answer came in time."""
        return isinstance(self.error, RequestTimeout)

    @property
    def sent(self) -> bytes:
        """The frame of the question; empty: it was not even sent."""
        return next((e.data for e in reversed(self.events) if e.kind is Kind.SENT), b"")

    @property
    def heard(self) -> bytes:
        """All bytes that came."""
        return b"".join(event.data for event in self.events if event.kind is Kind.HEARD)

    @property
    def was_opened(self) -> bool:
        """Whether a connection was made meanwhile."""
        return any(event.kind is Kind.OPENED for event in self.events)

    @property
    def loss(self) -> str:
        """Why the connection was lost; empty: it was not."""
        return next((e.reason for e in reversed(self.events) if e.kind is Kind.LOST), "")

    @property
    def sound(self) -> Sound:
        """What was heard, judged."""
        return judge_sound(self.sent, self.heard)

    @property
    def is_silent(self) -> bool:
        """Whether not a byte came."""
        return not self.heard

    @property
    def has_frames(self) -> bool:
        """Whether well-formed frames came, be they answers to this question or not."""
        return self.sound.nature is Nature.FRAMES

    @property
    def seconds(self) -> float:
        """From the question to the last byte that came; 0.0: none came."""
        sent_at: float | None = None
        heard_at = 0.0
        for event in self.events:
            if event.kind is Kind.SENT:
                sent_at = event.moment_s
            elif event.kind is Kind.HEARD and sent_at is not None:
                heard_at = event.moment_s
        return 0.0 if sent_at is None else max(0.0, heard_at - sent_at)


class Probe:
    """A link to one place in one framing.

    Args:
        wire: What it is.
        endpoint: Where it leads.
        timeout_s: How long an answer may take, seconds, and opening too unless the wire says so.
        clock: Times it.
    """

    def __init__(self, wire: Wire, endpoint: Endpoint, *, timeout_s: float, clock: Clock) -> None:
        self.wire = wire
        self.link = Link(
            endpoint,
            framing=wire.framing,
            pacing=wire.pacing,
            timeout_s=timeout_s,
            connect_timeout_s=_connect_timeout_s(wire, timeout_s),
            ignores_transactions=wire.ignores_transactions,
            removes_echo=wire.removes_echo,
            backoff=_AT_ONCE,
            clock=clock,
            tap=(ear := _Ear()),
        )
        self._ear = ear
        self._told = 0
        """Events that are in an exchange already."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.close()

    async def open(self) -> None:
        """Open the link.

        Raises:
            LinkOpenError: It cannot be.
        """
        await self.link.open()

    async def ask(
        self,
        request: ReadRequest,
        *,
        unit: int,
        timeout_s: float | None = None,
        repeats_busy: bool = False,
    ) -> Exchange:
        """Ask, once, or as readers do again when the unit is busy.

        The exchange has in it what was heard since the question before.
        """
        answer: bytes | None = None
        error: MeterError | None = None
        try:
            answer = await self.link.exchange(
                unit,
                request,
                timeout_s=timeout_s,
                priority=Priority.PERSON,
                repeats_busy=repeats_busy,
            )
        except LocalProtocolError:
            raise
        except MeterError as failure:
            error = failure
        return Exchange(
            unit=unit, request=request, events=self._new_events(), answer=answer, error=error
        )

    async def listen(self, exchange: Exchange, seconds: float) -> Exchange:
        """Go on listening after a question that got no answer.

        Returns once something has come, or the connection is lost, or after `seconds`.
        """
        heard = len(self._ear.events)
        self._ear.stirred.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ear.stirred.wait()
        if len(self._ear.events) > heard:
            await asyncio.sleep(_REST_S)
        return replace(exchange, events=(*exchange.events, *self._new_events()))

    def latencies(self) -> Iterator[float]:
        """How long the first byte took after each question, seconds, where one came."""
        asked_at: float | None = None
        for event in self._ear.events:
            if event.kind is Kind.SENT:
                asked_at = event.moment_s
            elif event.kind is Kind.HEARD and asked_at is not None:
                yield event.moment_s - asked_at
                asked_at = None

    @property
    def losses(self) -> int:
        """How often the connection was lost so far."""
        return sum(event.kind is Kind.LOST for event in self._ear.events)

    def _new_events(self) -> tuple[Event, ...]:
        events = tuple(self._ear.events[self._told :])
        self._told = len(self._ear.events)
        return events


def _connect_timeout_s(wire: Wire, timeout_s: float) -> float:
    """How long opening may take: a serial port is there or not, there is nothing to wait for."""
    if wire.connect_timeout_s is not None:
        return wire.connect_timeout_s
    return max(timeout_s, _DEVICE_S) if wire.way is Way.SERIAL else timeout_s
