"""Propose what stands in registers of which nothing is known: best effort, from the numbers alone.

Three values alike between 90 and 300 are voltages, something near 50 or 60 is a frequency; three
currents and three powers are believed when the powers are what voltages and currents allow.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from typing import Final, Literal, NamedTuple

from energymeter.codec.codes import Table
from energymeter.discovery.asking import Asker
from energymeter.values import DataType, Order, WireOrder

__all__ = ["Proposal", "RawMap", "propose", "read_range"]

_CHUNK_WORDS: Final = 60
_SMALLEST_WORDS: Final = 2
"""A refused read is halved until it is so short."""

_ORDERS: Final = tuple(WireOrder(byte, word) for byte in Order for word in Order)
_NEAR_WORDS: Final = 60
"""Voltages, currents and powers are not farther apart than this."""

_CHANCE: Final = {DataType.FLOAT32: 2.0, DataType.INT32: 1.0, DataType.INT16: 0.0}
"""The more bits, the less likely that three of them look like voltages by chance."""

_LEAST_FACTOR: Final = 0.5
_MOST_FACTOR: Final = 1.005
"""Power factors between these are believed, and a digit's worth of rounding."""

_SURE: Final = 2.5
_LARGEST_CURRENT: Final = 5000.0
_SCALES: Final = (1.0, 0.1, 0.01, 0.001)

Sureness = Literal["likely", "perhaps"]


class _Form(NamedTuple):
    type: DataType
    order: WireOrder
    scale: float


class _Place(NamedTuple):
    form: _Form
    address: int
    values: tuple[float, ...]

    def of(self, what: str, sureness: Sureness, why: str) -> Proposal:
        """A proposal for this place."""
        return Proposal(what, self.address, *self.form, self.values, sureness, why)


_FORMS: Final = (
    *(_Form(DataType.FLOAT32, order, 1.0) for order in _ORDERS),
    *(
        _Form(data_type, order, scale)
        for data_type in (DataType.INT32, DataType.INT16)
        for order in _ORDERS
        if data_type is DataType.INT32 or order.word is Order.BIG
        for scale in _SCALES
    ),
)


class Proposal(NamedTuple):
    """What could stand at an address."""

    what: str
    address: int
    type: DataType
    order: WireOrder
    scale: float
    values: tuple[float, ...]
    sureness: Sureness
    why: str


class RawMap(NamedTuple):
    """Registers that were read, and where none could be."""

    words: Mapping[int, int]
    refused: tuple[int, ...]
    """First addresses of the reads that were refused for good."""


async def read_range(asker: Asker, table: Table, first: int, last: int) -> RawMap:
    """Read a span; a refused part is halved until what answers is known.

    Raises:
        MeterError: As `Asker.read`.
    """
    words: dict[int, int] = {}
    refused: list[int] = []
    todo = [
        (start, min(start + _CHUNK_WORDS, last + 1))
        for start in range(first, last + 1, _CHUNK_WORDS)
    ]
    while todo:
        start, end = todo.pop(0)
        data = await asker.read(table, start, end - start)
        if data is not None:
            words.update(
                zip(range(start, end), struct.unpack(f">{end - start}H", data), strict=True)
            )
        elif end - start > _SMALLEST_WORDS:
            # Some meters answer even reads only.
            middle = (start + end) // 4 * 2
            middle = middle if start < middle < end else (start + end) // 2
            todo[:0] = [(start, middle), (middle, end)]
        else:
            refused.append(start)
    return RawMap(words, tuple(refused))


def propose(words: Mapping[int, int]) -> list[Proposal]:
    """What the registers can be, the most certain first."""
    numbers = {form: dict(_numbers(words, form)) for form in _FORMS}
    voltages = [
        place.of("voltages of three phases", "perhaps", f"alike, {_text(place.values)} V")
        for form in _FORMS
        for place in _triples(numbers[form], form)
        if _are_voltages(place.values)
    ]
    triples = {form: list(_triples(numbers[form], form)) for form in _FORMS} if voltages else {}
    found = [_with_powers(voltage, numbers, triples) for voltage in voltages]
    found.sort(key=lambda group: -group[0])
    proposals: list[Proposal] = []
    for _, group in found:
        # What stands in the same registers as something better is its shadow.
        if not any(_overlap(one, other) for one in group for other in proposals):
            proposals += group
    if found:
        trusted = found[0][1][0]
        proposals += _line_voltages(trusted, numbers)
    for frequency in _frequencies(numbers, found[0][1][0] if found else None):
        if not any(_overlap(frequency, other) for other in proposals):
            proposals.append(frequency)
    return sorted(proposals, key=lambda proposal: proposal.sureness != "likely")


