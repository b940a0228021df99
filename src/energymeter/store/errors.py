"""What a store can fail with, and where the errors of SQLite become ours."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from energymeter.errors import MeterError

__all__ = [
    "StoreBusyError",
    "StoreCorruptError",
    "StoreError",
    "StoreFullError",
    "StoreUnavailableError",
    "StoreVersionError",
    "mapped",
]


class StoreError(MeterError):
    """The store cannot do what it was asked to."""


class StoreFullError(StoreError):
    """There is no room left on the disk; nothing of the call was kept."""

    retryable = True


class StoreBusyError(StoreError):
    """Another process holds the file for longer than we wait."""

    retryable = True


class StoreUnavailableError(StoreError):
    """The server that keeps the store cannot be reached, or was lost on the way.

    Lost while it was to acknowledge an `append`, it may have kept those polls all the same.
    """

    retryable = True


class StoreCorruptError(StoreError):
    """The file is damaged, or no store at all."""


class StoreVersionError(StoreError):
    """The file was written by a newer version."""


_FULL: Final = sqlite3.SQLITE_FULL
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_BY_PYTHON: Final = sqlite3.SQLITE_CORRUPT
"""SQLite gave a row that Python could not take, such as text that is none."""

_FORBIDDEN: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
_CORRUPT: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Turn what SQLite and the decoders raise into the errors of this module."""
    try:
        yield
    except sqlite3.Error as error:
        # The low byte is the kind; above it stands where in SQLite it happened.
        code = getattr(error, "sqlite_errorcode", _BY_PYTHON) & 0xFF
        if code == _FULL:
            msg = f"{path}: the disk is full; make room and it goes on"
            raise StoreFullError(msg) from error
        if code in _BUSY:
            msg = f"{path}: another process holds it; try again"
            raise StoreBusyError(msg) from error
        if code in _FORBIDDEN:
            msg = (
                f"{path}: cannot be opened ({error}); while nobody writes it, the file and its "
                "folder have to be writable also for whoever reads: give the right, or copy it"
            )
            raise StoreError(msg) from error
        if code in _CORRUPT:
            msg = f"{path}: is damaged or no store ({error}); put a backup in its place"
            raise StoreCorruptError(msg) from error
        msg = f"{path}: {error}"
        raise StoreError(msg) from error
    except (zlib.error, struct.error, ValueError, LookupError, OverflowError, TypeError) as error:
        msg = f"{path}: holds bytes that are no readings ({error}); put a backup in its place"
        raise StoreCorruptError(msg) from error
