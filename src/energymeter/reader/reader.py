"""Read a meter: plan once, then ask, decode, check and report as often as wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from energymeter.client import UnitClient
from energymeter.clock import Clock, SystemClock
from energymeter.codec import ReadRequest
from energymeter.codec.codes import READ_FUNCTIONS
from energymeter.errors import (
    DecodeError,
    LinkClosedError,
    LinkLostError,
    LinkOpenError,
    MeterError,
    RemoteProtocolError,
    RequestTimeout,
    UnitSilentError,
)
from energymeter.planner import TCP_COST, Block, Cost, with_scales
from energymeter.profiles import Point, Profile
from energymeter.reader.checks import CheckRules, ValueChecks
from energymeter.reader.counters import Counter
from energymeter.reader.dependent import Ratios, Rescaler
from energymeter.reader.experience import Experience, FirstPlan
from energymeter.reader.memory import Memory
from energymeter.reader.order import OrderFinding, find_order
from energymeter.reader.quality import Rating
from energymeter.reader.reading import Event, Failure, Quality, ReadReport, Value
from energymeter.values import Order, WireOrder

__all__ = ["MeterReader", "ReaderKind"]

_MAX_SILENCES: Final = 3
"""Consecutive reads that timed out or lost the link after which the rest of the poll is skipped."""

_MAX_TIMEOUTS: Final = 6
"""The same, consecutive or not, within one poll."""

_TRIES: Final = 2
"""How often a read is repeated whose answer was lost."""

Answers = Sequence[bytes | None]


class ReaderKind(NamedTuple):
    """What readers of the same kind of meter have in common; never changed."""

    first_plan: FirstPlan
    rescaler: Rescaler
    rules: CheckRules


class MeterReader:
    """Reads one meter.

    Args:
        unit: The unit to read.
        profile: What is known of its model.
        points: Which of its points to read; None means all that can be.
        max_words: Longest read of registers, 1 to 125; None means what the profile allows.
        cost: What a read costs on this wire, see `wire_cost`; the plan is the cheapest for it.
        is_numbered: Whether answers carry the number of their question, as on Modbus TCP. On a
            serial line they do not: consecutive reads then differ in length where possible.
        find_byte_order: Detect the byte order from the values, whatever the profile says.
        find_word_order: Likewise for the word order.
        ratios: Ratios of current (`ct`) and voltage (`pt`) transformers, such as 20 for 100/5,
            for meters that give secondary values.
        rating: What the circuit can carry: narrows the plausible range. None: as the profile says.
        learn: Find out which part of a refused read is refused, and read the rest.
        self_check: Compare a block with single reads at first contact.
        cross_check_s: Seconds between two checks whether the values are consistent, for the
            warnings of a report; 0: at each reading, None: never.
        hold_s: For how many seconds the last good value, marked stale, replaces one that was not
            read.
        memory: Where what is learned is kept; None: only in this reader.
        clock: Tells the time.
        kind: The `kind` of a reader that was made with the same arguments but for `unit` and
            `memory`; this one is then made in a tenth of the time.

    Raises:
        ConfigError: A point alone is longer than the longest read, or a ratio is not above 0.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only, each a decision of the user
        self,
        unit: UnitClient,
        profile: Profile,
        *,
        points: Sequence[Point] | None = None,
        max_words: int | None = None,
        cost: Cost = TCP_COST,
        is_numbered: bool = True,
        find_byte_order: bool = False,
        find_word_order: bool = False,
        ratios: Ratios | None = None,
        rating: Rating | None = None,
        learn: bool = True,
        self_check: bool = True,
        cross_check_s: float | None = 60.0,
        hold_s: float = 0.0,
        memory: Memory | None = None,
        clock: Clock | None = None,
        kind: ReaderKind | None = None,
    ) -> None:
        self.profile = profile
        if points is not None:
            # The registers of the scales too: a plan made later, with what was learned, needs them.
            points = with_scales(points, profile) if kind is None else kind.first_plan.points
        self.order_finding: OrderFinding | None = None
        """The order that was detected, after the first reading that had values; else None."""
        self._unit = unit
        self._clock = clock if clock is not None else SystemClock()
        self._find = (find_byte_order, find_word_order)
        self._is_order_open = find_byte_order or find_word_order
        self._experience = Experience(
            profile,
            points,
            max_words=max_words,
            cost=cost,
            is_numbered=is_numbered,
            learn=learn,
            self_check=self_check,
            memory=memory,
            first_plan=None if kind is None else kind.first_plan,
        )
        self.points: tuple[Point, ...] = self._experience.points
        """In the order of a report's values; it never changes."""
        self._rescaler = Rescaler(self.points, ratios or {}) if kind is None else kind.rescaler
        self._checks = ValueChecks(
            self.points,
            rating=rating,
            ratios=ratios or {},
            cross_check_s=cross_check_s,
            rules=None if kind is None else kind.rules,
        )
        self.kind = kind or ReaderKind(
            self._experience.first_plan, self._rescaler, self._checks.rules
        )
        """What readers of the same kind of meter may share; an argument of theirs."""
        epoch_s = self._clock.now().timestamp()
        self._checks.restore(self._experience.counts, self._clock.monotonic(), epoch_s)
        self._hold_s = hold_s
        self._turn = asyncio.Lock()
        self._last: ReadReport | None = None
        self._lost: set[Block] = set()
        """Reads that brought no answer at the last poll, however often they were asked."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The reads of a poll, as planned now."""
        return self._experience.blocks

    @property
    def counters(self) -> tuple[Counter, ...]:
        """The points that are counters, and where each rolls over."""
        return self.kind.rules.counters

    async def read(self) -> ReadReport:
        """Read all points once.

        Never raises for what the meter or the wire does: what could not be read has no value,
        and the report says why. One failing block loses only its own points, but after a lost
        link or repeated silence the rest is not tried. Concurrent calls take turns.
        """
        # A reading may change the plan that another one goes by. Half the cost of `async with`.
        await self._turn.acquire()
        try:
            return await self._poll()
        finally:
            self._turn.release()

    def accept_counters(self) -> None:
        """Accept the counters at the next reading, whatever their values.

        Call it after a counter was reset or the meter exchanged on purpose: otherwise the new
        values are withheld until they have grown for a minute.
        """
        self._checks.forget_counters()

    def remember(self) -> None:
        """Write what was learned to the memory now; a reader does so now and then by itself."""
        now = self._clock.monotonic()
        epoch_s = self._clock.now().timestamp()
        self._experience.save(self._checks.counts(now, epoch_s), now)

    async def _poll(self) -> ReadReport:
        time = self._clock.now()
        now = self._clock.monotonic()
        failures: list[Failure] = []
        events: list[Event] = []
        experience = self._experience
        experience.polls += 1
        if experience.wants_plan:
            experience.replan()
        answers: Answers = await self._ask(failures)
        if failures or now >= experience.due:
            answers = await experience.attend(
                self._read,
                answers,
                failures=failures,
                events=events,
                now=now,
                epoch_s=time.timestamp(),
                is_order_known=not self._is_order_open,
            )
        if self._is_order_open:
            self._settle_order(answers)
        values, qualities = self._decode(answers, failures)
        reasons: dict[int, str] = dict(experience.refused) if experience.refused else {}
        warnings: Sequence[str] = ()
        if not self._is_order_open:
            await self._checks.apply(
                values, qualities, reasons, events, now, lambda places: self._again(answers, places)
            )
            warnings = self._checks.warnings(values, now)
        if now >= experience.save_at:
            experience.save(self._checks.counts(now, time.timestamp()), now)
        report = ReadReport(
            time=time,
            points=self.points,
            values=values,
            qualities=qualities,
            failures=failures,
            events=events,
            warnings=warnings,
            reasons=reasons,
        )
        return report if self._hold_s <= 0 else self._held(report)

    async def _read(self, block: Block) -> bytes:
        return await self._unit.read(
            ReadRequest(READ_FUNCTIONS[block.table], block.address, block.count)
        )

    async def _ask(self, failures: list[Failure]) -> list[bytes | None]:
        decoders = self._experience.decoders
        answers: list[bytes | None] = [None] * len(decoders)
        lost: dict[int, MeterError] = {}
        silences = timeouts = 0
        given_up: MeterError | None = None
        for place, decoder in enumerate(decoders):
            if given_up is not None:
                failures.append(Failure(decoder.block, given_up))
                continue
            try:
                answers[place] = await self._unit.read(decoder.request)
            except MeterError as error:
                is_silent = isinstance(error, (RequestTimeout, LinkLostError))
                timeouts += is_silent
                silences = silences + 1 if is_silent else 0
                is_gone = isinstance(error, (LinkOpenError, LinkClosedError, UnitSilentError))
                if is_gone or silences >= _MAX_SILENCES or timeouts >= _MAX_TIMEOUTS:
                    given_up = error
                if _may_be_lost(error):
                    lost[place] = error
                else:
                    failures.append(Failure(decoder.block, error))
            else:
                silences = 0
        if lost or self._lost:
            await self._ask_again(lost, answers, failures, is_hopeless=given_up is not None)
        return answers

    async def _ask_again(
        self,
        lost: Mapping[int, MeterError],
        answers: list[bytes | None],
        failures: list[Failure],
        *,
        is_hopeless: bool,
    ) -> None:
        """Repeat what may have been lost on the way, unless it was so at the last poll too."""
        still_lost: set[Block] = set()
        for place, first in lost.items():
            decoder, error = self._experience.decoders[place], first
            for _ in range(0 if decoder.block in self._lost else _TRIES):
                if is_hopeless:
                    break
                try:
                    answers[place] = await self._unit.read(decoder.request)
                    break
                except MeterError as again:
                    error = again
                    is_hopeless = not _may_be_lost(error)
            if answers[place] is None:
                still_lost.add(decoder.block)
                failures.append(Failure(decoder.block, error))
        self._lost = still_lost

    def _decode(
        self, answers: Answers, failures: list[Failure]
    ) -> tuple[list[Value], list[Quality]]:
        values: list[Value] = []
        qualities: list[Quality] = []
        for decoder, answer in zip(self._experience.decoders, answers, strict=True):
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
        places = self._experience.places
        if places is not None:
            # Some points are not asked for any more, or not in the order of the report.
            some, values = values, [None] * len(self.points)
            some_qualities, qualities = qualities, [Quality.NOT_AVAILABLE] * len(self.points)
            for place, value, quality in zip(places, some, some_qualities, strict=True):
                values[place], qualities[place] = value, quality
        if not self._rescaler.is_idle:
            self._rescaler.apply(values, qualities)
        return values, qualities

    async def _again(self, answers: Answers, places: Sequence[int]) -> Sequence[Value]:
        """All values, those at `places` read once more; None where that failed."""
        wanted = {self.points[place] for place in places}
        renewed = list(answers)
        for index, decoder in enumerate(self._experience.decoders):
            if wanted.intersection(decoder.block.points):
                try:
                    renewed[index] = await self._unit.read(decoder.request)
                except MeterError:
                    renewed[index] = None
        return self._decode(renewed, [])[0]

    def _held(self, report: ReadReport) -> ReadReport:
        """The report with the last good values in the place of those that were not read."""
        last, self._last = self._last, report
        if last is None or Quality.NOT_READ not in report.qualities:
            return report
        values, qualities, times = list(report.values), list(report.qualities), {}
        reasons = {}
        oldest = report.time - timedelta(seconds=self._hold_s)
        for place, quality in enumerate(report.qualities):
            is_held = last.qualities[place] in (Quality.GOOD, Quality.STALE)
            if quality is Quality.NOT_READ and is_held and last.time_at(place) >= oldest:
                values[place], qualities[place] = last.values[place], Quality.STALE
                times[place] = last.time_at(place)
            if quality is not Quality.GOOD:
                reasons[place] = report.reason(self.points[place].name)
        self._last = ReadReport(
            time=report.time,
            points=self.points,
            values=values,
            qualities=qualities,
            failures=report.failures,
            events=report.events,
            warnings=report.warnings,
            reasons=reasons,
            times=times,
        )
        return self._last

    def _settle_order(self, answers: Answers) -> None:
        """Choose the order that makes most sense of what was read, and keep it."""
        read = [
            (decoder.block, answer)
            for decoder, answer in zip(self._experience.decoders, answers, strict=True)
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

        self._experience.set_order(order_of)


def _may_be_lost(error: MeterError) -> bool:
    """Whether an answer was lost or spoilt on the way, so that asking again makes sense."""
    is_lost = isinstance(error, (RequestTimeout, RemoteProtocolError, LinkLostError))
    return is_lost and not isinstance(error, UnitSilentError)
