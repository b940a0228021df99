"""Batches in parts, and which of them are given up."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sinks.polls import batch
from tests.support.loops import run

from energymeter.clock import ManualClock
from energymeter.errors import SinkRejectedError
from energymeter.service.sink import SinkPoll
from energymeter.sinks.parts import Parts, TooLargeError


@given(st.integers(1, 60), st.integers(1, 60), st.sets(st.integers(0, 59), max_size=2))
def test_only_what_is_refused_is_lost_and_the_order_stays(
    count: int, most: int, bad: set[int]
) -> None:
    polls, taken = batch(count), list[SinkPoll]()
    refused = [polls[place] for place in bad if place < count]

    async def post(part: Sequence[SinkPoll]) -> None:
        assert 0 < len(part) <= most
        if any(poll in refused for poll in part):
            raise SinkRejectedError("no")
        taken.extend(part)

    async def main() -> None:
        if refused:
            with pytest.raises(SinkRejectedError, match=f"of {count} polls") as caught:
                await Parts(most).send(polls, post)
            assert caught.value.lost == len(refused)
        else:
            await Parts(most).send(polls, post)

    run(main())
    assert taken == [poll for poll in polls if poll not in refused]


@given(st.integers(1, 60), st.integers(1, 60))
def test_the_size_that_works_is_found_once(count: int, limit: int) -> None:
    sizes: list[int] = []

    async def post(part: Sequence[SinkPoll]) -> None:
        sizes.append(len(part))
        if len(part) > limit:
            raise TooLargeError("too large")

    async def main() -> None:
        parts = Parts(100)
        await parts.send(batch(count), post)
        sizes.clear()
        await parts.send(batch(count), post)
        assert max(sizes) <= limit
        assert sum(sizes) == count

    run(main())


def test_a_slow_receiver_is_not_asked_until_nobody_waits_any_more() -> None:
    async def main() -> None:
        clock, asked = ManualClock(), 0

        async def post(_: Sequence[SinkPoll]) -> None:
            nonlocal asked
            asked += 1
            await clock.advance(3)
            raise SinkRejectedError("no")

        with pytest.raises(SinkRejectedError, match="500 of 500 polls"):
            await Parts(500, clock).send(batch(500), post)
        assert asked < 12

    run(main())
