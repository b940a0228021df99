"""Whole services on simulated links: what is polled, shown and kept, and what a change disturbs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.service.benching import (
    PLAIN,
    DayClock,
    FakeReader,
    ListStore,
    Town,
    link_of,
    meter_of,
    texts,
    with_profile,
)
from tests.support.loops import on_each_loop, run, until
from tests.support.peculiar import profile_of

from energymeter.client import Link
from energymeter.errors import ConfigError
from energymeter.profiles import ProfileLibrary
from energymeter.reader import FileMemory, Quality
from energymeter.service.service import Service
from energymeter.service.snapshot import MeterState
from energymeter.site import MeterEntry, ResolvedLink, ResolvedMeter
from energymeter.site.model import LinkEntry, Rates
from energymeter.store import SqliteStore
from energymeter.testing.plugin import MeterFactory
from energymeter.transports import parse_wire

TOO_LONG = profile_of(
    {"name": "word_0", "address": 0, "type": "uint16"},
    {"name": "text", "address": 5, "type": "string", "length": 20},
    max_read_words=10,
)
"""Passes for a profile, but cannot be planned."""


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a scenario in a town with these hosts."""

    def play_it(
        scenario: Callable[[Town], Coroutine[Any, Any, None]], *hosts: str, **keys: Any
    ) -> None:
        async def whole() -> None:
            async with Town.of(monkeypatch, *hosts, **keys) as town:
                await scenario(town)

        run(whole(), request.param)

    return play_it


Play = Callable[..., None]


def values_of(state: MeterState, town: Town) -> dict[str, Any]:
    return {r.name: r.value for r in state.readings(town.clock.now())}


def of_meter(store: ListStore, name: str) -> list[float]:
    """When the polls of a meter were, in seconds of the clock."""
    start_us = int(DayClock().now().timestamp() * 1e6)
    return [(poll.time_us - start_us) / 1e6 for poll in store.polls if poll.meter == name]


def test_meters_are_polled_shown_and_kept(play: Play) -> None:
    store = ListStore()

    async def scenario(town: Town) -> None:
        links = [
            link_of(meter_of("a", 1), meter_of("b", 2), name="bus1"),
            link_of(meter_of("c", 3, interval=1.0), name="bus2"),
        ]
        await town.service.apply(links)
        await town.clock.advance(60)
        snapshot = town.service.snapshot

        assert list(snapshot.meters) == ["a", "b", "c"]
        assert list(snapshot.links) == ["bus1", "bus2"]
        assert snapshot.links["bus1"].meters == ["a", "b"]
        for name, unit in (("a", 1), ("b", 2), ("c", 3)):
            assert values_of(snapshot.meters[name], town) == {
                "word_0": unit * 100,
                "word_1": unit * 100 + 1,
            }
            assert snapshot.meters[name].is_alive
        assert snapshot.meters["a"].polls in (6, 7)
        assert snapshot.meters["c"].polls == 60
        assert sum(snapshot.lateness.counts) == sum(m.polls for m in snapshot.meters.values())
        assert texts(town.service.events) == []
        await town.service.stop()
        assert len(store.polls) == sum(m.polls for m in snapshot.meters.values())
        assert snapshot.store.stored == len(store.polls)
        assert all([*poll.qualities] == [Quality.GOOD] * 2 for poll in store.polls)

    play(scenario, "bus1", "bus2", store=store.as_store())


def test_a_person_asks_at_once_and_nothing_is_kept_of_it(play: Play) -> None:
    store = ListStore()

    async def scenario(town: Town) -> None:
        await town.service.apply([link_of(meter_of("a", 1, interval=1000.0))])
        await town.clock.advance(10)
        polls = town.service.snapshot.meters["a"].polls
        reading = asyncio.create_task(town.service.read_now("a"))
        await town.clock.advance(5)
        assert [report.as_dict() for report in await reading] == [{"word_0": 100, "word_1": 101}]
        with pytest.raises(KeyError):
            await town.service.read_now("nobody")
        assert town.service.snapshot.meters["a"].polls == polls
        await town.service.stop()
        assert len(store.polls) == polls

    play(scenario, "bus", store=store.as_store())


