"""A file that is written while a link works.

Every piece is out at once, and a full disk harms nobody but the file.
"""

from __future__ import annotations

from io import FileIO
from pathlib import Path

from energymeter.errors import ConfigError, MeterError

__all__ = ["Output"]


class Output:
    """Writes a file piece by piece, each handed to the system at once.

    What a `Tap` does must not raise into the link. So a write that fails ends the writing, and
    `close` says so.

    Args:
        path: A file there is replaced.

    Raises:
        ConfigError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failure: OSError | None = None
        try:
            self._file: FileIO | None = path.open("wb", buffering=0)
        except OSError as error:
            msg = f"cannot write {path}: {error.strerror or error}"
            raise ConfigError(msg) from error

    def write(self, data: bytes) -> None:
        """Add to the file; does nothing once that has failed, or after `close`."""
        if self._file is None or self._failure is not None:
            return
        try:
            written = self._file.write(data)
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError as error:
            self._failure = error

    def close(self) -> None:
        """Close the file; may be called twice.

        Raises:
            MeterError: Not everything could be written.
        """
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as error:
            self._failure = self._failure or error
        if self._failure is not None:
            why = self._failure.strerror or self._failure
            msg = f"{self.path} is incomplete, writing failed: {why}"
            raise MeterError(msg) from self._failure
