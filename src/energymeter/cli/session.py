"""Open what a command reads from: link, units and readers for a target."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from energymeter.cli.options import Target
from energymeter.cli.wire import open_link
from energymeter.client import Priority, Unit
from energymeter.reader import FileMemory, MeterReader, Rating, ReadReport, wire_cost

if TYPE_CHECKING:
    from energymeter.recording import Recorder

__all__ = ["Session", "open_session"]


class Session:
    """The meters of a target, ready to be read.

    Args:
        readers: By unit, in the order asked for.
        recorder: Keeps what is read; None: nobody wants it.
    """

    def __init__(self, readers: dict[int, MeterReader], recorder: Recorder | None) -> None:
        self.readers = readers
        self._recorder = recorder

    def note(self, unit: int, report: ReadReport) -> None:
        """Put the values of a reading into the recording, if there is one."""
        if self._recorder is not None:
            from energymeter.recording import noted_values  # noqa: PLC0415 - few record

            self._recorder.note_values(unit, noted_values(report))


@asynccontextmanager
async def open_session(
    target: Target, *, remembers: bool, priority: Priority = Priority.POLL
) -> AsyncIterator[Session]:
    """The readers of the target's meters, their link closed at the end.

    Args:
        target: Which meters.
        remembers: Whether what is learned of them is kept on disk, unless the user decides.
        priority: How urgent its requests are.

    Raises:
        ConfigError: A value of the meter is longer than the longest read, or a file that shall
            be written cannot be.
    """
    remembers = remembers if target.memory is None else target.memory
    async with open_link(target.wire, target.options, profile=target.profile.name) as opened:
        readers = {
            unit: _make_reader(
                target, opened.link.unit(unit, priority=priority), remembers=remembers
            )
            for unit in target.units
        }
        try:
            yield Session(readers, opened.recorder)
        finally:
            for reader in readers.values():
                reader.remember()


def _make_reader(target: Target, unit: Unit, *, remembers: bool) -> MeterReader:
    ratios: tuple[tuple[Literal["ct", "pt"], Fraction | None], ...] = (
        ("ct", target.ct),
        ("pt", target.pt),
    )
    return MeterReader(
        unit,
        target.profile,
        max_words=target.max_words,
        cost=wire_cost(target.wire),
        is_numbered=target.wire.is_numbered,
        find_byte_order=target.find_byte_order,
        find_word_order=target.find_word_order,
        ratios={kind: ratio for kind, ratio in ratios if ratio is not None},
        rating=None if target.rated_current_a is None else Rating(target.rated_current_a),
        memory=FileMemory(target.place, unit.number, target.profile.name) if remembers else None,
    )
