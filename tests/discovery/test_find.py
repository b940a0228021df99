"""`find` ranks the truth first, names what cannot be told apart, and reads little."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping

import pytest
from benchmarks.doubles import DirectUnit, StillMeter, moved

from energymeter.codec.codes import Table
from energymeter.discovery import Candidate, Finding, find_map
from energymeter.errors import ConfigError, RequestTimeout
from energymeter.planner import plan_reads
from energymeter.profiles import Profile, ProfileLibrary, parse_profile
from energymeter.server import RegisterImage, Tables, UnitRouter
from energymeter.values import BlockCodec, DataType, Field, Order, WireOrder

LIBRARY = ProfileLibrary([])
SDM630 = LIBRARY.load("sdm630")
PM8000 = LIBRARY.load("pm8000")
ORDERS = {
    order.letters: order for order in (WireOrder(byte, word) for byte in Order for word in Order)
}

LIVE: Mapping[str, float] = {
    **{f"voltage_phase_{p}": v for p, v in zip("abc", (230.42, 229.87, 231.15), strict=True)},
    **{f"current_phase_{p}": v for p, v in zip("abc", (4.731, 8.112, 2.947), strict=True)},
    **{f"active_power_phase_{p}": v for p, v in zip("abc", (1036.7, 1771.6, 661.4), strict=True)},
    **{f"apparent_power_phase_{p}": v for p, v in zip("abc", (1090.1, 1864.7, 681.2), strict=True)},
    **{f"power_factor_phase_{p}": v for p, v in zip("abc", (0.951, 0.95, 0.971), strict=True)},
    "active_power_total": 3469.7,
    "frequency": 49.982,
    "active_energy_import": 18734.61,
    "active_energy_export": 12.08,
    "active_energy_total": 18746.69,
}


def found(
    meter: StillMeter, profile: Profile, *, with_types: bool = False, table: Table | None = None
) -> Finding:
    unit = DirectUnit(meter.tables, after_each=meter.pass_time)
    return asyncio.run(find_map(unit, profile, with_types=with_types, table=table))


def served(profile: Profile, values: Mapping[str, float]) -> Tables:
    """A meter with these float values, zeros elsewhere and all around."""
    points = [p for p in profile.readable_points if p.type is DataType.FLOAT32]
    end = max(point.end for point in points)
    fields = [Field(p.address, p.type, p.count, profile.order_of(p)) for p in points]
    block = BlockCodec(fields, end).encode([values.get(point.name, 0.0) for point in points])
    image = RegisterImage([(0, block + bytes(16))])
    return Tables(holding=image, input=image)


@pytest.mark.parametrize("letters", ORDERS)
@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_shift_and_order_are_found_together(shift: int, letters: str) -> None:
    order = ORDERS[letters]

    finding = found(StillMeter(moved(PM8000, shift, order, margin=4), seed=4), PM8000)

    best = finding.candidates[0]
    assert finding.is_sure
    assert (best.shift, best.order) == (shift, order)
    assert best.reading.plausible == finding.points


def test_two_wrongs_that_look_right_are_seen_through() -> None:
    # telegraf #8151: an SDM630 read one address off with its words swapped.
    finding = asyncio.run(find_map(DirectUnit(served(SDM630, LIVE)), SDM630))

    wrong = next(c for c in finding.candidates if (c.shift, c.order.letters) == (1, "CDAB"))
    believed = [value for name, value in wrong.values.items() if name.startswith("voltage_phase_")]
    assert sum(220 < float(str(value)) < 240 for value in believed if value) >= 2
    best = finding.candidates[0]
    assert (best.shift, best.order.letters) == (0, "ABCD")
    assert finding.is_sure
    assert best.score > wrong.score + 20


@pytest.mark.parametrize(("shift", "letters"), [(1, "ABCD"), (1, "CDAB")])
def test_the_same_trap_from_the_other_side(shift: int, letters: str) -> None:
    # The document counts from 0 what the meter counts from 1: read as documented, with swapped
    # words, every value has its own high word and its neighbour's low one.
    meter = served(moved(SDM630, shift, ORDERS[letters]), LIVE)

    finding = asyncio.run(find_map(DirectUnit(meter), SDM630))

    best = finding.candidates[0]
    assert (best.shift, best.order.letters) == (shift, letters)
    assert best.values["voltage_phase_a"] == pytest.approx(230.42)


def test_evidence_is_told_in_words() -> None:
    finding = asyncio.run(find_map(DirectUnit(served(SDM630, LIVE)), SDM630))

    texts = [clue.text for clue in finding.candidates[0].reading.clues if clue.weight > 0]
    assert "the voltages are alike: 230.42, 229.87, 231.15 V" in texts
    assert "active_power: the total is 3469.7, the phases make 3469.7" in texts
    assert any(text.startswith("phase a: P is 1036.7, U*I*pf makes 1036.") for text in texts)
    wrong = [clue.text for clue in finding.candidates[-1].reading.clues if clue.weight < 0]
    assert any("frequency would be" in text for text in wrong)


def test_orders_that_read_the_same_are_one_candidate() -> None:
    satec = LIBRARY.load("pm180")  # single registers only

    finding = found(StillMeter(moved(satec, 1, ORDERS["ABCD"], margin=4), seed=2), satec)

    best = finding.candidates[0]
    ways = {(best.shift, best.order.letters), *((s, o.letters) for s, o in best.alike)}
    assert ways == {(1, "ABCD"), (1, "CDAB")}


def test_of_two_that_are_worth_the_same_the_document_is_believed() -> None:
    meter = served(SDM630, {})

    finding = asyncio.run(find_map(DirectUnit(meter), SDM630))

    best = finding.candidates[0]
    assert (best.shift, best.order.letters) == (0, "ABCD")
    assert not finding.is_found


def test_a_counter_that_leaps_speaks_against_a_reading() -> None:
    names = {"active_energy_import": (0, "uint32"), "voltage_phase_a": (2, "uint16")}
    points = [
        {"name": name, "address": 100 + address, "type": kind, "scale": "0.1", "unit": unit}
        for (name, (address, kind)), unit in zip(names.items(), ("kWh", "V"), strict=True)
    ]
    profile = parse_profile({"name": "a/b", "vendor": "a", "model": "b", "points": points}, "test")
    image = RegisterImage()
    counts = iter(range(70_000, 90_000))

    def show() -> None:
        image.replace([(100, struct.pack(">IH", next(counts), 2301))])

    show()
    unit = DirectUnit(Tables(holding=image), after_each=show)

    finding = asyncio.run(find_map(unit, profile))

    swapped = next(c for c in finding.candidates if (c.shift, c.order.letters) == (0, "CDAB"))
    assert finding.candidates[0].order.letters == "ABCD"
    assert any("active_energy_import goes from" in c.text for c in swapped.reading.clues)


def test_registers_in_the_other_table_are_found_there() -> None:
    meter = StillMeter(SDM630, seed=1)
    holding = Tables(holding=meter.tables.input)

    finding = asyncio.run(find_map(DirectUnit(holding), SDM630))

    assert finding.table is Table.HOLDING
    assert finding.is_sure
    assert finding.candidates[0].shift == 0


def test_a_table_that_is_named_is_the_only_one_looked_at() -> None:
    meter = StillMeter(SDM630, seed=1)

    finding = found(meter, SDM630, table=Table.HOLDING)

    assert finding.candidates == ()
    assert not finding.is_found


def test_types_and_scales_are_doubted_on_request() -> None:
    eltako = LIBRARY.load("dsz15dzmod")  # whole numbers where the SDM630 has floats

    finding = found(StillMeter(SDM630, seed=3), eltako, with_types=True)

    best = finding.candidates[0]
    forms = {kind.quantity: str(form) for kind, form in best.reading.forms.items()}
    assert finding.is_sure
    assert (best.shift, best.order.letters) == (0, "ABCD")
    assert forms["voltage"] == forms["active_power"] == forms["current"] == "float32"


def test_documented_types_are_not_doubted_without_a_reason() -> None:
    eltako = LIBRARY.load("dsz15dzmod")

    finding = found(StillMeter(eltako, seed=3), eltako, with_types=True)

    assert finding.candidates[0].reading.forms == {}


@pytest.mark.parametrize(
    "name", ["sdm630", "pm8000", "electric", "em340", "sentron-pac3200", "diris-a10"]
)
def test_reads_are_few(name: str) -> None:
    profile = LIBRARY.load(name)
    blocks = len(plan_reads(profile))

    finding = found(StillMeter(profile, seed=1), profile)

    # Once and once more, and the edges of two blocks one by one.
    assert finding.requests <= 2 * blocks + 10


def test_a_unit_that_is_silent_is_an_error() -> None:
    with pytest.raises(RequestTimeout):
        asyncio.run(find_map(DirectUnit(UnitRouter({})), SDM630))


def test_a_map_without_registers_is_refused() -> None:
    points = [{"name": "alarm", "address": 0, "type": "bool", "tables": ["coil"]}]
    profile = parse_profile({"name": "a/b", "vendor": "a", "model": "b", "points": points}, "test")

    with pytest.raises(ConfigError):
        asyncio.run(find_map(DirectUnit(Tables()), profile))


def test_candidates_are_frozen_and_ordered() -> None:
    finding = found(StillMeter(PM8000, seed=1), PM8000)

    scores = [candidate.score for candidate in finding.candidates]
    assert scores == sorted(scores, reverse=True)
    assert isinstance(finding.candidates[0], Candidate)
