"""Cancelling a forwarder: what the sink had is behind it, and the rest comes with the next run."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.service.journaling import Rig, polls, running
from tests.support.cancelling import at_every_step, cancel_at, once_it_runs
from tests.support.loops import on_each_loop, run, until

from energymeter.clock import ManualClock
from energymeter.errors import SinkUnavailableError
from energymeter.service.journal import Journal


def first_time(numbers: list[int]) -> list[int]:
    return list(dict.fromkeys(numbers))


@on_each_loop
@at_every_step
def test_a_forwarder_cancelled_anywhere_goes_on_with_the_next_poll(
    tmp_path: Path, step: int, loop: str
) -> None:
    async def scenario() -> None:
        journal = Journal(tmp_path)
        box = Rig(journal, ManualClock())
        forwarder = box.forwarder()
        journal.append(polls(range(35)))
        await cancel_at(step, forwarder.run())
        assert box.sink.calls == [] or box.sink.calls[-1] == "close"
        async with running(forwarder):
            await until(box.is_done)
        journal.close()
        assert first_time(box.sink.numbers) == list(range(35))
        # At most the batch that was under way comes twice.
        assert len(box.sink.numbers) <= 45

    run(scenario(), loop)


@on_each_loop
@at_every_step
def test_a_forwarder_cancelled_anywhere_leaves_the_position_right(
    tmp_path: Path, step: int, loop: str
) -> None:
    async def scenario() -> None:
        numbers: list[int] = []
        for life in range(2):
            journal = Journal(tmp_path)
            box = Rig(journal, ManualClock())
            forwarder = box.forwarder()
            if life == 0:
                journal.append(polls(range(35)))
                await cancel_at(step, forwarder.run())
            else:
                async with running(forwarder):
                    await until(box.is_done)
            numbers += box.sink.numbers
            journal.close()
        assert first_time(numbers) == list(range(35))
        assert len(numbers) <= 45

    run(scenario(), loop)


@on_each_loop
@at_every_step
def test_thinning_forgets_no_window_when_it_is_cancelled(
    tmp_path: Path, step: int, loop: str
) -> None:
    async def scenario() -> None:
        journal = Journal(tmp_path)
        box = Rig(journal, ManualClock())
        box.options = {"every_s": 10.0, "batch": 2}
        forwarder = box.forwarder()
        journal.append(polls(range(60)))
        await cancel_at(step, forwarder.run())
        async with running(forwarder):
            await until(box.is_done)
        journal.close()
        assert first_time(box.sink.numbers) == [0, 10, 20, 30, 40, 50]

    run(scenario(), loop)


@on_each_loop
@once_it_runs
def test_closing_that_is_cancelled_leaves_the_forwarder_closing(
    tmp_path: Path, step: int, loop: str
) -> None:
    async def scenario() -> None:
        journal = Journal(tmp_path)
        box = Rig(journal, ManualClock())
        forwarder = box.forwarder()
        async with running(forwarder) as task:
            await until(lambda: "open" in box.sink.calls)
            journal.append(polls(range(35)))
            await cancel_at(step, forwarder.close(10.0))
            await until(task.done)
        journal.close()
        assert box.sink.numbers == list(range(35))

    run(scenario(), loop)


@on_each_loop
def test_a_forwarder_cancelled_in_its_pause_ends_at_once(tmp_path: Path, loop: str) -> None:
    async def scenario() -> None:
        journal = Journal(tmp_path)
        box = Rig(journal, ManualClock())
        box.sink.fails = SinkUnavailableError("away")
        forwarder = box.forwarder()
        journal.append(polls(range(3)))
        task = asyncio.create_task(forwarder.run())
        await until(lambda: bool(box.state.fault))
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await box.clock.advance(100.0)
        assert box.sink.calls == ["open", "send", "close"]
        assert box.waiting == 3
        journal.close()

    run(scenario(), loop)
