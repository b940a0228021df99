"""Where simulated meters go on after a restart: their state in a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from energymeter.errors import ConfigError
from energymeter.simulator.population import Population

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
        return int(_parts(saved)[0]["meters"]["seed"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise _no_state(path) from error


class StateFile:
    """The state of simulated meters on disk.

    Args:
        path: The file; it need not exist.
        populations: Whose state it is; a file of other meters is refused.
    """

    def __init__(self, path: Path, populations: Sequence[Population]) -> None:
        self.path = path
        self._populations = populations
        self._identities = [
            {"profile": each.profile.name, "seed": each.seed} for each in populations
        ]

    def load(self) -> bool:
        """Go on from the file; returns whether there was one.

        Raises:
            ConfigError: It cannot be read, or is of other meters.
        """
        saved = _read(self.path)
        if saved is None:
            return False
        try:
            parts = _parts(saved)
            identities = [part["meters"] for part in parts]
            states = [part["state"] for part in parts]
        except (KeyError, TypeError) as error:
            raise _no_state(self.path) from error
        if identities != self._identities:
            words = "; ".join(map(_words, identities))
            msg = f"{self.path}: is of other meters ({words})"
            raise ConfigError(msg)
        try:
            for population, state in zip(self._populations, states, strict=True):
                population.restore(state)
        except ValueError as error:
            msg = f"{self.path}: {error}"
            raise ConfigError(msg) from error
        return True

    def states(self) -> list[dict[str, Any]]:
        """What there is to save now, one part a population."""
        return [population.physics.state() for population in self._populations]

    def save(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Write the file, whole or not at all.

        Raises:
            ConfigError: It cannot be written.
        """
        parts = [
            {"meters": identity, "state": state}
            for identity, state in zip(self._identities, states, strict=True)
        ]
        text = json.dumps(parts[0] if len(parts) == 1 else parts)
        partial = self.path.with_name(self.path.name + ".partial")
        try:
            partial.write_text(text, "utf-8")
            partial.replace(self.path)
        except OSError as error:
            msg = f"{self.path}: cannot be written: {error.strerror}"
            raise ConfigError(msg) from error


def _parts(saved: Any) -> list[Any]:  # noqa: ANN401 - whatever the file holds
    return saved if isinstance(saved, list) else [saved]


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
