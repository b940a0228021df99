"""Meters as courses: which points are read at which rate, and what twins share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import pytest
from tests.service.benching import DayClock, meter_of, with_profile
from tests.support.loops import run
from tests.support.peculiar import MemoryUnit, Peculiar, profile_of

from energymeter.client import Link
from energymeter.errors import ConfigError
from energymeter.planner import plan_rates
from energymeter.profiles import Point, Profile, ProfileLibrary
from energymeter.reader import MeterReader, ReadReport, wire_cost
from energymeter.reader.memory import Memory
from energymeter.service.course import Course, CourseMaker
from energymeter.service.timetable import Moments, WallClock
from energymeter.site import ResolvedMeter
from energymeter.site.model import Rates
from energymeter.transports import TcpEndpoint, parse_wire

BUS = parse_wire("rtu:///dev/ttyUSB0?baudrate=9600")
RATES = Rates(fast=1, slow=60, once=3600)

SCALED = profile_of(
    {"name": "voltage", "address": 0, "type": "uint16", "unit": "V", "scale_from": {"point": "sf"}},
    {"name": "word_4", "address": 4, "type": "uint16"},
    {"name": "sf", "address": 10, "type": "int16"},
)


class Maker:
    """Makes courses as the service does."""

    def __init__(self) -> None:
        self.clock = DayClock()
        self.maker = CourseMaker(self.clock)
        self.learned_under: list[str] = []
        self._wall = WallClock(self.clock)
        self._link = Link(TcpEndpoint("127.0.0.1", 1), clock=self.clock)

    def courses(self, meter: ResolvedMeter, phase: float = 0.5) -> list[Course]:
        return self.maker.make(
            meter,
            self._link.unit(meter.unit),
            BUS,
            moments=lambda interval_s: Moments(interval_s, phase, self._wall, 0.0),
            memory=self._memory,
        )

    def _memory(self, name: str) -> Memory | None:
        self.learned_under.append(name)
        return None


def names_of(course: Course) -> list[str]:
    return [point.name for point in course.reader.points]


def scales_of(profile: Profile) -> set[str]:
    """The registers that only say what others mean."""
    sources = [p.scale_from for p in profile.readable_points if p.scale_from is not None]
    return {name for source in sources for name in source.registers}


def test_a_meter_with_one_interval_is_one_course() -> None:
    made = Maker()
    (course,) = made.courses(meter_of("main", interval=7.0))

    assert course.key == "main"
    assert course.place == 0
    assert course.moments.interval_s == 7.0
    assert names_of(course) == ["word_0", "word_1"]
    assert course.state.intervals_s == (7.0,)
    assert course.state.reports == [None]
    assert made.learned_under == ["x/y"]


def test_each_rate_is_a_course_with_a_key_of_its_own() -> None:
    made = Maker()
    profile = ProfileLibrary([]).load("sdm630")
    courses = made.courses(meter_of("main", profile=profile, rates=RATES))

    keys = [course.key for course in courses]
    assert keys[0] == "main"
    assert len(keys) > 1
    assert set(keys[1:]) <= {"main@slow", "main@once"}
    assert [course.place for course in courses] == list(range(len(keys)))
    assert [course.moments.interval_s for course in courses] == sorted(
        course.moments.interval_s for course in courses
    )
    state = courses[0].state
    assert all(course.state is state for course in courses)
    assert state.intervals_s == tuple(course.moments.interval_s for course in courses)
    assert made.learned_under == [key.replace("main", profile.name) for key in keys]


@pytest.mark.parametrize(
    "name", ["pm8000", "sdm630", "sdm120", "wattnode-wnc-modbus", "inverter-meter-1", "ion6200"]
)
def test_every_wanted_point_is_in_exactly_one_course(name: str) -> None:
    profile = ProfileLibrary([]).load(name)
    courses = Maker().courses(meter_of(profile=profile, rates=RATES))

    read = Counter(name for course in courses for name in names_of(course))
    scales = scales_of(profile)
    assert set(read) == {point.name for point in profile.readable_points}
    assert {name for name, times in read.items() if times > 1} <= scales
    for course in courses:
        assert [series.name for series in course.layout.series] == names_of(course)


def test_no_point_is_read_slower_than_its_rate_and_all_as_the_planner_says() -> None:
    profile = ProfileLibrary([]).load("sdm630")
    courses = Maker().courses(meter_of(profile=profile, rates=RATES))

    intervals = {"fast": RATES.fast, "slow": RATES.slow, "once": RATES.once}
    plans = plan_rates(profile, intervals, wire_cost(BUS))
    planned = {p.name for block in plans["fast"] for p in block.points}
    assert set(names_of(courses[0])) == planned
    for course in courses:
        for point in course.reader.points:
            assert course.moments.interval_s <= intervals[point.how_often]


def test_rates_that_are_equal_are_not_lost() -> None:
    profile = ProfileLibrary([]).load("sdm630")
    courses = Maker().courses(meter_of(profile=profile, rates=Rates(fast=10, slow=10, once=10)))

    assert {n for course in courses for n in names_of(course)} == {
        point.name for point in profile.readable_points
    }
    assert courses[0].key == "m1"


def test_only_the_points_that_are_wanted_are_read_and_the_scales_they_need() -> None:
    (course,) = Maker().courses(meter_of(profile=SCALED, points=("voltage",)))

    assert names_of(course) == ["voltage", "sf"]


def test_a_point_longer_than_the_longest_read_is_refused() -> None:
    profile = profile_of(
        {"name": "word_0", "address": 0, "type": "uint16"},
        {"name": "text", "address": 5, "type": "string", "length": 20},
        max_read_words=10,
    )
    with pytest.raises(ConfigError):
        Maker().courses(meter_of(profile=profile))


def test_what_the_meter_is_stands_in_its_info() -> None:
    (course,) = Maker().courses(
        meter_of("main", 9, labels={"house": "4"}, ct=Fraction(20), rated_current=63.0)
    )

    info = course.state.info
    assert (info.name, info.unit, info.interval_s) == ("main", 9, 10.0)
    assert info.labels == {"house": "4"}
    assert [series.name for series in info.series] == ["word_0", "word_1"]


def test_twins_share_what_they_have_in_common() -> None:
    made = Maker()
    one, other = (made.courses(meter_of(f"m{n}", n, profile=SCALED))[0] for n in (1, 2))

    assert one.reader.kind is other.reader.kind
    assert one.layout is other.layout
    assert one.reader is not other.reader
    assert one.state is not other.state


@pytest.mark.parametrize(
    "other",
    [
        meter_of("m2", profile=SCALED, ct=Fraction(20)),
        meter_of("m2", profile=SCALED, rated_current=16.0),
        meter_of("m2", profile=SCALED, points=("voltage",)),
        meter_of("m2", profile=SCALED, rates=RATES),
    ],
    ids=["ratio", "rating", "points", "rates"],
)
def test_meters_that_are_read_differently_share_nothing(other: ResolvedMeter) -> None:
    made = Maker()
    one = made.courses(meter_of("m1", profile=SCALED))[0]

    assert one.reader.kind is not made.courses(other)[0].reader.kind


def reader_for(
    course: Course, unit: Peculiar, profile: Profile, points: Sequence[Point] | None = None
) -> MeterReader:
    """A reader as that of this course, with a meter at the other end."""
    return MeterReader(
        MemoryUnit(unit), profile, points=points, kind=course.reader.kind, clock=DayClock()
    )


def readings(reader: MeterReader, count: int) -> Sequence[ReadReport]:
    async def scenario() -> list[ReadReport]:
        return [await reader.read() for _ in range(count)]

    return run(scenario())


@pytest.mark.parametrize("points", [None, ("voltage", "word_4")])
def test_a_twin_that_learns_keeps_its_scales_and_changes_nobody_else(
    points: tuple[str, ...] | None,
) -> None:
    meter = meter_of(profile=SCALED, points=points)
    course = Maker().courses(meter)[0]
    words = {0: 230, 4: 7, 10: 0xFFFF}
    odd = reader_for(course, Peculiar(words, holes={4}), SCALED, meter.points)
    even = reader_for(course, Peculiar(words), SCALED, meter.points)

    learned = readings(odd, 5)
    assert [report.as_dict()["voltage"] for report in learned] == [23.0] * 5
    assert learned[-1].as_dict()["word_4"] is None
    assert learned[-1].is_complete
    assert readings(even, 1)[0].as_dict() == {"voltage": 23.0, "word_4": 7, "sf": -1}
    assert even.blocks == course.reader.blocks


def test_counters_of_twins_are_watched_apart() -> None:
    profile = profile_of(
        {"name": "active_energy_import", "address": 0, "type": "uint32", "unit": "Wh"}
    )
    course = Maker().courses(meter_of(profile=profile))[0]
    one = reader_for(course, Peculiar({0: 0, 1: 50_000}), profile)
    other = reader_for(course, Peculiar({0: 0, 1: 10}), profile)

    for reader, value in ((one, 50_000), (other, 10), (one, 50_000), (other, 10)):
        assert readings(reader, 1)[0].as_dict() == {"active_energy_import": value}


def test_what_was_made_for_profiles_that_are_gone_is_let_go() -> None:
    made = Maker()
    old = meter_of(profile=SCALED)
    new = with_profile(old, SCALED.model_copy())
    kind = made.courses(old)[0].reader.kind
    made.courses(new)

    made.maker.forget_others([new.profile])

    assert len(made.maker._kinds) == 1
    assert made.courses(old)[0].reader.kind is not kind


def test_nobody_is_asked_while_reads_are_planned() -> None:
    made = Maker()
    asyncio.run(asyncio.to_thread(made.maker.prepare, []))
    course = made.courses(meter_of(profile=SCALED))[0]

    assert course.state.polls == 0
    assert not made._link.is_open
