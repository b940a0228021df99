"""From the number in the registers to the number people read, exactly.

value = raw * factor + offset, with factor and offset as exact decimals: 2301 at a factor of 0.1
is 230.1 and not 230.10000000000002, because it is computed as 2301 / 10.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, Self

__all__ = ["IDENTITY", "Scale"]


class Scale(NamedTuple):
    """value = (raw * multiplier + summand) / divisor, all whole numbers, divisor positive."""

    multiplier: int = 1
    summand: int = 0
    divisor: int = 1

    @classmethod
    def of(cls, factor: Decimal | int, offset: Decimal | int = 0) -> Self:
        """The scale with this factor and this offset in the unit of the value.

        Raises:
            ValueError: The factor is 0, or one of them is not finite.
        """
        if not (Decimal(factor).is_finite() and Decimal(offset).is_finite()) or factor == 0:
            msg = f"a scale of {factor} with offset {offset} is not possible"
            raise ValueError(msg)
        exact_factor, exact_offset = Fraction(factor), Fraction(offset)
        divisor = math.lcm(exact_factor.denominator, exact_offset.denominator)
        return cls(int(exact_factor * divisor), int(exact_offset * divisor), divisor)

    def to_value(self, raw: float) -> float:
        """The value of a raw number; whole numbers stay whole where nothing is divided."""
        multiplier, summand, divisor = self
        if divisor == 1:
            return raw * multiplier + summand
        return (raw * multiplier + summand) / divisor


IDENTITY = Scale()
"""The scale that changes nothing."""
