"""Polls as rows of PostgreSQL's binary COPY, and columns of values back. Pure; knows no server.

A row is meter, time, layout, numbers (`float8[]`), ratings and others. A value that a double
holds exactly stands in `numbers` only. Texts are null there and stand in `others`, a JSON object
by place (from 1, as SQL counts); whole numbers that a double does not hold stand there with every
digit, and rounded in `numbers`. Ratings are the bytes of quality of `rows`, null when all are
good and no counter has a mark.

Rows of one shape have their fields at the same places, so that NumPy writes them all at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from energymeter.reader.reading import Quality, Value
from energymeter.store.base import Form, Latest, Layout, StoredPoll
from energymeter.store.rows import NULL, QUALITY_OF, fits, rating_of

__all__ = ["Batch", "column_of", "decode"]

POSTGRES_EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01, from which PostgreSQL counts, as microseconds since 1970."""

_END_US: Final = 253_402_300_800_000_000
"""The year 10000, as far as a `datetime` goes."""

_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL: Final = b"\xff\xff"
_FLOAT8: Final = 701
"""The number PostgreSQL has for the type."""

_ESCAPED: Final = "json"
"""Key of a text that `jsonb` does not take, told as JSON in a text."""

_GOOD: Final = Quality.GOOD


class _Shape(NamedTuple):
    """What decides where the fields of a row stand."""

    width: int
    nulls: tuple[int, ...]
    """Places whose number is null."""

    is_rated: bool
    other_bytes: int
    """Length of `others` as text; 0 when it is null."""


class _Row(NamedTuple):
    """A poll that is not just good numbers."""

    place: int
    """Where it stands in the call."""

    numbers: list[float]
    """Without the nulls."""

    ratings: bytes
    others: bytes


class _Group(NamedTuple):
    """Rows of one shape."""

    places: NDArray[np.intp]
    table: NDArray[Any]


class Batch:
    """Polls that are to be kept, checked and encoded but for the numbers of meter and layout.

    Args:
        polls: In the order they came.

    Raises:
        ValueError: A poll has another length than its layout, or a time before 1970 or beyond
            9999.
    """

    def __init__(self, polls: Sequence[StoredPoll]) -> None:
        self.polls = polls
        plain: dict[int, list[int]] = {}
        odd: list[int] = []
        for place, poll in enumerate(polls):
            _check(poll)
            if not poll.marks and poll.qualities.count(_GOOD) == len(poll.qualities):
                plain.setdefault(len(poll.values), []).append(place)
            else:
                odd.append(place)
        self._groups: list[_Group] = []
        for count, places in plain.items():
            odd += self._add_plain(count, places)
        rows: dict[_Shape, list[_Row]] = {}
        for place in sorted(odd):
            shape, row = _odd_row(place, polls[place])
            rows.setdefault(shape, []).append(row)
        for shape, alike in rows.items():
            self._add_odd(shape, alike)
        self._fill("time", [poll.time_us - POSTGRES_EPOCH_US for poll in polls])

    def number(self, meters: Sequence[int], layouts: Sequence[int]) -> None:
        """Enter the numbers of each poll's meter and layout."""
        self._fill("meter", meters)
        self._fill("layout", layouts)

    def copy_data(self, chosen: Sequence[int] | None = None) -> bytes:
        """What COPY takes: of all polls, or of those at the chosen places."""
        if chosen is None:
            bodies = [group.table.tobytes() for group in self._groups]
        else:
            is_chosen = np.zeros(len(self.polls), np.bool_)
            is_chosen[list(chosen)] = True
            bodies = [group.table[is_chosen[group.places]].tobytes() for group in self._groups]
        return b"".join((_HEAD, *bodies, _TAIL))

    def _fill(self, field: str, column: Sequence[int]) -> None:
        whole = np.array(column, np.int64)
        for group in self._groups:
            group.table[field] = whole[group.places]

    def _add_plain(self, count: int, places: list[int]) -> list[int]:
        """Add those that are just numbers; returns the others."""
        rows = [list(self.polls[place].values) for place in places]
        try:
            numbers = np.array(rows, np.float64).reshape(len(rows), count)
        except (ValueError, TypeError, OverflowError):
            return places
        odd: list[int] = []
        again = numbers.tolist()
        if again != rows:
            same = [now == before for now, before in zip(again, rows, strict=True)]
            odd = [place for place, is_same in zip(places, same, strict=True) if not is_same]
            places = [place for place, is_same in zip(places, same, strict=True) if is_same]
            numbers = numbers[np.array(same, np.bool_)]
        if places:
            table = _table(_Shape(count, (), is_rated=False, other_bytes=0), len(places), numbers)
            self._groups.append(_Group(np.array(places, np.intp), table))
        return odd

    def _add_odd(self, shape: _Shape, rows: list[_Row]) -> None:
        numbers = np.array([row.numbers for row in rows], np.float64)
        table = _table(shape, len(rows), numbers)
        if shape.is_rated:
            ratings = np.frombuffer(b"".join([row.ratings for row in rows]), np.uint8)
            table["ratings"] = ratings.reshape(len(rows), shape.width)
        if shape.other_bytes:
            table["others"] = [row.others for row in rows]
        self._groups.append(_Group(np.array([row.place for row in rows], np.intp), table))


