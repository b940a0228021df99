"""One stream of what happens: kept, logged, listened to, bounded."""

from __future__ import annotations

import logging

import pytest
from tests.support.loops import run

from energymeter.clock import ManualClock
from energymeter.service.events import EventStream, Level, Topic


def stream_with(count: int) -> EventStream:
    events = EventStream(ManualClock())
    for number in range(1, count + 1):
        events.tell(Level.INFO, Topic.METER, "m1", f"event {number}")
    return events


def test_events_are_numbered_and_timed() -> None:
    clock = ManualClock()
    events = EventStream(clock)
    events.tell(Level.WARNING, Topic.LINK, "bus1", "is gone")
    events.tell(Level.INFO, Topic.LINK, "bus1", "is there again")

    first, second = events.newest()
    assert (first.number, second.number) == (1, 2)
    assert first.time == clock.now()
    assert first[2:] == (Level.WARNING, Topic.LINK, "bus1", "is gone")


def test_the_newest_are_kept_however_many_come() -> None:
    found = stream_with(5000).newest()

    assert len(found) == 2000
    assert [found[0].number, found[-1].number] == [3001, 5000]


def test_so_many_or_only_later_ones_are_given() -> None:
    events = stream_with(10)

    assert [event.number for event in events.newest(3)] == [8, 9, 10]
    assert [event.number for event in events.newest(after=8)] == [9, 10]
    assert [event.number for event in events.newest(1, after=8)] == [10]
    assert events.newest(0) == []
    assert events.newest(after=10) == []


@pytest.mark.parametrize(
    ("level", "logged"),
    [(Level.INFO, logging.INFO), (Level.WARNING, logging.WARNING), (Level.ERROR, logging.ERROR)],
)
def test_each_is_logged_as_a_line(
    level: Level, logged: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "energymeter.events")
    events = EventStream(ManualClock())
    events.tell(level, Topic.LINK, "bus1", "is gone")
    events.tell(level, Topic.STORE, "", "100 % full")

    assert caplog.messages == ["link bus1: is gone", "store: 100 % full"]
    assert [record.levelno for record in caplog.records] == [logged, logged]
    assert caplog.records[0].__dict__["subject"] == "bus1"


def test_who_listens_hears_what_comes_from_then_on() -> None:
    async def scenario() -> None:
        events = stream_with(3)
        with events.listening() as one, events.listening() as other:
            events.tell(Level.INFO, Topic.SITE, "", "reloaded")
            assert (await one.get()).text == (await other.get()).text == "reloaded"
            assert one.empty()
        events.tell(Level.INFO, Topic.SITE, "", "reloaded")
        assert one.empty()
        assert not events._listeners

    run(scenario())


def test_who_does_not_listen_misses_the_oldest_and_holds_up_nobody() -> None:
    async def scenario() -> None:
        events = EventStream(ManualClock())
        with events.listening() as idle, events.listening() as busy:
            heard = 0
            for number in range(1, 3001):
                events.tell(Level.INFO, Topic.METER, "m1", f"event {number}")
                busy.get_nowait()
                heard += 1
            assert heard == 3000
            assert idle.qsize() == 1000
            assert idle.get_nowait().number == 2001

    run(scenario())


def test_a_listener_that_fails_is_forgotten() -> None:
    async def scenario() -> None:
        events = EventStream(ManualClock())
        with pytest.raises(ZeroDivisionError), events.listening():
            raise ZeroDivisionError
        assert not events._listeners

    run(scenario())