def test_polls_come_at_the_same_seconds_of_every_minute(play: Play) -> None:
    async def scenario(town: Town) -> None:
        meters = [meter_of(f"m{n}", n, interval=10.0) for n in range(1, 6)]
        await town.service.apply([link_of(*meters)])
        await town.clock.advance(100)
        for unit in range(1, 6):
            times = town.units["bus"].times(unit)[1:]
            assert [round(at % 10, 6) for at in times] == [round(times[0] % 10, 6)] * len(times)
        assert len({town.units["bus"].times(unit)[2] for unit in range(1, 6)}) == 5

    play(scenario, "bus")


def test_a_dead_link_disturbs_no_other(play: Play) -> None:
    async def scenario(town: Town) -> None:
        dead = link_of(*(meter_of(f"d{n}", n, interval=1.0) for n in range(1, 21)), name="dead")
        alive = [link_of(meter_of(f"m{n}", 1, interval=1.0), name=f"bus{n}") for n in range(1, 6)]
        await town.service.apply([dead, *alive])
        await town.clock.advance(60)
        meters = town.service.snapshot.meters
        for number in range(1, 6):
            assert meters[f"m{number}"].polls == 60
            assert meters[f"m{number}"].failed == meters[f"m{number}"].skipped == 0
        assert town.service.snapshot.lateness.longest_s == 0.0
        assert not any(meters[f"d{number}"].is_alive for number in range(1, 21))
        # One sentence for twenty meters and a thousand polls.
        assert len(texts(town.service.events)) == 1
        assert "dead refused the connection" in texts(town.service.events, "dead")[0]

        await town.build("dead")
        await town.clock.advance(30)
        assert all(meters[f"d{number}"].is_alive for number in range(1, 21))
        assert texts(town.service.events, "dead")[1].startswith("is there again after ")
        assert len(texts(town.service.events)) == 2

    play(scenario, *(f"bus{n}" for n in range(1, 6)))


def test_a_silent_unit_costs_only_its_own_link(play: Play) -> None:
    async def scenario(town: Town) -> None:
        town.units["bus1"].silent = {1}
        one = [meter_of("silent", 1, interval=1.0), meter_of("near", 2, interval=1.0)]
        await town.service.apply(
            [link_of(*one, name="bus1"), link_of(meter_of("far", 1, interval=1.0), name="bus2")]
        )
        await town.clock.advance(60)
        meters = town.service.snapshot.meters
        assert meters["far"].polls == 60
        assert meters["far"].lateness_s == 0.0
        assert meters["near"].polls + meters["near"].skipped in (59, 60)
        assert meters["near"].polls > 50
        assert not meters["silent"].is_alive
        assert "silent" in {event.name for event in town.service.events.newest()}

    play(scenario, "bus1", "bus2")


def test_of_a_silent_meter_only_the_first_empty_polls_are_kept(play: Play) -> None:
    store = ListStore()

    async def scenario(town: Town) -> None:
        await town.service.apply([link_of(meter_of("a", interval=1.0))])
        await town.clock.advance(10.5)
        town.units["bus"].raises = {1}
        await town.clock.advance(20)
        town.units["bus"].raises = set()
        await town.clock.advance(10)
        await town.service.stop()
        qualities = [poll.qualities[0] for poll in store.polls]
        assert qualities.count(Quality.NOT_READ) == 3
        assert qualities.count(Quality.GOOD) == town.service.snapshot.meters["a"].polls - 20

    play(scenario, "bus", store=store.as_store())


def test_rates_have_courses_and_keys_of_their_own(play: Play) -> None:
    store = ListStore()
    profile = profile_of(
        {"name": "word_0", "address": 0, "type": "uint16", "rate": "fast"},
        {"name": "word_4", "address": 4, "type": "uint16", "rate": "slow"},
        readable=[{"first": 0, "last": 0}, {"first": 4, "last": 4}],
    )

    async def scenario(town: Town) -> None:
        meter = meter_of("main", 2, profile=profile, rates=Rates(fast=1, slow=10, once=100))
        await town.service.apply([link_of(meter)])
        await town.clock.advance(30)
        state = town.service.snapshot.meters["main"]
        assert values_of(state, town) == {"word_0": 200, "word_4": 204}
        await town.service.stop()
        assert len(of_meter(store, "main")) == 30
        assert len(of_meter(store, "main@slow")) in (3, 4)
        assert state.polls == len(store.polls)

    play(scenario, "bus", store=store.as_store())


