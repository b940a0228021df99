"""Propose what stands in registers of which nothing is known: best effort, from the numbers alone.

Three values alike between 90 and 300 are voltages, something near 50 or 60 is a frequency; three
currents and three powers are believed when the powers are what voltages and currents allow.
"""

from __future__ import annotations

import struct
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
_SCALES: Final = (1.0, 0.1, 0.01, 0.001)

Sureness = Literal["likely", "perhaps"]


class _Form(NamedTuple):
    type: DataType
    order: WireOrder
    scale: float


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
            middle = (start + end) // 2
            todo[:0] = [(start, middle), (middle, end)]
        else:
            refused.append(start)
    return RawMap(words, tuple(refused))


def propose(words: Mapping[int, int]) -> list[Proposal]:
    """What the registers can be, the most certain first."""
    numbers = {form: dict(_numbers(words, form)) for form in _FORMS}
    voltages = [
        Proposal("voltages of three phases", *place, "perhaps", f"alike, {_text(values)} V")
        for form in _FORMS
        for address, values in _triples(numbers[form], form)
        if 90 <= min(values) and max(values) <= 300 and _are_alike(values) and len(set(values)) > 1
        for place in [(address, form.type, form.order, form.scale, values)]
    ]
    found = [_with_powers(voltage, numbers) for voltage in voltages]
    found.sort(key=lambda group: -group[0])
    proposals = [proposal for _, group in found[:3] for proposal in group]
    if found:
        trusted = found[0][1][0]
        proposals += _line_voltages(trusted, numbers)
    proposals += _frequencies(numbers, found[0][1][0] if found else None)
    return list(dict.fromkeys(proposals))


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


def _triples(
    numbers: Mapping[int, float], form: _Form
) -> Iterator[tuple[int, tuple[float, float, float]]]:
    size = form.type.words
    for address, first in numbers.items():
        second, third = numbers.get(address + size), numbers.get(address + 2 * size)
        if second is not None and third is not None:
            yield address, (first, second, third)


def _are_alike(values: Sequence[float]) -> bool:
    return max(values) - min(values) <= 0.06 * max(values)


def _with_powers(
    voltage: Proposal, numbers: Mapping[_Form, Mapping[int, float]]
) -> tuple[float, list[Proposal]]:
    """The voltages with currents and powers that go with them; the better they do, the more."""
    forms = [form for form in _FORMS if form.order == voltage.order or form.type.words == 1]
    forms = [form for form in forms if form.type.is_float == voltage.type.is_float]
    triples = [
        (form, address, values)
        for form in forms
        for address, values in _triples(numbers[form], form)
        if address != voltage.address and any(values) and 1e-3 < max(map(abs, values)) < 1e7
    ]
    best = 0.0
    group = [voltage]
    for form, address, currents in triples:
        if max(map(abs, currents)) > 5000 or abs(address - voltage.address) > 60:
            continue
        apparent = [u * abs(i) for u, i in zip(voltage.values, currents, strict=True)]
        if min(apparent) < 1:
            continue
        for other, place, powers in triples:
            if place == address:
                continue
            factors = [abs(p) / s for p, s in zip(powers, apparent, strict=True)]
            if not (min(factors) > 0.5 and max(factors) <= 1.005):
                continue
            total = numbers[other].get(place + 3 * other.type.words, 0.0)
            is_sum = abs(total - sum(powers)) <= 1e-3 * abs(sum(powers))
            # A sum right to the digit is no chance; phases nearly of one power factor neither.
            worth = (3.0 if is_sum else 0.0) + 1.0 - (max(factors) - min(factors))
            if worth > best:
                best = worth
                sureness: Sureness = "likely" if is_sum else "perhaps"
                why = f"P is {_text(factors)} of U*I"
                group = [
                    voltage._replace(sureness=sureness),
                    _proposal("currents of three phases", form, address, currents, sureness, why),
                    _proposal("active powers of three phases", other, place, powers, sureness, why),
                ]
                if is_sum:
                    at = place + 3 * other.type.words
                    text = "the sum of the three powers"
                    group.append(
                        _proposal("active power, total", other, at, (total,), "likely", text)
                    )
    return best, group


def _line_voltages(
    voltage: Proposal, numbers: Mapping[_Form, Mapping[int, float]]
) -> Iterator[Proposal]:
    form = _Form(voltage.type, voltage.order, voltage.scale)
    wanted = sqrt(3) * sum(voltage.values) / 3
    for address, values in _triples(numbers[form], form):
        if all(abs(value - wanted) <= 0.03 * wanted for value in values):
            why = f"{_text(values)} V, the square root of 3 times the phases"
            yield _proposal("voltages between phases", form, address, values, "likely", why)


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
                yield _proposal("frequency", form, address, (number,), sureness, why)


def _proposal(
    what: str,
    form: _Form,
    address: int,
    values: tuple[float, ...],
    sureness: Sureness,
    why: str,
) -> Proposal:
    return Proposal(what, address, form.type, form.order, form.scale, values, sureness, why)


def _text(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
