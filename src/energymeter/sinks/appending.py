"""Add lines to files: whole or not at all, on the disk before it counts. Blocks; no loop here."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from energymeter.errors import SinkUnavailableError

__all__ = ["Repeats", "append", "file_error", "write_all"]

_PIECE_BYTES: Final = 65_536
_LEAST_TAIL_BYTES: Final = 1_000_000


class Repeats:
    """Knows whether lines that come now may stand in a file already.

    They may when a `send` did not end well: it was cancelled or failed, or the process died,
    after some of its lines were written. They come again in the same order, so behind the first
    line that is new to a file everything is.
    """

    def __init__(self) -> None:
        self._round = 0
        self._is_settled = False
        self._sure: dict[Path, int] = {}

    def begin(self) -> int:
        """A `send` begins; returns the number of its round, for the calls below."""
        if not self._is_settled:
            self._round += 1
        self._is_settled = False
        return self._round

    def settle(self) -> None:
        """That `send` ended well."""
        self._is_settled = True

    def tail_bytes(self, path: Path, data: Sequence[bytes], number: int) -> int:
        """How much of the file's end to look at; 0: nothing can be repeated."""
        if self._sure.get(path) == number:
            return 0
        return max(_LEAST_TAIL_BYTES, 2 * sum(map(len, data)))

    def fresh(self, path: Path, data: Sequence[bytes], tail: bytes, number: int) -> bytes:
        """The lines that are not in the file yet, joined."""
        first = 0
        if tail:
            seen = set(tail.splitlines(keepends=True))
            first = next((place for place, line in enumerate(data) if line not in seen), len(data))
        if first < len(data):
            self._sure[path] = number
        return b"".join(data[first:])

    def forget(self, path: Path) -> None:
        """The file is written no more."""
        self._sure.pop(path, None)


def append(
    path: Path,
    make: Callable[[bytes], bytes],
    *,
    tail_bytes: int = 0,
    head: bytes = b"",
    mark: bytes = b"",
) -> None:
    """Add to a file, which is made with its folders where it is missing.

    Half a line at the end, as a crash leaves it, is taken away first. When not all could be
    written, the file is cut back to what it was. Pipes and devices are written to as they are.

    Args:
        path: The file.
        make: Returns what to add; is given the last whole lines of the file.
        tail_bytes: How much of the end `make` wants to see, 0 or more; lines cut at the front
            are left out, unless the file begins there.
        head: What an empty file begins with.
        mark: How our lines begin. Half a line that begins otherwise is somebody else's: it is
            ended instead of taken away. Empty: the file can only be ours.

    Raises:
        SinkUnavailableError: It cannot be written now.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new, is_regular = _kind_of(path)
        # A pipe that nobody reads says so only when it is not waited for.
        flags = os.O_RDWR if is_regular else os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)
        file = os.open(path, flags | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    except OSError as error:
        raise file_error(path, error) from error
    try:
        if is_regular:
            size, missing = _mend(file, mark)
            lead = missing if size else head
            _add(file, size, lead + make(_tail(file, size, tail_bytes)))
        else:
            os.set_blocking(file, True)
            write_all(file, make(b""))
        if is_new:
            _keep_name(path)
    except OSError as error:
        raise file_error(path, error) from error
    finally:
        os.close(file)


def write_all(file: int, data: bytes) -> None:
    """Write everything to a descriptor, however little it takes at a time; raises `OSError`."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def file_error(path: Path | str, error: OSError) -> SinkUnavailableError:
    """The error of a sink that cannot write there."""
    reason = error.strerror or str(error)
    advice = ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = ", make room on the disk"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = ", give the service the right to write there"
    elif error.errno in (errno.EPIPE, errno.ENXIO):
        advice = ", nobody reads it"
    return SinkUnavailableError(f"cannot write to {path}: {reason}{advice}")


def _kind_of(path: Path) -> tuple[bool, bool]:
    """Whether there is no such file yet, and whether it is (or will be) an ordinary one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return True, True
    return False, stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _add(file: int, size: int, data: bytes) -> None:
    if not data:
        return
    try:
        write_all(file, data)
        os.fsync(file)
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise


def _mend(file: int, mark: bytes) -> tuple[int, bytes]:
    """Cut what comes behind the last whole line; the size that is left, and what it lacks."""
    size = os.fstat(file).st_size
    end = _end_of_lines(file, size)
    if end == size:
        return size, b""
    begins = _read(file, end, len(mark)).split(b"\0")[0]
    if not mark.startswith(begins[: len(mark)]):
        return size, b"\n"
    os.ftruncate(file, end)
    return end, b""


def _end_of_lines(file: int, size: int) -> int:
    end = size
    while end > 0:
        start = max(0, end - _PIECE_BYTES)
        piece = _read(file, start, end - start)
        # Blocks a power failure left without content read as zeros.
        hole = piece.find(b"\0")
        last = piece.rfind(b"\n", 0, hole if hole >= 0 else len(piece))
        if last >= 0:
            return start + last + 1
        end = start
    return 0


def _tail(file: int, size: int, wanted: int) -> bytes:
    if wanted <= 0:
        return b""
    start = max(0, size - wanted)
    data = _read(file, start, size - start)
    return data if start == 0 else data[data.find(b"\n") + 1 :]


def _read(file: int, start: int, count: int) -> bytes:
    os.lseek(file, start, os.SEEK_SET)
    data = bytearray()
    while len(data) < count and (piece := os.read(file, count - len(data))):
        data += piece
    return bytes(data)


def _keep_name(path: Path) -> None:
    # The folder has its own place on the disk; without this the file may lose its name.
    if os.name != "posix":
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
