"""Keep a recording while a link works."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from energymeter.clock import Clock, SystemClock
from energymeter.codec.framing import Framing
from energymeter.recording.format import (
    Event,
    Header,
    Lost,
    Noted,
    NotedValue,
    Opened,
    Received,
    Sent,
    TimedOut,
    render_event,
    render_header,
)
from energymeter.recording.output import Output
from energymeter.values.text import shortest

if TYPE_CHECKING:
    from energymeter.reader import ReadReport

__all__ = ["Recorder", "noted_values"]


class Recorder:
    """A `Tap` that writes what it hears to a file, an event a line, each at once.

    Args:
        path: The file; one that is there is replaced.
        framing: What the link speaks.
        wire: Where it leads, as a URL; a login in it is left out.
        profile: Name of the profile the values will be read with.
        clock: The link's clock.

    Raises:
        ConfigError: The file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        framing: Framing,
        wire: str | None = None,
        profile: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._start_s = self._clock.monotonic()
        self._output = Output(path)
        wire = None if wire is None else _without_login(wire)
        header = Header(framing, self._clock.now(), wire, profile)
        self._output.write(render_header(header).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def opened(self, moment_s: float) -> None:
        """See `Tap.opened`."""
        self._note(Opened(self._since(moment_s)))

    def sent(self, moment_s: float, data: bytes) -> None:
        """See `Tap.sent`."""
        self._note(Sent(self._since(moment_s), data))

    def received(self, moment_s: float, data: bytes) -> None:
        """See `Tap.received`."""
        self._note(Received(self._since(moment_s), data))

    def timed_out(self, moment_s: float, unit: int) -> None:
        """See `Tap.timed_out`."""
        self._note(TimedOut(self._since(moment_s), unit))

    def lost(self, moment_s: float, reason: str) -> None:
        """See `Tap.lost`."""
        self._note(Lost(self._since(moment_s), reason))

    def note_values(self, unit: int, values: Iterable[NotedValue]) -> None:
        """Add what was read out of the frames so far, of one unit (0 to 255)."""
        moment_s = self._since(self._clock.monotonic())
        lines = [render_event(Noted(moment_s, unit, value)) for value in values]
        self._output.write("".join(lines).encode())

    def close(self) -> None:
        """End the recording; may be called twice.

        Raises:
            MeterError: Not everything could be written.
        """
        self._output.close()

    def _since(self, moment_s: float) -> float:
        return max(0.0, moment_s - self._start_s)

    def _note(self, event: Event) -> None:
        self._output.write(render_event(event).encode())


def noted_values(report: ReadReport) -> Iterator[NotedValue]:
    """The values of a reading as a recording keeps them: no more digits than the meter gave."""
    for point, (name, value, unit, quality, _) in zip(report.points, report, strict=True):
        kept = shortest(value, point.type) if isinstance(value, float) else value
        yield NotedValue(name, kept, unit, str(quality))


def _without_login(url: str) -> str:
    login, at, rest = urlsplit(url).netloc.rpartition("@")
    return url.replace(f"{login}{at}{rest}", rest, 1) if at else url
