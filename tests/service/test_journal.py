"""The journal keeps polls for each sink until it has had them, and no longer."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from tests.service.journaling import (
    NUMBERED,
    OTHER,
    PLENTY,
    STEP_US,
    drain,
    left,
    number_of,
    poll,
    polls,
    segments,
)

from energymeter.clock import ManualClock
from energymeter.errors import ConfigError
from energymeter.reader import EventKind, Quality
from energymeter.service.journal import Journal
from energymeter.store import StoredPoll


def test_what_is_appended_is_read_again_until_it_is_committed(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=PLENTY)
    journal.append(polls(range(5)))
    first = reader.read(3)
    assert [number_of(found) for found in first.polls] == [0, 1, 2]
    assert reader.read(3) == first
    reader.commit(first)
    reader.commit(first)
    assert reader.waiting == 2
    assert [number_of(found) for found in reader.read(10).polls] == [3, 4]
    journal.close()


def test_values_that_are_not_good_and_marks_come_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=PLENTY)
    given = StoredPoll(
        "main@slow",
        NUMBERED,
        STEP_US,
        (2**70, None),
        (Quality.STALE, Quality.NOT_READ),
        {0: EventKind.COUNTER_REPLACED, 1: EventKind.COUNTER_ROLLED_OVER},
    )
    journal.append([given])
    (found,) = reader.read(10).polls
    assert found._replace(values=tuple(found.values)) == given
    journal.close()


def test_after_a_restart_a_reader_goes_on_where_it_was(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1024)
    reader = journal.reader("box", most_bytes=PLENTY)
    journal.append(polls(range(100)))
    reader.commit(reader.read(42))
    journal.close()
    journal = Journal(tmp_path, segment_bytes=1024)
    reader = journal.reader("box", most_bytes=PLENTY)
    assert reader.waiting == 58
    journal.append(polls(range(100, 103)))
    assert drain(reader) == list(range(42, 103))
    journal.close()


def test_a_new_reader_begins_with_what_comes_next(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.reader("old", most_bytes=PLENTY)
    journal.append(polls(range(5)))
    new = journal.reader("new", most_bytes=PLENTY)
    journal.append(polls(range(5, 8)))
    assert drain(new) == [5, 6, 7]
    journal.close()


def test_a_new_reader_remembers_where_it_began_when_it_never_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.reader("box", most_bytes=PLENTY)
    journal.append(polls(range(3)))
    journal.close()
    assert left(tmp_path) == [0, 1, 2]


def test_each_segment_is_read_without_the_others(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1024)
    journal.reader("box", most_bytes=PLENTY)
    for number in range(0, 60, 2):
        journal.append([poll(number), poll(number + 1, "side", OTHER)])
    journal.close()
    files = segments(tmp_path)
    assert len(files) > 3
    for path in files[:-1]:
        path.unlink()
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=PLENTY)
    first = int(files[-1].stem)
    assert reader.dropped == first
    assert drain(reader) == list(range(first, 60))
    journal.close()


def test_segments_go_when_every_reader_has_passed_them(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1024)
    quick = journal.reader("quick", most_bytes=PLENTY)
    slow = journal.reader("slow", most_bytes=PLENTY)
    journal.append(polls(range(100)))
    whole = len(segments(tmp_path))
    assert drain(quick) == list(range(100))
    quick.save()
    assert len(segments(tmp_path)) == whole
    slow.commit(slow.read(50))
    slow.save()
    assert 1 < len(segments(tmp_path)) < whole
    drain(slow)
    slow.save()
    assert len(segments(tmp_path)) == 1
    journal.close()


def test_segments_stay_as_long_as_a_crash_would_need_them_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1024, clock=ManualClock())
    reader = journal.reader("box", most_bytes=PLENTY)
    journal.append(polls([0]))
    drain(reader)
    reader.save()
    journal.append(polls(range(1, 100)))
    drain(reader)
    assert not reader.is_save_due
    journal.append(polls(range(100, 120)))
    assert left(tmp_path) == list(range(1, 120))
    journal.close()


def test_a_reader_that_is_forgotten_holds_nothing_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1024)
    gone = journal.reader("gone", most_bytes=PLENTY)
    kept = journal.reader("kept", most_bytes=PLENTY)
    journal.append(polls(range(100)))
    drain(kept)
    kept.save()
    journal.keep_only(["kept"])
    assert len(segments(tmp_path)) == 1
    gone.commit(gone.read(1))
    gone.save()
    journal.close()
    assert [path.name for path in tmp_path.glob("*.position")] == ["kept.position"]


def test_a_position_nobody_asks_for_after_a_restart_holds_until_it_is_forgotten(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path, segment_bytes=1024)
    journal.reader("box", most_bytes=PLENTY)
    journal.append(polls(range(100)))
    journal.close()
    journal = Journal(tmp_path, segment_bytes=1024)
    journal.append(polls(range(100, 200)))
    assert len(segments(tmp_path)) > 10
    journal.keep_only([])
    assert len(segments(tmp_path)) == 1
    assert list(tmp_path.glob("*.position")) == []
    journal.close()


def test_without_readers_nothing_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(polls(range(100)))
    assert list(tmp_path.iterdir()) == []
    reader = journal.reader("box", most_bytes=PLENTY)
    journal.append(polls([100]))
    assert drain(reader) == [100]
    journal.close()


def test_too_much_waiting_drops_the_oldest_and_counts_them_exactly(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    small = journal.reader("small", most_bytes=10_000)
    large = journal.reader("large", most_bytes=PLENTY)
    for start in range(0, 1000, 20):
        journal.append(polls(range(start, start + 20)))
        assert small.dropped + small.waiting == start + 20
    assert 0 < small.dropped < 1000
    assert sum(path.stat().st_size for path in segments(tmp_path)) > 10_000
    lost = small.dropped
    assert drain(small) == list(range(lost, 1000))
    assert small.dropped == lost
    assert drain(large) == list(range(1000))
    assert large.dropped == 0
    journal.close()


def test_what_waits_never_takes_more_of_the_disk_than_the_bound(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=20_000)
    for start in range(0, 5000, 500):
        journal.append(polls(range(start, start + 500)))
        assert sum(path.stat().st_size for path in segments(tmp_path)) <= 20_000
    # Most of the bound is used, and what is dropped is a small part of it at a time.
    assert reader.waiting * 70 > 12_000
    journal.close()


def test_a_batch_under_way_while_its_polls_are_dropped_is_not_lost(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=10_000)
    journal.append(polls(range(10)))
    batch = reader.read(4)
    journal.append(polls(range(10, 1000)))
    lost = reader.dropped
    assert lost + len(batch.polls) + reader.waiting == 1000
    reader.commit(batch)
    assert reader.dropped == lost
    assert drain(reader) == list(range(lost + 4, 1000))
    journal.close()


def test_a_batch_that_is_not_committed_while_its_polls_are_dropped_is_counted(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=10_000)
    journal.append(polls(range(10)))
    reader.read(4)
    journal.append(polls(range(10, 1000)))
    left = drain(reader)
    assert reader.dropped + len(left) == 1000
    assert left == list(range(reader.dropped, 1000))
    journal.close()


def test_polls_nobody_wants_are_passed_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=PLENTY)
    for number in range(0, 20, 2):
        journal.append([poll(number), poll(number + 1, "side")])
    batch = reader.read(4, lambda meter, time_us: meter == "side" and time_us > 5 * STEP_US)
    assert [number_of(found) for found in batch.polls] == [7, 9, 11, 13]
    reader.commit(batch)
    nothing = reader.read(4, lambda _meter, _time: False)
    assert nothing.polls == []
    assert not nothing.is_empty
    reader.commit(nothing)
    assert reader.waiting == 0
    journal.close()


def test_positions_are_written_about_once_a_second(tmp_path: Path) -> None:
    clock = ManualClock()
    journal = Journal(tmp_path, clock=clock)
    reader = journal.reader("box", most_bytes=PLENTY)
    journal.append(polls(range(10)))

    def commit_one() -> bool:
        reader.commit(reader.read(1))
        is_due = reader.is_save_due
        if is_due:
            reader.save()
        return is_due

    assert [commit_one() for _ in range(3)] == [True, False, False]
    clock._elapsed_s += 1.0
    assert commit_one()
    assert not reader.is_save_due
    assert left(tmp_path) == [4, 5, 6, 7, 8, 9]
    journal.close()


def test_what_was_committed_within_the_second_is_written_with_the_next_polls(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    journal = Journal(tmp_path, clock=clock)
    reader = journal.reader("box", most_bytes=PLENTY)
    journal.append(polls(range(10)))
    reader.save()
    drain(reader)
    clock._elapsed_s += 1.0
    journal.append(polls([10]))
    assert left(tmp_path) == [10]
    journal.close()


def test_a_poll_that_is_none_of_its_layout_is_refused_and_nothing_is_taken(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=PLENTY)
    with pytest.raises(ValueError, match="main"):
        journal.append([poll(0), poll(1)._replace(values=[1])])
    journal.append(polls([2]))
    assert drain(reader) == [2]
    journal.close()


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for name in ("", "../box", "a b", "x" * 81):
        with pytest.raises(ValueError, match="journal"):
            journal.reader(name, most_bytes=PLENTY)
    journal.close()


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("no folder")
    with pytest.raises(ConfigError, match="cannot be used for the journal"):
        Journal(path)


def test_asked_for_again_a_reader_is_the_same_with_another_bound(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=PLENTY)
    assert journal.reader("box", most_bytes=10_000) is reader
    journal.append(polls(range(1000)))
    assert reader.dropped > 0
    journal.close()


def test_readers_in_threads_keep_up_with_the_one_that_writes(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=5000)
    readers = [journal.reader(name, most_bytes=PLENTY) for name in ("a", "b")]
    got: dict[str, list[int]] = {"a": [], "b": []}
    is_written = threading.Event()

    def read(name: str, most: int) -> None:
        reader = readers["ab".index(name)]
        while not is_written.is_set() or reader.waiting:
            got[name] += drain(reader, most)
            reader.save()

    threads = [
        threading.Thread(target=read, args=(name, most)) for name, most in (("a", 3), ("b", 50))
    ]
    for thread in threads:
        thread.start()
    for start in range(0, 6000, 30):
        journal.append(polls(range(start, start + 30)))
    is_written.set()
    for thread in threads:
        thread.join()
    assert got["a"] == got["b"] == list(range(6000))
    assert len(segments(tmp_path)) == 1
    journal.close()


def test_while_one_reads_and_its_polls_are_dropped_each_is_read_or_counted(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=6000)
    got: list[int] = []
    is_written = threading.Event()

    def read() -> None:
        while not is_written.is_set() or reader.waiting:
            got.extend(drain(reader, 40))

    thread = threading.Thread(target=read)
    thread.start()
    for start in range(0, 3000, 50):
        journal.append(polls(range(start, start + 50)))
    is_written.set()
    thread.join()
    assert got == sorted(set(got))
    assert len(got) + reader.dropped == 3000
    assert reader.damaged == 0
    journal.close()


def test_where_the_power_may_fail_each_append_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def sync(file: int) -> None:
        synced.append(file)
        real(file)

    monkeypatch.setattr(os, "fsync", sync)
    journal = Journal(tmp_path, survives_power_loss=True)
    reader = journal.reader("box", most_bytes=PLENTY)
    journal.append(polls([0]))
    before = len(synced)
    journal.append(polls([1]))
    assert len(synced) == before + 1
    assert drain(reader) == [0, 1]
    journal.close()
