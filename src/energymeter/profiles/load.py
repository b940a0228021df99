"""TOML to profiles, with errors that name the file and the key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from energymeter.errors import ProfileError
from energymeter.profiles.model import Profile

__all__ = ["load_profile", "parse_profile"]


def load_profile(path: Path) -> Profile:
    """Load a profile file; its name is the folder and the file name without ending.

    Raises:
        ProfileError: It cannot be read, is no TOML or no profile; names file, key and reason.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"{path}: cannot be read: {reason}"
        raise ProfileError(msg) from error
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        msg = f"{path}: is not TOML: {error}"
        raise ProfileError(msg) from error
    return parse_profile({"name": f"{path.parent.name}/{path.stem}", **data}, str(path))


def parse_profile(data: Mapping[str, Any], origin: str) -> Profile:
    """Make a profile of plain data.

    Args:
        data: As TOML gives it; fractions as Decimal.
        origin: What to call its source in errors.

    Raises:
        ProfileError: It is no profile; names origin, key and reason of the first fault.
    """
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        faults = error.errors()
        first = faults[0]
        key = _key_path(first["loc"], data)
        reason = first["msg"].removeprefix("Value error, ")
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        msg = f"{origin}: {key}{reason[:1].lower()}{reason[1:]}{more}"
        raise ProfileError(msg) from error


def _key_path(location: tuple[int | str, ...], data: Mapping[str, Any]) -> str:
    """Write a place as people find it: `points.voltage_phase_a.address: `."""
    parts: list[str] = []
    for step in location:
        if isinstance(step, int) and parts == ["points"]:
            entry = data["points"][step]
            name = entry.get("name") if isinstance(entry, Mapping) else None
            parts.append(str(name) if name else f"[{step}]")
        else:
            parts.append(f"[{step}]" if isinstance(step, int) else step)
    return ".".join(parts) + ": " if parts else ""
