"""A whole block of registers decoded, or encoded, in one call.

The four orders of bytes and words are two formats of the `struct` module: swap the bytes of
every register when the byte order and the word order differ, then read big-endian for the high
word first and little-endian for the low word first. So a block is one `struct.Struct` with pad
bytes over the gaps, and there are no calls per value. Fields of another order, and fields that
overlap, get a structure of their own ("lane").
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from energymeter.errors import DecodeError
from energymeter.values.types import DataType, Order, WireOrder

__all__ = ["BlockCodec", "Field", "Raw"]

Raw = int | float | str
"""A value as the registers hold it, before scaling."""


class Field(NamedTuple):
    """One value's place in a block."""

    offset: int
    """Registers from the start of the block, 0 or more."""

    type: DataType
    """Any type but BOOL."""

    words: int
    """Registers it takes."""

    order: WireOrder = WireOrder()

    is_wide: bool = False
    """Text with one character in the low byte of each register."""


class _Lane(NamedTuple):
    """Fields that one structure can take out of the block together."""

    swap: bool
    layout: struct.Struct
    positions: tuple[int, ...]
    texts: tuple[int, ...]


class BlockCodec:
    """Decodes and encodes blocks of one layout.

    Args:
        fields: The values in the order they are wanted; any place, gaps and overlaps allowed.
        words: Registers of the block, 1 or more.

    Raises:
        ValueError: A field does not lie inside the block.
    """

    __slots__ = ("_fields", "_lanes", "_plain", "words")

    def __init__(self, fields: Sequence[Field], words: int) -> None:
        self.words = words
        self._fields = tuple(fields)
        for field in self._fields:
            if field.offset < 0 or field.offset + field.words > words:
                msg = f"a field at {field.offset}, {field.words} registers, in a block of {words}"
                raise ValueError(msg)
        self._lanes = tuple(_make_lanes(self._fields, words))
        # The usual block, one lane in the order asked for without text, is a bare unpack.
        self._plain = None
        if len(self._lanes) == 1:
            lane = self._lanes[0]
            if not lane.swap and not lane.texts and lane.positions == tuple(range(len(fields))):
                self._plain = lane.layout.unpack_from

    def decode(self, data: bytes, start: int = 0) -> Sequence[Raw]:
        """Take the raw values out of the registers' bytes.

        Args:
            data: The block as on the wire, `2 * words` bytes from `start`.
            start: Where the block begins in `data`.

        Raises:
            DecodeError: There are too few bytes.
        """
        if len(data) - start < 2 * self.words:
            msg = f"a block of {self.words} registers has {len(data) - start} bytes"
            raise DecodeError(msg)
        if self._plain is not None:
            return self._plain(data, start)
        values: list[Raw] = [0] * len(self._fields)
        swapped: bytes | None = None
        for lane in self._lanes:
            if lane.swap:
                if swapped is None:
                    swapped = _swap_bytes(data[start : start + 2 * self.words])
                raws = lane.layout.unpack_from(swapped)
            else:
                raws = lane.layout.unpack_from(data, start)
            for position, raw in zip(lane.positions, raws, strict=True):
                values[position] = raw
            for position in lane.texts:
                is_wide = self._fields[position].is_wide
                values[position] = _text(values[position], is_wide)  # type: ignore[arg-type]
        return values

    def encode(self, values: Sequence[Raw]) -> bytes:
        """Put raw values into registers; gaps are zero. The inverse of `decode`.

        Raises:
            struct.error, OverflowError: A value does not fit its type.
        """
        block = bytearray(2 * self.words)
        for lane in self._lanes:
            texts = set(lane.texts)
            raws: list[Raw | bytes] = [
                _text_bytes(str(values[position]), self._fields[position].is_wide)
                if position in texts
                else values[position]
                for position in lane.positions
            ]
            packed = lane.layout.pack(*raws)
            if lane.swap:
                packed = _swap_bytes(packed)
            if len(self._lanes) == 1:
                return packed
            for position in lane.positions:
                first = 2 * self._fields[position].offset
                last = first + 2 * self._fields[position].words
                block[first:last] = packed[first:last]
        return bytes(block)


def _make_lanes(fields: Sequence[Field], words: int) -> Iterable[_Lane]:
    open_lanes: dict[tuple[bool, str], list[list[int]]] = {}
    for position in sorted(range(len(fields)), key=lambda index: fields[index].offset):
        field = fields[position]
        lanes = open_lanes.setdefault(_format_of(field), [])
        for lane in lanes:
            last = fields[lane[-1]]
            if last.offset + last.words <= field.offset:
                lane.append(position)
                break
        else:
            lanes.append([position])
    for (swap, mark), lanes in open_lanes.items():
        for lane in lanes:
            layout = struct.Struct(_layout([fields[position] for position in lane], words, mark))
            texts = tuple(p for p in lane if fields[p].type is DataType.STRING)
            yield _Lane(swap, layout, tuple(lane), texts)


def _format_of(field: Field) -> tuple[bool, str]:
    byte, word = field.order
    if field.type is DataType.STRING:
        # Characters run on from register to register; only bytes inside one may be swapped.
        word = Order.BIG
    return byte is not word, ">" if word is Order.BIG else "<"


def _layout(fields: Sequence[Field], words: int, mark: str) -> str:
    parts = [mark]
    end = 0
    for field in fields:
        if field.offset > end:
            parts.append(f"{2 * (field.offset - end)}x")
        parts.append(field.type.struct_format or f"{2 * field.words}s")
        end = field.offset + field.words
    if words > end:
        parts.append(f"{2 * (words - end)}x")
    return "".join(parts)


def _swap_bytes(data: bytes) -> bytes:
    words = array("H", data)
    words.byteswap()
    return words.tobytes()


def _text(data: bytes, is_wide: bool) -> str:
    if is_wide:
        data = data[1::2]
    return data.split(b"\0", 1)[0].decode("ascii", "replace").rstrip()


def _text_bytes(text: str, is_wide: bool) -> bytes:
    data = text.encode("ascii", "replace")
    return b"".join(bytes((0, byte)) for byte in data) if is_wide else data
