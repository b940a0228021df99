"""A forwarder brings a sink everything, in order, whatever the sink does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.service.journaling import (
    NUMBERED,
    OTHER,
    PLENTY,
    Rig,
    drain,
    infos,
    left,
    poll,
    polls,
    running,
)
from tests.support.loops import on_each_loop, run, until

from energymeter.clock import ManualClock
from energymeter.errors import ConfigError, SinkRejectedError, SinkUnavailableError
from energymeter.reader import Quality
from energymeter.service.events import Level
from energymeter.service.forwarder import Forwarder
from energymeter.service.journal import Journal

AWAY = SinkUnavailableError("no broker at broker:1883")


@asynccontextmanager
async def rig(folder: Path) -> AsyncIterator[Rig]:
    clock = ManualClock()
    journal = Journal(folder, clock=clock)
    try:
        yield Rig(journal, clock)
    finally:
        journal.close()


def append(rig: Rig, forwarder: Forwarder, *numbers: int) -> None:
    rig.journal.append(polls(numbers))
    forwarder.wake()


async def passes(rig: Rig, seconds: float, condition: Callable[[], bool]) -> None:
    """Let time go by, a second at a time, until `condition` holds or `seconds` are over."""
    for _ in range(round(seconds)):
        if condition():
            return
        await rig.clock.advance(1.0)
        await asyncio.sleep(0.005)  # what goes on in threads has its own time
    await until(condition)


def has_sent_again(rig: Rig, sends: int) -> bool:
    return rig.sink.calls.count("send") > sends


def has_sent(rig: Rig, count: int) -> bool:
    return rig.state.sent == count


@on_each_loop
def test_what_is_appended_reaches_the_sink_in_batches_and_in_order(
    tmp_path: Path, loop: str
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            async with running(forwarder):
                append(box, forwarder, *range(25))
                await until(lambda: box.state.sent == 25)
                append(box, forwarder, 25)
                await until(lambda: box.state.sent == 26)
            assert box.sink.numbers == list(range(26))
            assert box.sink.calls == ["open", *["send"] * 4, "close"]
            assert set(box.sink.meters) == {"main", "side"}
            assert (box.state.sent, box.state.waiting, box.state.dropped) == (26, 0, 0)
            assert box.told == []

    run(scenario(), loop)


def test_a_sink_gets_the_meters_and_values_it_asked_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            box.options = {
                "meters": infos("main", "side", "main_2"),
                "meter_patterns": ("main*",),
                "points": ("h?lf", "text"),
            }
            forwarder = box.forwarder()
            async with running(forwarder):
                box.journal.append(
                    [
                        poll(1, "side"),
                        poll(2, "main@slow"),
                        poll(3, "main_2", OTHER),
                        poll(4)._replace(qualities=(Quality.GOOD, Quality.STALE)),
                    ]
                )
                forwarder.wake()
                await until(lambda: len(box.sink.got) == 3)
            assert set(box.sink.meters) == {"main", "main_2"}
            assert [
                (found.meter, [(v.series, v.value, v.quality) for v in found.values])
                for found in box.sink.got
            ] == [
                ("main", [(NUMBERED.series[1], 1.0, Quality.GOOD)]),
                ("main_2", [(OTHER.series[1], "no 3", Quality.GOOD)]),
                ("main", [(NUMBERED.series[1], 2.0, Quality.STALE)]),
            ]

    run(scenario())


def test_a_poll_without_a_value_the_sink_asked_for_is_passed_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            box.options = {"points": ("text",)}
            forwarder = box.forwarder()
            async with running(forwarder):
                append(box, forwarder, *range(30))
                await until(lambda: box.state.waiting == 0)
            assert "send" not in box.sink.calls
            assert box.state.dropped == 0

    run(scenario())


def test_at_most_one_poll_of_a_meter_in_each_window_of_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            box.options = {"every_s": 10.0, "batch": 4}
            forwarder = box.forwarder()
            async with running(forwarder):
                for number in range(5, 35):
                    box.journal.append([poll(number), poll(number, "main@slow")])
                forwarder.wake()
                await until(lambda: box.state.waiting == 0)
            # Courses of one meter carry different values: each has its own windows.
            assert box.sink.numbers == [n for n in (5, 10, 20, 30) for _ in range(2)]

    run(scenario())


@on_each_loop
def test_an_outage_of_minutes_loses_nothing_and_is_told_once(tmp_path: Path, loop: str) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            box.sink.fails = AWAY
            async with running(forwarder):
                for minute in range(5):
                    append(box, forwarder, *range(minute * 10, minute * 10 + 10))
                    sends = box.sink.calls.count("send")
                    await passes(box, 60, partial(has_sent_again, box, sends))
                    await box.clock.advance(30)
                assert box.fault == ("no broker at broker:1883", True)
                assert box.state.waiting == 50
                assert box.sink.calls[:6] == ["open", "send", "close"] * 2
                box.sink.fails = None
                await passes(box, 60, lambda: len(box.sink.got) == 50)
                await until(lambda: box.state.waiting == 0)
            assert box.sink.numbers == list(range(50))
            assert box.fault == ("", False)
            failed, recovered = box.told
            assert (failed.level, recovered.level) == (Level.WARNING, Level.INFO)
            assert failed.text.startswith("no broker at broker:1883; readings wait")
            assert "50 polls waited" in recovered.text

    run(scenario(), loop)


def test_pauses_grow_while_a_sink_cannot_be_opened(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            box.sink.open_fails = AWAY
            async with running(forwarder):
                await until(lambda: bool(box.state.fault))
                opened = [0]
                for second in range(1, 40):
                    before = box.sink.calls.count("open")
                    await box.clock.advance(1.0)
                    opened += [second] * (box.sink.calls.count("open") - before)
                box.sink.open_fails = None
                await passes(box, 10, lambda: not box.state.fault)
            gaps = [b - a for a, b in pairwise(opened)]
            assert gaps[:5] == [1, 2, 4, 8, 8]
            assert [event.level for event in box.told] == [Level.WARNING, Level.INFO]

    run(scenario())


@on_each_loop
def test_a_sink_that_hangs_is_given_up_and_tried_again(tmp_path: Path, loop: str) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            box.sink.hangs = True
            async with running(forwarder):
                append(box, forwarder, 1, 2)
                await until(lambda: "send" in box.sink.calls)
                await box.clock.advance(29.0)
                assert box.fault == ("", False)
                await box.clock.advance(1.0)
                await until(lambda: box.sink.calls[-1] == "close")
                assert box.fault == ("it did not answer within 30 s", True)
                box.sink.hangs = False
                await passes(box, 10, lambda: len(box.sink.got) == 2)
            assert box.sink.numbers == [1, 2]

    run(scenario(), loop)


def test_a_sink_that_hangs_holds_up_no_other_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as hung:
            fine = Rig(hung.journal, hung.clock, "fine")
            hung.sink.hangs = True
            forwarders = hung.forwarder(), fine.forwarder()
            async with running(forwarders[0]), running(forwarders[1]):
                for number in range(0, 100, 5):
                    hung.journal.append(polls(range(number, number + 5)))
                    for forwarder in forwarders:
                        forwarder.wake()
                await until(lambda: fine.state.sent == 100)
                assert (hung.state.waiting, fine.state.waiting) == (100, 0)
            assert fine.sink.numbers == list(range(100))
            assert hung.sink.got == []

    run(scenario())


def test_what_is_rejected_is_dropped_counted_and_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            box.sink.fails = SinkRejectedError("the bucket has another schema")
            async with running(forwarder):
                append(box, forwarder, *range(10))
                await until(lambda: box.state.dropped == 10)
                append(box, forwarder, *range(10, 30))
                await until(lambda: box.state.dropped == 30)
                assert not box.state.fault
                (told,) = box.told
                assert told.level is Level.WARNING
                assert told.text == "10 polls lost: rejected: the bucket has another schema"
                await box.clock.advance(60.0)
                box.sink.fails = None
                append(box, forwarder, 30)
                await until(lambda: box.state.sent == 1)
            assert box.sink.numbers == [30]
            assert box.told[1].text.startswith("20 polls lost, 30 in all: rejected")
            assert box.sink.calls.count("open") == 1

    run(scenario())


def test_a_fault_in_a_sink_is_told_as_an_error_and_tried_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            box.sink.fails = KeyError("voltage")
            async with running(forwarder):
                append(box, forwarder, 1)
                await until(lambda: bool(box.state.fault))
                box.sink.fails = None
                await passes(box, 10, lambda: box.state.sent == 1)
            assert box.sink.numbers == [1]
            assert [event.level for event in box.told] == [Level.ERROR, Level.INFO]
            assert "KeyError: 'voltage'" in box.told[0].text

    run(scenario())


def test_an_error_of_the_system_is_an_outage_like_any_other(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            box.sink.fails = ConnectionResetError("reset by peer")
            async with running(forwarder):
                append(box, forwarder, 1)
                await until(lambda: bool(box.state.fault))
                box.sink.fails = None
                await passes(box, 10, lambda: box.state.sent == 1)
            assert box.sink.numbers == [1]
            assert [event.level for event in box.told] == [Level.WARNING, Level.INFO]

    run(scenario())


def test_a_sink_that_is_set_up_wrong_is_not_tried_again_and_its_polls_wait(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            box.sink.open_fails = ConfigError("no file ca.pem")
            async with running(forwarder) as task:
                append(box, forwarder, 1, 2)
                await until(lambda: bool(box.state.fault))
                await box.clock.advance(1000.0)
                forwarder.wake()
                assert box.sink.calls == ["open", "close"]
                assert box.state.waiting == 2
                (told,) = box.told
                assert told.level is Level.ERROR
                await forwarder.close(1.0)
                await until(task.done)
            assert drain(box.journal.reader("box", most_bytes=PLENTY)) == [1, 2]

    run(scenario())


def test_polls_beyond_the_bound_are_dropped_counted_and_told_once_a_minute(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            box.most_bytes = 10_000
            box.sink.fails = AWAY
            forwarder = box.forwarder()
            async with running(forwarder):
                append(box, forwarder, 0)
                await until(lambda: bool(box.state.fault))
                for start in range(1, 401, 20):
                    append(box, forwarder, *range(start, start + 20))
                dropped = box.state.dropped
                assert dropped > 0
                assert [event.level for event in box.told] == [Level.WARNING] * 2
                assert "more than 0.01 MB waited" in box.told[-1].text
                await box.clock.advance(60.0)
                append(box, forwarder, *range(401, 421))
                assert len(box.told) == 3
                assert f"{box.state.dropped} in all" in box.told[-1].text
                box.sink.fails = None
                await passes(box, 10, lambda: box.state.waiting == 0 and bool(box.sink.got))
            # The first was in hand already; behind it those that were dropped are missing.
            assert box.sink.numbers == [0, *range(box.state.dropped + 1, 421)]
            assert box.state.sent + box.state.dropped == 421

    run(scenario())


def test_one_that_takes_over_a_sink_goes_on_counting_and_tells_nothing_twice(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            box.most_bytes = 10_000
            forwarder = box.forwarder()
            box.sink.fails = SinkRejectedError("no such bucket")
            async with running(forwarder):
                append(box, forwarder, *range(200))
                await until(box.is_done)
            lost = box.state.dropped
            assert lost == 200
            told = len(box.told)
            box.sink.fails = None
            successor = box.forwarder()
            async with running(successor):
                append(box, successor, 200)
                await until(lambda: box.state.sent == 1)
            assert box.state.dropped == lost
            assert len(box.told) == told

    run(scenario())


def test_polls_of_a_meter_the_site_no_longer_has_are_counted_and_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            async with running(forwarder):
                box.journal.append([poll(1, "gone"), poll(2), poll(3, "gone@slow")])
                forwarder.wake()
                await until(lambda: box.state.waiting == 0)
            assert box.sink.numbers == [2]
            assert box.state.dropped == 2
            assert box.told[0].text == "2 polls lost: the site has no meter gone any more"

    run(scenario())


@on_each_loop
def test_closing_passes_on_what_waits_and_closes_the_sink(tmp_path: Path, loop: str) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            async with running(forwarder) as task:
                await until(lambda: "open" in box.sink.calls)
                box.journal.append(polls(range(95)))
                await forwarder.close(10.0)
                await until(task.done)
                assert box.sink.calls[-1] == "close"
            assert box.sink.numbers == list(range(95))
        assert left(tmp_path) == []

    run(scenario(), loop)


@on_each_loop
def test_closing_waits_for_a_sink_that_hangs_until_the_deadline(tmp_path: Path, loop: str) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            async with running(forwarder) as task:
                append(box, forwarder, *range(5))
                await until(lambda: box.state.sent == 5)
                box.sink.hangs = True
                append(box, forwarder, *range(5, 15))
                closing = asyncio.create_task(forwarder.close(10.0))
                await until(lambda: box.sink.calls[-2:] == ["send", "send"])
                await box.clock.advance(9.0)
                assert not closing.done()
                await box.clock.advance(1.0)
                await closing
                await until(task.done)
                assert box.sink.calls[-1] == "close"
                assert task.exception() is None
        assert left(tmp_path) == list(range(5, 15))

    run(scenario(), loop)


def test_closing_does_not_wait_for_a_sink_that_is_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            box.sink.fails = AWAY
            async with running(forwarder) as task:
                append(box, forwarder, 1, 2)
                await until(lambda: bool(box.state.fault))
                await forwarder.close(1000.0)
                await until(task.done)
        assert left(tmp_path) == [1, 2]

    run(scenario())


def test_a_forwarder_that_does_not_run_is_closed_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            await forwarder.close(10.0)
            await forwarder.run()
            assert box.sink.calls == []

    run(scenario())


def test_after_a_restart_the_rest_is_passed_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        got: list[Any] = []
        for life in range(3):
            async with rig(tmp_path) as box:
                forwarder = box.forwarder()
                async with running(forwarder):
                    append(box, forwarder, *range(life * 20, life * 20 + 20))
                    await until(partial(has_sent, box, 20))
                    box.sink.fails = AWAY
                got += box.sink.numbers
        assert got == list(range(60))

    run(scenario())


def test_a_journal_that_cannot_be_read_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as box:
            forwarder = box.forwarder()
            box.journal.append(polls(range(3)))

            def refuse(*_args: object, **_options: object) -> None:
                raise OSError(24, "too many open files")

            with monkeypatch.context() as broken:
                broken.setattr(Path, "open", refuse)
                async with running(forwarder):
                    await until(lambda: bool(box.state.fault))
                    assert box.state.fault == "the journal cannot be read (too many open files)"
                    broken.undo()
                    await passes(box, 10, lambda: len(box.sink.got) == 3)
            assert box.sink.numbers == [0, 1, 2]

    run(scenario())
