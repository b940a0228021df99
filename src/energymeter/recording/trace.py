"""Show the traffic of a link while it happens, each frame explained in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from energymeter.client.tap import Tap
from energymeter.codec.explain import explain_frame
from energymeter.codec.framing import Framing, Side
from energymeter.recording.cutter import Cutter, Piece
from energymeter.recording.format import Event, Lost, Opened, Received, Sent, TimedOut

__all__ = ["TapGroup", "Tracer", "play"]

_ARROWS: Final = {Side.SERVER: ">", Side.CLIENT: "<"}
"""By who hears it."""


class Tracer:
    """A `Tap` that says each frame, and what else happens, in a line of its own.

    A line is the time since the first event, `>` for what was sent or `<` for what came, the
    bytes in hexadecimal, and what they say. `*`, `!` and `?` are openings, losses and time-outs.

    Args:
        out: Takes a line without its end.
        framing: What the link speaks.
        is_datagram: Whether bytes come in packets, each of which stands for itself.
        start_s: The moment that is shown as 0, on the link's clock; None: the first event's.
    """

    def __init__(
        self,
        out: Callable[[str], None],
        framing: Framing,
        *,
        is_datagram: bool = False,
        start_s: float | None = None,
    ) -> None:
        self._out = out
        self._framing = framing
        self._start_s = start_s
        self._cutter = Cutter(framing, is_datagram=is_datagram)

    def opened(self, moment_s: float) -> None:
        """See `Tap.opened`."""
        self._show(self._cutter.opened())
        self._say(moment_s, "* open")

    def sent(self, moment_s: float, data: bytes) -> None:
        """See `Tap.sent`."""
        self._show(self._cutter.sent(moment_s, data))

    def received(self, moment_s: float, data: bytes) -> None:
        """See `Tap.received`."""
        self._show(self._cutter.received(moment_s, data))

    def timed_out(self, moment_s: float, unit: int) -> None:
        """See `Tap.timed_out`."""
        self._show(self._cutter.timed_out())
        self._say(moment_s, f"? no answer from unit {unit} in time")

    def lost(self, moment_s: float, reason: str) -> None:
        """See `Tap.lost`."""
        self._show(self._cutter.lost())
        self._say(moment_s, f"! lost: {reason}")

    def _show(self, pieces: Iterable[Piece]) -> None:
        for moment_s, side, data, frame in pieces:
            words = explain_frame(data, framing=self._framing, side=side).summary
            shown = data.hex(" ").upper()
            if frame is None:
                words = f"noise, {words}"
            elif self._framing is Framing.ASCII:
                shown = data.decode("ascii").strip()  # it is hexadecimal already
            self._say(moment_s, f"{_ARROWS[side]} {shown}  {words}")

    def _say(self, moment_s: float, text: str) -> None:
        if self._start_s is None:
            self._start_s = moment_s
        self._out(f"+{max(0.0, moment_s - self._start_s):.6f} {text}")


class TapGroup:
    """Several taps as one."""

    def __init__(self, taps: Iterable[Tap]) -> None:
        self._taps = tuple(taps)

    def opened(self, moment_s: float) -> None:
        """See `Tap.opened`."""
        for tap in self._taps:
            tap.opened(moment_s)

    def sent(self, moment_s: float, data: bytes) -> None:
        """See `Tap.sent`."""
        for tap in self._taps:
            tap.sent(moment_s, data)

    def received(self, moment_s: float, data: bytes) -> None:
        """See `Tap.received`."""
        for tap in self._taps:
            tap.received(moment_s, data)

    def timed_out(self, moment_s: float, unit: int) -> None:
        """See `Tap.timed_out`."""
        for tap in self._taps:
            tap.timed_out(moment_s, unit)

    def lost(self, moment_s: float, reason: str) -> None:
        """See `Tap.lost`."""
        for tap in self._taps:
            tap.lost(moment_s, reason)


def play(events: Iterable[Event], tap: Tap) -> None:
    """Tell a tap what was recorded, as if it happened now; values are passed over."""
    for event in events:
        match event:
            case Opened():
                tap.opened(event.moment_s)
            case Sent():
                tap.sent(event.moment_s, event.data)
            case Received():
                tap.received(event.moment_s, event.data)
            case TimedOut():
                tap.timed_out(event.moment_s, event.unit)
            case Lost():
                tap.lost(event.moment_s, event.reason)
            case _:
                pass
