"""Whatever happens to the journal, each poll comes at least once, in order, and as it was."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.service.journaling import NUMBERED, OTHER, PLENTY, number_of, poll, segments
from tests.store.support import exact
from tests.store.support import polls as any_polls

from energymeter.clock import ManualClock
from energymeter.service.journal import Journal, JournalReader
from energymeter.service.journal_reader import Batch
from energymeter.store import StoredPoll

NAMES = ("quick", "slow")
SEGMENT_BYTES = 1024
FILES = settings(max_examples=50, deadline=None)
"""Real files: how long one takes is the disk's business."""


def as_bits(found: StoredPoll) -> tuple[Any, ...]:
    return (
        found.meter,
        found.layout,
        found.time_us,
        [exact(value) for value in found.values],
        list(found.qualities),
        dict(found.marks),
    )


@FILES
@given(any_polls(), st.integers(1, 30))
def test_any_poll_comes_back_to_the_last_bit_also_after_a_restart(
    given_polls: list[StoredPoll], most: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), segment_bytes=SEGMENT_BYTES)
        journal.reader("box", most_bytes=PLENTY)
        journal.append(given_polls)
        journal.close()
        journal = Journal(Path(folder))
        reader = journal.reader("box", most_bytes=PLENTY)
        found = []
        while not (batch := reader.read(most)).is_empty:
            found += batch.polls
            reader.commit(batch)
        journal.close()
    assert list(map(as_bits, found)) == list(map(as_bits, given_polls))


@FILES
@given(st.integers(0, 50), st.data())
def test_damage_loses_what_it_hits_and_nothing_else_and_no_poll_is_wrong(
    count: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        journal.reader("box", most_bytes=PLENTY)
        sizes = []
        for number in range(count):
            journal.append([poll(number)])
            sizes.append(segments(Path(folder))[0].stat().st_size)
        journal.close()
        hit = set()
        for path in segments(Path(folder)):
            content = bytearray(path.read_bytes())
            for place in data.draw(st.lists(st.integers(sizes[0], max(sizes)), max_size=3)):
                if place < len(content):
                    content[place] ^= data.draw(st.integers(1, 255))
                    hit.add(next(n for n, size in enumerate(sizes) if place < size))
            path.write_bytes(content)
        journal = Journal(Path(folder))
        reader = journal.reader("box", most_bytes=PLENTY)
        found = [number_of(each) for each in reader.read(100).polls]
        journal.close()
    # Two hits of one byte may leave it as it was.
    assert set(range(count)) - hit <= set(found)
    assert found == sorted(set(found))


_STEPS = st.lists(
    st.tuples(st.just("append"), st.integers(1, 60))
    | st.tuples(st.just("read"), st.integers(1, 60))
    | st.tuples(st.just("commit"), st.just(0)),
    max_size=40,
)


@FILES
@given(_STEPS, st.integers(4000, 12_000))
def test_beyond_a_bound_each_poll_is_had_waits_or_is_counted_as_dropped(
    steps: list[tuple[str, int]], most_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        reader = journal.reader("box", most_bytes=most_bytes)
        had: list[int] = []
        batch, count = reader.read(1), 0
        for step, number in steps:
            if step == "append":
                journal.append([poll(n) for n in range(count, count + number)])
                count += number
            elif step == "read":
                batch = reader.read(number)
            else:
                reader.commit(batch)
                had += map(number_of, batch.polls)
                batch = reader.read(1)
        while not (batch := reader.read(50)).is_empty:
            had += map(number_of, batch.polls)
            reader.commit(batch)
        journal.close()
    assert had == sorted(set(had))
    assert len(had) + reader.dropped == count
    assert reader.damaged == reader.waiting == 0


class AnyLife(RuleBasedStateMachine):
    """Appends, reads, restarts and crashes in any order, against two lists of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.clock = ManualClock()
        self.next = 0
        self.acknowledged: list[int] = []
        self.got: dict[str, list[int]] = {name: [] for name in NAMES}
        self.under_way: dict[str, Batch] = {}
        self.readers: dict[str, JournalReader] = {}
        self.open()

    def open(self) -> None:
        self.journal = Journal(self.path, segment_bytes=SEGMENT_BYTES, clock=self.clock)
        self.readers = {name: self.journal.reader(name, most_bytes=PLENTY) for name in NAMES}
        self.under_way.clear()

    def polls(self, count: int) -> list[StoredPoll]:
        numbers = range(self.next, self.next + count)
        self.next += count
        return [poll(n, layout=OTHER if n % 3 else NUMBERED) for n in numbers]

    @rule(count=st.integers(1, 30))
    def append(self, count: int) -> None:
        given_polls = self.polls(count)
        self.journal.append(given_polls)
        self.acknowledged += map(number_of, given_polls)

    @rule(name=st.sampled_from(NAMES), most=st.integers(1, 40))
    def read(self, name: str, most: int) -> None:
        batch = self.readers[name].read(most)
        assert len(batch.polls) <= most
        self.got[name] += map(number_of, batch.polls)
        self.under_way[name] = batch

    @rule(name=st.sampled_from(NAMES))
    def commit(self, name: str) -> None:
        if name in self.under_way:
            self.readers[name].commit(self.under_way.pop(name))
            if self.readers[name].is_save_due:
                self.readers[name].save()

    @rule()
    def a_second_passes(self) -> None:
        self.clock._elapsed_s += 1.0

    @rule()
    def restart(self) -> None:
        self.journal.close()
        self.open()

    @rule()
    def crash(self) -> None:
        self.journal._close_file()
        self.open()

    @rule(count=st.integers(1, 40), share=st.floats(0.0, 1.0))
    def crash_while_appending(self, count: int, share: float) -> None:
        before = {path: path.stat().st_size for path in segments(self.path)}
        self.journal.append(self.polls(count))
        self.journal._close_file()
        grown = [(path, before.get(path, 0), path.stat().st_size) for path in segments(self.path)]
        left = round(share * sum(size - start for _, start, size in grown))
        for path, start, size in grown:
            kept = min(left, size - start)
            left -= kept
            if path not in before and not kept:
                path.unlink()
            else:
                os.truncate(path, start + kept)
        self.open()

    @precondition(lambda self: self.acknowledged)
    @rule(name=st.sampled_from(NAMES))
    def catch_up(self, name: str) -> None:
        reader = self.readers[name]
        while not (batch := reader.read(25)).is_empty:
            self.got[name] += map(number_of, batch.polls)
            reader.commit(batch)
        self.under_way.pop(name, None)
        assert reader.waiting == 0
        assert set(self.acknowledged) <= set(self.got[name])

    @invariant()
    def first_deliveries_are_in_order_and_without_a_gap(self) -> None:
        for name in NAMES:
            seen = list(dict.fromkeys(self.got[name]))
            assert seen == sorted(seen)
            acknowledged = [n for n in self.acknowledged if seen and n <= seen[-1]]
            assert set(acknowledged) <= set(seen)
            assert self.readers[name].dropped == self.readers[name].damaged == 0

    def teardown(self) -> None:
        for name in NAMES:
            self.catch_up(name)
        self.journal.close()
        self.folder.cleanup()


AnyLife.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestAnyLife = AnyLife.TestCase
