"""What is told about meters and links: once, with figures, and never in heaps."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.service.benching import DayClock, course_of, link_state, report_of, texts

from energymeter.errors import (
    ExceptionReplyError,
    LinkOpenError,
    MeterError,
    RequestTimeout,
)
from energymeter.reader.reading import Event, EventKind, ReadReport
from energymeter.service.course import Course
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.poller import Poll
from energymeter.service.watch import LoadWatch, MeterWatch

SILENCE = RequestTimeout("no answer from unit 1 within 1 s")
REFUSAL = ExceptionReplyError("unit 1 refuses with exception 4", function=3, code=4)
GONE = LinkOpenError("bus:502 refused the connection")


class Bench:
    """A link with meters, watched."""

    def __init__(self, meters: int = 1, interval_s: float = 10.0) -> None:
        self.clock = DayClock()
        self.events = EventStream(self.clock)
        self.watch = MeterWatch(self.events)
        self.link = link_state(self.clock)
        self.courses = [
            course_of(self.clock, name=f"m{n}", interval_s=interval_s) for n in range(1, meters + 1)
        ]

    @property
    def course(self) -> Course:
        return self.courses[0]

    def poll(
        self,
        course: Course | None = None,
        *,
        error: MeterError | None = None,
        warnings: Sequence[str] = (),
        after_s: float = 10.0,
    ) -> None:
        self.clock._elapsed_s += after_s
        report = report_of(self.clock.now(), error=error, warnings=warnings)
        self.watch.look(course or self.course, self.link, Poll(report, 0.0, 0))

    @property
    def told(self) -> list[str]:
        return texts(self.events)


def test_a_meter_that_answers_is_not_spoken_of() -> None:
    bench = Bench()
    for _ in range(100):
        bench.poll()

    assert bench.told == []


def test_one_missed_poll_is_not_told() -> None:
    bench = Bench()
    for _ in range(10):
        bench.poll(error=SILENCE)
        bench.poll(error=SILENCE)
        bench.poll()

    assert bench.told == []
    assert bench.course.state.failed == 20


def test_a_silent_meter_is_told_once_and_its_return_with_figures() -> None:
    bench = Bench()
    for _ in range(30):
        bench.poll(error=SILENCE)
    state = bench.course.state

    assert state.fault == "no answer from unit 1 within 1 s"
    assert bench.told == ["no answer from unit 1 within 1 s"]
    (event,) = bench.events.newest()
    assert (event.level, event.topic, event.name) == (Level.WARNING, Topic.METER, "m1")

    bench.poll()
    assert bench.told[1:] == ["answers again, 30 polls missed in 300 s"]
    assert (state.fault, state.fault_since) == ("", None)

    for _ in range(3):
        bench.poll(error=SILENCE)
    assert len(bench.told) == 3


def test_a_link_that_is_gone_is_told_once_for_all_its_meters() -> None:
    bench = Bench(meters=20)
    for _ in range(10):
        for course in bench.courses:
            bench.poll(course, error=GONE, after_s=0.5)

    assert bench.told == ["bus:502 refused the connection"]
    (event,) = bench.events.newest()
    assert (event.level, event.topic, event.name) == (Level.WARNING, Topic.LINK, "bus1")
    assert bench.link.fault == "bus:502 refused the connection"
    assert all(course.state.fault == bench.link.fault for course in bench.courses)

    for course in bench.courses:
        bench.poll(course, after_s=0.5)
    assert bench.told[1:] == ["is there again after 100 s"]
    assert bench.link.fault == ""
    assert not any(course.state.fault for course in bench.courses)


def test_a_meter_that_stays_silent_when_its_link_is_back_is_told_after_three_more_polls() -> None:
    bench = Bench(meters=2)
    for _ in range(10):
        bench.poll(error=GONE)
    bench.poll(bench.courses[1])
    assert len(bench.told) == 2
    for _ in range(2):
        bench.poll(error=SILENCE)
    assert len(bench.told) == 2
    bench.poll(error=SILENCE)
    assert bench.told[2:] == ["no answer from unit 1 within 1 s"]


def test_a_link_over_which_a_meter_refuses_is_there() -> None:
    bench = Bench()
    bench.poll(error=GONE)
    bench.poll(error=REFUSAL)

    assert bench.link.fault == ""
    assert bench.told == ["bus:502 refused the connection", "is there again after 10 s"]


def test_a_meter_with_two_rates_is_told_once() -> None:
    bench = Bench()
    fast = bench.course
    slow = course_of(bench.clock, name="m1@slow", interval_s=60.0, state=fast.state, place=1)
    for _ in range(10):
        for _ in range(6):
            bench.poll(fast, error=SILENCE)
        bench.poll(slow, error=SILENCE, after_s=0)
    assert bench.told == ["no answer from unit 1 within 1 s"]

    bench.poll(fast)
    bench.poll(slow)
    assert bench.told[1:] == ["answers again, 60 polls missed in 600 s"]


def test_a_rate_that_is_refused_is_told_once_while_the_other_one_answers() -> None:
    bench = Bench()
    fast = bench.course
    slow = course_of(bench.clock, name="m1@slow", interval_s=60.0, state=fast.state, place=1)
    for _ in range(10):
        for _ in range(6):
            bench.poll(fast)
        bench.poll(slow, error=REFUSAL, after_s=0)
    assert bench.told == ["unit 1 refuses with exception 4"]

    bench.poll(fast)
    bench.poll(slow)
    assert bench.told[1:] == ["answers again, 10 polls missed in 560 s"]


def test_what_happened_to_a_meter_is_passed_on() -> None:
    bench = Bench()
    event = Event(EventKind.COUNTER_REPLACED, "energy", "energy went from 5 Wh to 0 Wh")
    report = report_of(bench.clock.now())
    report = ReadReport(
        time=report.time,
        points=report.points,
        values=report.values,
        qualities=report.qualities,
        events=[event],
    )
    bench.watch.look(bench.course, bench.link, Poll(report, 0.0, 0))

    assert bench.told == ["energy went from 5 Wh to 0 Wh"]


def test_values_that_do_not_go_together_are_told_once() -> None:
    bench = Bench()
    for watts in range(60):
        # A cross check comes once a minute; the polls between say nothing of it.
        bench.poll(warnings=[f"active_power: the total is {watts}, the phases make 0"])
        bench.poll()
    assert bench.told == [
        "values do not go together: active_power: the total is 0, the phases make 0"
    ]
    bench.poll(warnings=["phase a: P is 3 W, U*I*pf makes 9 W"])
    assert len(bench.told) == 2


def test_values_that_come_and_go_are_not_told_each_time() -> None:
    bench = Bench()
    for _ in range(60):
        bench.poll(warnings=["phase a: P is 3 W, U*I*pf makes 9 W"], after_s=60)
        bench.poll(warnings=["phase b: P is 3 W, U*I*pf makes 9 W"], after_s=60)

    assert len(bench.told) == 2
    assert len(bench.course.warned) == 2


def test_values_that_went_together_for_hours_are_told_again() -> None:
    bench = Bench()
    for _ in range(3):
        bench.poll(warnings=["phase a: P is 3 W, U*I*pf makes 9 W"])
        bench.poll(after_s=7200)

    assert len(bench.told) == 3


def test_a_fault_of_the_program_is_told_every_ten_minutes_at_most(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    for _ in range(130):
        bench.clock._elapsed_s += 10
        bench.watch.broke(bench.course, ZeroDivisionError("somewhere deep"), bench.clock.now())

    assert len(bench.told) == 3
    assert bench.told[0] == (
        "a fault of the program ended its poll (ZeroDivisionError: somewhere deep); "
        "please report it"
    )
    assert bench.course.state.failed == 130
    assert not bench.course.state.is_alive
    assert len([record for record in caplog.records if record.exc_info]) == 3
    bench.poll()
    assert bench.course.state.fault == ""


class Load:
    """A link whose load is looked at every ten seconds."""

    def __init__(self, interval_s: float = 1.0, meters: int = 4, lanes: int = 1) -> None:
        self.bench = Bench(meters, interval_s)
        self.watch = LoadWatch(
            self.bench.link,
            self.bench.courses,
            lanes=lanes,
            events=self.bench.events,
            clock=self.bench.clock,
        )

    def period(self, *, skipped: int = 0, busy_s: float = 0.0) -> None:
        self.bench.clock._elapsed_s += 10
        self.bench.link.link.health.busy_s += busy_s
        self.watch.skipped(skipped)
        self.watch.look()

    def take(self, *seconds: float) -> None:
        for course, duration_s in zip(self.bench.courses, seconds, strict=True):
            course.duration_s = duration_s


def test_a_link_with_too_much_to_do_is_told_with_figures() -> None:
    load = Load()
    load.take(0.2, 0.2, 0.2, 0.8)
    load.period()
    load.period(skipped=12, busy_s=9.5)

    (text,) = load.bench.told
    assert text == (
        "cannot keep its schedule: 12 of 40 polls in 10 s were passed over, for its meters need "
        "140% of the time there is, m4 takes 0.8 s a poll; poll less often, or move meters to "
        "another link"
    )
    state = load.bench.link
    assert state.utilisation == pytest.approx(0.95)
    assert state.wanted == pytest.approx(1.4)
    assert state.skipped == 12


def test_a_link_that_was_held_up_is_not_told_to_have_too_much_to_do() -> None:
    load = Load()
    load.take(0.1, 0.1, 0.1, 0.1)
    load.period()
    load.period(skipped=3)

    (text,) = load.bench.told
    assert "though its meters need only 40% of the time there is: m1 takes 0.1 s a poll" in text


def test_a_link_is_not_blamed_for_what_kept_all_of_them() -> None:
    load = Load()
    load.period()
    load.watch.skipped(12)
    load.bench.clock._elapsed_s += 10
    load.watch.look(is_excused=True)

    assert load.bench.told == []
    assert load.bench.link.skipped == 0


def test_overload_is_told_again_every_ten_minutes_at_most() -> None:
    load = Load()
    load.take(0.5, 0.5, 0.5, 0.5)
    for _ in range(180):
        load.period(skipped=20)

    assert len(load.bench.told) == 3
    assert load.bench.link.skipped == 20


def test_its_end_is_told_after_three_periods() -> None:
    load = Load()
    load.take(0.5, 0.5, 0.5, 0.5)
    load.period()
    load.period(skipped=20)
    load.period()
    load.period()
    assert len(load.bench.told) == 1
    load.period()
    assert load.bench.told[1:] == ["keeps its schedule again"]
    load.period()
    assert len(load.bench.told) == 2


def test_overload_that_comes_and_goes_is_one() -> None:
    load = Load()
    load.take(0.5, 0.5, 0.5, 0.5)
    for number in range(50):
        load.period(skipped=5 * (number % 2))

    assert len(load.bench.told) == 1


def test_a_link_that_has_just_begun_is_let_be() -> None:
    load = Load()
    load.period(skipped=30)
    assert load.bench.told == []
    load.period()
    assert load.bench.told == []
    load.period(skipped=30)
    assert len(load.bench.told) == 1


def test_the_load_of_several_lanes_is_shared() -> None:
    load = Load(lanes=4)
    load.take(0.5, 0.5, 0.5, 0.5)
    load.period(busy_s=20)

    assert load.bench.link.utilisation == pytest.approx(0.5)
    assert load.bench.link.wanted == pytest.approx(0.5)


def test_two_looks_at_one_moment_are_one() -> None:
    load = Load()
    load.period(skipped=3)
    load.watch.look()

    assert load.bench.link.skipped == 3
