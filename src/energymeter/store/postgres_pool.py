"""The connections of a store in PostgreSQL: one that writes, a few that read.

The only file that knows the driver, which is imported when a store is opened. What the driver
raises becomes the errors of `errors` here; no message carries the password.
"""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from energymeter.store.errors import (
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

__all__ = ["Pool"]

_READERS: Final = 4
"""Connections that read at a time; who comes later waits for one."""

_DEFAULTS: Final[dict[str, Any]] = {
    "application_name": "energymeter",
    "connect_timeout": 5,
    # A server whose cable is cut is noticed within a minute, and not after two hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Of libpq, unless the address says otherwise; times in s, the last in ms."""

_SETTINGS: Final = (
    "SET timezone TO 'UTC'; SET lock_timeout TO '10s'; SET jit TO off; "
    "SET max_parallel_workers_per_gather TO 0"
)
"""Parallel workers would mix up polls of one time."""

_BUSY: Final = {
    "40001": "another transaction was in the way",
    "40P01": "another transaction was in the way",
    "55P03": "another transaction holds what is needed",
    "57014": "it took longer than the server allows",
}
_UNAVAILABLE: Final = ("08", "57P", "53300", "25006")
"""Connection lost, shut down, too many connections, a standby that only reads."""

_CORRUPT: Final = ("XX001", "XX002")
_FULL: Final = "53100"

_PORTS: Final = re.compile(r"\d+(,\d*)*")
"""One, or one for each of several hosts."""


class Pool:
    """Connections to one database, for any thread.

    Args:
        url: Where it is, `postgresql://user:password@host/database` or as libpq has it.
        prepare: Called with each new connection that writes, before it is used.

    Raises:
        StoreError: The driver is missing, or the address cannot be read.
        StoreUnavailableError: The server does not answer, or does not let us in.
    """

    def __init__(self, url: str, prepare: Callable[[Connection, str], None]) -> None:
        self._driver = _driver()
        self._params, self.place = _parsed(self._driver, url)
        self._prepare = prepare
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_READERS)
        self._idle: list[Connection] = []
        self._writer: Connection | None = None
        self._is_closed = False
        self.generation = 0
        """Which connection writes: what was known before it may have come to nothing."""

        with self.writing():
            pass

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The connection that writes, for one thread at a time; given up when an error leaves it.

        It is in autocommit: the caller begins its transactions.
        """
        with self._write_lock, self._mapped():
            writer = self._open_writer()
            try:
                yield writer
            except BaseException:
                self._writer = None
                _discard(writer)
                raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads: it sees one moment and holds up no one."""
        with self._turns, self._mapped():
            reader = self._take()
            try:
                with reader.transaction():
                    yield reader
            except BaseException:
                _discard(reader)
                raise
            with self._lock:
                if not self._is_closed:
                    self._idle.append(reader)
                    return
            reader.close()

    def is_missing_partition(self, error: BaseException) -> bool:
        """Whether a row found no partition, as after another program dropped one."""
        return isinstance(error, self._driver.errors.CheckViolation)

    def close(self) -> None:
        """Close every connection that is not in use; those are closed when they come back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for reader in idle:
            _discard(reader)
        with self._write_lock:
            writer, self._writer = self._writer, None
            if writer is not None:
                _discard(writer)

    def _open_writer(self) -> Connection:
        if self._is_closed:
            msg = f"{self.place}: is closed"
            raise StoreError(msg)
        if self._writer is not None and not self._is_alive(self._writer):
            _discard(self._writer)
            self._writer = None
        if self._writer is None:
            writer = self._connect()
            try:
                self._prepare(writer, self.place)
            except BaseException:
                _discard(writer)
                raise
            self._writer = writer
            self.generation += 1
        return self._writer

    def _take(self) -> Connection:
        while True:
            with self._lock:
                if self._is_closed:
                    msg = f"{self.place}: is closed"
                    raise StoreError(msg)
                reader = self._idle.pop() if self._idle else None
            if reader is None:
                break
            if self._is_alive(reader):
                return reader
            _discard(reader)
        reader = self._connect()
        reader.isolation_level = self._driver.IsolationLevel.REPEATABLE_READ
        reader.read_only = True
        return reader

    def _connect(self) -> Connection:
        # Statements are not prepared: a pooler between us and the server may mix them up.
        connection: Connection = self._driver.connect(
            **{**_DEFAULTS, **self._params, "client_encoding": "utf8"},
            autocommit=True,
            prepare_threshold=None,
        )
        try:
            connection.execute(_SETTINGS)
        except BaseException:
            _discard(connection)
            raise
        return connection

    def _is_alive(self, connection: Connection) -> bool:
        """Whether the server has not hung up since; asks the socket, not the server."""
        try:
            # The first takes the server's farewell, the second meets the end.
            connection.pgconn.consume_input()
            connection.pgconn.consume_input()
        except self._driver.Error:
            return False
        return not connection.closed

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """Turn what the driver and the decoders raise into the errors of the store."""
        try:
            yield
        except self._driver.Error as error:
            # The driver's own error stays out of sight: it may hold the address.
            raise self._translated(error) from None
        except (struct.error, ValueError, LookupError, OverflowError, TypeError) as error:
            msg = f"{self.place}: holds rows that are no readings ({error}); restore a backup"
            raise StoreCorruptError(msg) from error

    def _translated(self, error: Any) -> StoreError:  # noqa: ANN401 - an error of the driver
        code = error.sqlstate or ""
        reason = self._without_secret(error.diag.message_primary or str(error))
        if code == _FULL:
            msg = f"{self.place}: the server's disk is full; make room and it goes on"
            return StoreFullError(msg)
        if code in _BUSY:
            return StoreBusyError(f"{self.place}: {_BUSY[code]}; try again")
        if code in _CORRUPT:
            msg = f"{self.place}: the database is damaged ({reason}); restore a backup"
            return StoreCorruptError(msg)
        is_lost = not code and isinstance(error, self._driver.OperationalError)
        if is_lost or code.startswith(_UNAVAILABLE):
            msg = f"{self.place}: cannot be reached ({reason}); see that it runs and lets us in"
            return StoreUnavailableError(msg)
        return StoreError(f"{self.place}: {reason}")

    def _without_secret(self, text: str) -> str:
        """The first line of what the server or the driver says, without the password."""
        line = text.strip().partition("\n")[0].strip()
        for name in ("password", "sslpassword"):
            secret = str(self._params.get(name) or "")
            for form in {secret, quote(secret), quote(secret, safe="")} - {""}:
                line = line.replace(form, "***")
        return line


def _driver() -> ModuleType:
    try:
        import psycopg  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        msg = "the PostgreSQL store needs psycopg: pip install 'energymeter[postgres]'"
        raise StoreError(msg) from error
    return psycopg


def _parsed(driver: ModuleType, url: str) -> tuple[dict[str, Any], str]:
    """What the address says, and how to call it without its secrets."""
    try:
        params: dict[str, Any] = driver.conninfo.conninfo_to_dict(url)
    except driver.Error:
        params = {"port": ""}
    host = str(params.get("host") or params.get("hostaddr") or "localhost")
    port = str(params.get("port", "5432"))
    database = str(params.get("dbname") or "")
    # A slash or an at sign in a password makes the rest of it look like host, port or database.
    if not _PORTS.fullmatch(port) or "@" in host[1:] + database:
        msg = (
            "the address of the PostgreSQL store cannot be read; "
            "write postgresql://user:password@host/database, in the password %40 for @, %2F for /"
        )
        raise StoreError(msg)
    return params, f"postgresql://{host}:{port}/{database}"


def _discard(connection: Connection) -> None:
    with suppress(Exception):
        connection.close()
