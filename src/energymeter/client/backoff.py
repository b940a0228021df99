"""Longer and longer pauses after failure upon failure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after a failure before the next attempt.

    The pause starts at `first_s`, doubles up to `longest_s`, and each is shortened by a random
    share of up to `jitter`, so that many links do not come back in step.
    """

    first_s: float = 0.2
    longest_s: float = 10.0
    jitter: float = 0.5

    def pause_s(self, failures: int, chance: float) -> float:
        """The pause after so many failures in a row (1 or more); `chance` is 0.0 to 1.0."""
        full = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 32))
        return full * (1.0 - self.jitter * chance)
