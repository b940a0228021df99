"""A PostgreSQL server for tests: in a folder of its own, on loopback, ended by its own number."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

__all__ = ["PASSWORD", "Postgres", "schema_of", "start_postgres"]

PASSWORD: Final = "watt/hour 7"
"""Every connection of a test has it, and no message may."""

_QUOTED: Final = "watt%2Fhour%207"
_PATIENCE_S: Final = 20.0
_OPTIONS: Final = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "fsync": "off",
    "autovacuum": "off",
    "bgwriter_lru_maxpages": "0",
}


def _programs() -> Path | None:
    """The folder with Debian's newest server, or that of the search path."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[-3])
    found = str(versions[-1]) if versions else shutil.which("initdb")
    return Path(found).parent if found else None


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Postgres:
    """A server that can be stopped and started again; its data stays until `remove`.

    Args:
        programs: Folder of `initdb` and `postgres`.
        options: Settings of the server besides those of every test.
    """

    def __init__(self, programs: Path, **options: str) -> None:
        self.programs = programs
        self._options = _OPTIONS | options
        # Not below tmp_path, which another user than ours may not enter.
        self.folder = Path(tempfile.mkdtemp(prefix="energymeter-postgres-"))
        self._as_user = _user(self.folder)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        secret = self.folder / "password"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o644)
        self._run(
            *("initdb", "--pgdata=data", "--username=keeper", "--pwfile=password"),
            *("--auth-host=scram-sha-256", "--auth-local=trust", "--encoding=UTF8"),
            *("--locale=C", "--no-sync", "--no-instructions"),
        )

    @property
    def url(self) -> str:
        """Where it is, with the password."""
        return f"postgresql://keeper:{_QUOTED}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and return once it takes connections; a port is kept."""
        self.port = self.port or _free_port()
        settings = {**self._options, "port": str(self.port)}
        command = [str(self.programs / "postgres"), "-D", "data", "-k", str(self.folder)]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, **self._as_user
            )
        deadline = time.monotonic() + _PATIENCE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start:\n{self.log()}")
            time.sleep(0.02)

    def stop(self, *, at_once: bool = False) -> None:
        """Stop it, as `pg_ctl stop -m fast` does, or `-m immediate`, which is a crash."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            self._process.wait(_PATIENCE_S)
            self._process = None

    def remove(self) -> None:
        """Stop it and delete all it had."""
        self.stop(at_once=True)
        shutil.rmtree(self.folder)

    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(errors="replace")

    def sql(self, statement: str, *params: object) -> list[tuple[Any, ...]]:
        """Run one statement; its rows, if it has any."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, params or None)
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            **self._as_user,
        )
        if done.returncode:
            pytest.fail(f"{program}: {done.stdout}{done.stderr}")


def start_postgres(**options: str) -> Postgres:
    """A running server; a test where PostgreSQL is not installed is skipped."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    server = Postgres(programs, **options)
    try:
        server.start()
    except BaseException:
        server.remove()
        raise
    return server


def schema_of(folder: Path) -> str:
    """The name of a schema that belongs to a folder."""
    return f"t{hashlib.blake2b(str(folder).encode(), digest_size=8).hexdigest()}"


def _user(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: who it runs as, and the owner of its folder then."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
