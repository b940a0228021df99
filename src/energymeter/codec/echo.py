"""Our own bytes, taken out of what comes in.

On two wires everybody hears everybody, some adapters themselves included: what they send comes
back in front of the answer. Knows no socket, clock or log.
"""

from __future__ import annotations

from energymeter.codec.framing import Frame, Framer
from energymeter.errors import RemoteProtocolError

__all__ = ["EchoRemover"]


class EchoRemover:
    """A framer behind an adapter that echoes.

    What `encode` returned is awaited back, byte by byte the same, cut anyhow. Once it has come
    whole it is dropped. As soon as something else comes it is not awaited any more, and what had
    come of it goes the way of all bytes: it may be the beginning of an answer. So it does at a
    `silence`, and after the next `encode`.

    Only for an adapter that does echo: the answer to a write repeats the request, and without an
    echo in front it would be taken for one.

    Args:
        framer: Gets all the rest, and does the framing.
    """

    __slots__ = ("_awaited", "_framer", "_given_up", "_held", "echo_bytes")

    def __init__(self, framer: Framer) -> None:
        self.echo_bytes = 0
        """Our own bytes that came back so far."""
        self._framer = framer
        self._awaited = b""
        self._held = b""
        """What of it has come."""
        self._given_up = b""
        """What had come of an echo that is not awaited any more, still to be passed on."""

    @property
    def error(self) -> RemoteProtocolError | None:
        """See `Framer.error`."""
        return self._framer.error

    @property
    def pending_bytes(self) -> int:
        """See `Framer.pending_bytes`; an echo that is not whole counts."""
        return self._framer.pending_bytes + len(self._given_up) + len(self._held)

    @property
    def noise_bytes(self) -> int:
        """See `Framer.noise_bytes`."""
        return self._framer.noise_bytes

    @property
    def foreign_bytes(self) -> int:
        """See `Framer.foreign_bytes`."""
        return self._framer.foreign_bytes

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes in and return the frames they complete, in order."""
        if not self._awaited and not self._given_up:
            return self._framer.feed(data)
        heard = self._held + data
        awaited = self._awaited
        if len(heard) < len(awaited) and awaited.startswith(heard):
            self._held = heard
            return []
        if awaited and heard.startswith(awaited):
            self.echo_bytes += len(awaited)
            heard = heard[len(awaited) :]
        self._awaited = self._held = b""
        return self._pass_on(heard)

    def silence(self) -> list[Frame]:
        """See `Framer.silence`."""
        held, self._held, self._awaited = self._held, b"", b""
        return self._pass_on(held) + self._framer.silence()

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        """Put a message into its envelope, and await it back."""
        self._given_up += self._held
        self._held = b""
        self._awaited = self._framer.encode(transaction, unit, pdu)
        return self._awaited

    def expect(self, unit: int, function: int) -> None:
        """See `Framer.expect`."""
        self._framer.expect(unit, function)

    def _pass_on(self, data: bytes) -> list[Frame]:
        data, self._given_up = self._given_up + data, b""
        return self._framer.feed(data) if data else []
