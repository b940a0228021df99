"""Open what a command reads from: link, unit and reader for a target."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from energymeter.cli.options import Target
from energymeter.client import Link
from energymeter.reader import MeterReader

__all__ = ["open_reader"]


@asynccontextmanager
async def open_reader(target: Target) -> AsyncIterator[MeterReader]:
    """A reader of the target's meter, its link closed at the end.

    Raises:
        ConfigError: A value of the meter is longer than the longest read.
    """
    async with Link(target.endpoint, timeout_s=target.timeout_s) as link:
        yield MeterReader(
            link.unit(target.unit),
            target.profile,
            max_words=target.max_words,
            find_byte_order=target.find_byte_order,
            find_word_order=target.find_word_order,
        )
