"""Files that get whole lines or nothing."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energymeter.errors import SinkUnavailableError
from energymeter.sinks.appending import Repeats, append, write_all

MARK = b'{"id":'


def add(path: Path, data: bytes, mark: bytes = b"", head: bytes = b"") -> None:
    append(path, lambda _: data, mark=mark, head=head)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as if the disk were full then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_folders_are_made_and_lines_added(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    add(path, b"one\n", head=b"head\n")
    add(path, b"two\n", head=b"head\n")
    assert path.read_bytes() == b"head\none\ntwo\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"one\ntw", b"one\n"),
        (b"tw", b""),
        (b"one\n" + bytes(100), b"one\n"),
        (b"one\ntw\0\0o\n\0", b"one\n"),
        (b"one\n" + b"x" * 200_000, b"one\n"),
        (b"one\n", b"one\n"),
    ],
)
def test_what_a_crash_tore_is_taken_away(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(before)
    add(path, b"new\n")
    assert path.read_bytes() == after + b"new\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"id":"a"}\n{"id":"b', b'{"id":"a"}\n'),
        (b'{"id":"a"}\n{"i', b'{"id":"a"}\n'),
        (b'{"id":"a"}\n' + bytes(9), b'{"id":"a"}\n'),
        (b"[somebody's]\nkey = 1", b"[somebody's]\nkey = 1\n"),
        (b"somebody's", b"somebody's\n"),
    ],
)
def test_half_a_line_that_is_not_ours_is_kept(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(before)
    add(path, b"new\n", mark=MARK)
    assert path.read_bytes() == after + b"new\n"


def test_a_full_disk_leaves_no_half_row(tmp_path: Path) -> None:
    path = tmp_path / "x"
    add(path, b"first\n")
    with largest_file(10), pytest.raises(SinkUnavailableError, match="cannot write to"):
        add(path, b"second, which is too long\n")
    assert path.read_bytes() == b"first\n"
    add(path, b"third\n")
    assert path.read_bytes() == b"first\nthird\n"


def test_a_full_device_says_so() -> None:
    with pytest.raises(SinkUnavailableError, match="make room on the disk"):
        add(Path("/dev/full"), b"x\n")


def test_a_pipe_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(SinkUnavailableError, match="nobody reads it"):
        add(path, b"x\n")


def test_a_pipe_somebody_reads_gets_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        add(path, b"x\n", head=b"no head\n")
        assert os.read(reader, 100) == b"x\n"
    finally:
        os.close(reader)


def test_a_folder_where_a_file_should_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(SinkUnavailableError, match="Is a directory"):
        add(tmp_path, b"x\n")


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(SinkUnavailableError, match="cannot write to"):
        add(tmp_path / "x" / "y", b"x\n")


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 8))
def test_lines_that_come_again_are_written_once(written: int, more: int, cut: int) -> None:
    """A batch was written in part, the last line of it torn; the whole batch comes again."""
    path, repeats = Path("anything"), Repeats()
    lines = [f"line {number}\n".encode() for number in range(written + more)]
    kept = b"".join(lines[:written])
    tail = kept[: kept.rfind(b"\n", 0, len(kept) - cut) + 1] if cut else kept
    number = repeats.begin()
    assert repeats.tail_bytes(path, lines, number) > 0
    assert tail + repeats.fresh(path, lines, tail, number) == b"".join(lines)


def test_after_a_good_end_the_file_is_not_looked_at_again() -> None:
    path, repeats, lines = Path("anything"), Repeats(), [b"a\n"]
    first = repeats.begin()
    repeats.fresh(path, lines, b"", first)
    repeats.settle()
    assert repeats.tail_bytes(path, lines, repeats.begin()) == 0
    assert repeats.tail_bytes(path, lines, repeats.begin()) > 0


def test_everything_is_written_to_a_pipe_that_takes_little_at_a_time() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        with pytest.raises(BlockingIOError):
            write_all(writer, bytes(10_000_000))
        assert len(os.read(reader, 10_000_000)) > 1000
    finally:
        os.close(reader)
        os.close(writer)
