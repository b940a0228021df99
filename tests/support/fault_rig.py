"""Three meters on one wire that misbehave, polled by our reader: is what it reports ever wrong?

Every register says whose it is (`truth`), and a poll takes three reads of one shape from each
unit: the worst there is for whoever takes one answer for another.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from energymeter.client import Link
from energymeter.profiles import Profile, parse_profile
from energymeter.reader import MeterReader, Quality, ReadReport
from energymeter.server import RegisterImage, Tables

__all__ = [
    "BLOCKS",
    "UNITS",
    "Outcome",
    "PlainMeter",
    "make_readers",
    "plain_profile",
    "poll_units",
    "truth",
]

UNITS: Final = (1, 2, 3)
BLOCKS: Final = ((0, 8), (100, 8), (200, 8))
"""Address and count of what is read; all alike."""

_SIZE: Final = 208


def truth(unit: int, address: int) -> int:
    """What a register holds."""
    return unit * 10_000 + address


def plain_profile() -> Profile:
    """A meter of bare words: no quantity, so no physics can tell a wrong one."""
    return parse_profile(
        {
            "name": "test/plain",
            "vendor": "Test",
            "model": "plain",
            "kind": "electricity",
            "max_read_words": 10,
            "points": [
                {"name": f"word_{address}", "address": address, "type": "uint16"}
                for begin, count in BLOCKS
                for address in range(begin, begin + count)
            ],
        },
        "plain.toml",
    )


class PlainMeter:
    """One unit of the rig, as the simulator's faults want a meter."""

    def __init__(self, unit: int) -> None:
        words = struct.pack(f">{_SIZE}H", *(truth(unit, address) for address in range(_SIZE)))
        self.tables = Tables(holding=RegisterImage([(0, words)]))

    def counter_spans(self, table: object) -> Sequence[tuple[int, int]]:
        """It counts nothing."""
        del table
        return ()

    def shadow(self, change: object = None) -> Tables:
        """Its values stand still anyway."""
        del change
        return self.tables

    def reset_counters(self) -> None:
        """It has none."""

    def restart(self) -> None:
        """Nothing is lost."""


@dataclass
class Outcome:
    """What became of the values asked for."""

    right: int = 0
    absent: int = 0
    wrong: list[str] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)
    """Kinds of errors that were reported."""

    @property
    def is_whole(self) -> bool:
        """Whether every value came and was right."""
        return not self.absent and not self.wrong

    def judge(self, unit: int, values: Mapping[int, Any]) -> None:
        """Count the values of one unit, by address; None: not reported."""
        for address, value in values.items():
            if value is None:
                self.absent += 1
            elif value == truth(unit, address):
                self.right += 1
            else:
                self.wrong.append(f"unit {unit} address {address}: {value}")


def judge_report(unit: int, report: ReadReport, outcome: Outcome) -> None:
    """Count what a report brings."""
    outcome.judge(
        unit,
        {
            point.address: value if quality is Quality.GOOD else None
            for point, value, quality in zip(
                report.points, report.values, report.qualities, strict=True
            )
        },
    )
    outcome.reasons |= {type(failure.error).__name__ for failure in report.failures}


def make_readers(link: Link) -> dict[int, MeterReader]:
    """A reader for each unit."""
    is_numbered = link.framing.has_transactions
    return {
        unit: MeterReader(link.unit(unit), plain_profile(), is_numbered=is_numbered)
        for unit in UNITS
    }


async def poll_units(readers: Mapping[int, MeterReader]) -> Outcome:
    """Read every unit once, one after the other."""
    outcome = Outcome()
    for unit, reader in readers.items():
        judge_report(unit, await reader.read(), outcome)
    return outcome
