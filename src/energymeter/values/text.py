"""Numbers as people write them: no more digits than the meter gave."""

from __future__ import annotations

import struct

from energymeter.values.types import DataType

__all__ = ["format_value", "shortest"]


def shortest(value: float, data_type: DataType) -> float:
    """The float with the fewest decimals that the meter's registers cannot tell from `value`.

    A float32 register holding 230.1 decodes to 230.10000610351562; what was meant is 230.1.
    """
    if data_type is not DataType.FLOAT32 or not -3.4e38 < value < 3.4e38:
        return value
    wire = struct.pack(">f", value)
    for digits in (6, 7, 8, 9):  # nine tell any two apart
        short = float(f"{value:.{digits}g}")
        if struct.pack(">f", short) == wire:
            return short
    return value


def format_value(value: float | str | bool | None, data_type: DataType, divisor: int = 1) -> str:
    """Write a value for people.

    Args:
        value: The value; None is written as a dash.
        data_type: How the meter holds it.
        divisor: The divisor of its scale; a power of ten fixes the decimals.
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (str, int)):
        return str(value)
    if data_type is DataType.FLOAT32:
        # From 999999.5 six digits would round up to 1e+06.
        return f"{value:.0f}" if 999_999.5 <= abs(value) < 1e16 else f"{value:.6g}"
    decimals = len(str(divisor)) - 1
    if data_type.is_integer and divisor == 10**decimals > 1:
        return f"{value:.{decimals}f}"
    return f"{value:.10g}"
