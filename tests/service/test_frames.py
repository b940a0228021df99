"""The frames on a link: heard by whoever listens just now, and free while nobody does."""

from __future__ import annotations

import asyncio

import pytest
from tests.service.benching import Town, link_of, meter_of
from tests.support.loops import on_each_loop, run

from energymeter.service import frames as frames_module
from energymeter.service.frames import FrameEvent, FrameKind
from energymeter.site import ResolvedLink

BUS = link_of(meter_of("m1", 1, interval=1.0), meter_of("m2", 2, interval=1.0))


def heard(queue: asyncio.Queue[FrameEvent]) -> list[FrameEvent]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


@on_each_loop
def test_the_link_is_tapped_only_while_somebody_listens(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with Town.of(monkeypatch, "bus") as town:
            await town.service.apply([BUS])
            stream = town.service.frames("bus")
            link = town.service.snapshot.links["bus"].link
            await town.clock.advance(3)
            assert link.tap is None
            with stream.listening() as one:
                assert link.tap is stream
                await town.clock.advance(3)
                with stream.listening() as other:
                    await town.clock.advance(3)
                    late = heard(other)
                # One is left.
                assert link.tap is stream
                await town.clock.advance(3)
                events = heard(one)
            assert link.tap is None
            await town.clock.advance(3)
            assert one.empty()
            assert other.empty()
            assert late == [event for event in events if event in late]
            assert 0 < len(late) < len(events)

    run(scenario(), loop)


@on_each_loop
def test_frames_come_in_order_with_the_time_of_day(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with Town.of(monkeypatch, "bus") as town:
            await town.service.apply([BUS])
            await town.clock.advance(5)
            began_s = town.clock.now().timestamp()
            with town.service.frames("bus").listening() as queue:
                await town.clock.advance(2)
            events = heard(queue)
            assert {event.kind for event in events} == {FrameKind.SENT, FrameKind.RECEIVED}
            times = [event.time_s for event in events]
            assert times == sorted(times)
            assert began_s <= times[0] <= times[-1] <= began_s + 2
            for asked, answered in zip(events[::2], events[1::2], strict=True):
                assert (asked.kind, answered.kind) == (FrameKind.SENT, FrameKind.RECEIVED)
                # Transaction and unit are those of the question.
                assert asked.data[:2] == answered.data[:2]
                assert asked.data[6] == answered.data[6]

    run(scenario(), loop)


@on_each_loop
def test_time_outs_losses_and_what_comes_after_are_heard(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with Town.of(monkeypatch, "bus") as town:
            await town.service.apply([BUS])
            await town.clock.advance(2)
            with town.service.frames("bus").listening() as queue:
                town.units["bus"].silent.add(2)
                await town.clock.advance(2)
                silent = [event for event in heard(queue) if event.kind is FrameKind.TIMED_OUT]
                assert silent
                assert {event.text for event in silent} == {"2"}
                town.lines["bus"].is_up = False
                town.lines["bus"].cut()
                await town.clock.advance(2)
                town.lines["bus"].is_up = True
                await town.clock.advance(10)
                kinds = [event.kind for event in heard(queue)]
            lost, opened = kinds.index(FrameKind.LOST), kinds.index(FrameKind.OPENED)
            assert lost < opened
            # The new connection is tapped as the old one was.
            assert FrameKind.RECEIVED in kinds[opened:]

    run(scenario(), loop)


@on_each_loop
def test_who_is_slow_misses_the_oldest_and_disturbs_nobody(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames_module, "_MOST_WAITING", 10)

    async def scenario() -> None:
        async with Town.of(monkeypatch, "bus") as town:
            await town.service.apply([BUS])
            stream = town.service.frames("bus")
            polls = town.service.snapshot.meters["m1"].polls
            with stream.listening() as slow, stream.listening() as quick:
                everything = []
                for _ in range(20):
                    await town.clock.advance(1)
                    everything += heard(quick)
                assert len(everything) >= 80
                assert heard(slow) == everything[-10:]
            assert town.service.snapshot.meters["m1"].polls - polls == 20
            assert town.service.snapshot.meters["m1"].skipped == 0

    run(scenario(), loop)


@on_each_loop
def test_it_stays_the_same_stream_as_long_as_the_link_does(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with Town.of(monkeypatch, "bus") as town:
            await town.service.apply([BUS])
            stream = town.service.frames("bus")
            with stream.listening() as queue:
                more = link_of(*BUS.meters, meter_of("m3", 3, interval=1.0))
                await _applied(town, [more])
                assert town.service.frames("bus") is stream
                heard(queue)
                await town.clock.advance(1)
                sent = [event for event in heard(queue) if event.kind is FrameKind.SENT]
                assert {event.data[6] for event in sent} == {1, 2, 3}
                # It leads elsewhere: that is another link, which nobody listens to.
                await _applied(town, [link_of(*BUS.meters, timeout=0.5)])
                assert town.service.frames("bus") is not stream
                assert town.service.snapshot.links["bus"].link.tap is None
            await _applied(town, [])
            with pytest.raises(KeyError):
                town.service.frames("bus")

    run(scenario(), loop)


async def _applied(town: Town, links: list[ResolvedLink]) -> None:
    task = asyncio.create_task(town.service.apply(links))
    while not task.done():
        await town.clock.advance(0.1)
        await asyncio.sleep(0.001)
    await task


def test_a_listener_that_fails_leaves_no_tap_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with Town.of(monkeypatch, "bus") as town:
            await town.service.apply([BUS])
            stream = town.service.frames("bus")
            with pytest.raises(ZeroDivisionError), stream.listening():
                raise ZeroDivisionError
            assert town.service.snapshot.links["bus"].link.tap is None

    run(scenario())
