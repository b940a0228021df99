"""Listen in on a link: every byte and every event, with its time."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Tap"]


class Tap(Protocol):
    """Told what happens on a link, in order; it must not block, and not raise.

    `moment_s` is the link's monotonic clock, seconds.
    """

    def opened(self, moment_s: float) -> None:
        """A connection is there."""
        ...

    def sent(self, moment_s: float, data: bytes) -> None:
        """A whole frame was written."""
        ...

    def received(self, moment_s: float, data: bytes) -> None:
        """Bytes came, cut as they came."""
        ...

    def timed_out(self, moment_s: float, unit: int) -> None:
        """A question to this unit was given up."""
        ...

    def lost(self, moment_s: float, reason: str) -> None:
        """The connection is gone, and why, as far as it is known."""
        ...
