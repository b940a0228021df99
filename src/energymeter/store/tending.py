"""Compress and drop old polls of the embedded store, in a process of its own.

    python -m energymeter.store.tending site.db --compact-before 2026-03-01T12:00Z

The service starts it each hour, since compressing would take the interpreter from its polls. It
steps back behind every other process, works slice by slice until nothing is left, and prints one
line of JSON. Killed at any moment it loses nothing; the next run goes on. Two never work on one
file: a lock that ends with its process lies beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from energymeter.store.errors import StoreBusyError, StoreError
from energymeter.store.sqlite import SqliteStore

__all__ = ["main", "tend"]

_NICENESS: Final = 10

_PAUSE_SHARE: Final = 0.2
"""Between two slices it rests for this share of the first, so that a writer finds its gap."""

_LONGEST_PAUSE_S: Final = 0.1


def tend(
    store: SqliteStore,
    *,
    compact_before: datetime | None = None,
    expire_before: datetime | None = None,
    expire_means_before: datetime | None = None,
) -> dict[str, int]:
    """Do all there is to do; returns how many slices of each kind that took.

    What is to go goes first: that makes the room in which the rest is compressed.

    Args:
        store: Open for writing.
        compact_before: Hours that end until then are compressed; None: none.
        expire_before: Hours that end until then go, their means stay; None: none.
        expire_means_before: Means of days (UTC) that end until then go; None: none.

    Raises:
        StoreError: The store cannot.
    """
    work: tuple[tuple[str, Callable[[datetime], bool], datetime | None], ...] = (
        ("expired", store.expire, expire_before),
        ("expired_means", store.expire_means, expire_means_before),
        ("compacted", store.compact, compact_before),
    )
    return {kind: 0 if before is None else _slices(step, before) for kind, step, before in work}


def _slices(step: Callable[[datetime], bool], before: datetime) -> int:
    count = 0
    while True:
        began = time.monotonic()
        if not step(before):
            return count
        count += 1
        spent_s = time.monotonic() - began
        time.sleep(min(spent_s * _PAUSE_SHARE, _LONGEST_PAUSE_S))


def main(arguments: Sequence[str] | None = None) -> int:
    """Tend one file; returns 0, 1 when the store cannot or another process is at it, 2 for usage.

    Args:
        arguments: Those of the command line; None: this process's.
    """
    asked = _parser().parse_args(arguments)
    path: Path = asked.path
    began = time.monotonic()
    with suppress(OSError, AttributeError):  # not on every system, and then it goes without
        os.nice(_NICENESS)
    try:
        # A power cut takes back the last slices, which are done again; nothing is lost by that.
        with closing(_lock(path)), SqliteStore(path, survives_power_loss=False) as store:
            slices = tend(
                store,
                compact_before=asked.compact_before,
                expire_before=asked.expire_before,
                expire_means_before=asked.expire_means_before,
            )
            without = store.hours_without_means
    except StoreError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    seconds = round(time.monotonic() - began, 3)
    told = {"path": str(path), **slices, "hours_without_means": without, "seconds": seconds}
    sys.stdout.write(f"{json.dumps(told, ensure_ascii=False)}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m energymeter.store.tending",
        description="Compress and drop old readings of a store while it is in use.",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="the file of the store")
    for option, what in (
        ("--compact-before", "compress the hours before that"),
        ("--expire-before", "drop the readings of the hours before that, keep means"),
        ("--expire-means-before", "drop the means of the days (UTC) before that"),
    ):
        parser.add_argument(option, type=_time, metavar="TIME", help=f"{what}; ISO 8601")
    return parser


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is no time, write 2026-03-01T12:00Z"
        raise argparse.ArgumentTypeError(msg) from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _lock(path: Path) -> sqlite3.Connection:
    """The lock of this file, to be closed; it goes with the process, however that ends.

    Raises:
        StoreBusyError: Another process has it.
        StoreError: There is no such file, or the lock cannot be made.
    """
    if not path.is_file():
        msg = f"{path}: there is no store"
        raise StoreError(msg)
    place = path.with_name(f"{path.name}-tending")
    try:
        lock = sqlite3.connect(place, timeout=0, isolation_level=None)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except BaseException:
            lock.close()
            raise
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            msg = f"{path}: another process tends it already"
            raise StoreBusyError(msg) from error
        msg = f"{place}: cannot be locked ({error})"
        raise StoreError(msg) from error
    return lock


if __name__ == "__main__":
    sys.exit(main())
