"""Does it keep pace? A row of quick questions, and what becomes of each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from energymeter.codec import Side, make_framer
from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.patience import comfortable_s
from energymeter.doctor.probe import Exchange
from energymeter.doctor.shape import explain_ids
from energymeter.transports import Wire

__all__ = ["examine_pace"]

_QUESTIONS: Final = 8
_MOST_FAILURES: Final = 3
"""After so many it is clear that something is wrong."""

_PAUSES: Final = (0.1, 0.5)
"""Between requests, in seconds: what meters and converters are known to want."""

_PAUSED_QUESTIONS: Final = 4
_BUSY: Final = (5, 6)
_MUCH: Final = 0.5
"""Part of the time-out that an answer may take without a remark."""


async def examine_pace(case: Case) -> list[Step]:
    """Ask several times in a row; look at what is missing, late, or not what was asked."""
    assert case.question is not None  # noqa: S101 - somebody answered
    case.tell(f"asking {_QUESTIONS} times in a row")
    row = await _ask_row(case, case.wire, _QUESTIONS)
    failed = [exchange for exchange in row if not exchange.is_answered]
    if not failed:
        return [_steady(case, row)]
    late = [exchange.seconds for exchange in failed if _came_late(case, exchange)]
    if late:
        return [_late_step(case, row, late)]
    for exchange in failed:
        step = await explain_ids(case, exchange)
        if step is not None:
            return [step]
    if _is_deaf_in_between(row):
        step = await _find_pause(case, row)
        if step is not None:
            return [step]
    return [_unreliable(row, failed)]


async def _ask_row(case: Case, wire: Wire, count: int) -> list[Exchange]:
    question = case.question
    assert question is not None  # noqa: S101 - see above
    row: list[Exchange] = []
    for _ in range(count):
        exchange = await case.ask(question, wire=wire)
        if exchange.is_timeout:
            exchange = await case.listen(exchange, case.longest_s - case.timeout_s)
        row.append(exchange)
        failures = sum(not exchange.is_answered for exchange in row)
        if failures >= _MOST_FAILURES or not case.has_time:
            break
    return row


def _steady(case: Case, row: Sequence[Exchange]) -> Step:
    slowest = max(exchange.seconds for exchange in row)
    busy = sum(exchange.code in _BUSY for exchange in row)
    seen = f"{len(row)} of {len(row)} quick questions answered, the slowest after "
    seen += f"{slowest * 1000:.0f} ms"
    noisy = sum(_is_noisy(case, exchange) for exchange in row)
    hung_up = case.probe is not None and case.probe.losses >= len(row) // 2
    if noisy:
        return Step(Layer.TIMING, Verdict.NOTED, f"{seen}; {noisy} came with noise around them")
    if busy:
        return Step(Layer.TIMING, Verdict.NOTED, f"{seen}; {busy} times it said it was busy")
    if hung_up:
        return Step(Layer.TIMING, Verdict.NOTED, f"{seen}; it hangs up after each answer")
    if slowest > _MUCH * case.timeout_s:
        room = f"{comfortable_s(slowest):g}"
        return Step(
            Layer.TIMING,
            Verdict.NOTED,
            f"{seen}, of {case.timeout_s:g} s it may take: --timeout {room} gives room",
        )
    return Step(Layer.TIMING, Verdict.FINE, seen)


def _is_noisy(case: Case, exchange: Exchange) -> bool:
    if exchange.answer is None:
        return False
    framer = make_framer(case.wire.framing, Side.CLIENT)
    expected = len(framer.encode(0, exchange.unit, exchange.answer))
    return len(exchange.sound.data) > expected


def _came_late(case: Case, exchange: Exchange) -> bool:
    is_ours = any(frame.unit == case.unit for frame in exchange.sound.frames)
    return exchange.is_timeout and is_ours and exchange.seconds > case.timeout_s


def _late_step(case: Case, row: Sequence[Exchange], late: Sequence[float]) -> Step:
    slowest = max(late)
    missed = sum(not exchange.is_answered for exchange in row)
    return Step(
        Layer.TIMING,
        Verdict.LATE,
        f"{missed} of {len(row)} questions were not answered within {case.timeout_s:g} s; "
        f"answers came after up to {slowest:.1f} s",
        f"the meter answers late now and then, after up to {slowest:.1f} s, and "
        f"{case.timeout_s:g} s was waited for",
        case.command(timeout_s=comfortable_s(slowest)),
    )


def _is_deaf_in_between(row: Sequence[Exchange]) -> bool:
    """Whether every question right after an answer got none, and not a byte either."""
    after = [second for first, second in itertools.pairwise(row) if first.is_answered]
    return bool(after) and all(e.is_timeout and e.is_silent for e in after)


async def _find_pause(case: Case, row: Sequence[Exchange]) -> Step | None:
    missed = sum(not exchange.is_answered for exchange in row)
    for pause_s in _PAUSES:
        if not case.has_time:
            break
        case.tell(f"asking with pauses of {pause_s:g} s")
        wire = replace(case.wire, pacing=replace(case.wire.pacing, pause_s=pause_s))
        paused = await _ask_row(case, wire, _PAUSED_QUESTIONS)
        if len(paused) == _PAUSED_QUESTIONS and all(e.is_answered for e in paused):
            return Step(
                Layer.TIMING,
                Verdict.PAUSE,
                f"{missed} of {len(row)} quick questions got no answer; with pauses of "
                f"{pause_s:g} s all do",
                f"the meter does not hear a question that comes right after an answer; it needs a "
                f"pause of about {pause_s:g} s between them",
                case.command(wire=wire),
            )
    return None


def _unreliable(row: Sequence[Exchange], failed: Sequence[Exchange]) -> Step:
    missed = f"{len(failed)} of {len(row)} quick questions got no good answer"
    if any(exchange.is_from_gateway for exchange in failed):
        why = "the gateway does not always get one from the meter: look at its speed, parity and "
        why += "time-out for the serial side, and at cable, ground and terminators"
    elif any(exchange.is_lost for exchange in failed):
        why = "the connection breaks: let only one program ask, and restart the device or converter"
    elif any(not exchange.is_silent for exchange in failed):
        why = (
            "answers are corrupted on the way: look at cable, ground, "
            "terminators, and at what runs "
        )
        why += "beside it"
    else:
        why = "questions or answers are lost on the way: look at the cable, and let only one "
        why += "program ask"
    return Step(Layer.TIMING, Verdict.UNRELIABLE, missed, f"{missed}: {why}")