class Change:
    """A town with two links and five meters, before and after a change."""

    def __init__(self, town: Town, store: ListStore) -> None:
        self.town, self.store = town, store
        self.service = town.service
        self.bus1 = [meter_of(f"a{n}", n, interval=1.0) for n in (1, 2, 3)]
        self.bus2 = [meter_of(f"b{n}", n, interval=1.0) for n in (1, 2)]

    def links(self) -> list[ResolvedLink]:
        return [link_of(*self.bus1, name="bus1"), link_of(*self.bus2, name="bus2")]

    async def begin(self) -> None:
        await self.service.apply(self.links())
        await self.town.clock.advance(10.5)

    async def apply(self) -> None:
        await self.service.apply(self.links())
        await self.town.clock.advance(10)

    def known(self) -> dict[str, tuple[object, ...]]:
        """What makes each meter what it is while it runs."""
        return {
            name: tuple(
                part
                for course in courses
                for part in (course, course.reader, course.state, course.moments)
            )
            for link in self.service._links.values()
            for name, courses in link.courses.items()
        }

    def link(self, meter: str) -> Link:
        """The link a meter is on."""
        (found,) = (link for link in self.service._links.values() if meter in link.courses)
        return found.link

    async def assert_unbroken(self, *names: str) -> None:
        """These meters missed no second until the service was stopped."""
        polls = {name: self.service.snapshot.meters[name].polls for name in names}
        await self.service.stop()
        for name in names:
            times = of_meter(self.store, name)
            assert polls[name] == len(times)
            gaps = [b - a for a, b in pairwise(times)]
            assert len(times) >= 20
            assert max(gaps) < 1.01, f"{name} lost a poll"
            assert self.service.snapshot.meters[name].skipped == 0


@pytest.fixture
def change(play: Play) -> Callable[[Callable[[Change], Coroutine[Any, Any, None]]], None]:
    """Plays a scenario of a change."""

    def play_it(scenario: Callable[[Change], Coroutine[Any, Any, None]]) -> None:
        store = ListStore()

        async def whole(town: Town) -> None:
            found = Change(town, store)
            await found.begin()
            await scenario(found)

        play(whole, "bus1", "bus2", "bus3", store=store.as_store())

    return play_it


ChangePlay = Callable[[Callable[[Change], Coroutine[Any, Any, None]]], None]


