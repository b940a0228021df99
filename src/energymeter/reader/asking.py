"""A read as the learning parts of the reader see it, and what counts as a refusal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from energymeter.errors import ExceptionReplyError, MeterError
from energymeter.planner import Block

__all__ = ["Asker", "is_refusal"]

Asker = Callable[[Block], Awaitable[bytes]]
"""Reads a block's addresses, or raises what `UnitClient.read` raises."""

_REFUSALS: Final = (2, 3, 4)
"""Illegal address, illegal count, and what some meters answer instead of both."""


def is_refusal(error: MeterError) -> bool:
    """Whether the meter said that it does not answer such a read."""
    return isinstance(error, ExceptionReplyError) and error.code in _REFUSALS
