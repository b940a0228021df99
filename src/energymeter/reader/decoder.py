"""The answer to one planned read, turned into values; everything that can be is prepared once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from energymeter.codec import ReadRequest
from energymeter.codec.codes import READ_FUNCTIONS
from energymeter.errors import DecodeError
from energymeter.planner import Block
from energymeter.profiles import Point
from energymeter.profiles.wire import field_of
from energymeter.reader.reading import Quality, Value
from energymeter.values import (
    IDENTITY,
    BlockCodec,
    DataType,
    Encoding,
    WireOrder,
    decode_raw,
    pattern_raw,
)
from energymeter.values.block import Raw

__all__ = ["BlockDecoder"]


class BlockDecoder:
    """A block with its request and the way to its values.

    Args:
        block: The read.
        order_of: Byte and word order of a point.
    """

    __slots__ = (
        "_checked",
        "_codec",
        "_encoded",
        "_scaled",
        "_sentinels",
        "block",
        "good",
        "request",
    )

    def __init__(self, block: Block, order_of: Callable[[Point], WireOrder]) -> None:
        self.block = block
        self.request = ReadRequest(READ_FUNCTIONS[block.table], block.address, block.count)
        self.good = (Quality.GOOD,) * len(block.points)
        self._codec: BlockCodec | None = None
        self._scaled: tuple[tuple[int, int, int, int], ...] = ()
        self._checked: tuple[int, ...] = ()
        self._sentinels: tuple[tuple[int, frozenset[Raw]], ...] = ()
        self._encoded: tuple[tuple[int, Point], ...] = ()
        if not block.table.is_bits:
            fields = [field_of(point, block.address, order_of(point)) for point in block.points]
            self._codec = BlockCodec(fields, block.count)
            self._scaled = tuple(
                (index, *point.exact_scale)
                for index, point in enumerate(block.points)
                if point.exact_scale != IDENTITY and point.type is not DataType.STRING
            )
            self._sentinels = tuple(
                (index, frozenset(pattern_raw(p, point.type, point.encoding) for p in patterns))
                for index, point in enumerate(block.points)
                if (patterns := point.not_available)
            )
            self._encoded = tuple(
                (index, point)
                for index, point in enumerate(block.points)
                if point.encoding is not Encoding.PLAIN
            )
            self._checked = tuple(
                index for index, point in enumerate(block.points) if point.type.is_float
            )

    def decode(self, data: bytes) -> tuple[list[Value], Sequence[Quality]]:
        """Values and qualities, in the order of the block's points.

        Raises:
            DecodeError: There are too few bytes.
        """
        if self._codec is None:
            return self._bits(data), self.good
        values: list[Value] = list(self._codec.decode(data))
        missing = self._take_out(values)
        for index, multiplier, summand, divisor in self._scaled:
            raw = values[index]
            if raw is not None:
                scaled = raw * multiplier + summand  # type: ignore[operator]
                values[index] = scaled if divisor == 1 else scaled / divisor
        if not missing:
            return values, self.good
        qualities = list(self.good)
        for index in missing:
            qualities[index] = Quality.NOT_AVAILABLE
        return values, qualities

    def _take_out(self, values: list[Value]) -> list[int]:
        """Replace what is no value by None and decode special encodings; returns where."""
        missing = []
        for index in self._checked:
            value = values[index]
            # Infinity minus itself is NaN, and NaN differs from everything: neither is a value.
            if value - value != 0:  # type: ignore[operator]
                values[index] = None
                missing.append(index)
        for index, patterns in self._sentinels:
            if values[index] in patterns:
                values[index] = None
                missing.append(index)
        for index, point in self._encoded:
            raw = values[index]
            if raw is not None:
                values[index] = decode_raw(raw, point.type, point.encoding)
                if values[index] is None:
                    missing.append(index)
        return missing

    def _bits(self, data: bytes) -> list[Value]:
        if 8 * len(data) < self.block.count:
            msg = f"a block of {self.block.count} bits has {len(data)} bytes"
            raise DecodeError(msg)
        bits = int.from_bytes(data, "little")
        return [
            bool(bits >> (point.address - self.block.address) & 1) for point in self.block.points
        ]
