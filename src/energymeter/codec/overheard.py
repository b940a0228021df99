"""Other units' answers, as a server hears them on a line it shares.

A serial line carries everything to everybody: after a request for another unit comes that unit's
answer, and nothing in its envelope says that it is one. It is told by what came before: a request
that was not answered here is answered elsewhere, and the next good frame of that unit and that
function, of the size an answer to it has, is that answer. When a frame can be both, an answer and
a further request, its contents decide: it is the answer if a client would take it for one.

- A write whose answer repeats it (functions 5, 6, 22, also 8) and that comes a second time is
  answered: the second one is dropped. A third one is a request again.
- A read of bits that comes a second time, byte by byte the same, is asked again.

Knows no socket, clock or log, and does not know which units are served here.
"""

from __future__ import annotations

from typing import Final

from energymeter.codec.decode import decode_request, reply_mismatch
from energymeter.codec.framing import Frame, Side
from energymeter.codec.length import Length, fits, message_bytes
from energymeter.codec.messages import Request
from energymeter.errors import InvalidRequestError

__all__ = ["Overheard"]

_ANSWERED_DIFFERENTLY: Final = frozenset({1, 2, 20})
"""Functions whose request may look like an answer, but hardly ever like the answer to itself."""


class Overheard:
    """The last request on the line, for as long as nobody has answered it."""

    __slots__ = ("_request", "_understood", "frame")

    def __init__(self) -> None:
        self.frame: Frame | None = None
        """The request; None: nothing is awaited from other units."""
        self._understood: Frame | None = None
        self._request: Request | None = None

    def hear(self, frame: Frame) -> bool:
        """Take a good frame in; returns whether it is another unit's answer. Else: a request."""
        if self.frame is not None and self._is_answered_by(frame):
            self.frame = None
            return True
        # To a broadcast there is no answer, and what looks like a refusal asks nothing.
        self.frame = frame if frame.unit and frame.pdu[0] < 0x80 else None
        return False

    def answer(self, unit: int) -> None:
        """Learn that this unit answers here."""
        if self.frame is not None and self.frame.unit == unit:
            self.frame = None

    def lengths(self, unit: int, prefix: bytes) -> tuple[int | Length, ...]:
        """How long a message that begins like this may be, likeliest first.

        A length that comes first holds until the message has it and turns out to be wrong, so
        that the beginning of an answer is never read as a request.
        """
        as_request = message_bytes(prefix, Side.SERVER)
        heard = self.frame
        if heard is None or unit != heard.unit or not prefix:
            return (as_request,)
        if prefix[0] & 0x7F != heard.pdu[0]:
            return (as_request,)
        as_answer = message_bytes(prefix, Side.CLIENT)
        if as_answer == as_request:
            return (as_answer,)
        if isinstance(as_answer, int):
            request = self._asked()
            if request is not None and request.answer_bytes not in (None, as_answer):
                return (as_request, as_answer)
        return (as_answer, as_request)

    def _is_answered_by(self, frame: Frame) -> bool:
        heard = self.frame
        if heard is None or frame.unit != heard.unit:
            return False
        function, pdu = heard.pdu[0], frame.pdu
        if pdu[0] == function | 0x80:
            return len(pdu) == 2
        if pdu[0] != function or not fits(pdu, Side.CLIENT):
            return False
        if not fits(pdu, Side.SERVER):
            return True
        if pdu == heard.pdu:
            return function not in _ANSWERED_DIFFERENTLY
        request = self._asked()
        return request is None or reply_mismatch(request, pdu) is None

    def _asked(self) -> Request | None:
        """The request in question; None when it makes no sense, or only to its unit."""
        if self._understood is not self.frame and self.frame is not None:
            self._understood = self.frame
            try:
                self._request = decode_request(self.frame.pdu)
            except InvalidRequestError:
                self._request = None
        return self._request
