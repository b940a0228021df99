"""Stretches of addresses: the first, and the one after the last. Pure."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Stretch", "joined", "without"]

Stretch = tuple[int, int]


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same addresses in ascending stretches that neither touch nor overlap."""
    found: list[Stretch] = []
    for first, end in sorted(stretches):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((first, end))
    return found


def without(stretches: list[Stretch], holes: Iterable[Stretch]) -> list[Stretch]:
    """What is left of stretches outside the holes."""
    for first, end in holes:
        pieces = [
            piece
            for start, stop in stretches
            for piece in ((start, min(stop, first)), (max(start, end), stop))
            if piece[0] < piece[1]
        ]
        stretches = joined(pieces)
    return stretches
