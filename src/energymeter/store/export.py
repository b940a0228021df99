"""The history as a table for other programs, a slice of time at a time, so that memory is bounded.

Long: a row for each value. Wide: a row for each time of a meter, a column for each quantity. How
rows become a file is a `Writer`'s: `CsvWriter` here, Parquet's in `export_parquet`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TextIO

import numpy as np
from numpy.typing import NDArray

from energymeter.errors import ConfigError
from energymeter.reader.reading import Quality
from energymeter.store.base import EPOCH, Every, History, Series, Store, datetime_of
from energymeter.store.courses import history_of_meter, in_unit, meters_in
from energymeter.store.days import day_begins

__all__ = [
    "Block",
    "Column",
    "CsvWriter",
    "Export",
    "Subject",
    "WideTable",
    "Writer",
    "columns_of",
    "csv_rows",
    "extreme_values",
    "replacing",
    "subjects_of",
    "time_texts",
]

_SLICES: Final = {
    None: timedelta(hours=6),
    Every.MINUTE: timedelta(days=7),
    Every.QUARTER: timedelta(days=60),
    Every.HOUR: timedelta(days=240),
    Every.DAY: timedelta(days=1000),
}
"""What is read at once: some ten thousand rows of each quantity at most."""

_WILD: Final = frozenset("*?[")


class Subject(NamedTuple):
    """A meter and what of it is wanted."""

    meter: str
    keys: Sequence[str]
    """Under which it is kept."""

    series: Sequence[Series]


class Block(NamedTuple):
    """A slice of the history of a meter."""

    meter: str
    histories: Iterator[tuple[Series, History]]
    """Made one by one as they are taken; the series is that of the subject."""


class Column(NamedTuple):
    """A column of a wide table: all series of one name and one unit."""

    title: str
    series: Series


class Writer(Protocol):
    """Makes a file of blocks."""

    def write(self, block: Block) -> int:
        """Write one; returns how many values it had."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def subjects_of(
    store: Store, meters: Sequence[str] = (), quantities: Sequence[str] = ()
) -> list[Subject]:
    """Which meters and quantities these patterns mean.

    Args:
        store: Where they are kept.
        meters: Names, or patterns with `*` and `?`; none: all.
        quantities: Likewise. By a whole name, one that the newest poll has no more is found too.

    Raises:
        ConfigError: One of the patterns means nothing.
    """
    layouts = store.meters()
    groups = meters_in(layouts)
    for pattern in meters:
        if not any(fnmatchcase(name, pattern) for name in groups):
            _refuse("meter", pattern, groups)
    subjects = []
    for name, keys in groups.items():
        if meters and not any(fnmatchcase(name, pattern) for pattern in meters):
            continue
        known = {series.name: series for key in keys for series in layouts[key].series}
        for pattern in quantities:
            if pattern not in known and not _WILD.intersection(pattern):
                _add_former(store, keys, pattern, known)
        series = [
            each
            for each in known.values()
            if not quantities or any(fnmatchcase(each.name, pattern) for pattern in quantities)
        ]
        if series:
            subjects.append(Subject(name, keys, series))
    for pattern in quantities:
        if not any(fnmatchcase(s.name, pattern) for each in subjects for s in each.series):
            names = {series.name for layout in layouts.values() for series in layout.series}
            _refuse("quantity", pattern, names)
    return subjects


def _add_former(store: Store, keys: Sequence[str], name: str, known: dict[str, Series]) -> None:
    for key in keys:
        history = store.history(key, name, EPOCH, EPOCH)
        if history is not None:
            known[name] = history.series


def _refuse(what: str, pattern: str, known: Iterable[str]) -> None:
    close = get_close_matches(pattern, sorted(known), 3, 0.5)
    near = f"; near it: {', '.join(close)}" if close else ""
    msg = f"there is no {what} {pattern!r}{near}; energymeter history lists all"
    raise ConfigError(msg)


def columns_of(subjects: Iterable[Subject]) -> list[Column]:
    """The columns of a wide table; quantities that have several units have several columns."""
    found: dict[tuple[str, str], Series] = {}
    units: dict[str, set[str]] = {}
    for subject in subjects:
        for series in subject.series:
            found.setdefault((series.name, series.unit), series)
            units.setdefault(series.name, set()).add(series.unit)
    return [
        Column(name if len(units[name]) == 1 else f"{name} [{unit}]", series)
        for (name, unit), series in found.items()
    ]


