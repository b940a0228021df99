"""What is suspicious in a profile that loads: errors are wrong, warnings may be right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from energymeter.codec.codes import MAX_READ_WORDS
from energymeter.errors import ProfileError
from energymeter.profiles.load import load_profile
from energymeter.profiles.model import Profile
from energymeter.profiles.point import Point
from energymeter.values import DataType, Encoding, Quantity, quantity_of, unit_factor

__all__ = ["Finding", "lint_file", "lint_profile"]

_SLACK: Final = 1.0
"""Share of a quantity's range by which a profile may go beyond: four-quadrant power factors
reach from -2 to 2."""


class Finding(NamedTuple):
    """One remark about a profile."""

    level: Literal["error", "warning"]
    place: str
    """Name of a point or key; empty for the whole."""
    text: str


def lint_file(path: Path) -> list[Finding]:
    """What there is to say about a file; one that does not load gives one error."""
    try:
        profile = load_profile(path)
    except ProfileError as error:
        return [Finding("error", "", error.message.removeprefix(f"{path}: "))]
    return lint_profile(profile)


def lint_profile(profile: Profile) -> list[Finding]:
    """What there is to say about a profile, in the order of its file."""
    findings = list(_whole(profile))
    for point in profile.points:
        findings += _point(profile, point)
    return list(dict.fromkeys(findings))


def _error(place: str, text: str) -> Finding:
    return Finding("error", place, text)


def _warning(place: str, text: str) -> Finding:
    return Finding("warning", place, text)


def _whole(profile: Profile) -> Iterator[Finding]:
    if not any(source.strip() for source in profile.sources):
        yield _error("sources", "say where the facts come from: document, revision, page")
    if profile.kind == "electricity" and not profile.phases:
        yield _warning("phases", "an electricity meter has 1 to 3")
    for fingerprint in profile.fingerprints:
        if fingerprint.type is DataType.STRING and fingerprint.length is None:
            yield _error("fingerprints", f"the text at {fingerprint.address} needs a length")
    for place, ranges in (("holes", profile.holes), ("readable", profile.readable)):
        for one in ranges:
            taken = next((p for p in profile.points if place == "holes" and _touch(p, one)), None)
            if taken is not None:
                yield _error(place, f"{one.first}..{one.last} holds {taken.name}")


def _touch(point: Point, one: object) -> bool:
    first, last, tables = (getattr(one, key) for key in ("first", "last", "tables"))
    is_there = bool(set(point.tables) & set(tables))
    return is_there and point.address <= last and first < point.end


def _point(profile: Profile, point: Point) -> Iterator[Finding]:
    yield from _meaning(point)
    yield from _range(point)
    yield from _reading(profile, point)
    if point.scale_from is not None:
        yield from _scaling(profile, point)
    if point.value is not None and not _is_of_type(point):
        yield _error(point.name, f"value {point.value!r} is none of type {point.type}")


def _meaning(point: Point) -> Iterator[Finding]:
    quantity = quantity_of(point.name)
    is_plain = point.type in (DataType.STRING, DataType.BOOL, DataType.BITS16)
    if quantity is None:
        if not is_plain and point.value is None and point.access == "r":
            yield _warning(point.name, "is no known quantity: no range, unit or simulation")
        return
    if is_plain or unit_factor(point.unit, quantity.unit) is not None:
        return
    if point.unit:
        yield _error(point.name, f"unit {point.unit} is none of {quantity.name} ({quantity.unit})")
    else:
        yield _warning(point.name, f"has no unit, {quantity.name} is in {quantity.unit}")


def _range(point: Point) -> Iterator[Finding]:
    low, high = point.minimum, point.maximum
    if low is not None and high is not None and low >= high:
        yield _error(point.name, f"minimum {low} is not below maximum {high}")
    quantity = quantity_of(point.name)
    factor = None if quantity is None else unit_factor(point.unit, quantity.unit)
    if quantity is None or factor is None:
        return
    if low is not None and float(low) * factor < quantity.low - abs(quantity.low) * _SLACK:
        yield _warning(point.name, f"minimum {low} is below what {quantity.name} can be")
    if high is not None and float(high) * factor > quantity.high * (1 + _SLACK):
        yield _warning(point.name, f"maximum {high} is above what {quantity.name} can be")
    if point.type.is_integer and point.encoding is Encoding.PLAIN and point.scale_from is None:
        yield from _resolution(point, quantity, factor)


def _resolution(point: Point, quantity: Quantity, factor: float) -> Iterator[Finding]:
    if quantity.typical is None or point.type is DataType.BITS16:
        return
    lowest, highest = quantity.typical
    raw_low, raw_high = point.type.integer_range
    ends = [abs(point.exact_scale.to_value(raw)) * factor for raw in (raw_low, raw_high)]
    if max(ends) < lowest:
        top = max(ends) / factor
        yield _error(point.name, f"reaches no more than {top:g} {point.unit}, is scale right?")
    if abs(float(point.scale)) * factor > highest:
        yield _error(point.name, f"counts in {point.scale} {point.unit}, is scale right?")


def _reading(profile: Profile, point: Point) -> Iterator[Finding]:
    if point.type is DataType.BOOL or point.access == "w":
        return
    longest = profile.max_read_words or MAX_READ_WORDS
    if point.count > longest:
        yield _error(point.name, f"has {point.count} registers, a read no more than {longest}")
    if profile.even_reads and (point.address % 2 or point.count % 2):
        yield _error(point.name, "even_reads: a read of it alone is refused")
    if not any(
        first <= point.address and point.end <= end
        for first, end in profile.readable_in(point.table)
    ):
        yield _error(point.name, "lies outside what is readable")


def _scaling(profile: Profile, point: Point) -> Iterator[Finding]:
    source = point.scale_from
    if source is None:
        return
    by_name = {other.name: other for other in profile.points}
    longest = profile.max_read_words or MAX_READ_WORDS
    for name in (source.point, source.over):
        register = by_name.get(name or "")
        if register is None:
            continue
        if not register.type.is_integer or register.scale != 1 or register.offset:
            yield _error(point.name, f"scale_from: {name} is no whole number without a scale")
        first = min(point.address, register.address)
        words = max(point.end, register.end) - first
        if register.table is not point.table or words > longest:
            yield _warning(
                register.name,
                "is not in reach of one read with the values it scales, so they may be of "
                "different moments",
            )


def _is_of_type(point: Point) -> bool:
    is_text = point.type is DataType.STRING or point.encoding is Encoding.ASCII_FLOAT
    if isinstance(point.value, str) or is_text:
        return isinstance(point.value, str) and is_text
    if not point.type.is_integer or point.encoding is not Encoding.PLAIN:
        return True
    low, high = point.type.integer_range
    return point.value is not None and low <= point.value <= high
