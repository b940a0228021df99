"""Puts the benchmark before everything else on a machine that will not fall quiet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["raised_priority"]

# Linux shares time between sessions first and then among the processes of each; the niceness of a
# process counts inside its session only, so it is the session's that has to be raised.
SESSION = Path("/proc/self/autogroup")
URGENT = -15


@contextmanager
def raised_priority(*, wanted: bool) -> Iterator[None]:
    """Raise our session, and so all that we start, until the block ends; needs root.

    Raises:
        SystemExit: It is not allowed, or this kernel has no such thing.
    """
    if not wanted:
        yield
        return
    try:
        before = SESSION.read_text().rpartition(" ")[2].strip()
        SESSION.write_text(str(URGENT))
    except OSError as error:
        message = f"--urgent needs root and a kernel with autogroup: {error.strerror}"
        raise SystemExit(message) from error
    try:
        yield
    finally:
        SESSION.write_text(before)
