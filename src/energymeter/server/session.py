"""One client, from its coming to its going: bytes in, answers out.

What all sessions of a server have in common stands in its `Terms`. Most are a `Session`, which
answers at once and is as short as it can be; whatever needs to know the time, such as a serial
line, is a `TimedSession`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from energymeter.clock import Alarm, Clock
from energymeter.codec import Frame, Framer, Framing
from energymeter.codec.echo import EchoRemover
from energymeter.codec.framers import make_framer
from energymeter.codec.framing import Side
from energymeter.server.delivery import Delivery, Respond
from energymeter.server.outbox import Outbox
from energymeter.server.security import Roles, reading_only
from energymeter.server.watch import Watch

__all__ = ["Session", "Terms", "TimedSession"]

_log = logging.getLogger(__name__)

_MOST_WAITING: Final = 256
"""Pieces that wait in an outbox before its client is not listened to any more."""

_SECOND_LOOK_S: Final = 0.001
"""A loop that was held up may ring before it reads what came meanwhile; after this it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What all sessions of a server have in common."""

    respond: Respond
    """What answers a request, broadcasts included."""

    framing: Framing
    """The envelope on this wire."""

    clock: Clock
    """Measures pauses."""

    rest_s: float | None = None
    """Seconds after which the rest of a half received frame will not come; None: it will."""

    is_line: bool = False
    """Whether the wire is a serial line: one client that neither comes nor goes."""

    is_datagram: bool = False
    """Whether bytes come in packets, each of which stands for itself."""

    removes_echo: bool = False
    """Whether everything sent comes back first, and is to be dropped."""

    roles: Roles | None = None
    """Who may write; None: everybody."""

    def make_framer(self) -> Framer:
        """Make the framer of a new session."""
        framer = make_framer(self.framing, Side.SERVER)
        return EchoRemover(framer) if self.removes_echo else framer


class Session(asyncio.Protocol):
    """A client whose bytes are a stream and whose answers leave at once."""

    def __init__(self, terms: Terms, watch: Watch[Session]) -> None:
        self.gone = asyncio.Event()
        self.last_sweep = watch.sweep
        self.begun_sweep = 0
        self._terms = terms
        self._watch = watch
        self._framer = terms.make_framer()
        # Until it is known who comes, only reading.
        self._respond = terms.respond if terms.roles is None else reading_only(terms.respond)
        self._transport: asyncio.Transport | None = None
        self._alarm: Alarm | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in, or be turned away."""
        # uvloop's transports do not inherit from asyncio's, so this cannot be an isinstance.
        self._transport = cast(asyncio.Transport, transport)
        if self._terms.roles is not None and self._terms.roles.may_write(transport):
            self._respond = self._terms.respond
        if not self._watch.admit(self):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Be gone."""
        self._forget()
        self._watch.clients.pop(self, None)
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        """Answer what is asked; at once."""
        self.last_sweep = self._watch.sweep
        framer, respond = self._framer, self._respond
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
        if framer.pending_bytes or self.begun_sweep or framer.error is not None:
            self._note_rest(is_new=bool(frames))

    def pause_writing(self) -> None:
        """Stop listening: who does not take answers is not asked for questions."""
        self._transport.pause_reading()  # type: ignore[union-attr]

    def resume_writing(self) -> None:
        """Listen again."""
        if not self._transport.is_closing():  # type: ignore[union-attr]
            self._transport.resume_reading()  # type: ignore[union-attr]

    def finish(self) -> None:
        """Send what is left to send now, then close."""
        self._forget()
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Close now."""
        self._forget()
        if self._transport is not None:
            self._transport.abort()

    def _serve(self, frames: Sequence[Frame]) -> None:
        for transaction, unit, pdu in frames:
            answer = self._respond(unit, pdu)
            if answer is not None:
                self._transport.write(self._framer.encode(transaction, unit, answer))  # type: ignore[union-attr]

    def _note_rest(self, *, is_new: bool) -> None:
        """Learn that a frame is half there (a new one, or the one before), or is no more."""
        if self._framer.error is not None:
            _log.info("a client was dropped: %s", self._framer.error.message)
            self.finish()
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if not self._framer.pending_bytes:
            self.begun_sweep = 0
            return
        if is_new or not self.begun_sweep:
            self.begun_sweep = self._watch.begin()
        if self._terms.rest_s is not None:
            self._call_in(self._terms.rest_s, self._look_again)

    def _look_again(self) -> None:
        self._call_in(_SECOND_LOOK_S, self._end_frame)

    def _end_frame(self) -> None:
        self._alarm = None
        self.begun_sweep = 0
        frames = self._framer.silence()
        if frames:
            self._serve(frames)

    def _call_in(self, seconds: float, callback: Callable[[], None]) -> None:
        clock = self._terms.clock
        self._alarm = clock.call_at(clock.monotonic() + seconds, callback)

    def _forget(self) -> None:
        """Let go of what was to happen later."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


class TimedSession(Session):
    """A client whose answers have their moments, or whose bytes come in packets."""

    def __init__(self, terms: Terms, watch: Watch[Session], delivery: Delivery) -> None:
        super().__init__(terms, watch)
        self._delivery = delivery
        self._is_choked = False
        self._outbox = Outbox(
            terms.clock,
            write=self._write,
            drop=self._drop,
            on_empty=self._listen_again,
            is_exact=terms.is_line,
        )

    def data_received(self, data: bytes) -> None:
        """Have what is asked answered; one call is one packet where there are packets."""
        self.last_sweep = self._watch.sweep
        framer = self._framer
        frames = framer.feed(data)
        if not self._terms.is_datagram:
            self._serve(frames)
            self._note_rest(is_new=bool(frames))
            return
        self._watch.hear(self)
        self._serve([*frames, *framer.silence()])
        if framer.error is not None:  # that packet was nonsense; the next is another matter
            self._framer = self._terms.make_framer()

    def pause_writing(self) -> None:
        """See `Session.pause_writing`."""
        self._is_choked = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """Listen again, unless there is a queue besides."""
        self._is_choked = False
        if len(self._outbox) < _MOST_WAITING:
            super().resume_writing()

    def _serve(self, frames: Sequence[Frame]) -> None:
        clock, outbox = self._terms.clock, self._outbox
        for frame in frames:
            received = clock.monotonic()
            for delay_s, data in self._delivery.answer(frame, self._framer, self._ask):
                outbox.put(received + delay_s, data)
                if data is None:
                    break
        if len(outbox) >= _MOST_WAITING and not self._transport.is_closing():  # type: ignore[union-attr]
            self._transport.pause_reading()  # type: ignore[union-attr]

    def _ask(self, unit: int, pdu: bytes) -> bytes | None:
        answer = self._respond(unit, pdu)
        if answer is not None:
            # Even if it is never sent: a framer on a bus shall not wait for another unit's.
            self._framer.encode(0, unit, answer[:1])
        return answer

    def _listen_again(self) -> None:
        if not self._is_choked:
            super().resume_writing()

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():  # type: ignore[union-attr]
            self._transport.write(data)  # type: ignore[union-attr]

    def _drop(self) -> None:
        if self._terms.is_line:  # no connection to drop: what was to follow does not
            self._outbox.clear()
        else:
            self.cut()

    def _forget(self) -> None:
        super()._forget()
        self._outbox.clear()
