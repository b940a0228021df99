"""Pieces leave at their moment, one after the other, and none after it was forgotten."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.loops import on_each_loop, run, until

from energymeter.clock import ManualClock, SystemClock
from energymeter.server.outbox import Outbox


class Post:
    """An outbox and what has left it."""

    def __init__(self, clock: ManualClock | SystemClock, *, is_exact: bool = False) -> None:
        self.sent: list[tuple[float, bytes | None]] = []
        self.emptied = 0
        self._clock = clock
        self.outbox = Outbox(
            clock,
            write=self._note,
            drop=lambda: self._note(None),
            on_empty=self._note_empty,
            is_exact=is_exact,
        )

    def _note(self, data: bytes | None) -> None:
        self.sent.append((self._clock.monotonic(), data))

    def _note_empty(self) -> None:
        self.emptied += 1


exact_or_not = pytest.mark.parametrize("is_exact", [False, True])


@exact_or_not
def test_what_is_due_leaves_at_once_and_without_an_alarm(*, is_exact: bool) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        post = Post(clock, is_exact=is_exact)
        post.outbox.put(0.0, b"a")
        assert post.sent == [(0.0, b"a")]
        assert clock._alarms == []

    run(scenario())


@exact_or_not
def test_pieces_leave_at_their_moments(*, is_exact: bool) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        post = Post(clock, is_exact=is_exact)
        for due in (0.5, 0.6, 2.0):
            post.outbox.put(due, b"%f" % due)
        await clock.advance(1)
        assert [when for when, _ in post.sent] == pytest.approx([0.5, 0.6])
        assert (len(post.outbox), post.emptied) == (1, 0)
        await clock.advance(1)
        assert [when for when, _ in post.sent] == pytest.approx([0.5, 0.6, 2.0])
        assert (len(post.outbox), post.emptied) == (0, 1)

    run(scenario())


@exact_or_not
def test_no_piece_overtakes_the_one_ahead(*, is_exact: bool) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        post = Post(clock, is_exact=is_exact)
        post.outbox.put(1.0, b"first")
        post.outbox.put(0.0, b"second")
        await clock.advance(0.9)
        assert post.sent == []
        await clock.advance(0.2)
        assert post.sent == [(1.0, b"first"), (1.0, b"second")]

    run(scenario())


@exact_or_not
def test_what_is_forgotten_never_leaves(*, is_exact: bool) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        post = Post(clock, is_exact=is_exact)
        post.outbox.put(1.0, b"a")
        post.outbox.clear()
        await clock.advance(2)
        assert post.sent == []
        post.outbox.put(3.0, b"b")
        await clock.advance(2)
        assert post.sent == [(3.0, b"b")]

    run(scenario())


def test_pieces_forgotten_while_they_leave_stay_behind() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        sent: list[bytes] = []

        def write(data: bytes) -> None:
            sent.append(data)
            outbox.clear()

        outbox = Outbox(clock, write=write, drop=list, on_empty=list)
        outbox.put(1.0, b"a")
        outbox.put(1.0, b"b")
        await clock.advance(2)
        assert sent == [b"a"]

    run(scenario())


@on_each_loop
def test_an_exact_outbox_is_never_early_on_the_real_clock(loop: str) -> None:
    async def scenario() -> list[float]:
        clock = SystemClock()
        post = Post(clock, is_exact=True)
        began = clock.monotonic()
        dues = [began + 0.0037 * number for number in range(1, 11)]
        for due in dues:
            post.outbox.put(due, b"x")
        await until(lambda: not post.outbox)
        return [when - due for due, (when, _) in zip(dues, post.sent, strict=True)]

    errors = run(scenario(), loop)
    assert min(errors) > -0.00003
    # A busy machine may be late now and then, but not always, and not more and more.
    assert sorted(errors)[2] < 0.001


@on_each_loop
def test_an_outbox_that_is_not_exact_lets_the_loop_sleep(loop: str) -> None:
    async def scenario() -> int:
        post = Post(SystemClock())
        turns = 0
        post.outbox.put(SystemClock().monotonic() + 0.05, b"x")
        while post.outbox:
            await asyncio.sleep(0.001)
            turns += 1
        return turns

    assert run(scenario(), loop) <= 60