def decode(
    layout: Layout,
    time_us: int,
    numbers: Sequence[float | None],
    ratings: bytes | None,
    others: Mapping[str, Any] | None,
) -> Latest:
    """A poll again; raises `ValueError` where it has another length than its layout."""
    if len(numbers) != len(layout) or (ratings is not None and len(ratings) != len(layout)):
        msg = f"a poll of {len(numbers)} values in a layout of {len(layout)}"
        raise ValueError(msg)
    values: list[Value] = list(numbers)
    all_good, formed = _forms_of(layout)
    for place, form in formed:
        number = numbers[place]
        if number is not None:
            values[place] = _in_form(number, form)
    for key, other in (others or {}).items():
        values[int(key) - 1] = _other(other)
    if ratings is None:
        return Latest(layout, time_us, tuple(values), all_good)
    qualities = tuple(QUALITY_OF[rating & 0x0F] for rating in ratings)
    return Latest(layout, time_us, tuple(values), qualities)


def column_of(
    form: Form,
    numbers: NDArray[np.float64],
    is_null: NDArray[np.bool_],
    others: Mapping[int, str],
) -> NDArray[Any]:
    """Values of one layout's series, as `rows.RowCodec.columns` has them.

    Args:
        form: What its values are.
        numbers: As they are kept.
        is_null: Where there is no value.
        others: What stands in `others`, as JSON, by row.
    """
    numbers = np.where(is_null, 0.0, numbers)
    numbers[list(others)] = 0.0
    column: NDArray[Any] = numbers
    if form is Form.BOOLEAN and np.isin(numbers, (0.0, 1.0)).all():
        column = numbers.astype(np.bool_)
    elif form is Form.INTEGER and _are_whole(numbers):
        column = numbers.astype(np.int64)
    elif form is not Form.FLOAT:
        column = np.empty(len(numbers), np.object_)
        column[:] = [_in_form(number, form) for number in numbers.tolist()]
    for row, text in others.items():
        value = _other(json.loads(text))
        if column.dtype != np.object_ and not fits(value, column.dtype):
            column = column.astype(np.object_)
        column[row] = value
    return column


def _check(poll: StoredPoll) -> None:
    count = len(poll.layout)
    if not len(poll.values) == len(poll.qualities) == count:
        msg = (
            f"a poll of {poll.meter} has {len(poll.values)} values and {len(poll.qualities)} "
            f"qualities, its layout {count}"
        )
        raise ValueError(msg)
    if not 0 <= poll.time_us < _END_US:
        msg = f"a poll of {poll.meter} from before 1970 or beyond the year 9999"
        raise ValueError(msg)


def _odd_row(place: int, poll: StoredPoll) -> tuple[_Shape, _Row]:
    numbers: list[float] = []
    nulls: list[int] = []
    others: dict[str, Any] = {}
    for at, value in enumerate(poll.values):
        if type(value) is float:
            numbers.append(value)
            continue
        number = _as_double(value)
        if number is None:
            nulls.append(at)
        else:
            numbers.append(number)
        if value is not None and number != value:
            others[str(at + 1)] = _as_other(value)
    ratings = _ratings_of(poll)
    text = json.dumps(others, separators=(",", ":")).encode() if others else b""
    shape = _Shape(len(poll.values), tuple(nulls), any(ratings), len(text))
    return shape, _Row(place, numbers, ratings, text)


def _ratings_of(poll: StoredPoll) -> bytes:
    # Nearly all values are good in nearly all polls, so those are not looked up.
    ratings = [0 if each is _GOOD else rating_of(0, each, None) for each in poll.qualities]
    for at, value in enumerate(poll.values):
        if value is None:
            ratings[at] |= NULL
    for at, mark in poll.marks.items():
        ratings[at] |= rating_of(0, _GOOD, mark)
    return bytes(ratings)


