"""The connections of a store: one that writes, and as many as needed that read."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from energymeter.store.errors import StoreError, mapped
from energymeter.store.layouts import parse_layout
from energymeter.store.rows import RowCodec
from energymeter.store.schema import connect, prepare

__all__ = ["Pool"]


class Pool:
    """Connections to one file, for any thread.

    Args:
        path: The file.
        read_only: Another process writes; the file has to be there.
        survives_power_loss: Whether each commit waits for the disk.

    Raises:
        StoreError: The file cannot be opened, is none of ours, or is of a newer version.
    """

    def __init__(self, path: Path, *, read_only: bool, survives_power_loss: bool) -> None:
        self.path = path
        self._is_closed = False
        self._readers: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self.failures = 0
        """Write transactions that came to nothing."""

        self.hours_without_means = 0
        """Hours, of a meter or of all, that were dropped without a mean for lack of room."""

        self._is_cramped = False
        """Whether the last write came to nothing, perhaps for lack of room."""

        self._codecs: dict[int, RowCodec] = {}
        if read_only and not path.exists():
            msg = f"{path}: there is no store"
            raise StoreError(msg)
        with mapped(path):
            writer = connect(path, is_reader=False)
            try:
                prepare(
                    writer,
                    path,
                    survives_power_loss=survives_power_loss,
                    may_renew=not read_only,
                )
            except BaseException:
                writer.close()
                raise
        if read_only:
            writer.close()
        else:
            self._writer = writer

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: kept as a whole, or not at all when an error leaves it."""
        with self._lock, mapped(self.path):
            writer = self._writer
            if writer is None:
                msg = f"{self.path}: is {'closed' if self._is_closed else 'open for reading only'}"
                raise StoreError(msg)
            if self._is_cramped:
                self._empty_log(writer)
            writer.execute("BEGIN IMMEDIATE")
            try:
                yield writer
                writer.execute("COMMIT")
            except BaseException:
                self.failures += 1
                self._is_cramped = True
                # SQLite may have rolled back by itself.
                with suppress(sqlite3.Error):
                    writer.execute("ROLLBACK")
                raise
            self._is_cramped = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A transaction that reads: it sees one moment and holds up no one."""
        with mapped(self.path):
            reader = self._take()
            try:
                reader.execute("BEGIN")
                yield reader
                reader.execute("COMMIT")
            except BaseException:
                reader.close()
                raise
            with self._lock:
                if not self._is_closed:
                    self._readers.append(reader)
                    return
            reader.close()

    def codec(self, connection: sqlite3.Connection, layout: int) -> RowCodec:
        """The codec of a layout by its number."""
        codec = self._codecs.get(layout)
        if codec is None:
            row = connection.execute("SELECT body FROM layout WHERE id = ?", (layout,)).fetchone()
            if row is None:
                msg = f"there is no layout {layout}"
                raise ValueError(msg)
            codec = self._codecs[layout] = RowCodec(parse_layout(row[0]))
        return codec

    def close(self) -> None:
        """Close every connection that is not in use; those are closed when they come back."""
        with self._lock:
            self._is_closed = True
            connections, self._readers = self._readers, []
            if self._writer is not None:
                connections.append(self._writer)
                self._writer = None
        with mapped(self.path):
            for connection in connections:
                connection.close()

    @staticmethod
    def _empty_log(writer: sqlite3.Connection) -> None:
        """Move what stands in the write-ahead log to the file, so that the log begins anew.

        On a full disk the log has taken the room that the file needs to grow, and would go on
        growing with the room that is made.
        """
        with suppress(sqlite3.Error):
            writer.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._is_closed:
                msg = f"{self.path}: is closed"
                raise StoreError(msg)
            if self._readers:
                return self._readers.pop()
        return connect(self.path, is_reader=True)
