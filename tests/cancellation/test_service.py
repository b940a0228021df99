"""Cancelling a change or the end of a service anywhere: it is made whole, or not at all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final

import pytest
from tests.service.benching import DayClock, ListStore, Town, link_of, meter_of
from tests.support.loops import on_each_loop, run, turns

from energymeter.service.service import Service
from energymeter.service.unbroken import unbroken
from energymeter.site import ResolvedLink

AT_ONCE: Final = 20
"""Steps in which no time passes; what can happen at one moment takes fewer turns of the loop."""

MOST_STEPS: Final = 60

A = [meter_of(f"a{n}", n, interval=1.0) for n in (1, 2, 3)]
B = [meter_of(f"b{n}", n, interval=1.0) for n in (1, 2)]


def plans(*, is_changed: bool) -> list[ResolvedLink]:
    """Two links; changed, one loses and gains a meter, and there is a third."""
    if not is_changed:
        return [link_of(*A, name="bus1"), link_of(*B, name="bus2")]
    return [
        link_of(*A[1:], meter_of("a9", 9, interval=1.0), name="bus1"),
        link_of(*B, name="bus2"),
        link_of(meter_of("c1", 1, interval=1.0), name="bus3"),
    ]


OLD: Final = ["a1", "a2", "a3", "b1", "b2"]
NEW: Final = ["a2", "a3", "a9", "b1", "b2", "c1"]


async def at_once(call: Callable[..., Any], *args: Any) -> Any:
    """As `asyncio.to_thread`, in one turn of the loop: so steps mean the same each time."""
    await asyncio.sleep(0)
    return call(*args)


async def cancelled_after(step: int, work: Coroutine[Any, Any, None], town: Town) -> bool:
    """Cancel it after so many steps, once or more; returns whether it was not done yet."""
    task = asyncio.create_task(work)
    for number in range(step):
        await (asyncio.sleep(0) if number < AT_ONCE else town.clock.advance(0.25))
    for _ in range(1 + step % 3):
        if not task.cancel():
            break
        await turns(1)
    await ended(task, town)
    return task.cancelled()


async def ended(task: asyncio.Task[None], town: Town) -> None:
    """Let time pass until it is done, and connections are closed that it closed."""
    while not task.done():
        await town.clock.advance(0.1)
        await asyncio.sleep(0.0005)
    with suppress(asyncio.CancelledError):
        await task
    await town.clock.advance(1)


def play(
    monkeypatch: pytest.MonkeyPatch,
    loop: str,
    scenario: Callable[[Town, ListStore, int], Coroutine[Any, Any, bool]],
) -> None:
    """Play it again and again and cancel one turn later, until there is nothing to cancel."""
    monkeypatch.setattr(asyncio, "to_thread", at_once)
    for step in range(MOST_STEPS):

        async def once(step: int = step) -> bool:
            store = ListStore()
            hosts = ("bus1", "bus2", "bus3")
            async with Town.of(monkeypatch, *hosts, store=store.as_store()) as town:
                await town.service.apply(plans(is_changed=False))
                await town.clock.advance(5.5)
                # A poll is under way on bus1, and takes another second.
                town.lines["bus1"].latency_s = 0.5
                await town.clock.advance(0.6)
                return await scenario(town, store, step)

        if not run(once(), loop):
            assert step > 5
            return
    pytest.fail(f"it was not done after {MOST_STEPS} steps")


def times_of(store: ListStore, name: str) -> list[float]:
    start_us = int(DayClock().now().timestamp() * 1e6)
    return [(poll.time_us - start_us) / 1e6 for poll in store.polls if poll.meter == name]


async def assert_runs(town: Town, names: list[str]) -> None:
    """These meters and no others are polled every second, each once."""
    town.lines["bus1"].latency_s = 0.0
    await town.clock.advance(2)
    states = town.service.snapshot.meters
    assert list(states) == names
    before = {name: states[name].polls for name in names}
    await town.clock.advance(4)
    assert {name: states[name].polls - before[name] for name in names} == dict.fromkeys(names, 4)
    assert all(len(line._ends) <= 2 for line in town.lines.values())
    taken = town.service._seats._next - len(town.service._seats._free)
    assert taken == len(names)


@on_each_loop
def test_a_change_cancelled_anywhere_is_made_or_not_and_can_be_made_again(
    monkeypatch: pytest.MonkeyPatch, loop: str
) -> None:
    async def scenario(town: Town, store: ListStore, step: int) -> bool:
        change = town.service.apply(plans(is_changed=True))
        was_cancelled = await cancelled_after(step, change, town)
        is_made = "c1" in town.service.snapshot.meters
        assert is_made or was_cancelled
        await assert_runs(town, NEW if is_made else OLD)
        await town.service.apply(plans(is_changed=True))
        await assert_runs(town, NEW)
        await town.stop()
        for name in ("b1", "b2"):
            times_s = times_of(store, name)
            gaps = [b - a for a, b in pairwise(times_s)]
            assert max(gaps) < 1.01, f"{name} lost a poll"
        assert max(Counter((poll.meter, poll.time_us) for poll in store.polls).values()) == 1
        return was_cancelled

    play(monkeypatch, loop, scenario)


@on_each_loop
def test_an_end_cancelled_anywhere_comes_and_what_came_is_kept_once(
    monkeypatch: pytest.MonkeyPatch, loop: str
) -> None:
    async def scenario(town: Town, store: ListStore, step: int) -> bool:
        service = town.service
        was_cancelled = await cancelled_after(step, service.stop(), town)
        if service._is_stopped:
            # Nothing is left over, though nobody calls it again.
            assert not service._supervisor._tasks
            assert not any(line._ends for line in town.lines.values())
        await town.stop()
        assert service._is_stopped
        assert len(store.polls) == sum(service.snapshot.lateness.counts)
        assert max(Counter((poll.meter, poll.time_us) for poll in store.polls).values()) == 1
        return was_cancelled

    play(monkeypatch, loop, scenario)


@on_each_loop
def test_an_end_cancelled_while_a_change_is_made_can_be_made_again(
    monkeypatch: pytest.MonkeyPatch, loop: str
) -> None:
    async def scenario(town: Town, store: ListStore, step: int) -> bool:
        change = asyncio.create_task(town.service.apply(plans(is_changed=True)))
        await turns(3)
        was_cancelled = await cancelled_after(step, town.service.stop(), town)
        await ended(change, town)
        await town.stop()
        assert not town.service._supervisor._tasks
        assert len(store.polls) == sum(town.service.snapshot.lateness.counts)
        return was_cancelled

    play(monkeypatch, loop, scenario)


@on_each_loop
def test_a_beginning_cancelled_anywhere_can_be_ended(
    monkeypatch: pytest.MonkeyPatch, loop: str
) -> None:
    async def scenario(town: Town, _: ListStore, step: int) -> bool:
        service = Service("other", clock=town.clock)
        await service.start()
        was_cancelled = await cancelled_after(step, service.apply(plans(is_changed=True)), town)
        await ended(asyncio.create_task(service.stop()), town)
        assert not service._supervisor._tasks
        return was_cancelled or step < 6

    play(monkeypatch, loop, scenario)


@on_each_loop
def test_unbroken_work_comes_to_its_end_whenever_it_is_cancelled(loop: str) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        hurried: list[int] = []
        done: list[int] = []

        async def work() -> None:
            await gate.wait()
            done.append(1)

        task = asyncio.create_task(unbroken(work(), lambda: hurried.append(1)))
        await turns(2)
        for _ in range(3):
            task.cancel()
            await turns(2)
        assert not task.done()
        gate.set()
        await asyncio.wait([task])
        assert task.cancelled()
        assert (done, hurried) == ([1], [1, 1, 1])

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("is_cancelled", [False, True])
def test_an_error_of_unbroken_work_is_raised_unless_it_was_cancelled(
    loop: str, is_cancelled: bool
) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()

        async def work() -> None:
            await gate.wait()
            raise LookupError

        task = asyncio.create_task(unbroken(work()))
        await turns(2)
        if is_cancelled:
            task.cancel()
        await turns(2)
        gate.set()
        with pytest.raises(asyncio.CancelledError if is_cancelled else LookupError):
            await task

    run(scenario(), loop)
