"""Numbers of the Modbus application protocol: tables, functions, exception codes, limits.

Source: MODBUS Application Protocol Specification v1.1b3; the section is named at each.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

__all__ = [
    "EXCEPTION_EXPLANATIONS",
    "MAX_PDU_BYTES",
    "MAX_READ_BITS",
    "MAX_READ_WORDS",
    "MAX_READ_WRITE_WORDS",
    "MAX_WRITE_BITS",
    "MAX_WRITE_WORDS",
    "READ_FUNCTIONS",
    "ExceptionCode",
    "Function",
    "Table",
    "exception_name",
]

MAX_PDU_BYTES: Final = 253
"""Longest message without framing (section 4.1)."""

MAX_READ_WORDS: Final = 125
"""Registers in one read (sections 6.3, 6.4, 6.17)."""

MAX_READ_BITS: Final = 2000
"""Coils or discrete inputs in one read (sections 6.1, 6.2)."""

MAX_WRITE_WORDS: Final = 123
"""Registers in one write (section 6.12)."""

MAX_WRITE_BITS: Final = 1968
"""Coils in one write (section 6.11)."""

MAX_READ_WRITE_WORDS: Final = 121
"""Registers written by function 23 (section 6.17)."""


class Table(StrEnum):
    """The four address spaces of a unit (section 4.3)."""

    HOLDING = "holding"
    INPUT = "input"
    COIL = "coil"
    DISCRETE = "discrete"

    @property
    def is_bits(self) -> bool:
        """Whether one item is a bit rather than a 16-bit word."""
        return self in (Table.COIL, Table.DISCRETE)


class Function(IntEnum):
    """Function codes served and asked for here (section 6)."""

    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    WRITE_SINGLE_COIL = 5
    WRITE_SINGLE_REGISTER = 6
    DIAGNOSTICS = 8
    WRITE_MULTIPLE_COILS = 15
    WRITE_MULTIPLE_REGISTERS = 16
    REPORT_SERVER_ID = 17
    MASK_WRITE_REGISTER = 22
    READ_WRITE_MULTIPLE_REGISTERS = 23
    ENCAPSULATED_INTERFACE_TRANSPORT = 43

    @property
    def phrase(self) -> str:
        """The name as people write it: `read holding registers`."""
        return self.name.replace("_", " ").lower()


READ_FUNCTIONS: Final[dict[Table, Function]] = {
    Table.COIL: Function.READ_COILS,
    Table.DISCRETE: Function.READ_DISCRETE_INPUTS,
    Table.HOLDING: Function.READ_HOLDING_REGISTERS,
    Table.INPUT: Function.READ_INPUT_REGISTERS,
}
"""The function that reads each table."""


class ExceptionCode(IntEnum):
    """Why a server refuses (section 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    SERVER_DEVICE_BUSY = 6
    NEGATIVE_ACKNOWLEDGE = 7  # of the older specification; meters still send it
    MEMORY_PARITY_ERROR = 8
    GATEWAY_PATH_UNAVAILABLE = 10
    GATEWAY_TARGET_FAILED_TO_RESPOND = 11


EXCEPTION_EXPLANATIONS: Final[dict[int, str]] = {
    1: "the meter does not know this function",
    2: "an address of this read or write does not exist in the meter",
    3: "the count or a value is not allowed",
    4: "the meter failed while it worked on the request",
    5: "accepted, but it takes long; ask again later",
    6: "the meter is busy; ask again later",
    7: "the meter cannot do this",
    8: "the meter found a fault in its memory",
    10: "the gateway has no way to this unit",
    11: "the gateway got no answer from this unit",
}
"""What each exception code means to the person in front of the meter."""


def exception_name(code: int) -> str:
    """Name an exception code: `illegal data address`, or `code 77` for an unknown one."""
    try:
        return ExceptionCode(code).name.replace("_", " ").lower()
    except ValueError:
        return f"code {code}"
