"""The answer to one planned read, turned into values; everything that can be is prepared once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from energymeter.codec import ReadRequest
from energymeter.codec.codes import READ_FUNCTIONS
from energymeter.planner import Block
from energymeter.profiles import Point
from energymeter.reader.reading import Quality, Value
from energymeter.values import IDENTITY, BlockCodec, DataType, Field, WireOrder

__all__ = ["BlockDecoder"]


class BlockDecoder:
    """A block with its request and the way to its values.

    Args:
        block: The read.
        order_of: Byte and word order of a point.
    """

    __slots__ = ("_checked", "_codec", "_scaled", "block", "good", "request")

    def __init__(self, block: Block, order_of: Callable[[Point], WireOrder]) -> None:
        self.block = block
        self.request = ReadRequest(READ_FUNCTIONS[block.table], block.address, block.count)
        self.good = (Quality.GOOD,) * len(block.points)
        self._codec: BlockCodec | None = None
        self._scaled: tuple[tuple[int, int, int, int], ...] = ()
        self._checked: tuple[int, ...] = ()
        if not block.table.is_bits:
            fields = [
                Field(point.address - block.address, point.type, point.count, order_of(point))
                for point in block.points
            ]
            self._codec = BlockCodec(fields, block.count)
            self._scaled = tuple(
                (index, *point.exact_scale)
                for index, point in enumerate(block.points)
                if point.exact_scale != IDENTITY and point.type is not DataType.STRING
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
        missing = []
        for index in self._checked:
            value = values[index]
            # Infinity minus itself is NaN, and NaN differs from everything: neither is a value.
            if value - value != 0:  # type: ignore[operator]
                values[index] = None
                missing.append(index)
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

    def _bits(self, data: bytes) -> list[Value]:
        bits = int.from_bytes(data, "little")
        return [
            bool(bits >> (point.address - self.block.address) & 1) for point in self.block.points
        ]
