"""The longest read: does the meter answer reads as long as the profile plans them?"""

from __future__ import annotations

import struct
from typing import Final

from energymeter.codec import ReadRequest
from energymeter.codec.codes import READ_FUNCTIONS, exception_name
from energymeter.doctor.case import Case, question_of
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.patience import comfortable_s
from energymeter.doctor.probe import Exchange
from energymeter.planner import Block, plan_reads

__all__ = ["examine_length"]

_COMPARED: Final = 3
"""Values that are read alone as well; no meter has so many of them jump at once."""

_ATTEMPTS: Final = 2
_DRIFT: Final = 0.05
"""Share by which a word may change from one read to the next."""

_ILLEGAL_VALUE: Final = 3
_ILLEGAL_ADDRESS: Final = 2


async def examine_length(case: Case) -> list[Step]:
    """Make the longest read that is planned; if it fails, look for the longest that does not."""
    profile = case.profile
    if profile is None or not case.is_map_at_home:
        return []
    points = [point for point in profile.readable_points if not point.table.is_bits]
    block = max(plan_reads(profile, points), key=lambda block: block.count)
    case.tell(f"reading {block.count} registers at once")
    whole = await _read(case, block, block.count)
    what = f"{block.table} registers {block.address} to {block.end - 1}"
    if whole.is_timeout:
        whole = await case.listen(whole, case.longest_s - case.timeout_s)
        if any(frame.unit == case.unit for frame in whole.sound.frames):
            return [_slow(case, block, whole)]
    if whole.answer is not None:
        return [await _compare(case, block, whole.answer)]
    if whole.code == _ILLEGAL_ADDRESS:
        seen = f"{what} together are refused: one of them is not there, it will be read around"
        return [Step(Layer.LENGTH, Verdict.NOTED, seen)]
    if whole.code not in (None, _ILLEGAL_VALUE):
        seen = f"{what} together: exception {whole.code} ({exception_name(whole.code)})"
        return [Step(Layer.LENGTH, Verdict.NOTED, seen)]
    part = await case.ask(question_of(block.points[0], block.table), repeats_busy=True)
    if part.answer is None:
        seen = f"{what} do not answer, not even {block.points[0].name} alone"
        return [Step(Layer.LENGTH, Verdict.NOTED, seen)]
    longest = await _longest(case, block, even=profile.even_reads)
    if (await _read(case, block, block.count)).answer is not None:
        seen = f"{what} at once: answered at the second attempt only"
        return [Step(Layer.LENGTH, Verdict.NOTED, seen)]
    how = "refuses longer ones" if whole.code == _ILLEGAL_VALUE else _how(whole)
    return [
        Step(
            Layer.LENGTH,
            Verdict.TOO_LONG,
            f"{what} at once: {_how(whole)}; {longest} at once are answered",
            f"the meter answers reads of {longest} registers and {how}, and the profile plans "
            f"{block.count}",
            case.command(extra=("--message-size", str(longest))),
        )
    ]


async def _compare(case: Case, block: Block, whole: bytes) -> Step:
    """Whether registers have the same contents when they are read alone."""
    others = [point for point in block.points if point.count < block.count][-_COMPARED:]
    for _ in range(_ATTEMPTS):
        wrong = 0
        for point in others:
            case.tell(f"reading {point.name} alone")
            alone = await case.ask(question_of(point, block.table), repeats_busy=True)
            place = 2 + 2 * (point.address - block.address)
            together = whole[place : place + 2 * point.count]
            wrong += alone.answer is not None and not _is_alike(alone.answer[2:], together)
        if len(others) < _COMPARED or wrong < len(others):
            seen = f"{block.count} registers in one read answer"
            return Step(Layer.LENGTH, Verdict.FINE, seen)
        again = await _read(case, block, block.count)
        whole = whole if again.answer is None else again.answer
    names = ", ".join(point.name for point in others)
    return Step(
        Layer.LENGTH,
        Verdict.LEAVES_OUT,
        f"{names}: alone they read as something else than among {block.count} registers",
        "in long reads the meter leaves out addresses it has not got, and what is behind them "
        "moves up; read it in short pieces",
        case.command(extra=("--message-size", str(max(point.count for point in block.points)))),
    )


def _is_alike(one: bytes, other: bytes) -> bool:
    """Whether they can be the same value, read twice: a word is the same, or nearly."""
    words = zip(_words(one), _words(other), strict=True)
    return any(abs(a - b) <= max(a, b) * _DRIFT for a, b in words)


def _words(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(data) // 2}H", data)


def _slow(case: Case, block: Block, whole: Exchange) -> Step:
    return Step(
        Layer.TIMING,
        Verdict.SLOW,
        f"{block.count} registers in one read take {whole.seconds:.1f} s",
        f"long reads take the meter {whole.seconds:.1f} s, and {case.timeout_s:g} s was waited for",
        case.command(timeout_s=comfortable_s(whole.seconds)),
    )


async def _longest(case: Case, block: Block, *, even: bool) -> int:
    """The longest read from the beginning of the block that is answered; at least its first."""
    step = 2 if even else 1
    low, high = block.points[0].count, block.count
    while high - low > step and case.has_time:
        middle = (low + high) // 2
        middle -= middle % step
        case.tell(f"reading {middle} registers at once")
        exchange = await _read(case, block, middle)
        if exchange.answer is not None:
            low = middle
        else:
            high = middle
    return low


async def _read(case: Case, block: Block, count: int) -> Exchange:
    request = ReadRequest(READ_FUNCTIONS[block.table], block.address, count)
    return await case.ask(request, repeats_busy=True)


def _how(exchange: Exchange) -> str:
    if exchange.code is not None:
        return f"answers longer ones with exception {exchange.code}"
    return "says nothing to longer ones"
