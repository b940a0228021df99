"""What every sink does that is sent readings; another one joins by its line in `KINDS`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from tests.conformance.receivers import KINDS, Receiver, receiver
from tests.sinks.polls import batch, meter_info, poll_of
from tests.support.cancelling import STEPS, cancel_at, leaves_no_socket
from tests.support.loops import on_each_loop, run, turns

from energymeter.errors import SinkUnavailableError
from energymeter.service.sink import Sink, SinkPoll

METERS: Final = {name: meter_info(name) for name in ("main", "heat pump", "a-b")}

every_kind = pytest.mark.parametrize("kind", KINDS)


def ids_of(polls: Sequence[SinkPoll]) -> list[tuple[str, int]]:
    return [(poll.meter, poll.time_us) for poll in polls]


def first_times(ids: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Without repetitions."""
    return list(dict.fromkeys(ids))


@asynccontextmanager
async def opened(there: Receiver) -> AsyncIterator[Sink]:
    sink = there.make()
    await sink.open(METERS)
    try:
        yield sink
    finally:
        await sink.close()


async def pass_on(sink: Sink, polls: Sequence[SinkPoll]) -> None:
    """As the service does: again and again, from the beginning, until they are taken."""
    while True:
        try:
            await sink.send(polls)
        except SinkUnavailableError:
            await sink.close()
            await asyncio.sleep(0.01)
            try:
                await sink.open(METERS)
            except SinkUnavailableError:
                continue
        else:
            return


@on_each_loop
@every_kind
def test_polls_arrive_once_and_in_order(kind: str, loop: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with receiver(kind, tmp_path) as there, opened(there) as sink:
            await sink.send(batch(1))
            await sink.send(batch(300, first=1))
            assert await there.heard() == ids_of(batch(301))

    run(main(), loop)


@every_kind
def test_the_polls_of_each_meter_keep_their_order(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        polls = [poll_of(second, meter=name) for second in range(9) for name in METERS]
        async with receiver(kind, tmp_path) as there, opened(there) as sink:
            await sink.send(polls[:13])
            await sink.send(polls[13:])
            heard = await there.heard()
        for name in METERS:
            expected = [each for each in ids_of(polls) if each[0] == name]
            assert [each for each in heard if each[0] == name] == expected

    run(main())


@every_kind
def test_polls_that_come_again_keep_their_ids(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with receiver(kind, tmp_path) as there, opened(there) as sink:
            await sink.send(batch(5))
            await sink.send(batch(5))
            await sink.close()
            await sink.open(METERS)
            await sink.send(batch(5))
            assert first_times(await there.heard()) == ids_of(batch(5))

    run(main())


@every_kind
def test_a_send_that_is_cancelled_anywhere_leaves_it_usable(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with receiver(kind, tmp_path) as there, opened(there) as sink:
            for step in STEPS:
                polls = batch(20, first=20 * step)
                await cancel_at(step, sink.send(polls))
                await pass_on(sink, polls)
            for number in range(6):
                polls = batch(200, first=1000 + 200 * number)
                sending = asyncio.create_task(sink.send(polls))
                await asyncio.sleep(0.0005 * number)
                sending.cancel()
                await asyncio.wait([sending])
                await pass_on(sink, polls)
            everything = [*batch(20 * len(STEPS)), *batch(1200, first=1000)]
            assert first_times(await there.heard()) == ids_of(everything)

    run(main())


@every_kind
def test_an_open_that_is_cancelled_anywhere_leaves_it_usable(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with receiver(kind, tmp_path) as there:
            sink = there.make()
            for step in STEPS:
                opening = asyncio.create_task(sink.open(METERS))
                await turns(step)
                opening.cancel()
                await asyncio.wait([opening])
                await sink.close()
            await sink.open(METERS)
            await sink.send(batch(3))
            await sink.close()
            assert first_times(await there.heard()) == ids_of(batch(3))

    run(main())


@every_kind
def test_a_receiver_that_is_gone_is_told_and_gets_everything_later(
    kind: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with receiver(kind, tmp_path) as there, opened(there) as sink:
            await sink.send(batch(10))
            await there.go_away()
            for _ in range(2):
                with pytest.raises(SinkUnavailableError) as caught:
                    await sink.send(batch(10, first=10))
                assert str(caught.value)
                assert "\n" not in str(caught.value)
            await there.come_back()
            await pass_on(sink, batch(10, first=10))
            assert first_times(await there.heard()) == ids_of(batch(20))

    run(main())


@every_kind
def test_it_may_be_closed_at_any_time_and_opened_again(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with receiver(kind, tmp_path) as there:
            sink = there.make()
            await sink.close()
            for number in range(3):
                await sink.open(METERS)
                await sink.send(batch(2, first=2 * number))
                await sink.close()
                await sink.close()
            assert await there.heard() == ids_of(batch(6))

    run(main())


@every_kind
def test_a_receiver_that_hangs_holds_up_neither_cancellation_nor_close(
    kind: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with receiver(kind, tmp_path) as there, opened(there) as sink:
            await sink.send(batch(1))
            await there.hang()
            sending = asyncio.create_task(sink.send(batch(3000, first=1)))
            await asyncio.sleep(0.05)
            assert not sending.done()
            since = time.monotonic()
            sending.cancel()
            await asyncio.wait([sending])
            assert sending.cancelled()
            assert time.monotonic() - since < 2
            await sink.close()
            assert time.monotonic() - since < 5

    run(main())


@every_kind
def test_a_meter_that_nobody_told_of_is_passed_on_too(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with receiver(kind, tmp_path) as there, opened(there) as sink:
            polls = [*batch(1, meter="gone"), *batch(1)]
            await sink.send(polls)
            assert sorted(await there.heard()) == sorted(ids_of(polls))

    run(main())


@every_kind
def test_nothing_stays_open(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with receiver(kind, tmp_path) as there, opened(there) as sink:
            await sink.send(batch(1))

    leaves_no_socket(lambda: run(main()))
