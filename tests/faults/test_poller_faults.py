"""A meter that misbehaves: what is said, that polling goes on, and that no value is a wrong one.

The scripted server writes unit and address into every register, so each value that is reported
or printed is checked against the point it is reported for.
"""

from __future__ import annotations

import asyncio
import io
import random
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from tests.support import scripted
from tests.support.loops import on_each_loop, run, until
from tests.support.scripted import Asked, Manner, ScriptedServer, Step, word_at

from energymeter.client import Backoff, Link
from energymeter.profiles import Profile, parse_profile
from energymeter.reader import MeterReader
from energymeter.service import ConsoleReporter, Poll, Poller
from energymeter.transports import TcpEndpoint

UNIT = 1
TIMEOUT_S = 0.05
INTERVAL_S = 0.05

# Two reads of the same length: an answer taken for the other one would fit.
ADDRESSES = (*range(100, 104), *range(300, 304))
METER: Profile = parse_profile(
    {
        "name": "test/meter",
        "vendor": "test",
        "model": "meter",
        "readable": [{"first": 100, "last": 103}, {"first": 300, "last": 303}],
        "points": [{"name": f"at_{a}", "address": a, "type": "uint16"} for a in ADDRESSES],
    },
    "test",
)


class Watch:
    """Polls a server and keeps what was reported and printed."""

    def __init__(self, server: ScriptedServer) -> None:
        self.endpoint = TcpEndpoint("127.0.0.1", server.port)
        self.link = Link(
            self.endpoint,
            timeout_s=TIMEOUT_S,
            backoff=Backoff(first_s=0.01, longest_s=0.05),
        )
        self.polls: list[Poll] = []
        self.out, self.err = io.StringIO(), io.StringIO()
        self._console = ConsoleReporter(f"meter at {self.endpoint}", INTERVAL_S, self.out, self.err)
        self._poller = Poller(MeterReader(self.link.unit(UNIT), METER), INTERVAL_S, self._show)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self.link:
            task = asyncio.create_task(self._poller.run())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait([task])
        assert task.cancelled()

    async def polled(self, more: int) -> None:
        target = len(self.polls) + more
        await until(lambda: len(self.polls) >= target)

    async def failed(self, times: int = 1) -> None:
        first = len(self.polls)
        await until(lambda: sum(not p.report.is_complete for p in self.polls[first:]) >= times)

    async def healthy(self) -> None:
        first = len(self.polls)
        await until(lambda: any(poll.report.is_complete for poll in self.polls[first:]))

    def check_values(self) -> None:
        for poll in self.polls:
            for reading in poll.report:
                wanted = word_at(UNIT, int(reading.name.removeprefix("at_")))
                assert reading.value in (None, wanted)
        printed = re.findall(r"at_(\d+) +(\d+)", self.out.getvalue())
        assert printed
        assert all(int(value) == word_at(UNIT, int(address)) for address, value in printed)

    def _show(self, poll: Poll) -> None:
        self.polls.append(poll)
        self._console.show(poll)


def one_behind() -> Manner:
    """Each question gets the answer to the one before it, under that one's transaction."""
    kept: deque[Sequence[Step]] = deque()

    def manner(asked: Asked) -> Sequence[Step]:
        kept.append(scripted.right(asked))
        return kept.popleft() if len(kept) > 1 else []

    return manner


def one_behind_with_the_new_number() -> Manner:
    """As a meter does that forgets the unit: content of the question before, sizes that differ."""
    kept: deque[Asked] = deque()

    def manner(asked: Asked) -> Sequence[Step]:
        kept.append(asked)
        if len(kept) < 2:
            return []
        old = kept.popleft()
        return scripted.other_unit(replace(old, transaction=asked.transaction))

    return manner


def faults() -> dict[str, tuple[Manner, str]]:
    """Name, what the server does and what has to be said about it; fresh ones each time."""
    return {
        "late": (scripted.late(TIMEOUT_S + 0.02), "no answer from"),
        "very late": (scripted.late(TIMEOUT_S * 3), "no answer from"),
        "another's id": (scripted.other_transaction, "no answer from"),
        "another unit": (scripted.other_unit, "an answer from unit 2 came instead of unit 1"),
        "another function": (scripted.other_function, "the answer is for function 4"),
        "wrong byte count": (scripted.wrong_byte_count, "byte count of the answer is not its size"),
        "fewer words": (scripted.fewer_words, "the answer has 8 bytes, expected were 10"),
        "more words": (scripted.more_words, "the answer has 14 bytes, expected were 10"),
        "cut short": (scripted.short, "the answer has 5 bytes, expected were 10"),
        "never": (scripted.never, "no answer from"),
        "garbage": (scripted.garbage, "not Modbus TCP"),
        "impossible protocol": (scripted.impossible_protocol, "not Modbus TCP: protocol id 1"),
        "impossible length": (scripted.impossible_length, "not Modbus TCP: a length of 1000"),
        "hangs up": (scripted.hangs_up, "was lost"),
        "closes midway": (scripted.closes_midway, "was lost"),
        "refuses": (scripted.refuses(6), "the meter is busy"),
        "one behind": (one_behind(), "no answer from"),
        "one behind, of another unit": (
            one_behind_with_the_new_number(),
            "an answer from unit 2 came",
        ),
    }


