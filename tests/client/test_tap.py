"""Who listens in on a link is told everything, in order and once."""

from __future__ import annotations

import asyncio

import pytest
from tests.client.bus import Bus, LoopClock, good_answer, never, refuses, right, run_leaping

from energymeter.client import Link
from energymeter.codec import Framing, ReadRequest
from energymeter.errors import ExceptionReplyError, LinkError, MeterError, RequestTimeout
from energymeter.transports import Pacing


class Ear:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.moments: list[float] = []
        self.data = {"sent": b"", "received": b""}

    def opened(self, moment_s: float) -> None:
        self._note("opened", moment_s)

    def sent(self, moment_s: float, data: bytes) -> None:
        self._note("sent", moment_s)
        self.data["sent"] += data

    def received(self, moment_s: float, data: bytes) -> None:
        self._note("received", moment_s)
        self.data["received"] += data

    def timed_out(self, moment_s: float, unit: int) -> None:
        self._note(f"timed out {unit}", moment_s)

    def lost(self, moment_s: float, reason: str) -> None:
        assert reason
        self._note("lost", moment_s)

    def _note(self, what: str, moment_s: float) -> None:
        self.told.append(what)
        self.moments.append(moment_s)


async def read(link: Link, unit: int = 1) -> None:
    await link.unit(unit).read_holding_registers(10)


@pytest.mark.parametrize("framing", list(Framing))
def test_a_question_and_its_answer_are_told_byte_by_byte(framing: Framing) -> None:
    async def scenario(clock: LoopClock) -> None:
        ear = Ear()
        bus = await Bus(clock, {1: right(0.1)}, framing=framing).start()
        async with bus.link(tap=ear) as link:
            await read(link)

        assert ear.told == ["opened", "sent", "received", "lost"]
        assert ear.moments == pytest.approx([0.0, 0.0, 0.1, 0.1])
        (asked,) = bus.asked
        assert ear.data["sent"] == bus.frame(1, ReadRequest(3, 10, 1).pdu, asked.transaction)
        assert ear.data["received"] == bus.frame(1, good_answer(asked), asked.transaction)

    run_leaping(scenario)


def test_a_time_out_is_told_with_the_unit_and_a_late_answer_as_what_came() -> None:
    async def scenario(clock: LoopClock) -> None:
        ear = Ear()
        bus = await Bus(clock, {7: right(0.6)}).start()
        async with bus.link(tap=ear, timeout_s=0.5) as link:
            with pytest.raises(RequestTimeout):
                await read(link, 7)
            await asyncio.sleep(0.5)

        assert ear.told == ["opened", "sent", "timed out 7", "received", "lost"]
        assert ear.moments == pytest.approx([0.0, 0.0, 0.5, 0.6, 1.0])

    run_leaping(scenario)


def test_fences_and_repetitions_are_told_as_they_are() -> None:
    async def scenario(clock: LoopClock) -> None:
        ear = Ear()
        bus = await Bus(clock, {1: never}).start()
        async with bus.link(tap=ear, timeout_s=0.5) as link:
            with pytest.raises(RequestTimeout):
                await read(link)
            bus.units[1] = right()
            await read(link)
            bus.units[1] = refuses(6)
            with pytest.raises(ExceptionReplyError):
                await read(link)

        pair = ["sent", "received"]
        assert ear.told == ["opened", "sent", "timed out 1", *pair * 6, "lost"]

    run_leaping(scenario)


def test_a_broadcast_is_told() -> None:
    async def scenario(clock: LoopClock) -> None:
        ear = Ear()
        bus = await Bus(clock, {}).start()
        async with bus.link(tap=ear) as link:
            await link.unit(0).write_register(1, 1)

        assert ear.told == ["opened", "sent", "lost"]

    run_leaping(scenario)


def test_a_question_nobody_waits_for_is_told_to_its_end() -> None:
    async def scenario(clock: LoopClock) -> None:
        ear = Ear()
        bus = await Bus(clock, {1: never, 2: right()}).start()
        async with bus.link(tap=ear, timeout_s=0.5) as link:
            reading = asyncio.create_task(read(link))
            await asyncio.sleep(0.1)
            reading.cancel()
            await read(link, 2)

        assert ear.told == ["opened", "sent", "timed out 1", "sent", "received", "lost"]

    run_leaping(scenario)


@pytest.mark.parametrize("after_s", [0.0, 0.1])
def test_every_connection_is_opened_once_and_lost_once(after_s: float) -> None:
    async def scenario(clock: LoopClock) -> None:
        ear = Ear()
        bus = await Bus(clock, {1: never}).start()
        bus.hangs_up_after_s = after_s
        async with bus.link(tap=ear) as link:
            for _ in range(3):
                with pytest.raises(LinkError):
                    await read(link)
                await asyncio.sleep(5.0)

        assert bus.connections == 3
        assert [told for told in ear.told if told != "sent"] == ["opened", "lost"] * 3

    run_leaping(scenario)


def test_a_connection_that_nobody_wants_any_more_is_told_too() -> None:
    async def scenario(clock: LoopClock) -> None:
        class Slow:
            """Is connected, and does not say so."""

            is_datagram = False

            async def connect(self, protocol_factory: object) -> None:
                await bus.line.endpoint().connect(protocol_factory)  # type: ignore[arg-type]
                await asyncio.sleep(60.0)

            def release(self) -> None:
                """Nothing is kept."""

        ear = Ear()
        bus = await Bus(clock, {1: right()}).start()
        async with Link(Slow(), clock=clock, tap=ear, connect_timeout_s=1.0) as link:
            with pytest.raises(LinkError):
                await read(link)
            await asyncio.sleep(1.0)

        assert ear.told == ["opened", "lost"]

    run_leaping(scenario)


def test_moments_never_go_back() -> None:
    async def scenario(clock: LoopClock) -> None:
        ear = Ear()
        bus = await Bus(clock, {1: right(0.02), 2: never, 3: refuses(2)}).start()
        pacing = Pacing(character_s=0.001, silence_s=0.0035, pause_s=0.01)
        async with bus.link(tap=ear, pacing=pacing, timeout_s=0.3) as link:
            for round_ in range(10):
                for unit in (1, 2, 3):
                    with pytest.raises(MeterError) if unit > 1 else _nothing():
                        await read(link, unit)
                if round_ == 5:
                    bus.line.cut()
                    await asyncio.sleep(0.01)

        assert ear.moments == sorted(ear.moments)
        assert (ear.told.count("opened"), ear.told.count("lost")) == (2, 2)

    run_leaping(scenario)


class _nothing:  # noqa: N801 - stands where a function of contextlib would
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_a_tap_may_come_and_go_while_the_link_is_at_work() -> None:
    async def scenario(clock: LoopClock) -> None:
        ear = Ear()
        bus = await Bus(clock, {1: right(0.1)}).start()
        async with bus.link() as link:
            await read(link)
            link.tap = ear
            await read(link)
            link.tap = None
            await read(link)

        assert ear.told == ["sent", "received"]

    run_leaping(scenario)
