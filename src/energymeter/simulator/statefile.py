"""Where simulated meters go on after a restart: their state in a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from energymeter.errors import ConfigError
from energymeter.profiles import Profile
from energymeter.simulator.physics import Physics

__all__ = ["StateFile", "saved_seed"]


def saved_seed(path: Path) -> int | None:
    """The seed of the meters in a state file; None when there is no file.

    Raises:
        ConfigError: It cannot be read or is no such file.
    """
    saved = _read(path)
    if saved is None:
        return None
    try:
        return int(saved["meters"]["seed"])
    except (KeyError, TypeError, ValueError) as error:
        raise _no_state(path) from error


class StateFile:
    """The state of one fleet on disk.

    Args:
        path: The file; it need not exist.
        profile: What the meters are; a file of other meters is refused.
        seed: Their seed, likewise.
    """

    def __init__(self, path: Path, profile: Profile, seed: int) -> None:
        self.path = path
        self._identity = {"profile": profile.name, "seed": seed}

    def load(self, physics: Physics) -> bool:
        """Go on from the file; returns whether there was one.

        Raises:
            ConfigError: It cannot be read, or is of other meters.
        """
        saved = _read(self.path)
        if saved is None:
            return False
        try:
            identity, state = saved["meters"], saved["state"]
        except (KeyError, TypeError) as error:
            raise _no_state(self.path) from error
        if identity != self._identity:
            msg = f"{self.path}: is of other meters ({_words(identity)})"
            raise ConfigError(msg)
        try:
            physics.restore(state)
        except ValueError as error:
            msg = f"{self.path}: {error}"
            raise ConfigError(msg) from error
        return True

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the file, whole or not at all.

        Raises:
            ConfigError: It cannot be written.
        """
        text = json.dumps({"meters": self._identity, "state": state})
        partial = self.path.with_name(self.path.name + ".partial")
        try:
            partial.write_text(text, "utf-8")
            partial.replace(self.path)
        except OSError as error:
            msg = f"{self.path}: cannot be written: {error.strerror}"
            raise ConfigError(msg) from error


def _read(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _no_state(path) from error
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise ConfigError(msg) from error


def _no_state(path: Path) -> ConfigError:
    return ConfigError(f"{path}: is no state of simulated meters, remove it or name another file")


def _words(identity: object) -> str:
    if isinstance(identity, dict):
        return ", ".join(f"{key} {value}" for key, value in identity.items())
    return str(identity)
