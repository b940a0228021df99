"""Every shipped meter, from values to values: simulated, served, read, and decoded once more.

Random values go into the simulator's image, over a real socket, through the reader; what comes
out is what went in, to the resolution of the registers. The registers' bytes are decoded a second
time from the facts by plain `struct`, and agree.
"""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support.independent import decode, register_count

from energymeter.client import Link
from energymeter.codec.codes import READ_FUNCTIONS
from energymeter.eventloop import run
from energymeter.profiles import Point, Profile, ProfileLibrary
from energymeter.reader import MeterReader, Quality, ReadReport
from energymeter.server import ModbusServer
from energymeter.simulator import ImageMaker, SimulatedMeter
from energymeter.simulator.image import source_of
from energymeter.transports import TcpEndpoint
from energymeter.values import DataType, quantity_of, unit_factor

FACTS = Path(__file__).parents[1] / "facts"
LIBRARY = ProfileLibrary(folders=())
SHIPPED = {
    (profile.vendor, profile.model): profile
    for profile in (LIBRARY.load(name) for name in LIBRARY.names())
}
FILES = sorted(FACTS.glob("*.json"))


def span_of(point: Point) -> tuple[float, float]:
    """The values a register of this point can hold and its quantity can have, in its unit."""
    scale = point.exact_scale
    low, high = -1e6, 1e6
    if point.type.is_integer and point.type is not DataType.BOOL:
        bottom, top = point.type.integer_range
        if point.encoding == "sign_magnitude":
            bottom = -top
        ends = sorted((scale.to_value(bottom), scale.to_value(top)))
        low, high = max(low, ends[0]), min(high, ends[1])
    quantity = quantity_of(point.name)
    if quantity is not None:
        factor = unit_factor(point.unit, quantity.unit) or 1.0
        typical = quantity.typical or (quantity.low, quantity.high)
        low, high = max(low, typical[0] / factor), min(high, typical[1] / factor)
    if point.minimum is not None:
        low = max(low, float(point.minimum))
    if point.maximum is not None:
        high = min(high, float(point.maximum))
    return low, max(low, high)


def with_random_texts(profile: Profile, chance: random.Random) -> Profile:
    """The profile with a text in every string, which no physics moves."""
    points = []
    for point in profile.points:
        if point.type is DataType.STRING:
            text = "".join(chance.choices("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", k=point.count))
            point = point.model_copy(update={"value": text})  # noqa: PLW2901
        points.append(point)
    return profile.model_copy(update={"points": tuple(points)})


def random_state(profile: Profile, chance: random.Random) -> dict[str, float]:
    """A value, in the quantity's base unit, for every name that can have one."""
    names = {p.name.removeprefix("int_").removeprefix("status_") for p in profile.points}
    state: dict[str, float] = {}
    for name in sorted(names):
        spans = []
        for point in profile.points:
            if source_of(point, [name]) is None:
                continue
            quantity = quantity_of(name)
            factor = (
                unit_factor(point.unit, quantity.unit) or 1.0
                if quantity is not None and point.unit
                else 1.0
            )
            own = float(own_factor(profile, point))
            low, high = span_of(point)
            if point.scale_from is not None:
                high = min(high, span_of_raw(point) * own)
            spans.append((low * factor, high * factor))
        if spans:
            low, high = max(s[0] for s in spans), min(s[1] for s in spans)
            state[name] = chance.uniform(low, max(low, high)) if high > low else low
    return state


def span_of_raw(point: Point) -> float:
    return point.exact_scale.to_value(point.type.integer_range[1])


def own_factor(profile: Profile, point: Point) -> Decimal | float:
    if point.scale_from is None:
        return 1
    values = {p.name: int(p.value or 0) for p in profile.points if not isinstance(p.value, str)}
    numbers = [values[name] for name in point.scale_from.registers]
    return float(point.scale_from.factor(*numbers) or 1)


