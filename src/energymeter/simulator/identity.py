"""Registers by which a meter is recognised: fingerprints, and the SunSpec chain of models.

They carry no values, so a profile has no points for them; the simulated meter has to show them.
Source: SunSpec Device Information Model Specification 1.1, section 4 (map, model 1, end model).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

from energymeter.codec import Table
from energymeter.profiles import Point, Profile
from energymeter.values import DataType, Order

__all__ = ["identity_points", "identity_stretches"]

_SUNSPEC_BASE: Final = 40000
"""Where the marker is on nearly every device; 0 and 50000 are the other places."""

_MARKER: Final = "SunS"
_COMMON_MODEL: Final = 1
_INVERTER_MODEL: Final = 103
_METER_LENGTH: Final = 105
"""Registers of the integer meter models 201 to 204, without their header."""

_HEADER_WORDS: Final = 2
"""Model id and length."""

_CHAINS: Final = ((_COMMON_MODEL,), (_COMMON_MODEL, _INVERTER_MODEL, _COMMON_MODEL))
"""What may stand between the marker and the meter's model."""

_LENGTHS: Final = {_COMMON_MODEL: (65, 66), _INVERTER_MODEL: (50,)}


def identity_points(profile: Profile) -> tuple[Point, ...]:
    """Constant registers that identify the meter, beside its points; none overlaps a point."""
    taken = [(table, p.address, p.end) for p in profile.points for table in p.tables]
    found: list[Point] = []
    # The chain first: of the models a fingerprint allows, its phases tell which this meter is.
    for point in (*_sunspec(profile), *_fingerprints(profile)):
        if any(
            table in point.tables and first < point.end and point.address < end
            for table, first, end in taken
        ):
            continue
        found.append(point)
        taken += [(table, point.address, point.end) for table in point.tables]
    return tuple(found)


def identity_stretches(profile: Profile) -> tuple[tuple[int, int], ...]:
    """Addresses the chain of models covers, as first and the one after the last."""
    if not profile.sunspec:
        return ()
    ends = [point.end for point in _sunspec(profile)]
    return ((_SUNSPEC_BASE, max(ends)),)


def _fingerprints(profile: Profile) -> Iterator[Point]:
    for number, fingerprint in enumerate(profile.fingerprints):
        if fingerprint.expect:
            yield Point(
                name=f"fingerprint {number}",
                tables=fingerprint.tables,
                address=fingerprint.address,
                type=fingerprint.type,
                length=fingerprint.length,
                value=fingerprint.expect[0],
                byte_order=fingerprint.byte_order,
            )


def _sunspec(profile: Profile) -> Iterator[Point]:
    if not profile.sunspec:
        return
    tables = profile.tables
    first = min(point.address for point in profile.points if point.tables == tables)
    model = {1: 201, 2: 202}.get(profile.phases, 203)
    header = next(
        (f.address for f in profile.fingerprints if f.address < first + _METER_LENGTH),
        first - _HEADER_WORDS,
    )
    yield _text("sunspec marker", _SUNSPEC_BASE, _MARKER, 2, tables)
    address = _SUNSPEC_BASE + 2
    for number, (kind, length) in enumerate(_chain(header - address)):
        yield from _model(f"sunspec {number}", address, kind, length, tables)
        if kind == _COMMON_MODEL:
            start = address + _HEADER_WORDS
            yield _text(f"sunspec {number} vendor", start, profile.vendor, 16, tables)
            yield _text(f"sunspec {number} model", start + 16, profile.model, 16, tables)
        address += _HEADER_WORDS + length
    yield from _model("sunspec meter", header, model, _METER_LENGTH, tables)
    end = header + _HEADER_WORDS + _METER_LENGTH
    yield from _model("sunspec end", end, 0xFFFF, 0, tables)


def _chain(words: int) -> list[tuple[int, int]]:
    """Models, each with its length, that fill so many registers; empty when none do."""
    for kinds in _CHAINS:
        for lengths in product(*(_LENGTHS[kind] for kind in kinds)):
            if sum(lengths) + _HEADER_WORDS * len(lengths) == words:
                return list(zip(kinds, lengths, strict=True))
    return []


def _model(
    name: str, address: int, kind: int, length: int, tables: tuple[Table, ...]
) -> Iterator[Point]:
    for offset, part, value in ((0, "id", kind), (1, "length", length)):
        yield Point(
            name=f"{name} {part}",
            address=address + offset,
            type=DataType.UINT16,
            tables=tables,
            value=value,
        )


def _text(name: str, address: int, text: str, length: int, tables: tuple[Table, ...]) -> Point:
    return Point(
        name=name,
        address=address,
        type=DataType.STRING,
        length=length,
        tables=tables,
        value=text,
        byte_order=Order.BIG,
    )