class Export:
    """Reads slice by slice what a writer is to write.

    Args:
        store: Where it is kept.
        subjects: What is wanted, see `subjects_of`.
        start: The first moment; None: as far back as there is anything.
        end: The first moment that is not wanted.
        every: As in `Store.history`.
        zone: Where days begin; None: where this computer is.

    Raises:
        ConfigError: No start is given, and the store does not know where its history begins.
    """

    def __init__(  # noqa: PLR0913 - what is wanted
        self,
        store: Store,
        subjects: Sequence[Subject],
        *,
        start: datetime | None,
        end: datetime,
        every: Every | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        self.subjects = subjects
        self._store = store
        self._start = start
        self._end = end
        self._every = every
        self._zone = zone

    def run(self, writer: Writer, on_progress: Callable[[float, int], None]) -> int:
        """Have everything written; returns how many values that were.

        Args:
            writer: Writes; it is not closed.
            on_progress: Told after each slice which share is done, 0 to 1, and how many values.
        """
        values = 0
        for number, subject in enumerate(self.subjects):
            slices = self._slices(subject)
            for place, (start, end) in enumerate(slices):
                values += writer.write(Block(subject.meter, self._read(subject, start, end)))
                done = number + (place + 1) / len(slices)
                on_progress(done / len(self.subjects), values)
        return values

    def _read(
        self, subject: Subject, start: datetime, end: datetime
    ) -> Iterator[tuple[Series, History]]:
        for series in subject.series:
            history = history_of_meter(
                self._store, subject.keys, series.name, start, end, self._every, self._zone
            )
            if history is not None and len(history):
                yield series, in_unit(history, series)

    def _slices(self, subject: Subject) -> list[tuple[datetime, datetime]]:
        start, end = self._span(subject)
        if end <= start:
            return []
        step = _SLICES[self._every]
        if self._every is Every.DAY:
            begins = day_begins(start, end, self._zone)[: -1 : step.days]
            return list(zip(begins, [*begins[1:], end], strict=True))
        bounds = [start]
        # Where a window ends, so that none is told twice.
        bound = start - (start - EPOCH) % step + step
        while bound < end:
            bounds.append(bound)
            bound += step
        return list(zip(bounds, [*bounds[1:], end], strict=True))

    def _span(self, subject: Subject) -> tuple[datetime, datetime]:
        """From the oldest to the newest that is wanted and there."""
        start, end = self._start, self._end
        firsts = [first for key in subject.keys if (first := self._store.first(key))]
        first = min(firsts, default=end)
        start = first if start is None else max(start, first)
        latest = self._store.latest(subject.keys)
        last = max((each.time_us for each in latest.values()), default=None)
        if last is not None:
            end = min(end, datetime_of(last + 1))
        return start, end


class _Lines:
    """Ends lines as this system's programs do, though rows come with the ends of RFC 4180.

    With those, `csv` quotes each text that holds any line end, which Python 3.11 else does not.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def csv_rows(file: TextIO) -> Any:  # noqa: ANN401 - the type has no public name
    """What `csv.writer` gives, with plain line ends, and quotes round whatever needs them."""
    return csv.writer(_Lines(file))


class CsvWriter:
    """Writes CSV: times in ISO 8601, numbers with every digit, quality when it is not good.

    Args:
        file: Text; opened with `newline=""`.
        columns: Those of a wide table; None for a long one.
        every: Whether rows are windows, and which.
        zone: In which times are told; None: that of this computer.
    """

    def __init__(
        self,
        file: TextIO,
        columns: Sequence[Column] | None,
        every: Every | None,
        zone: tzinfo | None = UTC,
    ) -> None:
        self._rows = csv_rows(file)
        self._columns = columns
        self._has_windows = every is not None
        self._zone = zone
        if columns is None:
            more = ["lowest", "highest"] if self._has_windows else []
            header = ["time", "meter", "quantity", "value", "unit", "quality", *more]
        else:
            header = ["time", "meter", *map(_title_with_unit, columns), "quality"]
        self._rows.writerow(header)

    def write(self, block: Block) -> int:
        """See `Writer.write`."""
        if self._columns is not None:
            return self._write_wide(block, self._columns)
        count = 0
        for _, history in block.histories:
            size = len(history)
            count += size
            name, unit = history.series.name, history.series.unit
            self._rows.writerows(
                zip(
                    time_texts(history.times_us, self._zone, is_whole=self._has_windows),
                    [block.meter] * size,
                    [name] * size,
                    map(_cell, history.values),
                    [unit] * size,
                    [quality.value for quality in history.qualities],
                    *self._extremes(history),
                    strict=True,
                )
            )
        return count

    def close(self) -> None:
        """See `Writer.close`; the file is the caller's."""

    def _extremes(self, history: History) -> list[list[Any]]:
        if not self._has_windows:
            return []
        return [extreme_values(history, column) for column in (history.lows, history.highs)]

    def _write_wide(self, block: Block, columns: Sequence[Column]) -> int:
        table = WideTable(columns, block)
        cells = [[""] * len(table.times_us) for _ in columns]
        for place, rows, history in table.placed:
            column = cells[place]
            for row, value in zip(rows.tolist(), history.values, strict=True):
                column[row] = _cell(value)
        size = len(table.times_us)
        self._rows.writerows(
            zip(
                time_texts(table.times_us, self._zone, is_whole=self._has_windows),
                [block.meter] * size,
                *cells,
                table.qualities(),
                strict=True,
            )
        )
        return table.values


class WideTable:
    """A block with a row for each time; of two values of one time the later one counts.

    Args:
        columns: All there are.
        block: Taken in whole.
    """

    def __init__(self, columns: Sequence[Column], block: Block) -> None:
        places = {
            (column.series.name, column.series.unit): place for place, column in enumerate(columns)
        }
        found = [(places[s.name, s.unit], history) for s, history in block.histories]
        self._columns = columns
        self.values = sum(len(history) for _, history in found)
        times = [history.times_us for _, history in found]
        self.times_us: NDArray[np.int64] = (
            np.unique(np.concatenate(times)) if times else np.empty(0, np.int64)
        )
        self.placed: list[tuple[int, NDArray[np.intp], History]] = [
            (place, np.searchsorted(self.times_us, history.times_us), history)
            for place, history in found
        ]
        """Column, the row of each of its values, and those."""

    def qualities(self) -> list[str]:
        """What is not good in each row, such as `voltage=stale power=withheld`."""
        texts = [""] * len(self.times_us)
        for place, rows, history in self.placed:
            title = self._columns[place].title
            for row, quality in zip(rows.tolist(), history.qualities, strict=True):
                if quality is not Quality.GOOD:
                    texts[row] = f"{texts[row]} {title}={quality.value}".lstrip()
        return texts


def extreme_values(history: History, column: NDArray[np.float64] | None) -> list[float | None]:
    """Lowest or highest values, None where there is none."""
    if column is None:
        return [None] * len(history)
    return [
        None if nothing else value
        for value, nothing in zip(column.tolist(), history.is_null.tolist(), strict=True)
    ]


def time_texts(times_us: NDArray[np.int64], zone: tzinfo | None, *, is_whole: bool) -> list[str]:
    """Times as ISO 8601 with their zone.

    Args:
        times_us: Microseconds since 1970.
        zone: In which they are told; None: that of this computer.
        is_whole: They are whole seconds.
    """
    if zone is UTC:
        stamps: NDArray[np.datetime64] = times_us.astype("datetime64[us]")
        if is_whole:
            stamps = stamps.astype("datetime64[s]")
        return [f"{text}Z" for text in np.datetime_as_string(stamps).tolist()]
    spec = "seconds" if is_whole else "microseconds"
    return [
        datetime_of(time).astimezone(zone).isoformat(timespec=spec) for time in times_us.tolist()
    ]


def _title_with_unit(column: Column) -> str:
    name, unit = column.series.name, column.series.unit
    return f"{name} [{unit}]" if unit else name


def _cell(value: Any) -> Any:  # noqa: ANN401 - any value of a cell
    if value is None:
        return ""
    return int(value) if isinstance(value, bool) else value


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write beside this one, which it replaces at the end, or never was.

    Raises:
        ConfigError: It cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise ConfigError(msg) from error
    finally:
        part.unlink(missing_ok=True)