FAULTS = tuple(faults())


@on_each_loop
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_host_and_reason_and_polling_recovers(fault: str, loop: str) -> None:
    manner, reason = faults()[fault]

    async def scenario() -> None:
        async with ScriptedServer() as server:
            watch = Watch(server)
            async with watch.running():
                await watch.healthy()
                server.manner = manner
                await watch.failed(2)
                server.manner = scripted.right
                await watch.healthy()
        watch.check_values()
        lines = watch.err.getvalue().splitlines()
        assert any(str(watch.endpoint) in line and reason in line for line in lines), lines

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("manner", [scripted.twice, scripted.twice_apart, scripted.drips])
def test_answers_that_come_twice_or_in_drips_disturb_nothing(manner: Manner, loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer(manner) as server:
            watch = Watch(server)
            async with watch.running():
                await watch.polled(6)
        watch.check_values()
        assert all(poll.report.is_complete for poll in watch.polls)
        assert server.accepted == 1

    run(scenario(), loop)


@on_each_loop
def test_a_killed_server_is_reported_and_polled_again_once_it_is_back(loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server:
            watch = Watch(server)
            async with watch.running():
                await watch.healthy()
                await server.kill()
                await watch.failed(3)
                await server.restart()
                await watch.healthy()
        watch.check_values()
        text = watch.err.getvalue()
        assert f"{watch.endpoint} refused the connection" in text
        assert "answers again" in text

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("phase", ["while connecting", "while waiting", "between polls"])
def test_polling_survives_a_kill_in_every_phase(phase: str, loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server:
            watch = Watch(server)
            if phase == "while connecting":
                await server.kill()
            async with watch.running():
                if phase == "while waiting":
                    server.manner = scripted.never
                    await until(lambda: server.waiting > 0 or len(server.asked) > 0)
                elif phase == "between polls":
                    await watch.healthy()
                await server.kill()
                await watch.failed()
                server.manner = scripted.right
                await server.restart()
                await watch.healthy()
        watch.check_values()

    run(scenario(), loop)


@on_each_loop
def test_a_half_open_connection_is_given_up_and_replaced(loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server:
            watch = Watch(server)
            async with watch.running():
                await watch.healthy()
                server.freeze()
                await watch.failed(3)
                server.thaw()
                await watch.healthy()
        watch.check_values()
        assert server.accepted > 1
        assert f"no answer from {watch.endpoint} unit 1 within 0.05 s" in watch.err.getvalue()

    run(scenario(), loop)


@on_each_loop
def test_one_refused_block_loses_only_its_own_points(loop: str) -> None:
    def manner(asked: Asked) -> Sequence[Step]:
        return scripted.refuses(2)(asked) if asked.address == 100 else scripted.right(asked)

    async def scenario() -> None:
        async with ScriptedServer(manner) as server:
            watch = Watch(server)
            async with watch.running():
                await watch.polled(2)
        watch.check_values()
        values = watch.polls[-1].report.as_dict()
        assert values["at_100"] is None
        assert values["at_300"] == word_at(UNIT, 300)
        assert re.search(r"at_100 +- not (read|available)", watch.out.getvalue())

    run(scenario(), loop)


@on_each_loop
def test_one_corrupt_block_loses_only_its_own_points(loop: str) -> None:
    def manner(asked: Asked) -> Sequence[Step]:
        return scripted.garbage(asked) if asked.address == 100 else scripted.right(asked)

    async def scenario() -> None:
        async with ScriptedServer(manner) as server:
            watch = Watch(server)
            async with watch.running():
                await watch.polled(3)
        watch.check_values()
        assert all(p.report.as_dict()["at_303"] == word_at(UNIT, 303) for p in watch.polls)

    run(scenario(), loop)


@on_each_loop
def test_bytes_nobody_asked_for_are_never_taken_for_an_answer(loop: str) -> None:
    async def scenario() -> None:
        async with ScriptedServer() as server:
            watch = Watch(server)
            async with watch.running():
                await watch.healthy()
                for transaction in range(12):
                    data = bytes((3, 8)) + b"\xbe\xef" * 4
                    server.say(scripted.frame(transaction, UNIT, data))
                    await watch.polled(1)
                await watch.healthy()
        watch.check_values()

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("seed", range(3))
def test_no_wrong_value_survives_a_storm_of_mixed_faults(seed: int, loop: str) -> None:
    rng = random.Random(seed)
    manners: list[Manner] = [
        scripted.right,
        scripted.twice,
        scripted.twice_apart,
        scripted.closes_midway,
        scripted.late(TIMEOUT_S + 0.005),
        scripted.late(TIMEOUT_S * 2),
        *(manner for manner, _ in faults().values()),
    ]

    async def scenario() -> None:
        async with ScriptedServer() as server:
            watch = Watch(server)
            async with watch.running():
                server.script.extend(rng.choice(manners) for _ in range(30))
                await until(lambda: not server.script)
                await watch.healthy()
                await watch.healthy()
        watch.check_values()

    run(scenario(), loop)
