"""What a read costs, in milliseconds of the wire."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["TCP_COST", "Cost"]


class Cost(NamedTuple):
    """A read of n words takes `request_ms + n * word_ms`."""

    request_ms: float
    """Everything that does not depend on the length: envelope, turnaround, round trip."""

    word_ms: float
    """One more register in the answer."""

    def read_ms(self, words: int) -> float:
        """Milliseconds one read of so many registers takes."""
        return self.request_ms + words * self.word_ms


TCP_COST: Final = Cost(request_ms=2.0, word_ms=0.002)
"""A meter on a local network: 2 ms from question to answer, 2 us a register inside the meter."""
