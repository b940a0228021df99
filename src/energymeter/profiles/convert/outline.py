"""What the exporters share: blocks to read, and what the other program's form cannot say."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from energymeter.codec.codes import Table
from energymeter.profiles.model import Point, Profile
from energymeter.values import Encoding

__all__ = ["Block", "Exported", "blocks_of", "exportable", "losses"]

_MAX_GAP: Final = 8
"""Unused registers read over rather than asking twice."""

_POINT_LOSSES: Final[dict[str, tuple[Callable[[Point], bool], str]]] = {
    "scale_from": (
        lambda point: point.scale_from is not None,
        "are exported without the factor that the meter keeps in another register",
    ),
    "ratio": (lambda point: bool(point.ratio), "are exported without the transformer ratio"),
    "encoding": (
        lambda point: point.encoding is not Encoding.PLAIN,
        "are exported as raw numbers, their encoding cannot be said",
    ),
    "offset": (lambda point: bool(point.offset), "are exported without their offset"),
    "not_available": (
        lambda point: bool(point.not_available),
        "are exported without the patterns that mean there is no value",
    ),
    "unit": (lambda point: bool(point.unit), "are exported without their unit"),
}
_PROFILE_LOSSES: Final[dict[str, tuple[Callable[[Profile], bool], str]]] = {
    "max_read_words": (
        lambda profile: profile.max_read_words is not None,
        "the longest read the meter answers cannot be said",
    ),
    "even_reads": (
        lambda profile: profile.even_reads,
        "that only even addresses and counts are answered cannot be said",
    ),
    "gaps": (
        lambda profile: profile.gaps == "refused" or bool(profile.holes),
        "the gaps that the meter refuses cannot be said",
    ),
}


class Exported(NamedTuple):
    """A profile in another program's form."""

    text: str
    warnings: tuple[str, ...]
    """What the form cannot say, for people."""


class Block(NamedTuple):
    """Points that are read together."""

    table: Table
    address: int
    words: int
    """Registers, or bits."""
    points: tuple[Point, ...]


def exportable(
    profile: Profile, can_read: Callable[[Point], bool]
) -> tuple[tuple[Point, ...], list[str]]:
    """Points that a form can hold, and a warning about the others."""
    points = tuple(point for point in profile.readable_points if can_read(point))
    left = [point.name for point in profile.readable_points if not can_read(point)]
    return points, [f"{_names(left)} left out, the form has no such type"] if left else []


def losses(profile: Profile, points: Collection[Point], can_say: Collection[str]) -> list[str]:
    """What is lost in a form that can only say so much.

    Args:
        profile: The meter.
        points: What is exported of it.
        can_say: Names out of scale_from, ratio, encoding, offset, not_available, unit,
            max_read_words, even_reads, gaps.
    """
    found = []
    for key, (is_used, text) in _POINT_LOSSES.items():
        names = [point.name for point in points if is_used(point)]
        if names and key not in can_say:
            found.append(f"{_names(names)} {text}")
    for key, (applies, text) in _PROFILE_LOSSES.items():
        if key not in can_say and applies(profile):
            found.append(text)
    return found


def blocks_of(profile: Profile, points: Collection[Point], longest: int) -> list[Block]:
    """Neighbouring points joined into reads the meter answers, by table and address.

    Byte and word order are the same within a block.
    """
    longest = min(longest, profile.max_read_words or longest)
    blocks: list[Block] = []
    for table in dict.fromkeys(point.table for point in points):
        stretches = profile.readable_in(table)
        inside = sorted((p for p in points if p.table is table), key=lambda p: (p.address, p.end))
        for point in inside:
            last = blocks[-1] if blocks and blocks[-1].table is table else None
            if last is not None and _fits(profile, last, point, longest, stretches):
                end = max(last.address + last.words, point.end)
                blocks[-1] = Block(table, last.address, end - last.address, (*last.points, point))
            else:
                blocks.append(Block(table, point.address, point.count, (point,)))
    return blocks


def _fits(
    profile: Profile,
    block: Block,
    point: Point,
    longest: int,
    stretches: Collection[tuple[int, int]],
) -> bool:
    return (
        point.address - (block.address + block.words) <= _MAX_GAP
        and point.end - block.address <= longest
        and profile.order_of(point) == profile.order_of(block.points[0])
        and any(first <= block.address and point.end <= end for first, end in stretches)
    )


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