def test_a_plan_that_says_the_same_changes_nothing(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        before = town.known()
        running = dict(town.service._links)
        same = PLAIN.model_copy()  # as a file read again gives it
        town.bus1 = [with_profile(meter, same) for meter in town.bus1]
        await town.apply()
        assert town.known() == before
        assert town.service._links == running
        await town.assert_unbroken("a1", "a2", "a3", "b1", "b2")

    change(scenario)


def test_a_meter_is_added_and_nobody_else_notices(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        before = town.known()
        link = town.link("a1")
        town.bus1.insert(0, meter_of("a9", 9, interval=1.0))
        await town.apply()
        after = town.known()
        assert {name: after[name] for name in before} == before
        assert town.link("a1") is town.link("a9") is link
        assert town.service.snapshot.meters["a9"].polls in (9, 10)
        assert list(town.service.snapshot.meters) == ["a9", "a1", "a2", "a3", "b1", "b2"]
        assert town.service.snapshot.links["bus1"].meters == ["a9", "a1", "a2", "a3"]
        await town.assert_unbroken("a1", "a2", "a3", "b1", "b2")

    change(scenario)


def test_a_meter_is_removed_and_nobody_else_notices(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        before = town.known()
        asked = len(town.town.units["bus1"].times(2))
        del town.bus1[1]
        await town.apply()
        assert town.known() == {name: before[name] for name in ("a1", "a3", "b1", "b2")}
        assert "a2" not in town.service.snapshot.meters
        assert len(town.town.units["bus1"].times(2)) == asked
        await town.assert_unbroken("a1", "a3", "b1", "b2")

    change(scenario)


@pytest.mark.parametrize(
    "changed",
    [
        meter_of("a2", 2, interval=2.0),
        meter_of("a2", 7, interval=1.0),
        meter_of("a2", 2, interval=1.0, points=("word_1",)),
        meter_of("a2", 2, interval=1.0, labels={"house": "4"}),
        meter_of("a2", 2, interval=1.0, profile=PLAIN.model_copy(update={"model": "z"})),
    ],
    ids=["interval", "unit", "points", "labels", "profile"],
)
def test_a_meter_that_changes_begins_anew_alone(change: ChangePlay, changed: ResolvedMeter) -> None:
    async def scenario(town: Change) -> None:
        before = town.known()
        seats = dict(town.service._links["bus1"].seats)
        town.bus1[1] = changed
        await town.apply()
        after = town.known()
        assert {name for name in before if after[name] == before[name]} == {"a1", "a3", "b1", "b2"}
        assert not set(after["a2"]) & set(before["a2"])
        assert town.service.snapshot.meters["a2"].info.unit == changed.unit
        assert town.service.snapshot.meters["a2"].is_alive
        assert town.service._links["bus1"].seats == seats
        await town.assert_unbroken("a1", "a3", "b1", "b2")

    change(scenario)


def test_a_link_that_changes_is_opened_anew_and_no_other(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        before, old = town.known(), town.link("a1")
        plan = link_of(*town.bus1, name="bus1", timeout=0.5)
        await town.service.apply([plan, town.links()[1]])
        await town.town.clock.advance(10)
        assert town.link("a1") is not old
        assert not old.is_open
        after = town.known()
        assert {name for name in before if after[name] == before[name]} == {"b1", "b2"}
        assert all(town.service.snapshot.meters[name].polls == 10 for name in ("a1", "a2", "a3"))
        await town.assert_unbroken("b1", "b2")

    change(scenario)


def test_links_come_and_go(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        gone = town.link("a1")
        plans = [town.links()[1], link_of(meter_of("c1", 5, interval=1.0), name="bus3")]
        await town.service.apply(plans)
        await town.town.clock.advance(10)
        assert not gone.is_open
        assert list(town.service.snapshot.links) == ["bus2", "bus3"]
        assert list(town.service.snapshot.meters) == ["b1", "b2", "c1"]
        assert town.service.snapshot.meters["c1"].polls in (9, 10)
        await town.assert_unbroken("b1", "b2")

    change(scenario)


def test_a_link_gets_another_name_and_waits_until_its_place_is_free(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        line = town.town.lines["bus1"]
        most = 0

        def counting(data: bytes, deliver: Callable[[], None]) -> None:
            nonlocal most
            most = max(most, len([end for end in line._ends if not end.is_closing()]) // 2)
            carry(data, deliver)

        carry = line._carry
        line._carry = counting  # type: ignore[method-assign]
        plan = link_of(*town.bus1, name="first floor", url="tcp://bus1")
        await town.service.apply([plan, town.links()[1]])
        await town.town.clock.advance(5)
        assert list(town.service.snapshot.links) == ["first floor", "bus2"]
        assert town.service.snapshot.meters["a1"].is_alive
        assert most == 1

    change(scenario)


def test_meters_move_to_another_link(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        town.bus2.append(town.bus1.pop())
        await town.apply()
        assert town.service.snapshot.links["bus1"].meters == ["a1", "a2"]
        assert town.service.snapshot.links["bus2"].meters == ["b1", "b2", "a3"]
        assert town.link("a3") is town.link("b1")
        assert town.service.snapshot.meters["a3"].polls in (9, 10)
        await town.assert_unbroken("a1", "a2", "b1", "b2")

    change(scenario)


def test_a_link_whose_meters_are_all_gone_has_no_fault(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        town.town.lines["bus1"].is_up = False
        town.town.lines["bus1"].cut()
        await town.town.clock.advance(2)
        assert town.service.snapshot.links["bus1"].fault
        town.bus1.clear()
        await town.apply()
        state = town.service.snapshot.links["bus1"]
        assert (state.meters, state.fault, state.wanted) == ([], "", 0.0)
        town.town.lines["bus1"].is_up = True
        town.bus1.append(meter_of("a1", 1, interval=1.0))
        await town.apply()
        assert town.service.snapshot.meters["a1"].is_alive

    change(scenario)


@pytest.mark.parametrize("place", [0, 3])
def test_a_bad_plan_changes_nothing(change: ChangePlay, place: int) -> None:
    async def scenario(town: Change) -> None:
        before, running = town.known(), dict(town.service._links)
        seats = town.service._seats
        free = (sorted(seats._free), seats._next)
        snapshot = town.service.snapshot
        shown = dict(snapshot.meters), dict(snapshot.links)
        bad = [meter_of(f"x{n}", n + 20) for n in range(3)]
        bad.insert(place, meter_of("bad", 77, profile=TOO_LONG))
        with pytest.raises(ConfigError):
            await town.service.apply([link_of(*town.bus1, *bad, name="bus1")])
        assert town.known() == before
        assert town.service._links == running
        assert (dict(snapshot.meters), dict(snapshot.links)) == shown
        # What was taken for it is free again.
        taken = seats._next - len(seats._free)
        assert taken == free[1] - len(free[0]) == 5
        await town.town.clock.advance(10)
        await town.assert_unbroken("a1", "a2", "a3", "b1", "b2")

    change(scenario)


def test_a_link_that_cannot_be_made_changes_nothing(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        before = town.known()
        extra = link_of(meter_of("c1"), name="bus3")
        bad = link_of(meter_of("d1"), name="bus4", url="tcp://nowhere")
        with pytest.raises(ConfigError):
            await town.service.apply([extra, *town.links(), bad])
        assert town.known() == before
        assert town.service._seats._next - len(town.service._seats._free) == 5
        await town.town.clock.advance(10)
        await town.assert_unbroken("a1", "a2", "a3", "b1", "b2")

    change(scenario)


def test_a_slow_poll_of_one_link_does_not_hold_up_the_change_of_another(
    change: ChangePlay,
) -> None:
    async def scenario(town: Change) -> None:
        town.town.units["bus1"].silent = {1}
        await town.town.clock.advance(0.6)  # bus1 waits for an answer now
        town.bus1.append(meter_of("a9", 9, interval=1.0))
        town.bus2.append(meter_of("b9", 9, interval=1.0))
        applying = asyncio.create_task(town.service.apply(town.links()))
        await until(lambda: "b9" in town.service._links["bus2"].courses)
        assert not applying.done()
        await town.town.clock.advance(10)
        await applying
        await town.town.clock.advance(5)
        assert town.service.snapshot.meters["b9"].is_alive
        await town.assert_unbroken("b1", "b2")

    change(scenario)


def test_a_poll_that_never_ends_is_cut_off_after_five_seconds(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        stuck = FakeReader(town.town.clock, lambda _: 1e6)
        town.service._links["bus1"].courses["a1"][0].reader = stuck  # type: ignore[assignment]
        await town.town.clock.advance(2)
        assert stuck.under_way == 1
        del town.bus1[0]
        worker = town.service._links["bus1"]._worker
        assert worker is not None
        applying = asyncio.create_task(town.service.apply(town.links()))
        await until(lambda: worker._is_stopping)
        await town.town.clock.advance(4.9)
        assert not applying.done()
        await town.town.clock.advance(0.2)
        await applying
        assert stuck.under_way == 0
        polls = town.service.snapshot.meters["a2"].polls
        await town.town.clock.advance(5)
        assert town.service.snapshot.meters["a2"].polls >= polls + 5

    change(scenario)


def test_a_link_between_a_fault_and_its_next_beginning_can_be_changed(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        taken = town.service._watch.look

        def broken(*_: object) -> None:
            raise ZeroDivisionError("somewhere deep")

        town.service._watch.look = broken  # type: ignore[assignment, method-assign]
        await town.town.clock.advance(1.6)
        town.service._watch.look = taken  # type: ignore[method-assign]
        assert "ZeroDivisionError: somewhere deep" in texts(town.service.events, "bus1")[0]
        town.bus1.append(meter_of("a9", 9, interval=1.0))
        now = town.town.clock.monotonic()
        await town.service.apply(town.links())  # at once: nothing is under way there
        assert town.town.clock.monotonic() == now
        await town.town.clock.advance(10)
        assert all(town.service.snapshot.meters[name].is_alive for name in ("a1", "a9"))

    change(scenario)


def test_a_fault_of_the_program_on_one_link_leaves_the_others_alone(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        look = town.service._watch.look

        def broken(course: Any, link: Any, poll: Any) -> None:
            if link.name == "bus1":
                raise ZeroDivisionError("somewhere deep")
            look(course, link, poll)

        town.service._watch.look = broken  # type: ignore[method-assign]
        await town.town.clock.advance(20)
        town.service._watch.look = look  # type: ignore[method-assign]
        polls = town.service.snapshot.meters["a1"].polls
        await town.town.clock.advance(60)
        assert town.service.snapshot.meters["a1"].polls > polls + 30
        await town.assert_unbroken("b1", "b2")

    change(scenario)


def test_changes_come_one_after_the_other(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        plans = []
        for number in range(4, 9):
            town.bus1.append(meter_of(f"a{number}", number, interval=1.0))
            plans.append(town.links())
        async with asyncio.TaskGroup() as group:
            for plan in plans:
                group.create_task(town.service.apply(plan))
        await town.town.clock.advance(10)
        assert list(town.service.snapshot.links["bus1"].meters) == [f"a{n}" for n in range(1, 9)]
        assert town.service.snapshot.meters["a8"].is_alive
        await town.assert_unbroken("a1", "a2", "a3", "b1", "b2")

    change(scenario)


def test_a_change_while_it_stops_begins_nothing(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        town.bus1.append(meter_of("a9", 9, interval=1.0))
        stopping = asyncio.create_task(town.service.stop())
        changing = asyncio.create_task(town.service.apply(town.links()))
        await stopping
        await changing
        asked = len(town.town.units["bus1"].asked)
        await town.town.clock.advance(20)
        assert len(town.town.units["bus1"].asked) == asked

    change(scenario)


def test_stopped_while_it_changes_nothing_goes_on(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        town.bus1.append(meter_of("a9", 9, interval=1.0))
        changing = asyncio.create_task(town.service.apply(town.links()))
        await asyncio.sleep(0)
        await town.service.stop()
        await changing
        asked = len(town.town.units["bus1"].asked)
        await town.town.clock.advance(20)
        assert len(town.town.units["bus1"].asked) == asked

    change(scenario)


def test_stopping_twice_is_stopping(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        await asyncio.gather(town.service.stop(), town.service.stop())
        await town.service.stop()
        assert not any(len(line._ends) for line in town.town.lines.values())

    change(scenario)


def test_stopped_it_keeps_what_a_poll_under_way_brings(play: Play) -> None:
    store = ListStore()

    async def scenario(town: Town) -> None:
        await town.service.apply([link_of(meter_of("a", interval=1.0))])
        await town.clock.advance(5.5)
        town.lines["bus"].latency_s = 0.2
        await town.clock.advance(0.6)
        asked = town.service.snapshot.meters["a"].polls
        stopping = asyncio.create_task(town.service.stop())
        await town.clock.advance(1)
        await stopping
        assert town.service.snapshot.meters["a"].polls == asked + 1
        assert len(store.polls) == asked + 1
        assert all(poll.qualities[0] is Quality.GOOD for poll in store.polls)

    play(scenario, "bus", store=store.as_store())


def test_what_was_learned_is_on_the_disk_when_it_has_stopped(play: Play, tmp_path: Path) -> None:
    profile = profile_of(
        {"name": "active_energy_import", "address": 0, "type": "uint32", "unit": "Wh"}
    )

    async def scenario(town: Town) -> None:
        await town.service.apply([link_of(meter_of("a", 3, profile=profile, interval=1.0))])
        await town.clock.advance(5)
        await town.service.stop()
        known = FileMemory("bus", 3, "x/y", folder=tmp_path / "meters").load()
        assert known is not None
        assert known.counts["active_energy_import"].value == 300 * 65536 + 301

    play(scenario, "bus", state_folder=tmp_path)


def test_a_meter_that_changes_remembers_what_it_learned_a_moment_ago(
    play: Play, tmp_path: Path
) -> None:
    profile = profile_of(
        {"name": "active_energy_import", "address": 0, "type": "uint32", "unit": "Wh"}
    )

    async def scenario(town: Town) -> None:
        await town.service.apply([link_of(meter_of("a", 3, profile=profile, interval=1.0))])
        await town.clock.advance(5)
        await town.service.apply([link_of(meter_of("a", 3, profile=profile, interval=2.0))])
        (course,) = town.courses()["a"]
        assert course.reader._experience.counts["active_energy_import"].value == 300 * 65536 + 301

    play(scenario, "bus", state_folder=tmp_path)


@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize("place", ["unit", "link", "profile", "rates"])
def test_a_meter_found_elsewhere_shows_no_jump_of_its_counters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str, is_running: bool
) -> None:
    energy = {"name": "active_energy_import", "address": 0, "type": "uint32", "unit": "kWh"}
    profile = profile_of(energy)
    other = profile_of({**energy, "address": 2}, name="x/z")
    before = [link_of(meter_of("a", 3, profile=profile, interval=1.0), name="bus")]
    meter = {
        "unit": meter_of("a", 4, profile=profile, interval=1.0),
        "link": meter_of("a", 5, profile=profile, interval=1.0),
        "profile": meter_of("a", 3, profile=other, interval=1.0),
        "rates": meter_of("a", 4, profile=profile, rates=Rates(fast=1.0, slow=2.0, once=9.0)),
    }[place]
    after = [link_of(meter, name="bus2" if place == "link" else "bus")]
    store = ListStore()

    async def scenario() -> None:
        keys = {"store": store.as_store(), "state_folder": tmp_path}
        async with Town.of(monkeypatch, "bus", "bus2", **keys) as town:
            await town.service.apply(before)
            await town.clock.advance(5)
            if is_running:
                await town.service.apply(after)
                await town.clock.advance(5)
        if not is_running:
            async with Town.of(monkeypatch, "bus", "bus2", **keys) as town:
                await town.service.apply(after)
                await town.clock.advance(5)

    run(scenario(), "asyncio")
    first, *_, last = store.polls
    assert (first.values, first.qualities) == ([300 * 65536 + 301], [Quality.GOOD])
    assert (last.values, last.qualities) == ([None], [Quality.WITHHELD])


def test_a_clock_that_is_set_is_told_and_polls_follow_it(play: Play) -> None:
    async def scenario(town: Town) -> None:
        await town.service.apply([link_of(meter_of("a", interval=10.0))])
        await town.clock.advance(60)
        polls = town.service.snapshot.meters["a"].polls
        town.clock.ahead_s -= 3603.0
        await town.clock.advance(60)
        state = town.service.snapshot.meters["a"]
        assert state.polls in (polls + 5, polls + 6, polls + 7)
        assert state.skipped == 0
        assert texts(town.service.events) == [
            "the computer's clock went back by 3603 s at once; polls follow it"
        ]
        start = DayClock().now().timestamp()
        on_clock = [(start + at - 3603) % 10 for at in town.units["bus"].times(1)[-3:]]
        assert on_clock == pytest.approx([0, 0, 0], abs=1e-3)

    play(scenario, "bus")


def test_a_service_that_was_stopped_says_so_once_and_blames_no_link(play: Play) -> None:
    async def scenario(town: Town) -> None:
        links = [link_of(meter_of("a", interval=1.0)), link_of(meter_of("b"), name="bus2")]
        await town.service.apply(links)
        await town.clock.advance(30.5)
        town.clock._elapsed_s += 8.0  # SIGSTOP: time passes, nothing happens
        await town.clock.advance(20)
        (text,) = texts(town.service.events)
        assert text == (
            "stood still for 8 s: it was stopped, or had no processor; polls of that time were "
            "passed over"
        )

    play(scenario, "bus", "bus2")


def test_a_link_with_too_much_to_do_says_so(play: Play) -> None:
    async def scenario(town: Town) -> None:
        town.lines["bus"].latency_s = 0.2  # there and back
        meters = [meter_of(f"m{n}", n, interval=1.0) for n in range(1, 5)]
        await town.service.apply([link_of(*meters)])
        await town.clock.advance(60)
        state = town.service.snapshot.links["bus"]
        assert state.utilisation == pytest.approx(1.0, abs=0.1)
        assert state.wanted == pytest.approx(1.6, abs=0.1)
        assert state.skipped > 0
        told = texts(town.service.events, "bus")
        assert len(told) == 1
        assert "cannot keep its schedule" in told[0]

    play(scenario, "bus")


def test_requests_in_flight_are_polls_in_flight(play: Play) -> None:
    async def scenario(town: Town) -> None:
        town.lines["bus"].latency_s = 0.2
        meters = [meter_of(f"m{n}", n, interval=1.0) for n in range(1, 9)]
        await town.service.apply([link_of(*meters, url="tcp://bus?in_flight=8")])
        await town.clock.advance(30)
        found = town.service.snapshot.meters.values()
        assert all(state.polls >= 28 for state in found)
        assert texts(town.service.events) == []

    play(scenario, "bus")


def test_reloads_leave_nothing_behind(change: ChangePlay) -> None:
    async def scenario(town: Change) -> None:
        for number in range(30):
            fresh = PLAIN.model_copy()  # each reload reads the profiles anew
            town.bus1 = [
                meter_of(f"n{number}-{n}", n, profile=fresh, interval=1.0) for n in (1, 2, 3)
            ]
            await town.service.apply(town.links())
        service = town.service
        assert len(service.snapshot.meters) == 5
        assert service._seats._next <= 8
        assert len(service._maker._kinds) <= 2
        assert len(service._supervisor._tasks) == 4
        await town.town.clock.advance(3)
        await town.service.stop()
        assert not service._supervisor._tasks

    change(scenario)


def url_of(meter: Any) -> str:
    return f"tcp://127.0.0.1:{meter.port}"


@on_each_loop
def test_simulated_meters_are_read_over_sockets_into_a_store(
    loop: str, tmp_path: Path, simulated_meter: MeterFactory
) -> None:
    profile = ProfileLibrary([]).load("sdm120")
    doubles = [simulated_meter(profile.name, seed=seed, unit=1) for seed in range(3)]

    def links() -> Sequence[ResolvedLink]:
        found = []
        for number, double in enumerate(doubles):
            entry = MeterEntry(
                name=f"m{number}", link=f"l{number}", unit=1, profile="sdm120", interval=0.05
            )
            meter = ResolvedMeter(entry, profile, profile.readable_points)
            link = LinkEntry(name=f"l{number}", url=url_of(double), timeout=2.0)
            found.append(ResolvedLink(link, parse_wire(link.url), (meter,)))
        return found

    async def scenario() -> None:
        store = SqliteStore(tmp_path / "x.db")
        service = Service("town", store=store, state_folder=tmp_path)
        await service.start()
        try:
            await service.apply(links())
            meters = service.snapshot.meters
            await until(lambda: all(state.polls >= 5 for state in meters.values()))
        finally:
            await service.stop()
        assert texts(service.events) == []
        assert service.snapshot.store.stored == sum(state.polls for state in meters.values())
        latest = store.latest()
        assert set(latest) == {"m0", "m1", "m2"}
        for name, state in meters.items():
            shown = {reading.name: reading.value for reading in state.reports[0] or ()}
            series = [each.name for each in latest[name].layout.series]
            assert dict(zip(series, latest[name].values, strict=True)) == shown
            assert shown["voltage_phase_a"] == pytest.approx(230, abs=30)
        store.close()

    run(scenario(), loop)
