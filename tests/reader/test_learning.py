"""What a profile does not say is learned in a bounded number of requests, then kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.loops import run
from tests.support.peculiar import MemoryUnit, Peculiar, profile_of, served

from energymeter.client import Link
from energymeter.clock import ManualClock
from energymeter.codec import ReadRequest
from energymeter.errors import RequestTimeout
from energymeter.planner import plan_reads
from energymeter.profiles import Profile, ProfileLibrary
from energymeter.reader import MeterReader, Quality, ReadReport
from energymeter.reader.examine import Budget
from energymeter.reader.memory import FileMemory
from energymeter.reader.reading import EventKind
from energymeter.server import ModbusServer, RegisterImage, Tables
from energymeter.transports import TcpEndpoint

DAY_S = 86_400.0


def words_at(*addresses: int) -> Profile:
    """A point of one word at each address; `at_7` holds 1007."""
    points = [{"name": f"at_{a}", "address": a, "type": "uint16"} for a in addresses]
    return profile_of(*points)


def meter(profile: Profile, **habits: Any) -> Peculiar:
    return Peculiar({p.address: 1000 + p.address for p in profile.points}, **habits)


class Bench:
    """A reader of a peculiar meter, polled by hand."""

    def __init__(
        self,
        profile: Profile,
        handler: Peculiar,
        *,
        unit: type[MemoryUnit] = MemoryUnit,
        **keys: Any,
    ) -> None:
        self.handler = handler
        self.clock = ManualClock()
        self.unit = unit(handler)
        self.reader = MeterReader(self.unit, profile, clock=self.clock, **keys)
        self.reports: list[ReadReport] = []
        self.requests: list[int] = []

    def poll(self, times: int = 1, *, after_s: float = 1.0) -> ReadReport:
        async def polls() -> None:
            for _ in range(times):
                await self.clock.advance(after_s)
                self.reports.append(await self.reader.read())
                self.requests.append(self.handler.requests())

        asyncio.run(polls())
        return self.reports[-1]

    def check_values(self) -> None:
        """Each value that is there is the one of its own address."""
        for report in self.reports:
            for reading in report:
                wanted = 1000 + int(reading.name.removeprefix("at_"))
                assert reading.value in (None, wanted)

    @property
    def kinds(self) -> list[EventKind]:
        return [event.kind for report in self.reports for event in report.events]


DENSE = words_at(*range(100))
SPREAD = words_at(*range(0, 120, 4))


def test_meter_without_habits_costs_no_request_more() -> None:
    bench = Bench(SPREAD, meter(SPREAD))
    bench.poll(3)

    assert bench.requests == [len(plan_reads(SPREAD))] * 3
    assert bench.kinds == []


@pytest.mark.parametrize("code", [2, 3, 4])
@pytest.mark.parametrize("place", [0, 41, 99])
def test_refused_register_is_not_available_and_all_others_are_read_at_once(
    place: int, code: int
) -> None:
    bench = Bench(DENSE, meter(DENSE, holes={place}, code=code))

    report = bench.poll()

    gone = f"at_{place}"
    assert {r.name for r in report if r.quality is not Quality.GOOD} == {gone}
    assert report[gone].quality is Quality.NOT_AVAILABLE
    assert report.reason(gone) == f"the meter refuses it: refused with exception {code}"
    bench.check_values()


def test_what_was_refused_is_told_once_and_not_asked_for_any_more() -> None:
    bench = Bench(DENSE, meter(DENSE, holes={41}))
    bench.poll(4)

    assert [report.is_complete for report in bench.reports] == [False, True, True, True]
    assert bench.kinds == [EventKind.LEARNED]
    assert bench.requests[0] <= 1 + Budget().left
    assert bench.requests[1:] == [2, 2, 2]
    assert bench.reports[-1].reason("at_41")


def test_hole_between_points_is_not_read_over_any_more() -> None:
    bench = Bench(SPREAD, meter(SPREAD, holes={42}))
    bench.poll(4)

    assert all(q is Quality.GOOD for report in bench.reports for q in report.qualities)
    assert bench.requests[1:] == [2, 2, 2]
    bench.check_values()


@pytest.mark.parametrize("longest", [1, 2, 7, 16, 50, 60, 64, 80, 99])
def test_longest_read_is_found_exactly(longest: int) -> None:
    bench = Bench(DENSE, meter(DENSE, longest=longest, code=3))
    bench.poll(30)

    assert bench.requests[-1] == -(-100 // longest)
    assert max(block.count for block in bench.reader.blocks) <= longest
    assert set(bench.reports[-1].qualities) == {Quality.GOOD}
    bench.check_values()


def test_longest_read_is_known_after_one_poll_when_it_is_usual() -> None:
    for longest in (50, 60, 80):
        bench = Bench(DENSE, meter(DENSE, longest=longest, code=3))
        bench.poll(2)

        assert set(bench.reports[0].qualities) == {Quality.GOOD}
        assert bench.requests[0] <= 1 + Budget().left
        assert bench.requests[1] == 2


def test_read_that_is_refused_in_one_piece_only_is_cut_there() -> None:
    # A page boundary: nothing is missing and nothing too long, yet 7 and 8 do not go together.
    profile = words_at(*range(20), *range(40, 60))
    handler = meter(profile, longest=None)
    handler.before = lambda address, count: (
        b"\x83\x02" if address <= 7 < address + count - 1 else None
    )
    bench = Bench(profile, handler)
    bench.poll(6)

    assert set(bench.reports[-1].qualities) == {Quality.GOOD}
    assert bench.requests[-1] == bench.requests[-2] <= 4
    bench.check_values()


@given(
    holes=st.sets(st.integers(0, 119), max_size=12),
    longest=st.none() | st.integers(1, 125),
    step=st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_requests_until_all_is_known_are_bounded_and_then_few(
    holes: set[int], longest: int | None, step: int
) -> None:
    profile = words_at(*range(0, 120, step))
    readable = {p.address for p in profile.points} - holes
    bench = Bench(profile, meter(profile, holes=holes, longest=longest))
    faults = len(holes) + (longest is not None)
    bench.poll(8 + 4 * faults)

    bench.check_values()
    assert all(count <= 2 * len(profile.points) + Budget().left for count in bench.requests)
    # Steady: nothing is refused any more and no poll costs more than the one before.
    bench.handler.refused = 0
    bench.poll(2)
    assert bench.handler.refused == 0
    assert bench.requests[-1] == bench.requests[-2] == len(bench.reader.blocks)
    if readable:
        good = {r.name for r in bench.reports[-1] if r.quality is Quality.GOOD}
        assert good == {f"at_{a}" for a in readable}
    # As good as a plan that knew everything from the start, but for one read a fault.
    spared = [p for p in profile.points if p.address in readable]
    best = _best(spared, holes, longest or 125)
    assert bench.requests[-1] <= best + 2 * faults


def _best(points: Sequence[Any], holes: set[int], longest: int) -> int:
    """Fewest reads over the points that touch no hole and are not too long."""
    reads, start = 0, None
    for before, point in pairwise([None, *points]):
        assert point is not None
        if (
            before is None
            or start is None
            or point.address + 1 - start > longest
            or any(a in holes for a in range(before.address, point.address))
        ):
            reads, start = reads + 1, point.address
    return reads


def test_meter_that_refuses_everything_teaches_nothing_and_is_not_pestered() -> None:
    bench = Bench(DENSE, meter(DENSE, holes=set(range(100))))
    bench.poll(20)

    assert bench.requests[0] <= 1 + Budget().left
    assert bench.requests[1:] == [1] * 19
    assert bench.reports[0].is_empty
    assert bench.kinds == []

    bench.handler.holes.clear()
    assert set(bench.poll().qualities) == {Quality.GOOD}


def test_refusal_that_passes_teaches_nothing() -> None:
    handler = meter(DENSE)
    answers = iter([b"\x83\x04"])
    handler.before = lambda address, count: next(answers, None)
    bench = Bench(DENSE, handler)
    bench.poll(2)

    assert set(bench.reports[0].qualities) == {Quality.GOOD}
    assert bench.requests[1] == 1
    assert bench.kinds == []


def test_silence_in_the_middle_of_learning_ends_it_for_this_poll() -> None:
    handler = meter(DENSE, holes={41})
    bench = Bench(DENSE, handler)

    def falls_silent(address: int, count: int) -> bytes | None:
        if len(handler.asked) == 4:
            bench.unit.error = RequestTimeout("silent")
        return None

    handler.before = falls_silent
    bench.poll()
    asked = bench.requests[-1]
    handler.before, bench.unit.error = None, None
    bench.poll(2)

    assert asked == 4
    assert {r.name for r in bench.reports[-1] if r.quality is not Quality.GOOD} == {"at_41"}
    bench.check_values()


def test_learned_facts_are_tried_again_rarely_and_forgotten_when_untrue() -> None:
    bench = Bench(DENSE, meter(DENSE, holes={41}))
    bench.poll(2)
    trials = []
    for _ in range(30):
        bench.poll(after_s=DAY_S / 4)
        trials.append(bench.requests[-1] - 2)
    assert sum(trials[:4]) <= 4
    assert sum(trials[-16:]) <= 4  # once a day in the end

    bench.handler.holes.clear()
    bench.poll(3, after_s=DAY_S)

    assert set(bench.reports[-1].qualities) == {Quality.GOOD}
    assert bench.requests[-1] == 1
    assert EventKind.UNLEARNED in bench.kinds


def test_longest_read_is_tried_again() -> None:
    bench = Bench(DENSE, meter(DENSE, longest=50))
    bench.poll(2)
    bench.handler.longest = None
    bench.poll(3, after_s=DAY_S)

    assert bench.requests[-1] == 1


def test_what_was_learned_outlives_the_reader(tmp_path: Path) -> None:
    memory = FileMemory("127.0.0.1:502", 1, "x/y", folder=tmp_path)
    Bench(DENSE, meter(DENSE, holes={41}, longest=30), memory=memory).poll(6)

    later = Bench(DENSE, meter(DENSE, holes={41}, longest=30), memory=memory)
    report = later.poll()

    assert later.requests == [4]
    assert report.is_complete
    assert report["at_41"].quality is Quality.NOT_AVAILABLE
    assert later.handler.refused == 0


def test_learning_can_be_left_out() -> None:
    bench = Bench(DENSE, meter(DENSE, holes={41}), learn=False)
    bench.poll(3)

    assert bench.requests == [1, 1, 1]
    assert bench.reports[-1].is_empty


def test_order_of_the_report_never_changes() -> None:
    bench = Bench(SPREAD, meter(SPREAD, holes={40, 61}, longest=20))
    bench.poll(10)

    names = [[reading.name for reading in report] for report in bench.reports]
    assert all(some == names[0] for some in names)


GRID: list[dict[str, Any]] = [
    {"name": "voltage_phase_a", "address": 0, "type": "uint16", "unit": "V", "scale": "0.1"},
    {"name": "current_phase_a", "address": 1, "type": "uint16", "unit": "A", "scale": "0.01"},
    {"name": "active_power_total", "address": 6, "type": "uint16", "unit": "W"},
    {"name": "frequency", "address": 7, "type": "uint16", "unit": "Hz", "scale": "0.01"},
    {"name": "active_energy_import", "address": 8, "type": "uint32", "unit": "Wh"},
]
LIVE = {0: 2301, 1: 150, 6: 345, 7: 5001, 8: 1, 9: 4464}
TRUTH: dict[str, Any] = {
    "voltage_phase_a": 230.1,
    "current_phase_a": 1.5,
    "active_power_total": 345,
    "frequency": 50.01,
    "active_energy_import": 70000,
}


def test_block_that_agrees_with_single_reads_is_checked_once_and_no_more(tmp_path: Path) -> None:
    profile = profile_of(*GRID)
    memory = FileMemory("127.0.0.1:502", 1, "x/y", folder=tmp_path)
    bench = Bench(profile, Peculiar(LIVE), memory=memory)
    bench.poll(3)

    assert bench.requests[0] <= 1 + 3
    assert bench.requests[1:] == [1, 1]
    assert bench.kinds == []

    later = Bench(profile, Peculiar(LIVE), memory=memory)
    later.poll()
    assert later.requests == [1]


@pytest.mark.parametrize("missing", [{3}, {2, 4}, {5}])
def test_silently_dropped_address_is_seen_at_first_contact(missing: set[int]) -> None:
    bench = Bench(profile_of(*GRID), Peculiar(LIVE, missing=missing))
    bench.poll(3)

    assert [report.as_dict() for report in bench.reports] == [TRUTH] * 3
    assert bench.kinds == [EventKind.ANSWERS_SHIFTED]
    assert bench.requests[0] <= 12
    assert bench.requests[-1] == 2  # no gap is read over


def test_dropped_address_of_a_point_makes_every_point_be_read_alone() -> None:
    points = [*GRID[:2], *({**p, "address": p["address"] - 4} for p in GRID[2:])]
    live = {0: 2301, 1: 150, 2: 345, 3: 5001, 4: 1, 5: 4464}
    bench = Bench(profile_of(*points), Peculiar(live, missing={1}))
    bench.poll(3)

    truth = {**TRUTH, "current_phase_a": 3.45}  # alone it answers with what follows: not to be seen
    assert [report.as_dict() for report in bench.reports] == [truth] * 3
    assert EventKind.ANSWERS_SHIFTED in bench.kinds


def test_live_values_are_no_shift() -> None:
    handler = Peculiar(LIVE)

    def moves(address: int, count: int) -> None:
        handler.words[0] += 7
        handler.words[6] = (handler.words[6] * 7) % 3000
        handler.words[9] += 1

    handler.before = moves
    bench = Bench(profile_of(*GRID), handler)
    bench.poll(3)

    assert bench.kinds == []
    assert bench.requests[1:] == [1, 1]


def test_dead_meter_is_checked_when_it_lives() -> None:
    handler = Peculiar({}, missing={3})
    bench = Bench(profile_of(*GRID), handler)
    bench.poll(2)
    assert bench.kinds == []

    handler.words.update(LIVE)
    bench.poll()

    assert bench.reports[-1].as_dict() == TRUTH
    assert bench.kinds == [EventKind.ANSWERS_SHIFTED]


@pytest.mark.parametrize(
    ("make", "gone"),
    [
        (lambda p: meter(p, holes={41, 42, 77}), {"at_41", "at_42", "at_77"}),
        (lambda p: meter(p, longest=25, code=3), set()),
        (lambda p: meter(p, longest=40, holes={3}), {"at_3"}),
    ],
)
def test_learning_over_a_real_socket(make: Callable[[Profile], Peculiar], gone: set[str]) -> None:
    handler = make(DENSE)

    async def scenario() -> list[ReadReport]:
        async with served(handler) as unit:
            reader = MeterReader(unit, DENSE)
            return [await reader.read() for _ in range(6)]

    reports = run(scenario())

    assert {r.name for r in reports[-1] if r.quality is not Quality.GOOD} == gone
    for report in reports:
        assert all(r.value in (None, 1000 + int(r.name.removeprefix("at_"))) for r in report)
    assert len(handler.asked) <= 3 * (1 + Budget().left) + 6 * 6


def test_a_refused_block_of_a_meter_with_scale_registers_is_examined() -> None:
    # Points with codes for their scale could not be told apart by hash, and the reader fell.
    profile = ProfileLibrary([]).load("schneider-electric/ion6200")
    tables = Tables(holding=RegisterImage([(99, bytes(100))]))

    async def read() -> ReadReport:
        async with (
            ModbusServer(tables, port=0) as server,
            Link(TcpEndpoint("127.0.0.1", server.port)) as link,
        ):
            return await MeterReader(link.unit(1), profile).read()

    report = run(read(), "asyncio")

    assert report.failures
    assert report["frequency"].value == 0


class Impatient(MemoryUnit):
    """A unit whose asker is cancelled at each question after so many; None: never."""

    patience: int | None = None

    async def read(self, request: ReadRequest) -> bytes:
        if self.patience is not None:
            if not self.patience:
                raise asyncio.CancelledError
            self.patience -= 1
        return await super().read(request)


def polls_cut_short(bench: Bench, *, after: int, times: int) -> None:
    """Begin so many polls, each cancelled after so many requests."""
    unit = bench.unit
    assert isinstance(unit, Impatient)
    for _ in range(times):
        unit.patience = after
        with suppress(asyncio.CancelledError):
            bench.poll()
    unit.patience = None
    bench.reports.clear()
    bench.requests.clear()


@pytest.mark.parametrize("after", [3, 9, 15, 16, 20, 24])
def test_learning_that_is_cancelled_goes_on_from_what_it_knows(after: int) -> None:
    bench = Bench(DENSE, meter(DENSE, holes={17, 60, 61}), unit=Impatient)
    polls_cut_short(bench, after=after, times=8)

    bench.poll(4)

    gone = {"at_17", "at_60", "at_61"}
    told = [event.name for report in bench.reports for event in report.events]
    assert len(told) == len(set(told)), "each is told once"
    assert {r.name for r in bench.reports[-1] if r.quality is not Quality.GOOD} == gone
    assert bench.requests[-1] == len(bench.reader.blocks)
    bench.check_values()


def test_learning_that_is_cancelled_needs_fewer_requests_than_patience_to_end() -> None:
    bench = Bench(DENSE, meter(DENSE, holes={17, 60, 61}), unit=Impatient)
    polls_cut_short(bench, after=16, times=6)

    report = bench.poll()

    assert report.is_complete
    assert bench.requests == [len(bench.reader.blocks)]


def test_meter_that_refuses_everything_teaches_nothing_when_that_is_cancelled() -> None:
    bench = Bench(DENSE, meter(DENSE, holes=set(range(200))), unit=Impatient)
    polls_cut_short(bench, after=12, times=10)
    bench.handler.holes.clear()

    report = bench.poll()

    assert set(report.qualities) == {Quality.GOOD}
    assert report.events == []


@pytest.mark.parametrize("apart", [0, 3, 9, 21])
def test_readings_of_one_reader_at_once_take_turns(apart: int) -> None:
    class Slow(MemoryUnit):
        async def read(self, request: ReadRequest) -> bytes:
            await asyncio.sleep(0)
            return await super().read(request)

    bench = Bench(DENSE, meter(DENSE, holes={17, 60, 61}), unit=Slow)

    async def read_after(turns: int) -> ReadReport:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await bench.reader.read()

    async def readings() -> list[ReadReport]:
        return list(await asyncio.gather(*(read_after(n * apart) for n in range(4))))

    bench.reports = asyncio.run(readings())

    told = [event.name for report in bench.reports for event in report.events]
    assert len(told) == len(set(told)), "each is told once"
    assert bench.reports[-1].is_complete
    bench.check_values()
