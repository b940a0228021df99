"""Read a meter: plan once, then ask, decode and report as often as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from energymeter.client import UnitClient
from energymeter.clock import Clock, SystemClock
from energymeter.errors import (
    DecodeError,
    LinkError,
    MeterError,
    RequestTimeout,
)
from energymeter.planner import Block, plan_reads
from energymeter.profiles import Point, Profile
from energymeter.reader.decoder import BlockDecoder
from energymeter.reader.dependent import Ratios, Rescaler, with_sources
from energymeter.reader.order import OrderFinding, find_order
from energymeter.reader.reading import Failure, Quality, ReadReport, Value
from energymeter.values import Order, WireOrder

__all__ = ["MeterReader"]

_MAX_TIMEOUTS: Final = 2
"""Reads without an answer after which the rest of the poll is not tried any more."""


class MeterReader:
    """Reads one meter.

    Args:
        unit: Whom to ask.
        profile: What it is.
        points: Which of its points to read; None means all that can be.
        max_words: Longest read of registers, 1 to 125; None means what the profile allows.
        find_byte_order: Find the order of bytes from the values, whatever the profile says.
        find_word_order: Likewise for the order of words.
        ratios: Ratios of current (`ct`) and voltage (`pt`) transformers, such as 20 for 100/5,
            for meters that give secondary values.
        clock: Where the time of a report comes from.

    Raises:
        ConfigError: A point alone is longer than the longest read.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only, each a decision of the user
        self,
        unit: UnitClient,
        profile: Profile,
        *,
        points: Sequence[Point] | None = None,
        max_words: int | None = None,
        find_byte_order: bool = False,
        find_word_order: bool = False,
        ratios: Ratios | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.profile = profile
        if points is not None:
            points = with_sources(points, profile.readable_points)
        self.blocks: tuple[Block, ...] = plan_reads(profile, points, max_words=max_words)
        self.points: tuple[Point, ...] = tuple(p for block in self.blocks for p in block.points)
        self._rescaler = Rescaler(self.points, ratios or {})
        self.order_finding: OrderFinding | None = None
        """What was found out about the order, after the first reading that had values."""
        self._unit = unit
        self._clock = clock if clock is not None else SystemClock()
        self._find = (find_byte_order, find_word_order)
        self._is_order_open = find_byte_order or find_word_order
        self._decoders = tuple(BlockDecoder(block, profile.order_of) for block in self.blocks)

    async def read(self) -> ReadReport:
        """Read all points once.

        Never raises for what the meter or the wire does: what could not be read has no value,
        and the report says why. One failing block loses only its own points, but after a lost
        link or repeated silence the rest is not tried.
        """
        time = self._clock.now()
        failures: list[Failure] = []
        answers = await self._ask(failures)
        if self._is_order_open:
            self._settle_order(answers)
        values: list[Value] = []
        qualities: list[Quality] = []
        for decoder, answer in zip(self._decoders, answers, strict=True):
            if answer is not None:
                try:
                    block_values, block_qualities = decoder.decode(answer)
                except DecodeError as error:
                    failures.append(Failure(decoder.block, error))
                else:
                    values += block_values
                    qualities += block_qualities
                    continue
            count = len(decoder.block.points)
            values += (None,) * count
            qualities += (Quality.NOT_READ,) * count
        if not self._rescaler.is_idle:
            self._rescaler.apply(values, qualities)
        return ReadReport(
            time=time, points=self.points, values=values, qualities=qualities, failures=failures
        )

    async def _ask(self, failures: list[Failure]) -> list[bytes | None]:
        answers: list[bytes | None] = []
        timeouts = 0
        given_up: MeterError | None = None
        for decoder in self._decoders:
            if given_up is not None:
                failures.append(Failure(decoder.block, given_up))
                answers.append(None)
                continue
            try:
                answers.append(await self._unit.read(decoder.request))
            except MeterError as error:
                failures.append(Failure(decoder.block, error))
                answers.append(None)
                timeouts += isinstance(error, RequestTimeout)
                if isinstance(error, LinkError) or timeouts >= _MAX_TIMEOUTS:
                    given_up = error
        return answers

    def _settle_order(self, answers: Sequence[bytes | None]) -> None:
        """Choose the order that makes most sense of what was read, and keep it."""
        read = [
            (decoder.block, answer)
            for decoder, answer in zip(self._decoders, answers, strict=True)
            if answer is not None and not decoder.block.table.is_bits
        ]
        if not read:
            return
        find_byte, find_word = self._find
        finding = find_order(
            read,
            bytes_orders=tuple(Order) if find_byte else (self.profile.byte_order,),
            word_orders=tuple(Order) if find_word else (self.profile.word_order,),
        )
        self.order_finding = finding
        # Undecided values may decide at the next reading; until then it is asked again.
        self._is_order_open = not finding.is_decided

        def order_of(point: Point) -> WireOrder:
            return WireOrder(
                point.byte_order or finding.order.byte, point.word_order or finding.order.word
            )

        self._decoders = tuple(BlockDecoder(block, order_of) for block in self.blocks)
