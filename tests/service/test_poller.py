"""The poller over simulated hours, driven by a clock that only moves when told."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable

import pytest
from tests.support.loops import on_each_loop, run

from energymeter.clock import Clock, ManualClock
from energymeter.codec import ReadRequest
from energymeter.errors import ConfigError, RequestTimeout
from energymeter.profiles import parse_profile
from energymeter.reader import MeterReader
from energymeter.service import ConsoleReporter, Poll, Poller

METER = parse_profile(
    {
        "name": "test/meter",
        "vendor": "test",
        "model": "meter",
        "points": [
            {"name": "voltage", "address": 0, "type": "uint16", "unit": "V", "scale": "0.1"}
        ],
    },
    "test",
)


class FakeUnit:
    """Answers 230.0 V after so long on the clock; fails while `is_silent`."""

    def __init__(self, clock: Clock, takes_s: Callable[[float], float] = lambda _: 0.0) -> None:
        self.is_silent = False
        self.asked_at: list[float] = []
        self._clock = clock
        self._takes_s = takes_s

    async def read(self, request: ReadRequest) -> bytes:
        now = self._clock.monotonic()
        self.asked_at.append(now)
        took_s = self._takes_s(now)
        if took_s:
            await self._clock.sleep_until(now + took_s)
        if self.is_silent:
            msg = "no answer from meter:502 unit 1 within 1 s"
            raise RequestTimeout(msg)
        return (2300).to_bytes(2, "big")


class Bench:
    """A poller on a manual clock, and what it brought."""

    def __init__(
        self,
        interval_s: float,
        takes_s: Callable[[float], float] = lambda _: 0.0,
        delay_s: float = 0.0,
    ) -> None:
        self.clock = ManualClock()
        self.unit = FakeUnit(self.clock, takes_s)
        self.polls: list[Poll] = []
        self.out, self.err = io.StringIO(), io.StringIO()
        self.console = ConsoleReporter("meter", interval_s, self.out, self.err)
        reader = MeterReader(self.unit, METER, clock=self.clock)
        self.poller = Poller(reader, interval_s, self._show, delay_s=delay_s, clock=self.clock)

    def _show(self, poll: Poll) -> None:
        self.polls.append(poll)
        self.console.show(poll)

    async def pass_time(self, *seconds: float) -> None:
        task = asyncio.create_task(self.poller.run())
        for step in seconds:
            await self.clock.advance(step)
        task.cancel()
        await asyncio.wait([task])


@on_each_loop
def test_hours_of_polls_start_on_the_beat(loop: str) -> None:
    bench = Bench(10.0, takes_s=lambda now: 0.3 + now % 7)

    run(bench.pass_time(3 * 3600.0), loop)

    assert bench.unit.asked_at == [10.0 * n for n in range(1081)]
    assert all(poll.lateness_s == 0.0 and poll.skipped == 0 for poll in bench.polls)


@on_each_loop
def test_a_poll_slower_than_the_interval_skips_beats_and_says_how_many(loop: str) -> None:
    bench = Bench(10.0, takes_s=lambda now: 25.0 if now == 20.0 else 1.0)

    run(bench.pass_time(100.0), loop)

    assert bench.unit.asked_at[:5] == [0.0, 10.0, 20.0, 50.0, 60.0]
    assert [poll.skipped for poll in bench.polls[:5]] == [0, 0, 0, 2, 0]
    assert bench.poller.beat.missed == 2
    assert "2 polls skipped, reading took longer than the interval" in bench.err.getvalue()


@on_each_loop
def test_a_meter_that_is_always_too_slow_is_asked_at_every_other_beat(loop: str) -> None:
    bench = Bench(1.0, takes_s=lambda _: 1.5)

    run(bench.pass_time(10.0), loop)

    assert bench.unit.asked_at == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]


@on_each_loop
def test_never_more_than_one_poll_is_under_way(loop: str) -> None:
    bench = Bench(1.0, takes_s=lambda _: 3.7)

    run(bench.pass_time(60.0), loop)

    gaps = [b - a for a, b in zip(bench.unit.asked_at, bench.unit.asked_at[1:], strict=False)]
    assert min(gaps) >= 3.7


@on_each_loop
def test_the_first_poll_waits_for_its_delay(loop: str) -> None:
    bench = Bench(10.0, delay_s=3.5)

    run(bench.pass_time(30.0), loop)

    assert bench.unit.asked_at == [3.5, 13.5, 23.5]


@on_each_loop
def test_a_clock_that_jumps_over_beats_skips_them(loop: str) -> None:
    class Jumping(ManualClock):
        """Sleeps longer than it was asked to, once, as a suspended laptop does."""

        slept = 0

        async def sleep_until(self, when: float) -> None:
            self.slept += 1
            await super().sleep_until(when + (95.0 if self.slept == 3 else 0.0))

    async def scenario() -> list[Poll]:
        clock = Jumping()
        polls: list[Poll] = []
        reader = MeterReader(FakeUnit(clock), METER, clock=clock)
        task = asyncio.create_task(Poller(reader, 10.0, polls.append, clock=clock).run())
        await clock.advance(140.0)
        task.cancel()
        await asyncio.wait([task])
        return polls

    polls = run(scenario(), loop)
    assert [(poll.lateness_s, poll.skipped) for poll in polls[:5]] == [
        (0, 0),
        (0, 0),
        (95, 0),
        (0, 9),
        (0, 0),
    ]


@on_each_loop
def test_a_limited_run_polls_so_many_times_and_returns(loop: str) -> None:
    async def scenario() -> int:
        bench = Bench(10.0)
        task = asyncio.create_task(bench.poller.run(3))
        await bench.clock.advance(1000.0)
        assert task.done()
        return len(bench.polls)

    assert run(scenario(), loop) == 3


@on_each_loop
def test_a_silent_hour_is_told_and_so_is_its_end(loop: str) -> None:
    bench = Bench(60.0)

    async def scenario() -> None:
        task = asyncio.create_task(bench.poller.run())
        await bench.clock.advance(59.0)
        bench.unit.is_silent = True
        await bench.clock.advance(3600.0)
        bench.unit.is_silent = False
        await bench.clock.advance(60.0)
        task.cancel()
        await asyncio.wait([task])

    run(scenario(), loop)
    text = bench.err.getvalue()
    assert text.count("no answer from meter:502 unit 1 within 1 s; next poll in 60 s") == 60
    assert "answers again, 60 polls missed in 3600 s" in text
    assert bench.out.getvalue().count("voltage") == 2


@on_each_loop
def test_the_time_of_a_report_is_that_of_its_beat(loop: str) -> None:
    bench = Bench(600.0, takes_s=lambda _: 5.0)

    run(bench.pass_time(1805.0), loop)

    times = [poll.report.time for poll in bench.polls]
    assert [(time - times[0]).total_seconds() for time in times] == [0, 600, 1200, 1800]


def test_an_interval_that_cannot_be_is_refused_before_any_poll() -> None:
    clock = ManualClock()
    with pytest.raises(ConfigError):
        Poller(MeterReader(FakeUnit(clock), METER), 0.0, lambda _: None, clock=clock)
