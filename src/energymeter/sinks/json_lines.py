"""Readings as lines of JSON, one a poll, to stdout or to the end of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from energymeter.service.sink import MeterInfo, SinkPoll
from energymeter.sinks.appending import Repeats, append, file_error, write_all
from energymeter.sinks.poll_json import poll_lines
from energymeter.sinks.worker import Worker
from energymeter.site.sinks import JsonLinesEntry

__all__ = ["JsonLinesSink"]

_STDOUT: Final = 1
_MARK: Final = b'{"id":'


class JsonLinesSink:
    """Writes a line for each poll; see `service.sink.Sink`.

    A file is opened for each batch, so it may be moved away at any time (logrotate); a line is
    on the disk before `send` returns. Half a line that a crash left is taken away, and lines that
    are in the file already are not written again.

    Args:
        entry: What stands in the site file; its path is taken as it is.
        stdout: Descriptor of standard output.
    """

    def __init__(self, entry: JsonLinesEntry, stdout: int = _STDOUT) -> None:
        self._path = entry.path
        self._stdout = stdout
        self._worker = Worker("json sink")
        self._repeats = Repeats()

    async def open(self, meters: Mapping[str, MeterInfo]) -> None:
        """See `Sink.open`."""
        del meters  # nothing of them is written
        path = self._path
        if path is not None:
            await self._worker.run(lambda: append(path, lambda _: b"", mark=_MARK))

    async def send(self, polls: Sequence[SinkPoll]) -> None:
        """See `Sink.send`."""
        number = self._repeats.begin()
        await self._worker.run(lambda: self._write(polls, number))
        self._repeats.settle()

    async def close(self) -> None:
        """See `Sink.close`."""
        await self._worker.finish()

    def _write(self, polls: Sequence[SinkPoll], number: int) -> None:
        lines = poll_lines(polls)
        path = self._path
        if path is not None:
            append(
                path,
                lambda tail: self._repeats.fresh(path, lines, tail, number),
                tail_bytes=self._repeats.tail_bytes(path, lines, number),
                mark=_MARK,
            )
            return
        try:
            write_all(self._stdout, b"".join(lines))
        except OSError as error:
            place = "stdout"
            raise file_error(place, error) from error
