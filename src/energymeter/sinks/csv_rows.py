"""Polls as rows of a table, for people with spreadsheets. Pure.

RFC 4180: commas, a point before decimals, lines end in CR LF. Every row is one line, so line ends
in texts become spaces.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from energymeter.reader.reading import Quality, Value
from energymeter.service.sink import SinkPoll
from energymeter.store.base import Series, datetime_of
from energymeter.store.numbers import number_text, plain_value

__all__ = ["column_of", "columns_of", "header_line", "parse_header", "row_line"]

_TIME: Final = "time [UTC]"
_NOT_GOOD: Final = "not good"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_FORMULA: Final = re.compile(r"(?:^|[;,])\s*(?=[=+\-@])")
"""What a spreadsheet would take for a formula, also where it cuts cells at semicolons."""


def column_of(series: Series) -> str:
    """The heading of a value: its name and unit."""
    return _harmless(f"{series.name} [{series.unit}]" if series.unit else series.name)


def columns_of(series: Iterable[Series]) -> tuple[str, ...]:
    """Headings of values, each once, in their order."""
    return tuple(dict.fromkeys(map(column_of, series)))


def header_line(columns: Sequence[str]) -> bytes:
    """The first line of a file."""
    return _line([_TIME, *columns, _NOT_GOOD])


def parse_header(line: bytes) -> tuple[str, ...] | None:
    """The columns a first line names; None when it is not one of ours."""
    try:
        cells = next(csv.reader([line.decode().rstrip("\r\n")], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return None
    if len(cells) < 2 or (cells[0], cells[-1]) != (_TIME, _NOT_GOOD):
        return None
    return tuple(cells[1:-1])


def row_line(poll: SinkPoll, columns: Sequence[str], headings: Mapping[Series, str]) -> bytes:
    """One row: when, the good values, and which were not good.

    Args:
        poll: Its values that have no column are left out.
        columns: Headings in their order.
        headings: That of each value.
    """
    cells: dict[str, str] = {}
    doubts: dict[Quality, list[str]] = {}
    for series, value, quality in poll.values:
        plain = plain_value(series, value)
        if quality is Quality.GOOD and plain is None:
            quality = Quality.NOT_AVAILABLE  # noqa: PLW2901 - no number is no good value
        if quality is Quality.GOOD:
            cells[headings[series]] = _text_of(plain)
        else:
            doubts.setdefault(quality, []).append(series.name)
    when = datetime_of(poll.time_us).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    remark = "; ".join(
        f"{quality}: {'all' if len(names) == len(poll.values) else ' '.join(names)}"
        for quality, names in doubts.items()
    )
    return _line([when, *(cells.get(column, "") for column in columns), _harmless(remark)])


def _text_of(value: Value) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return number_text(value)
    return _harmless(value) if isinstance(value, str) else str(value)


def _harmless(text: str) -> str:
    plain = _CONTROL.sub(" ", text).encode(errors="replace").decode()
    return _FORMULA.sub(lambda found: f"{found[0]}'", plain)


def _line(cells: Iterable[str]) -> bytes:
    return (",".join(map(_quoted, cells)) + "\r\n").encode()


def _quoted(cell: str) -> str:
    if any(mark in cell for mark in ',"') or cell != cell.strip():
        doubled = cell.replace('"', '""')
        return f'"{doubled}"'
    return cell
