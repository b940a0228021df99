"""One poll as bytes, and many of them as columns. Pure; knows no database.

A body begins with a tag. `PLAIN`: all values are there and good, packed one after the other.
`RATED`: one byte of quality for each value in front, null values packed as zero. `LOOSE`: the same
bytes of quality, the values as JSON, because one does not fit its form (a whole number of more
than 64 bits, a float where whole numbers were announced). Texts follow the numbers as JSON.

A byte of quality: bits 0-3 the quality, 4-5 the mark (rolled over, replaced), 7 set for null.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from energymeter.reader.reading import EventKind, Quality, Value
from energymeter.store.base import Form, Latest, Layout, StoredPoll

__all__ = ["MARK_OF", "NULL", "QUALITY_OF", "TYPES", "Columns", "RowCodec", "fits", "rating_of"]

_PLAIN, _RATED, _LOOSE = range(3)

NULL: Final = 0x80

_QUALITIES: Final = (
    Quality.GOOD,
    Quality.NOT_AVAILABLE,
    Quality.OUT_OF_RANGE,
    Quality.WITHHELD,
    Quality.STALE,
    Quality.NOT_READ,
)
"""In the order of their codes, which stand in files: new ones go to the end."""

_CODES: Final = {quality: code for code, quality in enumerate(_QUALITIES)}
_MARKS: Final = {EventKind.COUNTER_ROLLED_OVER: 0x10, EventKind.COUNTER_REPLACED: 0x20}

QUALITY_OF: Final[Mapping[int, Quality]] = dict(enumerate(_QUALITIES))
MARK_OF: Final[Mapping[int, EventKind]] = {mark: kind for kind, mark in _MARKS.items()}

_LETTERS: Final = {Form.FLOAT: "d", Form.INTEGER: "q", Form.BOOLEAN: "?", Form.TEXT: ""}
TYPES: Final[Mapping[Form, type[np.generic]]] = {
    Form.FLOAT: np.float64,
    Form.INTEGER: np.int64,
    Form.BOOLEAN: np.bool_,
    Form.TEXT: np.object_,
}
"""Of a column whose values all have the form of their series."""


class Columns(NamedTuple):
    """Polls of one layout in columns."""

    numbers: list[NDArray[Any]]
    """A column for each value; objects for text and what does not fit its form."""

    ratings: NDArray[np.uint8]
    """Bytes of quality, a row for each value."""


def rating_of(value: Value, quality: Quality, mark: EventKind | None) -> int:
    """The byte of quality."""
    rating = _CODES[quality] | (NULL if value is None else 0)
    return rating if mark is None else rating | _MARKS[mark]


class RowCodec:
    """Bodies of the polls of one layout.

    Args:
        layout: What stands in them.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        forms = [each.form for each in layout.series]
        letters = "".join(_LETTERS[form] for form in forms)
        count = len(forms)
        self._has_text = Form.TEXT in forms
        self._texts = tuple(place for place, form in enumerate(forms) if form is Form.TEXT)
        self._numbers = tuple(p for p, form in enumerate(forms) if form is not Form.TEXT)
        self._plain = struct.Struct(f"<B{letters}")
        self._rated = struct.Struct(f"<B{count}B{letters}")
        self._all_good = (Quality.GOOD,) * count
        fields = [(f"v{p}", np.dtype(TYPES[forms[p]]).newbyteorder("<")) for p in self._numbers]
        self._types = {
            _PLAIN: np.dtype([("tag", "u1"), *fields]),
            _RATED: np.dtype([("tag", "u1"), ("ratings", "u1", (count,)), *fields]),
        }

    def encode(self, poll: StoredPoll) -> bytes:
        """The body of a poll; raises `ValueError` where its columns have another length."""
        values = poll.values
        if (
            not self._has_text
            and not poll.marks
            and (poll.qualities == self._all_good or tuple(poll.qualities) == self._all_good)
        ):
            row = (_PLAIN, *values)
            try:
                body = self._plain.pack(*row)
                # Not what was given: an integer too long for a float, a float for an integer.
                if self._plain.unpack(body) == row:
                    return body
            except (struct.error, OverflowError):
                pass
        return self._encode_rated(poll)

    def decode(self, time_us: int, body: bytes) -> Latest:
        """The poll again."""
        count = len(self.layout)
        if body[0] == _PLAIN and not self._has_text:
            return Latest(self.layout, time_us, self._plain.unpack(body)[1:], self._all_good)
        ratings, values = self._loose(body)
        if len(values) != count:
            msg = f"a poll of {len(values)} values in a layout of {count}"
            raise ValueError(msg)
        return Latest(
            self.layout, time_us, values, tuple(_QUALITIES[rating & 0x0F] for rating in ratings)
        )

    def columns(self, bodies: Sequence[bytes]) -> Columns:
        """Many polls in columns, in their order."""
        count, size = len(self.layout), len(bodies)
        ratings = np.zeros((count, size), np.uint8)
        numbers: list[NDArray[Any]] = [
            np.zeros(size, TYPES[each.form]) for each in self.layout.series
        ]
        by_tag: dict[int, list[int]] = {}
        for row, body in enumerate(bodies):
            tag = body[0] if not self._has_text else _LOOSE
            by_tag.setdefault(tag, []).append(row)
        for tag, rows in by_tag.items():
            if tag not in self._types:
                self._fill_loose(bodies, rows, numbers, ratings)
                continue
            table = np.frombuffer(b"".join([bodies[row] for row in rows]), self._types[tag])
            if len(table) != len(rows):
                msg = f"{len(rows)} polls have the length of {len(table)}"
                raise ValueError(msg)
            where: Any = slice(None) if len(rows) == size else rows
            for place in self._numbers:
                numbers[place][where] = table[f"v{place}"]
            if tag == _RATED:
                ratings[:, where] = table["ratings"].T
        return Columns(numbers, ratings)

    def _encode_rated(self, poll: StoredPoll) -> bytes:
        values, marks = poll.values, poll.marks
        count = len(self.layout)
        if not len(values) == len(poll.qualities) == count:
            msg = (
                f"a poll of {poll.meter} has {len(values)} values and {len(poll.qualities)} "
                f"qualities, its layout {count}"
            )
            raise ValueError(msg)
        ratings = bytes(
            rating_of(value, quality, marks.get(place))
            for place, (value, quality) in enumerate(zip(values, poll.qualities, strict=True))
        )
        plain = [0 if values[place] is None else values[place] for place in self._numbers]
        texts = [values[place] for place in self._texts]
        row = (_RATED, *ratings, *plain)
        try:
            body = self._rated.pack(*row)
            fits = all(text is None or isinstance(text, str) for text in texts)
            if fits and all(map(_is_same, self._rated.unpack(body), row)):
                return body + (json.dumps(texts).encode() if texts else b"")
        except (struct.error, OverflowError):
            pass
        return bytes((_LOOSE,)) + ratings + json.dumps(list(values)).encode()

    def _loose(self, body: bytes) -> tuple[Sequence[int], list[Value]]:
        """Bytes of quality and values of a body of any kind, one by one."""
        count = len(self.layout)
        values: list[Value]
        if body[0] == _PLAIN:
            return bytes(count), list(self._plain.unpack(body)[1:])
        if body[0] == _LOOSE:
            ratings: Sequence[int] = body[1 : 1 + count]
            values = json.loads(body[1 + count :])
            return ratings, values
        if body[0] != _RATED:
            msg = f"a poll of the unknown kind {body[0]}"
            raise ValueError(msg)
        _, *rest = self._rated.unpack_from(body)
        ratings, plain = rest[:count], rest[count:]
        values = [None] * count
        for place, value in zip(self._numbers, plain, strict=True):
            values[place] = value
        if self._texts:
            texts = json.loads(body[self._rated.size :])
            for place, text in zip(self._texts, texts, strict=True):
                values[place] = text
        for place, rating in enumerate(ratings):
            if rating & NULL:
                values[place] = None
        return ratings, values

    def _fill_loose(
        self,
        bodies: Sequence[bytes],
        rows: Sequence[int],
        numbers: list[NDArray[Any]],
        ratings: NDArray[np.uint8],
    ) -> None:
        for row in rows:
            rated, values = self._loose(bodies[row])
            ratings[:, row] = list(rated)
            for place, value in enumerate(values):
                column = numbers[place]
                if value is None and column.dtype != np.object_:
                    continue
                if column.dtype != np.object_ and not fits(value, column.dtype):
                    column = numbers[place] = column.astype(np.object_)
                column[row] = value


def _is_same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any value of a row
    return bool(one == other or (one != one and other != other))  # noqa: PLR0124 - NaN


def fits(value: Value, dtype: np.dtype[Any]) -> bool:
    """Whether an array of this type gives the value back."""
    if isinstance(value, str):
        return False
    try:
        return _is_same(np.array([value]).astype(dtype)[0].item(), value)
    except (OverflowError, ValueError):
        return False
