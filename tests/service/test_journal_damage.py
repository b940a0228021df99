"""What a crash, a bad sector or a full disk does to the journal: as little as can be."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest
from tests.service.journaling import OTHER, PLENTY, drain, left, number_of, poll, polls, segments

from energymeter.service.journal import Journal
from energymeter.service.journal_reader import load_position

WRITER: Final = Path(__file__).with_name("journal_writer.py")
ROOT: Final = Path(__file__).parents[2]
KILLS: Final = 4


def written(folder: Path, count: int, *, segment_bytes: int = 1_000_000) -> None:
    journal = Journal(folder, segment_bytes=segment_bytes)
    journal.reader("box", most_bytes=PLENTY)
    journal.append(polls(range(count)))
    journal.close()


def place_of(data: bytes, number: int) -> int:
    """Where the values of a poll stand in a file."""
    return data.index(number.to_bytes(8, "little"), data.index(b"main"))


def writer(folder: Path, first: int, most_bytes: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), str(folder), str(first), str(most_bytes)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    first = 0
    for _ in range(KILLS):
        with writer(tmp_path, first) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.1))
            process.kill()
            acknowledged = int(process.stdout.read().split("\n")[:-1][-1] or first)
        journal = Journal(tmp_path)
        reader = journal.reader("box", most_bytes=PLENTY)
        found = [number_of(each) for each in reader.read(10**6).polls]
        assert found == list(range(len(found)))
        assert len(found) >= acknowledged
        assert reader.damaged == reader.dropped == 0
        first = len(found)
        journal.close()
    assert first > 100


def test_a_poll_that_was_being_written_is_cut_off_and_what_follows_is_whole(
    tmp_path: Path,
) -> None:
    written(tmp_path, 3)
    (path,) = segments(tmp_path)
    os.truncate(path, path.stat().st_size - 5)
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=PLENTY)
    journal.append(polls([7, 8]))
    assert drain(reader) == [0, 1, 7, 8]
    assert reader.damaged == 0
    journal.close()


def test_bytes_that_are_damaged_lose_only_their_poll_and_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, 300)
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    for number in (70, 71, 200):
        data[place_of(bytes(data), number)] ^= 0x10
    path.write_bytes(data)
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=PLENTY)
    assert drain(reader) == [n for n in range(300) if n not in (70, 71, 200)]
    assert reader.damaged == 3
    assert reader.dropped == 0
    assert any("damaged" in message for message in caplog.messages)
    journal.close()


def test_a_damaged_length_loses_only_its_poll(tmp_path: Path) -> None:
    written(tmp_path, 5000)
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    head = data.rindex(b"\xf5EMj", 0, place_of(bytes(data), 2000))
    for claimed in (0, 60, 300_000, 15_000_000, 2**32 - 1):
        data[head + 8 : head + 12] = claimed.to_bytes(4, "little")
        path.write_bytes(data)
        journal = Journal(tmp_path)
        reader = journal.reader("box", most_bytes=PLENTY)
        batch = reader.read(10_000)
        assert [number_of(found) for found in batch.polls] == [n for n in range(5000) if n != 2000]
        assert batch.damaged == 1


def test_the_last_poll_damaged_while_the_journal_is_open_holds_nothing_up(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=PLENTY)
    journal.append(polls(range(3)))
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert drain(reader) == [0, 1]
    assert (reader.waiting, reader.damaged) == (0, 1)
    journal.append(polls([3]))
    assert drain(reader) == [3]
    journal.close()


def test_a_layout_that_is_damaged_is_found_in_another_segment(tmp_path: Path) -> None:
    written(tmp_path, 100, segment_bytes=1024)
    first, *others = segments(tmp_path)
    data = bytearray(first.read_bytes())
    data[data.index(b'"half"')] ^= 1
    first.write_bytes(data)
    assert others
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=PLENTY)
    assert drain(reader) == list(range(100))
    journal.close()


def test_a_layout_that_is_lost_everywhere_loses_its_polls_and_no_others(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.reader("box", most_bytes=PLENTY)
    journal.append([poll(0), poll(1, "side", OTHER), poll(2), poll(3, "side", OTHER)])
    journal.close()
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b'"half"')] ^= 1
    path.write_bytes(data)
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=PLENTY)
    assert drain(reader) == [1, 3]
    assert reader.damaged == 2
    # The same layout, written again, is none the worse.
    journal.append(polls([4]))
    assert drain(reader) == [4]
    journal.close()


def test_a_segment_that_somebody_deleted_is_counted(tmp_path: Path) -> None:
    written(tmp_path, 100, segment_bytes=1024)
    journal = Journal(tmp_path)
    reader = journal.reader("box", most_bytes=PLENTY)
    _, second, third, *_ = segments(tmp_path)
    second.unlink()
    lost = range(int(second.stem), int(third.stem))
    assert drain(reader) == [n for n in range(100) if n not in lost]
    assert reader.damaged == len(lost)
    journal.close()


def test_a_damaged_position_reads_everything_again(tmp_path: Path) -> None:
    written(tmp_path, 5)
    for text in ("", "4", "4 00000000", "\xff\xff", "nine 7"):
        (tmp_path / "box.position").write_text(text, "latin-1")
        assert left(tmp_path) == [0, 1, 2, 3, 4]


def test_a_position_ahead_of_what_a_power_loss_left_hides_nothing_new(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    ahead = journal.reader("ahead", most_bytes=PLENTY)
    behind = journal.reader("behind", most_bytes=PLENTY)
    journal.append(polls(range(10)))
    drain(ahead)
    journal.close()
    (path,) = segments(tmp_path)
    os.truncate(path, path.stat().st_size // 2)
    journal = Journal(tmp_path)
    ahead = journal.reader("ahead", most_bytes=PLENTY)
    behind = journal.reader("behind", most_bytes=PLENTY)
    journal.append(polls(range(10, 13)))
    assert drain(ahead) == [10, 11, 12]
    left = drain(behind)
    assert left[-3:] == [10, 11, 12]
    assert len(left) + behind.dropped == 13
    journal.close()


class Disk:
    """Takes the place of `os.write`: full, or with room for so many bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.error = errno.ENOSPC
        self._real = os.write
        monkeypatch.setattr(os, "write", self._write)

    def _write(self, file: int, data: Any) -> int:
        if self.room is None:
            return self._real(file, data)
        if self.room == 0:
            raise OSError(self.error, os.strerror(self.error))
        count = self._real(file, data[: self.room])
        self.room -= count
        return count


