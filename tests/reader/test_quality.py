"""Values that cannot be true are rejected, and each that is not good has a reason and an age."""

from __future__ import annotations

import asyncio
import struct
from datetime import timedelta
from typing import Any

import pytest
from tests.support.peculiar import MemoryUnit, Peculiar, profile_of

from energymeter.clock import ManualClock
from energymeter.errors import ConfigError, LinkLostError
from energymeter.profiles import ProfileLibrary
from energymeter.reader import MeterReader, Quality, Rating, ReadReport
from energymeter.reader.quality import limits_of, outside

LIBRARY = ProfileLibrary([])


def limit(name: str, unit: str, rating: Rating | None = None, **keys: Any) -> tuple[float, float]:
    point = {"name": name, "address": 0, "type": "int32", "unit": unit, **keys}
    limits = limits_of(profile_of(point).points, rating)
    return (limits[0].low, limits[0].high) if limits else (float("-inf"), float("inf"))


@pytest.mark.parametrize(
    ("name", "unit", "keys", "expected"),
    [
        ("frequency", "Hz", {}, (0, 500)),
        ("voltage_phase_a", "kV", {}, (0, 500)),
        ("active_energy_import", "kWh", {}, (0, 1e13)),
        ("active_energy_export", "kWh", {"counts_down": True}, (-1e13, 0)),
        ("power_factor_total", "%", {}, (-200, 200)),
        ("voltage_phase_a", "V", {"minimum": "100", "maximum": "300"}, (100, 300)),
        ("voltage_phase_a", "V", {"minimum": "-5", "maximum": "1000000"}, (0, 500_000)),
        ("something_else", "", {"maximum": "7"}, (float("-inf"), 7)),
        ("something_else", "", {}, (float("-inf"), float("inf"))),
        ("voltage_phase_a", "", {}, (float("-inf"), float("inf"))),
    ],
)
def test_range_is_the_quantitys_in_the_points_unit_narrowed_by_the_profile(
    name: str, unit: str, keys: dict[str, Any], expected: tuple[float, float]
) -> None:
    assert limit(name, unit, **keys) == pytest.approx(expected)


def test_rating_narrows_currents_and_powers_and_nothing_else() -> None:
    rating = Rating(40, voltage_v=250)

    assert limit("current_phase_a", "A", rating) == (-60, 60)
    assert limit("active_power_phase_b", "W", rating) == (-15_000, 15_000)
    assert limit("active_power_total", "kW", rating) == (-45, 45)
    assert limit("active_power_import_total", "W", rating) == (0, 45_000)
    assert limit("frequency", "Hz", rating) == (0, 500)
    assert limit("active_energy_import", "Wh", rating) == (0, 1e16)


@pytest.mark.parametrize("current_a", [0, -1, float("nan"), float("inf")])
def test_rating_that_makes_no_sense_is_refused(current_a: float) -> None:
    with pytest.raises(ConfigError):
        Rating(current_a)


@pytest.mark.parametrize("name", ["active_power_total", "something_else"])
def test_whole_numbers_that_are_read_as_floats_are_no_measurements(name: str) -> None:
    points = profile_of({"name": name, "address": 0, "type": "float32"}).points
    limits = limits_of(points)
    for value in (0.0, -0.0, 1e-9, -230.1):
        assert outside([value], limits, points) == {}
    (held,) = struct.unpack(">f", (12_345_678).to_bytes(4, "big"))
    for value in (held, -held):
        assert "is not a measurement" in outside([value], limits, points)[0]


def test_texts_bits_and_letters_have_no_range() -> None:
    points = profile_of(
        {"name": "serial_number", "address": 0, "type": "string", "length": 2, "maximum": 1},
        {"name": "load_type", "address": 2, "type": "float32", "encoding": "ascii_float",
         "maximum": 1},
        {"name": "voltage_phase_a", "address": 0, "type": "bool", "tables": ["coil"]},
    ).points  # fmt: skip

    assert limits_of(points) == ()


def test_values_at_the_ends_are_inside_and_beyond_them_outside() -> None:
    points = profile_of({"name": "frequency", "address": 0, "type": "int32", "unit": "Hz"}).points
    limits = limits_of(points)

    assert [outside([v], limits, points) for v in (0, 500, None)] == [{}, {}, {}]
    assert outside([501], limits, points) == {0: "501 Hz is not in 0 to 500 Hz"}
    assert list(outside([-1], limits, points)) == [0]


@pytest.mark.parametrize("name", LIBRARY.names())
def test_limits_of_every_shipped_profile_leave_room(name: str) -> None:
    for low, high in ((item.low, item.high) for item in limits_of(LIBRARY.load(name).points)):
        assert low < high


