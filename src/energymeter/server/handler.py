"""The one function a server is: request in, response out."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Handler"]


class Handler(Protocol):
    """Whoever answers requests; knows no socket and no framing."""

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        """Answer one request.

        Args:
            unit: The unit addressed, 0 to 255.
            pdu: The request without framing, at least one byte; it may be nonsense.

        Returns:
            The response without framing, an exception response included; None to stay silent.
        """
        ...