def _numbers(words: Mapping[int, int], form: _Form) -> Iterator[tuple[int, float]]:
    size = form.type.words
    mark = ">" + form.type.struct_format
    for address in words:
        try:
            parts = [words[address + n] for n in range(size)]
        except KeyError:
            continue
        if form.order.word is Order.LITTLE:
            parts.reverse()
        end: Literal["big", "little"] = "big" if form.order.byte is Order.BIG else "little"
        data = b"".join(part.to_bytes(2, end) for part in parts)
        number = float(struct.unpack(mark, data)[0]) * form.scale
        if number == number and abs(number) < 1e9:  # noqa: PLR0124 - NaN differs from itself
            yield address, number


def _triples(numbers: Mapping[int, float], form: _Form) -> Iterator[_Place]:
    size = form.type.words
    for address, first in numbers.items():
        second, third = numbers.get(address + size), numbers.get(address + 2 * size)
        if second is not None and third is not None:
            yield _Place(form, address, (first, second, third))


def _overlap(one: Proposal, other: Proposal) -> bool:
    ends = [p.address + len(p.values) * p.type.words for p in (one, other)]
    return one.address < ends[1] and other.address < ends[0]


def _are_voltages(values: Sequence[float]) -> bool:
    """Three, alike but not the same, of a usual size."""
    low, high = min(values), max(values)
    return 90 <= low < high <= 300 and high - low <= 0.06 * high


def _with_powers(
    voltage: Proposal,
    numbers: Mapping[_Form, Mapping[int, float]],
    all_triples: Mapping[_Form, Sequence[_Place]],
) -> tuple[float, list[Proposal]]:
    """The voltages with currents and powers that go with them; the better they do, the more."""
    triples = [
        place
        for form in _FORMS
        if form.order.byte == voltage.order.byte
        and (form.order == voltage.order or form.type.words == 1)
        and form.type.is_float == voltage.type.is_float
        for place in all_triples[form]
        if place.address != voltage.address
        and abs(place.address - voltage.address) <= _NEAR_WORDS
        and 1e-3 < max(map(abs, place.values)) < 1e7
    ]
    by_power = sorted(triples, key=_first)
    best = _CHANCE[voltage.type]
    group = [voltage]
    for currents in triples:
        apparent = [u * abs(i) for u, i in zip(voltage.values, currents.values, strict=True)]
        if min(apparent) < 1 or max(map(abs, currents.values)) > _LARGEST_CURRENT:
            continue
        # Of all pairs only those are looked at whose first phase can go together.
        low, high = _LEAST_FACTOR * apparent[0], _MOST_FACTOR * apparent[0]
        start = bisect_left(by_power, low, key=_first)
        for powers in by_power[start : bisect_right(by_power, high, key=_first)]:
            if powers.address == currents.address:
                continue
            factors = [abs(p) / s for p, s in zip(powers.values, apparent, strict=True)]
            if min(factors) < _LEAST_FACTOR or max(factors) > _MOST_FACTOR:
                continue
            place = powers.address + 3 * powers.form.type.words
            total = numbers[powers.form].get(place, 0.0)
            is_sum = abs(total - sum(powers.values)) <= 1e-3 * abs(sum(powers.values))
            # A sum right to the digit is no chance; phases nearly of one power factor neither.
            worth = (3.0 if is_sum else 0.0) + 1.0 - (max(factors) - min(factors))
            worth += _CHANCE[voltage.type]
            if worth <= best:
                continue
            best = worth
            sureness: Sureness = "likely" if worth >= _SURE else "perhaps"
            why = f"P is {_text(factors)} of U*I"
            group = [
                voltage._replace(sureness=sureness),
                currents.of("currents of three phases", sureness, why),
                powers.of("active powers of three phases", sureness, why),
            ]
            if is_sum:
                whole = _Place(powers.form, place, (total,))
                group.append(whole.of("active power, total", "likely", "the sum of the three"))
    return best, group


def _first(powers: _Place) -> float:
    return abs(powers.values[0])


def _line_voltages(
    voltage: Proposal, numbers: Mapping[_Form, Mapping[int, float]]
) -> Iterator[Proposal]:
    form = _Form(voltage.type, voltage.order, voltage.scale)
    wanted = sqrt(3) * sum(voltage.values) / 3
    for place in _triples(numbers[form], form):
        if all(abs(value - wanted) <= 0.03 * wanted for value in place.values):
            why = f"{_text(place.values)} V, the square root of 3 times the phases"
            yield place.of("voltages between phases", "likely", why)


def _frequencies(
    numbers: Mapping[_Form, Mapping[int, float]], voltage: Proposal | None
) -> Iterator[Proposal]:
    for form in _FORMS:
        if voltage is not None and form.type.words > 1 and form.order != voltage.order:
            continue
        if form.scale == 1.0 and not form.type.is_float:
            continue  # any 50 would do
        for address, number in numbers[form].items():
            if min(abs(number - 50), abs(number - 60)) <= 0.3:
                agrees = voltage is not None and voltage.type.is_float == form.type.is_float
                sureness: Sureness = "likely" if agrees and form.type.is_float else "perhaps"
                why = f"{number:.5g} Hz"
                yield _Place(form, address, (number,)).of("frequency", sureness, why)


def _text(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