@pytest.mark.parametrize("room", [0, 1, 30, 700, 2500])
def test_a_full_disk_loses_nothing_and_sinks_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    disk = Disk(monkeypatch)
    journal = Journal(tmp_path, segment_bytes=1024)
    quick = journal.reader("quick", most_bytes=PLENTY)
    slow = journal.reader("slow", most_bytes=PLENTY)
    journal.append(polls(range(10)))
    disk.room = room
    journal.append(polls(range(10, 100)))
    assert journal.fault == f"{tmp_path}: the disk is full; make room and it goes on"
    assert journal.waiting > 0
    assert drain(quick) == list(range(100))
    journal.append(polls(range(100, 110)))
    disk.room = None
    journal.append([])
    assert (journal.fault, journal.waiting, journal.dropped) == ("", 0, 0)
    assert drain(quick) == list(range(100, 110))
    journal.close()
    journal = Journal(tmp_path)
    slow = journal.reader("slow", most_bytes=PLENTY)
    assert drain(slow) == list(range(110))
    assert slow.damaged == slow.dropped == 0
    journal.close()


def test_a_disk_that_is_full_and_cannot_even_cut_back_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    journal = Journal(tmp_path)
    journal.reader("box", most_bytes=PLENTY)
    journal.append(polls(range(3)))
    disk.room, disk.error = 200, errno.EIO

    def refuse(_file: int, _size: int) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as broken:
        broken.setattr(os, "ftruncate", refuse)
        journal.append(polls(range(3, 10)))
    assert "cannot be written" in journal.fault
    disk.room = None
    journal.append(polls(range(10, 12)))
    journal.close()
    assert len(segments(tmp_path)) == 2
    assert left(tmp_path) == list(range(12))


def test_when_the_memory_is_full_too_the_oldest_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    journal = Journal(tmp_path, most_in_memory=30)
    quick = journal.reader("quick", most_bytes=PLENTY)
    slow = journal.reader("slow", most_bytes=PLENTY)
    journal.append(polls(range(10)))
    disk.room = 0
    got = []
    for start in range(10, 110, 20):
        journal.append(polls(range(start, start + 20)))
        got += drain(quick)
    assert got == list(range(110))
    assert journal.waiting == 30
    assert journal.dropped == 70
    disk.room = None
    journal.append(polls([110]))
    assert drain(slow) == [*range(10), *range(80, 111)]
    assert (slow.dropped, quick.dropped) == (70, 0)
    journal.close()


def test_what_every_sink_had_from_memory_is_no_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    journal = Journal(tmp_path, most_in_memory=30)
    reader = journal.reader("box", most_bytes=PLENTY)
    disk.room = 0
    for start in range(0, 200, 20):
        journal.append(polls(range(start, start + 20)))
        assert drain(reader) == list(range(start, start + 20))
    assert journal.dropped == 0
    journal.close()


def test_a_file_that_may_not_grow_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    with writer(tmp_path, 0, 9_000) as process:
        lines = process.communicate(timeout=20)[0].splitlines()
    assert lines[-2].endswith("the disk is full; make room and it goes on")
    assert lines[-1] == "fault: '', in memory: 0"
    assert left(tmp_path) == list(range(int(lines[-3])))


def test_a_position_that_cannot_be_written_is_told_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path, segment_bytes=1024)
    reader = journal.reader("box", most_bytes=PLENTY)
    journal.append(polls(range(100)))
    drain(reader)

    def refuse(self: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", refuse)
        reader.save()
    assert any("box.position" in message for message in caplog.messages)
    # Only this makes room on a disk that is full of the journal.
    assert len(segments(tmp_path)) == 1
    journal.append(polls([100]))
    drain(reader)
    journal.close()
    assert load_position(tmp_path / "box.position") == 101
