"""What stands in a segment of the journal: records, each with its length and checksum. No I/O.

A segment begins with a line for people. Then come records: a head (mark, CRC-32 of the body,
length of the body) and a body of one of two kinds.

    layout   its digest, and its text as the store keeps it
    poll     its number, the digest of its layout, its time, its meter, its values as the store
             keeps them

A layout stands in front of the first poll of a segment that needs it, so a segment is read without
any other one. Numbers count the polls of the journal and never come twice. After bytes that are no
record the next one is found by its mark and believed for its checksum.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple
from zlib import crc32

from energymeter.reader.reading import EventKind
from energymeter.store.base import Layout, StoredPoll
from energymeter.store.layouts import layout_text, parse_layout
from energymeter.store.rows import MARK_OF, RowCodec

__all__ = ["FILE_HEAD", "Found", "Layouts", "Record", "RowHead", "encode_polls", "find", "row_head"]

FILE_HEAD: Final = b"energymeter journal 1\n"

_MARK: Final = b"\xf5EMj"
"""Its first byte is in no UTF-8 text."""

_HEAD: Final = struct.Struct("<4sII")
_LAYOUT: Final = struct.Struct("<BQ")
_POLL: Final = struct.Struct("<BQQqH")
_IS_LAYOUT, _IS_POLL = 1, 2

_LONGEST_BODY: Final = 16_000_000
"""Bytes; a head that says more is damaged."""

_MARK_BITS: Final = 0x30
_NO_MARKS: Final[dict[int, EventKind]] = {}


class Record(NamedTuple):
    """A poll, ready to be written."""

    layout: int
    """Digest of the layout that must stand in front of it in its segment."""

    data: bytes


class Found(NamedTuple):
    """A whole record among other bytes."""

    start: int
    end: int
    body: bytes


class RowHead(NamedTuple):
    """What is known of a poll before its values are decoded."""

    number: int
    layout: int
    """Digest."""

    time_us: int
    meter: str
    row: bytes
    """Its values, as the store keeps them."""


class Layouts:
    """All layouts of a journal by their digest. Any thread may ask and add."""

    def __init__(self) -> None:
        self._entries: dict[Layout, tuple[int, RowCodec]] = {}
        self._codecs: dict[int, RowCodec | None] = {}

    def entry(self, layout: Layout) -> tuple[int, RowCodec]:
        """Digest and codec of a layout, which is known from now on."""
        found = self._entries.get(layout)
        if found is None:
            text = layout_text(layout).encode()
            digest = int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
            found = self._entries[layout] = digest, RowCodec(layout)
            self._codecs[digest] = found[1]
        return found

    def __contains__(self, digest: int) -> bool:
        return digest in self._codecs

    def give_up(self, digest: int) -> None:
        """It is nowhere to be found."""
        self._codecs.setdefault(digest, None)

    def learn(self, body: bytes) -> int | None:
        """Take in the body of a layout's record; its digest, None when it is no such record."""
        if not body or body[0] != _IS_LAYOUT:
            return None
        try:
            _, digest = _LAYOUT.unpack_from(body)
            if self._codecs.get(digest) is None:
                self._codecs[digest] = RowCodec(parse_layout(body[_LAYOUT.size :].decode()))
        except (struct.error, ValueError, TypeError):  # whole, and yet nothing we know
            return None
        return int(digest)

    def record(self, digest: int) -> bytes:
        """The record that tells this layout."""
        codec = self._codecs[digest]
        assert codec is not None  # noqa: S101 - it comes from `entry`, which made it
        return _record(_LAYOUT.pack(_IS_LAYOUT, digest) + layout_text(codec.layout).encode())

    def poll(self, head: RowHead) -> StoredPoll:
        """The poll again.

        Raises:
            ValueError: Its layout is not known, or its bytes are none of that layout.
        """
        codec = self._codecs.get(head.layout)
        if codec is None:
            msg = f"a poll of {head.meter} has a layout that is lost"
            raise ValueError(msg)
        try:
            latest = codec.decode(head.time_us, head.row)
            marks = _marks(head.row, len(codec.layout))
        except (struct.error, LookupError, TypeError) as error:
            msg = f"a poll of {head.meter} cannot be decoded: {error}"
            raise ValueError(msg) from error
        return StoredPoll(
            head.meter, codec.layout, head.time_us, latest.values, latest.qualities, marks
        )


def encode_polls(polls: Sequence[StoredPoll], first: int, layouts: Layouts) -> list[Record]:
    """Records of these polls, numbered from `first`.

    Raises:
        ValueError: One of them cannot be written: it has not as many values as its layout.
    """
    records = []
    pack, head = _POLL.pack, _HEAD.pack
    for number, poll in enumerate(polls, first):
        digest, codec = layouts.entry(poll.layout)
        try:
            meter = poll.meter.encode("utf-8", "surrogatepass")
            body = (
                pack(_IS_POLL, number, digest, poll.time_us, len(meter))
                + meter
                + codec.encode(poll)
            )
        except (struct.error, TypeError, OverflowError) as error:
            msg = f"a poll of {poll.meter[:60]} cannot be written: {error}"
            raise ValueError(msg) from error
        records.append(Record(digest, head(_MARK, crc32(body), len(body)) + body))
    return records


def find(data: bytes, at: int, *, is_all: bool) -> Found | None:
    """The first whole record from `at` on.

    Args:
        data: Part of a segment.
        at: Where to begin; in an undamaged segment a record begins there.
        is_all: Nothing comes after `data`. Else a record that may go on behind it is waited for.

    Returns:
        None: there is none; unless `is_all`, look again from `at` with more bytes.
    """
    start, size = at, len(data)
    while True:
        start = data.find(_MARK, start)
        if start < 0:
            return None
        body_start = start + _HEAD.size
        if body_start <= size:
            _, checksum, length = _HEAD.unpack_from(data, start)
            end = body_start + length
            if end <= size:
                body = data[body_start:end]
                if crc32(body) == checksum:
                    return Found(start, end, body)
            elif length <= _LONGEST_BODY and not is_all:
                return None
        elif not is_all:
            return None
        start += 1


def row_head(body: bytes) -> RowHead | None:
    """What a record's body says of its poll; None when it is no poll."""
    if not body or body[0] != _IS_POLL:
        return None
    try:
        _, number, digest, time_us, length = _POLL.unpack_from(body)
        row_start = _POLL.size + length
        meter = body[_POLL.size : row_start].decode("utf-8", "surrogatepass")
    except (struct.error, UnicodeDecodeError):
        return None
    return RowHead(number, digest, time_us, meter, body[row_start:])


def _record(body: bytes) -> bytes:
    return _HEAD.pack(_MARK, crc32(body), len(body)) + body


def _marks(row: bytes, count: int) -> dict[int, EventKind]:
    """Marks of a row: a row whose tag is not 0 has bytes of quality (see `store.rows`)."""
    if not row[0]:
        return _NO_MARKS
    return {
        place: MARK_OF[rating & _MARK_BITS]
        for place, rating in enumerate(row[1 : 1 + count])
        if rating & _MARK_BITS
    }
