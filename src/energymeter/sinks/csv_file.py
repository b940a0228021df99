"""Readings as CSV files: one table a meter and period, for people with spreadsheets.

Every poll is a row, every value a column, as many columns as the meter is read for. A row is on
the disk, whole, before `send` returns.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from energymeter.clock import Clock, SystemClock
from energymeter.service.sink import MeterInfo, SinkPoll
from energymeter.sinks.appending import Repeats, append, file_error
from energymeter.sinks.csv_names import (
    end_of_file,
    file_name,
    file_stem,
    file_stems,
    period_of,
)
from energymeter.sinks.csv_rows import (
    column_of,
    columns_of,
    header_line,
    parse_header,
    row_line,
)
from energymeter.sinks.worker import Worker
from energymeter.site.sinks import CsvEntry
from energymeter.store.base import Series, microseconds

__all__ = ["CsvSink"]

_log = logging.getLogger("energymeter.sinks")

_LONGEST_HEADER_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class _Part:
    """The file a meter's rows go to now."""

    path: Path
    period: str
    number: int
    columns: tuple[str, ...]


class CsvSink:
    """Writes CSV files; see `service.sink.Sink`.

    Rows that are in a file already are not written again after a crash or a cancelled `send`.

    Args:
        entry: What stands in the site file; its folder is taken as it is.
        clock: Says which files are too old.
    """

    def __init__(self, entry: CsvEntry, clock: Clock | None = None) -> None:
        self._entry = entry
        self._clock = clock if clock is not None else SystemClock()
        self._worker = Worker("csv sink")
        self._repeats = Repeats()
        self._stems: dict[str, str] = {}
        self._columns: dict[str, tuple[str, ...]] = {}
        self._headings: dict[Series, str] = {}
        self._parts: dict[str, _Part] = {}
        self._swept = ""

    async def open(self, meters: Mapping[str, MeterInfo]) -> None:
        """See `Sink.open`."""
        await self._worker.run(lambda: self._prepare(meters))

    async def send(self, polls: Sequence[SinkPoll]) -> None:
        """See `Sink.send`."""
        number = self._repeats.begin()
        await self._worker.run(lambda: self._write(polls, number))
        self._repeats.settle()

    async def close(self) -> None:
        """See `Sink.close`."""
        await self._worker.finish()

    # What follows runs in the worker's thread.

    def _prepare(self, meters: Mapping[str, MeterInfo]) -> None:
        self._stems = file_stems(meters)
        self._columns = {
            name: columns_of(each for each in info.series if self._is_wanted(each))
            for name, info in meters.items()
        }
        self._parts = {}
        try:
            self._entry.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise file_error(self._entry.folder, error) from error
        self._sweep()

    def _is_wanted(self, series: Series) -> bool:
        return any(fnmatchcase(series.name, pattern) for pattern in self._entry.points)

    def _write(self, polls: Sequence[SinkPoll], number: int) -> None:
        groups: dict[tuple[str, str], list[SinkPoll]] = {}
        for poll in polls:
            key = (poll.meter, period_of(poll.time_us, self._entry.rotate))
            groups.setdefault(key, []).append(poll)
        for (meter, period), group in groups.items():
            part = self._part_for(meter, period, self._columns_in(group))
            rows = [row_line(poll, part.columns, self._headings) for poll in group]
            self._add(part, rows, number)
        self._sweep()

    def _add(self, part: _Part, rows: Sequence[bytes], number: int) -> None:
        append(
            part.path,
            lambda tail: self._repeats.fresh(part.path, rows, tail, number),
            tail_bytes=self._repeats.tail_bytes(part.path, rows, number),
            head=header_line(part.columns),
        )

    def _columns_in(self, polls: Sequence[SinkPoll]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for poll in polls:
            for series, _, _ in poll.values:
                heading = self._headings.get(series)
                if heading is None:
                    heading = self._headings[series] = column_of(series)
                found[heading] = None
        return tuple(found)

    def _part_for(self, meter: str, period: str, columns: tuple[str, ...]) -> _Part:
        """The file for rows of these columns; a new one when that of now lacks some."""
        stem = self._stems.get(meter)
        if stem is None:  # it is no more in the site, but its readings waited here
            stem = self._stems[meter] = file_stem(meter)
        wanted = tuple(dict.fromkeys((*self._columns.get(meter, ()), *columns)))
        part = self._parts.get(meter)
        if part is None or part.period != period:
            if part is not None:
                self._repeats.forget(part.path)
            part = self._newest_part(stem, period, wanted)
        if not set(columns) <= set(part.columns):
            part = self._new_part(stem, period, part.number + 1, wanted)
        self._parts[meter] = part
        return part

    def _newest_part(self, stem: str, period: str, wanted: tuple[str, ...]) -> _Part:
        number = 1
        while (self._path(stem, period, number + 1)).exists():
            number += 1
        path = self._path(stem, period, number)
        header = _first_line(path)
        if not header.endswith(b"\n"):  # there is none, or a crash left half of it
            return _Part(path, period, number, wanted)
        columns = parse_header(header)
        if columns is None or not set(wanted) <= set(columns):
            return self._new_part(stem, period, number + 1, wanted)
        return _Part(path, period, number, columns)

    def _new_part(self, stem: str, period: str, number: int, columns: tuple[str, ...]) -> _Part:
        return _Part(self._path(stem, period, number), period, number, columns)

    def _path(self, stem: str, period: str, number: int) -> Path:
        return self._entry.folder / stem / file_name(stem, period, number)

    def _sweep(self) -> None:
        """Delete files that are too old, once an hour."""
        if self._entry.keep is None:
            return
        now = self._clock.now()
        hour = period_of(microseconds(now), "hour")
        if hour == self._swept:
            return
        self._swept = hour
        oldest = now - timedelta(seconds=self._entry.keep)
        for path in _files_below(self._entry.folder):
            end = end_of_file(path.name, path.parent.name)
            if end is None or end > oldest:
                continue
            try:
                path.unlink()
            except OSError as error:
                _log.warning("%s is too old, but cannot be deleted: %s", path, error.strerror)


def _files_below(root: Path) -> Iterator[Path]:
    """What stands in the folders of the meters; folders that cannot be read are passed over."""
    with suppress(OSError):
        for folder in root.iterdir():
            if folder.is_dir() and not folder.is_symlink():
                with suppress(OSError):
                    yield from folder.iterdir()


def _first_line(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.readline(_LONGEST_HEADER_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise file_error(path, error) from error