def _as_double(value: Value) -> float | None:
    """The nearest double, None where there is none."""
    if value is None or isinstance(value, str):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _as_other(value: Value) -> Any:  # noqa: ANN401 - whatever JSON takes
    """A value for `jsonb`, which takes no NUL and no half of a surrogate pair."""
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= c <= "\udfff" for c in value)):
        return {_ESCAPED: json.dumps(value)}
    return value


def _other(value: Any) -> Value:  # noqa: ANN401 - whatever JSON gives
    if isinstance(value, dict):
        value = json.loads(value[_ESCAPED])
    if not isinstance(value, (str, int)):
        msg = f"{value!r} among the values that are no doubles"
        raise TypeError(msg)
    return value


@lru_cache(maxsize=1024)
def _forms_of(layout: Layout) -> tuple[tuple[Quality, ...], tuple[tuple[int, Form], ...]]:
    """Qualities of a poll that is good, and the places whose values are no doubles."""
    whole = (Form.INTEGER, Form.BOOLEAN)
    formed = [(place, each.form) for place, each in enumerate(layout.series) if each.form in whole]
    return (_GOOD,) * len(layout), tuple(formed)


def _in_form(number: float, form: Form) -> Value:
    if form is Form.INTEGER and number.is_integer():
        return int(number)
    if form is Form.BOOLEAN and number in {0.0, 1.0}:
        return bool(number)
    return number


def _are_whole(numbers: NDArray[np.float64]) -> bool:
    return bool(((np.abs(numbers) < 2.0**63) & (np.rint(numbers) == numbers)).all())


def _table(shape: _Shape, size: int, numbers: NDArray[np.float64]) -> NDArray[Any]:
    """Rows of a shape with everything in them that is known."""
    template, runs = _template(shape)
    table = np.repeat(template, size)
    first = 0
    for name, count in runs:
        table[name]["number"] = numbers[:, first : first + count]
        first += count
    return table


@lru_cache(maxsize=1024)
def _template(shape: _Shape) -> tuple[NDArray[Any], list[tuple[str, int]]]:
    """A row of a shape without its values, and its runs of numbers."""
    fields: list[tuple[Any, ...]] = [
        *(("fields", ">i2"), ("meter_bytes", ">i4"), ("meter", ">i4")),
        *(("time_bytes", ">i4"), ("time", ">i8"), ("layout_bytes", ">i4"), ("layout", ">i4")),
        *(("array_bytes", ">i4"), ("dimensions", ">i4"), ("has_null", ">i4"), ("type", ">i4")),
        *(("count", ">i4"), ("first", ">i4")),
    ]
    if not shape.width:
        # An array of nothing has no dimensions.
        del fields[-2:]
    runs: list[tuple[str, int]] = []
    blanks: list[str] = []
    for before, null in pairwise((-1, *shape.nulls, shape.width)):
        if null - before > 1:
            runs.append((f"run{null}", null - before - 1))
            number = [("bytes", ">i4"), ("number", ">f8")]
            fields.append((f"run{null}", number, (null - before - 1,)))
        if null < shape.width:
            blanks.append(f"null{null}")
            fields.append((f"null{null}", ">i4"))
    fields.append(("ratings_bytes", ">i4"))
    if shape.is_rated:
        fields.append(("ratings", "u1", (shape.width,)))
    fields.append(("others_bytes", ">i4"))
    if shape.other_bytes:
        fields += [("version", "u1"), ("others", f"S{shape.other_bytes}")]
    template = np.zeros(1, np.dtype(fields))
    _enter_lengths(template, shape, runs, blanks)
    return template, runs


def _enter_lengths(
    template: NDArray[Any], shape: _Shape, runs: list[tuple[str, int]], blanks: list[str]
) -> None:
    known = {"fields": 6, "meter_bytes": 4, "time_bytes": 8, "layout_bytes": 4, "type": _FLOAT8}
    known["array_bytes"] = 12
    if shape.width:
        known["array_bytes"] = 20 + 4 * shape.width + 8 * (shape.width - len(shape.nulls))
        known |= {"dimensions": 1, "has_null": int(bool(blanks)), "count": shape.width, "first": 1}
    known |= dict.fromkeys(blanks, -1)
    known["ratings_bytes"] = shape.width if shape.is_rated else -1
    known["others_bytes"] = 1 + shape.other_bytes if shape.other_bytes else -1
    if shape.other_bytes:
        known["version"] = 1
    for name, value in known.items():
        template[name] = value
    for name, _ in runs:
        template[name]["bytes"] = 8
