"""Open what a command reads from: link, unit and reader for a target."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Literal

from energymeter.cli.options import Target
from energymeter.client import Link
from energymeter.reader import FileMemory, MeterReader, Rating

__all__ = ["open_reader"]


@asynccontextmanager
async def open_reader(target: Target, *, remembers: bool) -> AsyncIterator[MeterReader]:
    """A reader of the target's meter, its link closed at the end.

    Args:
        target: Which meter.
        remembers: Whether what is learned of it is kept on disk, unless the user decides.

    Raises:
        ConfigError: A value of the meter is longer than the longest read.
    """
    ratios: tuple[tuple[Literal["ct", "pt"], Fraction | None], ...] = (
        ("ct", target.ct),
        ("pt", target.pt),
    )
    memory = None
    if remembers if target.memory is None else target.memory:
        memory = FileMemory(str(target.endpoint), target.unit, target.profile.name)
    async with Link(target.endpoint, timeout_s=target.timeout_s) as link:
        reader = MeterReader(
            link.unit(target.unit),
            target.profile,
            max_words=target.max_words,
            find_byte_order=target.find_byte_order,
            find_word_order=target.find_word_order,
            ratios={kind: ratio for kind, ratio in ratios if ratio is not None},
            rating=None if target.rated_current_a is None else Rating(target.rated_current_a),
            memory=memory,
        )
        try:
            yield reader
        finally:
            reader.remember()
