"""The traffic of a link as frames and what lies between them, with the bytes of both.

A `Framer` tells frames and only counts noise; who shows or stores traffic wants to see the noise.
Knows no socket and no clock: moments are told to it.
"""

from __future__ import annotations

from typing import NamedTuple

from energymeter.codec.framers import make_framer
from energymeter.codec.framing import Frame, Framing, Side

__all__ = ["Cutter", "Piece"]


class Piece(NamedTuple):
    """Some bytes that belong together."""

    moment_s: float
    """When the last of them came."""

    side: Side
    """Who hears them: the server a question, the client an answer."""

    data: bytes
    frame: Frame | None
    """What they say; None: noise."""


class Cutter:
    """Cuts what is heard on a link, both directions, into pieces; none of the bytes is left out.

    Each method returns the pieces that end with what it is told, in order.

    Args:
        framing: What is spoken.
        is_datagram: Whether bytes come in packets, each of which stands for itself.
    """

    def __init__(self, framing: Framing, *, is_datagram: bool = False) -> None:
        self._framing = framing
        self._is_datagram = is_datagram
        self._restart()

    def opened(self) -> list[Piece]:
        """A new connection: what is pending will not go on."""
        pieces = [piece for way in self._ways.values() for piece in way.silence()]
        self._restart()
        return pieces

    lost = opened

    def sent(self, moment_s: float, data: bytes) -> list[Piece]:
        """The client wrote something; on a serial line that is a whole frame."""
        if self._framing.has_transactions:
            return self._ways[Side.SERVER].feed(moment_s, data)
        way = _Way(self._framing, Side.SERVER)
        asked = way.feed(moment_s, data) + way.silence()
        pieces = self.timed_out() + asked
        for piece in asked:
            if piece.frame is not None:
                self._ways[Side.CLIENT].expect(piece.frame)
        return pieces

    def received(self, moment_s: float, data: bytes) -> list[Piece]:
        """The client heard something, cut anyhow."""
        way = self._ways[Side.CLIENT]
        pieces = way.feed(moment_s, data)
        return pieces + way.silence() if self._is_datagram else pieces

    def timed_out(self) -> list[Piece]:
        """The client has waited long enough; where silence ends a frame, this was silence."""
        if self._framing.has_transactions:
            return []
        return self._ways[Side.CLIENT].silence()

    def _restart(self) -> None:
        self._ways = {side: _Way(self._framing, side) for side in Side}


class _Way:
    """One direction."""

    def __init__(self, framing: Framing, side: Side) -> None:
        self._framing = framing
        self._side = side
        self._pending = b""
        self._moment_s = 0.0
        self._framer = make_framer(framing, side)

    def feed(self, moment_s: float, data: bytes) -> list[Piece]:
        self._pending += data
        self._moment_s = moment_s
        return self._take(self._framer.feed(data))

    def silence(self) -> list[Piece]:
        if not self._pending:
            return []
        pieces = self._take(self._framer.silence())
        self._cut(len(self._pending), None, pieces)
        return pieces

    def expect(self, question: Frame) -> None:
        self._framer.expect(question.unit, question.pdu[0])

    def _take(self, frames: list[Frame]) -> list[Piece]:
        pieces: list[Piece] = []
        for frame in frames:
            data = self._framer.encode(*frame)
            # Capitals: the digits of an ASCII frame may be small ones.
            hay = self._pending.upper() if self._framing is Framing.ASCII else self._pending
            self._cut(max(hay.find(data), 0), None, pieces)
            self._cut(len(data), frame, pieces)
        # What the framer has passed over stays until a frame or silence ends it: all of a spoilt
        # frame is one piece then, not what happens to be noise already.
        if self._framer.error is not None:
            self._cut(len(self._pending), None, pieces)
            # A link would be dropped here; in a capture it may make sense again.
            self._framer = make_framer(self._framing, self._side)
        return pieces

    def _cut(self, size: int, frame: Frame | None, pieces: list[Piece]) -> None:
        if size > 0:
            pieces.append(Piece(self._moment_s, self._side, self._pending[:size], frame))
            self._pending = self._pending[size:]