POINTS: list[dict[str, Any]] = [
    {"name": "voltage_phase_a", "address": 0, "type": "uint16", "unit": "V", "scale": "0.1"},
    {"name": "frequency", "address": 1, "type": "uint16", "unit": "Hz", "scale": "0.01"},
    {"name": "thing", "address": 2, "type": "uint16", "not_available": ["0xFFFF"]},
    {"name": "far", "address": 900, "type": "uint16"},
]
WORDS = {0: 2301, 1: 5001, 2: 7, 900: 9}


class Bench:
    def __init__(self, *points: dict[str, Any], words: dict[int, int], **keys: Any) -> None:
        self.handler = Peculiar(words)
        self.unit = MemoryUnit(self.handler)
        self.clock = ManualClock()
        self.reader = MeterReader(
            self.unit, profile_of(*points), clock=self.clock, self_check=False, **keys
        )

    def read(self, after_s: float = 0.0, **words: int) -> ReadReport:
        self.handler.words.update({int(key[1:]): word for key, word in words.items()})

        async def once() -> ReadReport:
            await self.clock.advance(after_s)
            return await self.reader.read()

        return asyncio.run(once())


def test_good_values_have_no_reason() -> None:
    report = Bench(*POINTS, words=WORDS).read()

    assert set(report.qualities) == {Quality.GOOD}
    assert report.reasons() == {}
    assert report.reason("frequency") == ""


def test_unknown_name_has_no_reason() -> None:
    with pytest.raises(KeyError):
        Bench(*POINTS, words=WORDS).read().reason("nothing")


def test_value_out_of_range_is_rejected_with_its_reason_and_the_others_stay() -> None:
    report = Bench(*POINTS, words=WORDS).read(w1=65535)

    assert report["frequency"][1:4:2] == (None, Quality.OUT_OF_RANGE)
    assert report.reasons() == {"frequency": "655.35 Hz is not in 0 to 500 Hz"}
    assert report["voltage_phase_a"].value == 230.1


def test_rejected_value_is_good_again_at_the_next_reading() -> None:
    bench = Bench(*POINTS, words=WORDS)
    bench.read(w1=65535)

    assert bench.read(w1=5001)["frequency"].quality is Quality.GOOD


def test_value_the_meter_has_not_says_so() -> None:
    report = Bench(*POINTS, words=WORDS).read(w2=65535)

    assert report["thing"].quality is Quality.NOT_AVAILABLE
    assert report.reasons() == {"thing": "the meter has no value here"}


def test_value_that_was_not_read_says_what_happened() -> None:
    bench = Bench(*POINTS, words=WORDS)
    bench.unit.error = LinkLostError("the cable is gone")

    assert set(bench.read().reasons().values()) == {"the cable is gone"}


def test_last_good_value_stands_in_for_a_while_and_tells_its_age() -> None:
    bench = Bench(*POINTS, words=WORDS, hold_s=60)
    good = bench.read()
    bench.unit.error = LinkLostError("gone")
    reports = [bench.read(after_s=20) for _ in range(4)]

    assert [r["frequency"].quality for r in reports] == [Quality.STALE] * 3 + [Quality.NOT_READ]
    assert [r["frequency"].value for r in reports] == [50.01] * 3 + [None]
    assert [r["frequency"].age_s(r.time) for r in reports] == [20, 40, 60, 0]
    assert reports[2]["frequency"].time == good.time
    assert all(r.is_empty for r in reports)
    assert reports[0].reason("frequency") == "gone"


def test_rejected_value_is_never_held() -> None:
    bench = Bench(*POINTS, words=WORDS, hold_s=60)
    bench.read()

    assert bench.read(after_s=1, w1=65535)["frequency"].value is None


def test_without_holding_nothing_is_stale() -> None:
    bench = Bench(*POINTS, words=WORDS)
    bench.read()
    bench.unit.error = LinkLostError("gone")

    assert set(bench.read(after_s=1).qualities) == {Quality.NOT_READ}


def test_report_that_grows_old_is_stale_where_it_was_good() -> None:
    report = Bench(*POINTS, words=WORDS).read(w1=65535)
    soon, late = (report.time + timedelta(seconds=s) for s in (5, 90))

    assert report.aged(soon, 30) is report
    aged = report.aged(late, 30)
    assert aged["frequency"].quality is Quality.OUT_OF_RANGE
    assert aged["voltage_phase_a"][1:4:2] == (230.1, Quality.STALE)
    assert aged.reason("voltage_phase_a") == "nothing newer came for 90 s"
    assert aged.reason("frequency") == report.reason("frequency")
    assert report["voltage_phase_a"].quality is Quality.GOOD


def test_values_of_an_order_that_is_not_known_yet_are_not_judged() -> None:
    points = [{"name": "active_energy_import", "address": 0, "type": "uint32", "unit": "Wh"}]
    bench = Bench(*points, words={0: 5, 1: 0}, find_word_order=True)

    assert bench.read()["active_energy_import"].value == 5 << 16
    assert bench.read(w0=0, w1=5)["active_energy_import"].value == 5
