"""One service for one folder of state: a second one is refused in a sentence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from energymeter.errors import ConfigError

try:
    import fcntl
except ImportError:  # Windows has none: there nobody is refused
    fcntl = None  # type: ignore[assignment]

__all__ = ["StateLock"]


class StateLock:
    """Holds a folder until it is closed, or the process ends in whatever way.

    Args:
        folder: Made when it is not there.

    Raises:
        ConfigError: Another process holds it, or it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._file: int | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            msg = f"{folder}: cannot be used for the state: {error.strerror}"
            raise ConfigError(msg) from error
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            msg = (
                f"{folder}: another energymeter run keeps its state here; "
                "end it, or name another folder as state in the site file"
            )
            raise ConfigError(msg) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it; calling it again does nothing."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
