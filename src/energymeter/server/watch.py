"""The clients of one server: which are admitted, and which have been silent for too long.

Time is counted in sweeps of half a second, so that taking bytes in costs no look at a clock. Where
there is nothing to find nothing is swept: a thousand idle servers cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from energymeter.clock import Alarm, Clock

__all__ = ["Watch"]

_SWEEP_S: Final = 0.5
"""How often idle and half-sent connections are looked for."""


class _Client(Protocol):
    last_sweep: int
    """The sweep in which it was heard last."""

    begun_sweep: int
    """The sweep in which the request now half received began; 0: none is."""

    def cut(self) -> None: ...


ClientT = TypeVar("ClientT", bound=_Client)


class Watch(Generic[ClientT]):
    """Lets clients in and throws them out.

    Args:
        clock: What a sweep is measured by.
        max_connections: One more client is turned away, or takes the place of another.
        is_exchanging: Whether one more client takes the place of the one longest silent, as where
            nobody says good-bye.
        admits: Asked besides, with the number of clients there are.
        idle_timeout_s: Seconds without a byte after which a client is cut off; None: never.
        frame_timeout_s: Seconds in which a request that has begun must be complete; None: forever.

    Attributes:
        sweep: Number of the half second, above 0.
        is_open: Whether anybody is let in.
        rejected: Clients turned away while it was open.
        clients: Those that are in; with `is_exchanging` the one longest silent first.
    """

    def __init__(  # noqa: PLR0913 - the limits of a server
        self,
        clock: Clock,
        *,
        max_connections: int,
        is_exchanging: bool,
        admits: Callable[[int], bool] | None,
        idle_timeout_s: float | None,
        frame_timeout_s: float | None,
    ) -> None:
        self.sweep = 1
        self.is_open = False
        self.rejected = 0
        self.clients: dict[ClientT, None] = {}
        self._clock = clock
        self._max_connections = max_connections
        self._is_exchanging = is_exchanging
        self._admits = admits
        self._idle_sweeps = _sweeps(idle_timeout_s)
        self._frame_sweeps = _sweeps(frame_timeout_s)
        self._alarm: Alarm | None = None

    def admit(self, client: ClientT) -> bool:
        """Let a client in; returns whether it was."""
        if not self.is_open:  # it came while the door was being shut
            return False
        if self._is_exchanging and self.clients and len(self.clients) >= self._max_connections:
            oldest = next(iter(self.clients))
            del self.clients[oldest]
            oldest.cut()
        count = len(self.clients)
        if count >= self._max_connections or (self._admits and not self._admits(count)):
            self.rejected += 1
            return False
        self.clients[client] = None
        if self._idle_sweeps is not None:
            self._arm()
        return True

    def hear(self, client: ClientT) -> None:
        """Learn that a client is not silent; needed with `is_exchanging` only."""
        if client in self.clients:
            del self.clients[client]
            self.clients[client] = None

    def begin(self) -> int:
        """Learn that a request has begun; returns the sweep it is."""
        if self._frame_sweeps is not None:
            self._arm()
        return self.sweep

    def cut(self) -> None:
        """Let nobody in any more and cut everybody off."""
        self.is_open = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        for client in list(self.clients):
            client.cut()

    def _arm(self) -> None:
        if self._alarm is None:
            self._alarm = self._clock.call_at(self._clock.monotonic() + _SWEEP_S, self._look)

    def _look(self) -> None:
        self._alarm = None
        self.sweep += 1
        idle_before = 0 if self._idle_sweeps is None else self.sweep - self._idle_sweeps
        begun_before = 0 if self._frame_sweeps is None else self.sweep - self._frame_sweeps
        is_worth_it = self._idle_sweeps is not None and bool(self.clients)
        for client in list(self.clients):
            if client.last_sweep < idle_before or 0 < client.begun_sweep < begun_before:
                client.cut()
            is_worth_it = is_worth_it or client.begun_sweep > 0
        if is_worth_it and self.is_open:
            self._arm()


def _sweeps(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, round(seconds / _SWEEP_S))
