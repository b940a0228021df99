"""The one function a server is: request in, response out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from energymeter.codec import Framing

__all__ = ["Broadcaster", "Handler", "Respond", "respond_on"]

Respond = Callable[[int, bytes], bytes | None]
"""What answers a request: `Handler.answer`."""


class Handler(Protocol):
    """Whoever answers requests; knows no socket and no framing."""

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        """Answer one request; called in the event loop, so it must not block.

        An error raised here is not answered: it goes to the event loop's log, and a TCP client is
        disconnected. Whoever wants to go on answers exception 4, as `Tables` does for its hooks.

        Args:
            unit: The unit addressed, 0 to 255.
            pdu: The request without framing, at least one byte; it may be nonsense.

        Returns:
            The response without framing, an exception response included; None to stay silent.
        """
        ...


@runtime_checkable
class Broadcaster(Handler, Protocol):
    """A handler that is several units and knows which."""

    def broadcast(self, pdu: bytes) -> None:
        """Have every unit carry out a request that is for all of them.

        Args:
            pdu: As for `Handler.answer`.
        """
        ...


def respond_on(framing: Framing, handler: Handler) -> Respond:
    """What answers requests in this framing.

    On a serial line, and in its framings wherever they travel, unit 0 is everybody: all carry the
    request out and nobody answers (MODBUS over Serial Line v1.02, 2.1). A handler that is no
    `Broadcaster` is asked as unit 0. With Modbus TCP unit 0 is a unit like any other.
    """
    answer = handler.answer
    if framing.has_transactions:
        return answer
    broadcast = handler.broadcast if isinstance(handler, Broadcaster) else None

    def respond(unit: int, pdu: bytes) -> bytes | None:
        if unit:
            return answer(unit, pdu)
        if broadcast is not None:
            broadcast(pdu)
        else:
            answer(0, pdu)
        return None

    return respond
