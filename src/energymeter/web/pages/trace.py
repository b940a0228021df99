"""The frames on a link as they go by, in words; listens only while somebody looks."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Final

from energymeter.codec import Framing
from energymeter.codec.explain import explain_frame
from energymeter.codec.framing import Side
from energymeter.recording.cutter import Cutter, Piece
from energymeter.service.frames import FrameEvent, FrameKind, FrameStream
from energymeter.web.pages.figures import grouped
from energymeter.web.pages.markup import Markup, join, tag

__all__ = ["MOST", "Trace"]

MOST: Final = 200
"""Lines a browser keeps."""

_AT_ONCE: Final = 40
"""Lines that are explained and sent a second; of more, the newest."""

_SHOWN_BYTES: Final = 64

_ARROWS: Final = {Side.SERVER: ("→", "asked"), Side.CLIENT: ("←", "answered")}
_KINDS: Final = {
    FrameKind.OPENED: ("*", "opened"),
    FrameKind.TIMED_OUT: ("?", "no answer in time from unit"),
    FrameKind.LOST: ("!", "lost:"),
}


class Trace:
    """What goes over one link.

    Args:
        stream: Lets listen.
        is_datagram: Whether bytes come in packets, each of which stands for itself.
    """

    def __init__(self, stream: FrameStream, *, is_datagram: bool) -> None:
        self.stream = stream
        self._framing: Framing = stream.link.framing
        self._is_datagram = is_datagram
        self._cutter = Cutter(self._framing, is_datagram=is_datagram)
        self._heard: asyncio.Queue[FrameEvent] | None = None
        self._stack = ExitStack()

    @property
    def is_on(self) -> bool:
        """Whether it listens."""
        return self._heard is not None

    def start(self) -> None:
        """Listen."""
        if self._heard is None:
            self._cutter = Cutter(self._framing, is_datagram=self._is_datagram)
            self._heard = self._stack.enter_context(self.stream.listening())

    def stop(self) -> None:
        """Listen no more."""
        self._heard = None
        self._stack.close()

    def lines(self) -> Markup:
        """What went by since the last call, the newest first."""
        found: list[tuple[float, Piece | FrameEvent]] = []
        while self._heard is not None and not self._heard.empty():
            found += self._cut(self._heard.get_nowait())
        left_out = len(found) - _AT_ONCE
        lines = [_line(time_s, what, self._framing) for time_s, what in found[-_AT_ONCE:]]
        if left_out > 0:
            words = f"{grouped(left_out)} frames more within this second"
            lines.insert(0, tag("li", tag("span", words, class_="em-words"), class_="em-left-out"))
        return join(reversed(lines))

    def _cut(self, event: FrameEvent) -> list[tuple[float, Piece | FrameEvent]]:
        cutter = self._cutter
        match event.kind:
            case FrameKind.SENT:
                return [(p.moment_s, p) for p in cutter.sent(event.time_s, event.data)]
            case FrameKind.RECEIVED:
                return [(p.moment_s, p) for p in cutter.received(event.time_s, event.data)]
            case FrameKind.OPENED:
                pieces = cutter.opened()
            case FrameKind.LOST:
                pieces = cutter.lost()
            case FrameKind.TIMED_OUT:
                pieces = cutter.timed_out()
        return [*((p.moment_s, p) for p in pieces), (event.time_s, event)]


def _line(time_s: float, what: Piece | FrameEvent, framing: Framing) -> Markup:
    time = datetime.fromtimestamp(time_s, UTC).astimezone()
    stamp = tag("time", f"{time:%H:%M:%S}.{time.microsecond // 1000:03d}", class_="em-num")
    if isinstance(what, FrameEvent):
        sign, words = _KINDS[what.kind]
        text = tag("span", f"{words} {what.text}".rstrip(), class_="em-words")
        return tag("li", stamp, tag("span", sign, class_="em-arrow"), text, class_="em-odd")
    arrow, asked = _ARROWS[what.side]
    told = explain_frame(what.data, framing=framing, side=what.side)
    words = told.summary if what.frame is not None else f"noise, {told.summary}"
    shown = what.data[:_SHOWN_BYTES].hex(" ").upper()
    if len(what.data) > _SHOWN_BYTES:
        shown += " …"
    return tag(
        "li",
        stamp,
        tag("span", arrow, class_="em-arrow", title=asked),
        tag("span", words, class_="em-words"),
        tag("code", shown),
        class_=None if told.is_sound and what.frame is not None else "em-odd",
    )
