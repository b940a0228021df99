"""A recording as questions and their answers: who was asked what, and what came of it, when.

Knows no socket and no clock: it goes by the times of the recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from energymeter.codec.framing import Frame, Framing, Side
from energymeter.recording.cutter import Cutter, Piece
from energymeter.recording.format import Event, Lost, Opened, Received, Sent, TimedOut
from energymeter.server.delivery import Chunk

__all__ = ["Exchange", "exchanges_of"]


class Exchange(NamedTuple):
    """One question and all that came before the next."""

    moment_s: float
    """When it was asked, seconds since the start of the recording."""

    framing: Framing
    question: Frame
    answer: bytes | None
    """The message of the answer, a refusal included; None: there was none."""

    latency_s: float | None
    """From the question to the whole answer, seconds; None: there was none."""

    chunks: tuple[Chunk, ...]
    """What came, cut as it came, noise included; without bytes: the connection was lost then.

    Where several questions were under way at once: what belongs to this one, frame by frame.
    """

    @property
    def is_refused(self) -> bool:
        """Whether the answer is an exception."""
        return self.answer is not None and self.answer[:1] >= b"\x80"


def exchanges_of(
    framing: Framing, events: Iterable[Event], *, is_datagram: bool = False
) -> list[Exchange]:
    """Find the questions in a recording, and what belongs to each, in the order of asking.

    A last question of which nothing came is left out: nobody knows what would have come.

    Args:
        framing: What is spoken.
        events: What happened.
        is_datagram: Whether bytes came in packets, each of which stands for itself.
    """
    listener = _Listener(framing, is_datagram=is_datagram)
    for event in events:
        listener.hear(event)
    return listener.result()


@dataclass(slots=True, eq=False)
class _Asked:
    """A question, while its answer is collected."""

    place: int
    """How many were asked before."""

    moment_s: float
    question: Frame
    raw: list[Chunk] = field(default_factory=list)
    framed: list[Chunk] = field(default_factory=list)
    answer: bytes | None = None
    latency_s: float | None = None
    is_open: bool = True
    """Whether its answer may still come, and the connection's end would be one."""

    is_shared: bool = False
    """Whether another question was under way at the same time."""

    def is_answered_by(self, frame: Frame) -> bool:
        """Whether a frame can be the answer, as far as unit and function tell."""
        question = self.question
        return frame.unit == question.unit and (frame.pdu[0] ^ question.pdu[0]) & 0x7F == 0

    def chunk(self, moment_s: float, data: bytes | None) -> Chunk:
        return Chunk(max(0.0, moment_s - self.moment_s), data)

    def take(self, piece: Piece) -> None:
        """Take in what belongs to this question, its answer or not."""
        chunk = self.chunk(piece.moment_s, piece.data)
        self.framed.append(chunk)
        if self.is_open and piece.frame is not None and self.is_answered_by(piece.frame):
            self.answer, self.latency_s = piece.frame.pdu, chunk.delay_s


class _Listener:
    def __init__(self, framing: Framing, *, is_datagram: bool) -> None:
        self._framing = framing
        self._by_transaction = framing.has_transactions
        self._cutter = Cutter(framing, is_datagram=is_datagram)
        self._asked: list[_Asked] = []
        self._open: list[_Asked] = []

    def hear(self, event: Event) -> None:
        match event:
            case Opened():
                self._hand_out(self._cutter.opened())
                self._settle(*self._open)
            case Sent():
                self._hand_out(self._cutter.sent(event.moment_s, event.data))
            case Received():
                self._keep_raw(event)
                self._hand_out(self._cutter.received(event.moment_s, event.data))
            case TimedOut():
                self._hand_out(self._cutter.timed_out())
                late = next((a for a in self._open if a.question.unit == event.unit), None)
                if late is not None:
                    self._settle(late)
            case Lost():
                self._hand_out(self._cutter.lost())
                last = self._asked[-1] if self._asked else None
                if last is not None and last.is_open:
                    chunk = last.chunk(event.moment_s, None)
                    last.raw.append(chunk)
                    last.framed.append(chunk)
                self._settle(*self._open)
            case _:
                pass

    def result(self) -> list[Exchange]:
        if self._asked and self._asked[-1] in self._open and not self._asked[-1].raw:
            self._asked.pop()
        return [
            Exchange(
                asked.moment_s,
                self._framing,
                asked.question,
                asked.answer,
                asked.latency_s,
                tuple(asked.framed if asked.is_shared else asked.raw),
            )
            for asked in self._asked
        ]

    def _keep_raw(self, event: Received) -> None:
        if self._asked:
            self._asked[-1].raw.append(self._asked[-1].chunk(event.moment_s, event.data))

    def _hand_out(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if piece.side is Side.CLIENT:
                self._answer(piece)
            elif piece.frame is not None:
                self._ask(_Asked(len(self._asked), piece.moment_s, piece.frame))

    def _ask(self, asked: _Asked) -> None:
        if self._by_transaction:
            number = asked.question.transaction
            self._settle(*(a for a in self._open if a.question.transaction == number))
        else:
            # One after the other: what was not answered by now will not be.
            self._settle(*self._open)
        self._asked.append(asked)
        # Nobody answers what is for everybody.
        asked.is_open = asked.question.unit != 0 or self._by_transaction
        if asked.is_open:
            self._open.append(asked)

    def _answer(self, piece: Piece) -> None:
        if not self._asked:
            return
        settled = next((asked for asked in self._open if self._settles(piece.frame, asked)), None)
        owner = self._asked[-1] if settled is None else settled
        owner.take(piece)
        if settled is not None:
            self._settle(settled)
            if settled is not self._asked[-1]:
                # What was asked before others had their answers is not told apart by time.
                for asked in self._asked[settled.place :]:
                    asked.is_shared = True

    def _settles(self, frame: Frame | None, asked: _Asked) -> bool:
        """Whether the client waits no longer for an answer to `asked`, once this frame came."""
        if frame is None:
            return False
        if self._by_transaction:
            return frame.transaction == asked.question.transaction
        return asked.is_answered_by(frame)

    def _settle(self, *settled: _Asked) -> None:
        for asked in settled:
            asked.is_open = False
        self._open = [asked for asked in self._open if asked.is_open]
