"""What was asked, and what is to go wrong with which request. No sockets."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from energymeter.codec import Frame, Framer
from energymeter.errors import ConfigError
from energymeter.server import Chunk, Delivery
from energymeter.server.handler import Respond
from energymeter.simulator.faults import Fault, Misbehaviour, parse_fault
from energymeter.simulator.faults.exchange import Asked

__all__ = ["FaultScript", "ScriptedDelivery", "SeenRequest"]


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as it came, whatever became of it."""

    unit: int
    pdu: bytes
    """Function code and data, without framing."""

    at_s: float
    """When it came, on the clock of `time.monotonic`."""

    @property
    def function(self) -> int:
        """The function code."""
        return self.pdu[0]

    @property
    def address(self) -> int | None:
        """The first address asked or written; None: it has none."""
        asked = Asked.of(self.pdu)
        return None if asked is None else asked.address

    @property
    def count(self) -> int | None:
        """How many registers or bits; None: it has no address."""
        asked = Asked.of(self.pdu)
        return None if asked is None else asked.count


class FaultScript:
    """What goes wrong with the next requests, one step for each.

    Args:
        steps: Faults as on the command line, such as `late=500ms`; None: a good answer.

    Raises:
        ConfigError: There are no steps, or one is no fault.
    """

    def __init__(self, steps: Sequence[str | None]) -> None:
        if not steps:
            msg = "a script without steps does nothing, give a fault or None for each request"
            raise ConfigError(msg)
        self.steps = tuple(steps)
        self._left = deque(None if text is None else parse_fault(text) for text in steps)

    @property
    def remaining(self) -> int:
        """Steps whose request has not come yet."""
        return len(self._left)

    def faults(self) -> list[Fault]:
        """Those of the steps that remain."""
        return [fault for fault in self._left if fault is not None]

    def next_step(self) -> Fault | None:
        """Take the next step; call it only while some remain."""
        return self._left.popleft()


class ScriptedDelivery:
    """Notes every request, and lets the next step of a script happen to it.

    Args:
        inner: How answers leave.
        misbehaviour: Whose wire that is.
    """

    def __init__(self, inner: Delivery, misbehaviour: Misbehaviour) -> None:
        self._inner = inner
        self._misbehaviour = misbehaviour
        self._scripts: deque[FaultScript] = deque()
        self._seen: list[SeenRequest] = []
        self._news = threading.Condition()

    @property
    def seen(self) -> tuple[SeenRequest, ...]:
        """All requests since the last `forget`, the first first."""
        with self._news:
            return tuple(self._seen)

    def forget(self) -> None:
        """Start again with no requests seen."""
        with self._news:
            self._seen.clear()

    def wait_for(self, count: int, timeout_s: float) -> bool:
        """Wait until so many requests were seen; returns whether they were in time."""
        with self._news:
            return self._news.wait_for(lambda: len(self._seen) >= count, timeout_s)

    def play(self, script: FaultScript) -> None:
        """Let a script follow those that are not over yet.

        Raises:
            ConfigError: One of its faults cannot happen on this wire.
        """
        for fault in script.faults():
            self._misbehaviour.check(fault)
        self._scripts.append(script)

    def drop_scripts(self) -> None:
        """Play no more of any script."""
        self._scripts.clear()

    def admits(self, connections: int) -> bool:
        """See `Delivery.admits`."""
        return self._inner.admits(connections)

    def answer(self, request: Frame, framer: Framer, respond: Respond) -> Sequence[Chunk]:
        """See `Delivery.answer`."""
        seen = SeenRequest(request.unit, request.pdu, time.monotonic())
        fault = self._next_step()
        try:
            if fault is None:
                return self._inner.answer(request, framer, respond)
            active = self._misbehaviour.add(fault)
            try:
                return self._inner.answer(request, framer, respond)
            finally:
                with suppress(KeyError):  # it has happened as often as it may
                    self._misbehaviour.remove(active.number)
        finally:
            # Last, so that who waits for a request finds its consequences.
            with self._news:
                self._seen.append(seen)
                self._news.notify_all()

    def _next_step(self) -> Fault | None:
        while self._scripts and not self._scripts[0].remaining:
            self._scripts.popleft()
        return self._scripts[0].next_step() if self._scripts else None