async def serve_and_read(profile: Profile, state: dict[str, float]) -> tuple[ReadReport, Any]:
    maker = ImageMaker(profile, list(state))
    meter = SimulatedMeter(maker, on_reset=lambda: None, state=lambda: state)
    async with (
        ModbusServer(meter.tables, port=0) as server,
        Link(TcpEndpoint("127.0.0.1", server.port)) as link,
    ):
        reader = MeterReader(link.unit(profile.defaults.unit), profile)
        return await reader.read(), meter.tables


def resolution(point: Point, own: float) -> float:
    """The smallest step of a register, in the unit of the value."""
    return abs(float(point.scale)) * abs(own)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_a_meter_shows_is_what_the_reader_reads(path: Path, seed: int) -> None:
    facts = json.loads(path.read_text("utf-8"))
    profile = SHIPPED[facts["vendor"], facts["model"]]
    chance = random.Random(f"{path.stem} {seed}")
    profile = with_random_texts(profile, chance)
    state = random_state(profile, chance)

    report, tables = run(serve_and_read(profile, state))

    assert not report.failures
    points = {point.name: point for point in profile.points}
    for reading in report:
        point = points[reading.name]
        if point.not_available and reading.quality is Quality.NOT_AVAILABLE:
            assert source_of(point, list(state)) is None or state_is_sentinel(point, state)
            continue
        if point.value is not None:
            if isinstance(point.value, str):
                assert reading.value == point.value
            continue
        source = source_of(point, list(state))
        if source is None:
            continue
        assert reading.quality is Quality.GOOD, (reading, state[source])
        quantity = quantity_of(source)
        factor = (
            unit_factor(point.unit, quantity.unit) or 1.0
            if quantity is not None and point.unit
            else 1.0
        )
        wanted = state[source] / factor
        if point.counts_down:
            wanted = -wanted
        step = resolution(point, float(own_factor(profile, point)))
        allowed = abs(wanted) * 2**-23 + (0 if point.type.is_float else step * 1.001)
        assert isinstance(reading.value, (int, float))
        assert abs(reading.value - wanted) <= allowed, (reading, wanted)
    compare_with_facts(facts, profile, report, tables)


def state_is_sentinel(point: Point, state: dict[str, float]) -> bool:
    """A counter that happens to show 0 where 0 means there is none."""
    source = source_of(point, list(state))
    return source is not None and abs(state[source]) < resolution(point, 1.0) * 1000


def compare_with_facts(
    facts: dict[str, Any], profile: Profile, report: ReadReport, tables: Any
) -> None:
    values = report.as_dict()
    points = at_their_places(profile)
    decoded: dict[str, Any] = {}
    for register in facts["registers"]:
        image = tables.holding if register["function"] == 3 else tables.input
        data = image.read(register["address"], register_count(register))
        assert data is not None, register["name"]
        decoded[register["name"]] = decode(register, data, facts)
    for register in facts["registers"]:
        point = points[register["function"], register["address"]]
        second = decoded[register["name"]]
        first = values[point.name]
        if point.encoding == "ascii_float":
            second = None if second == 0 else chr(int(second))
        if point.scale_from is not None and second is not None:
            exponent = decoded.get(register.get("scale_register"))
            if exponent is not None:
                second *= 10.0**exponent
            else:
                second *= float(own_factor(profile, point))
        if first is None:
            assert second is None or second != second  # noqa: PLR0124 - NaN
        elif isinstance(first, str):
            assert first == second
        else:
            assert first == pytest.approx(second, rel=1e-12, abs=1e-12), register["name"]


def at_their_places(profile: Profile) -> dict[tuple[int, int], Point]:
    """Points by function and address: a name may say more in the profile than in the facts."""
    return {
        (READ_FUNCTIONS[table], point.address): point
        for point in profile.points
        for table in point.tables
    }


def test_every_fact_sheet_has_its_profile_with_every_register() -> None:
    assert len(FILES) == 96
    for path in FILES:
        facts = json.loads(path.read_text("utf-8"))
        points = at_their_places(SHIPPED[facts["vendor"], facts["model"]])
        for register in facts["registers"]:
            point = points[register["function"], register["address"]]
            assert point.type == register["type"], (path.stem, register["name"])
