"""What one connection has still to send, each piece with its moment.

Knows neither sockets nor Modbus; the pieces leave in the order they were put in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from energymeter.clock import Alarm, Clock

__all__ = ["Outbox"]

_LOOP_TICK_S: Final = 0.001
"""What event loops count in: an alarm may ring so much early, or late."""

_EXACT_S: Final = 0.00002
"""What an exact outbox counts in: less than a loop needs for one turn."""


class Outbox:
    """Pieces of bytes that leave at their moment, one after the other.

    Args:
        clock: Says when.
        write: Takes a piece.
        drop: Called for a piece that is None.
        on_empty: Called when nothing waits any more.
        is_exact: Whether a piece may never leave early and hardly late, as on a serial line: the
            loop is then kept turning for the last millisecond. Otherwise a millisecond is nothing.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        write: Callable[[bytes], object],
        drop: Callable[[], object],
        on_empty: Callable[[], object],
        is_exact: bool = False,
    ) -> None:
        self._clock = clock
        self._write = write
        self._drop = drop
        self._on_empty = on_empty
        self._is_exact = is_exact
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        self._alarm: Alarm | None = None
        self._looked_at = -1.0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, due: float, data: bytes | None) -> None:
        """Have `data` leave when the clock shows `due`, but behind all that was put before."""
        if self._waiting:
            self._waiting.append((max(due, self._waiting[-1][0]), data))
            return
        now = self._clock.monotonic()
        if due <= now:
            self._send(data)
        else:
            self._waiting.append((due, data))
            self._arm(now)

    def clear(self) -> None:
        """Forget all that waits."""
        self._waiting.clear()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _arm(self, now: float) -> None:
        due = self._waiting[0][0]
        # A clock that stands still between two looks is one driven by hand: that one is exact.
        if self._is_exact and now != self._looked_at:
            due = max(due - _LOOP_TICK_S, now)
        self._looked_at = now
        self._alarm = self._clock.call_at(due, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        now = self._clock.monotonic()
        due = now + (_EXACT_S if self._is_exact else _LOOP_TICK_S)
        while self._waiting and self._waiting[0][0] <= due:
            self._send(self._waiting.popleft()[1])
        if self._waiting:
            self._arm(now)
        else:
            self._on_empty()

    def _send(self, data: bytes | None) -> None:
        if data is None:
            self._drop()
        else:
            self._write(data)
