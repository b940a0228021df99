"""TOML to profiles, with errors that name the file and the key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

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
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        msg = f"{origin}: {key}{_reason(first)}{more}"
        raise ProfileError(msg) from error


def _reason(fault: ErrorDetails) -> str:
    """What was expected, in words of the file and not of Python."""
    match fault["type"]:
        case "extra_forbidden":
            return "there is no such key here, see energymeter profile schema"
        case "missing":
            return "this key is needed"
        case "model_type" | "model_attributes_type":
            return f"a table was expected, not {fault['input']!r}"
        case "tuple_type":
            return f"a list was expected, not {fault['input']!r}"
        case "string_type":
            return f"text was expected, not {fault['input']!r}"
        case "decimal_parsing" | "decimal_type":
            return f"a number was expected, not {fault['input']!r}"
        case "string_pattern_mismatch":
            return f"{fault['input']!r} does not look like {fault['ctx']['pattern']}"
        case _:
            text = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
            text = f"{text[:1].lower()}{text[1:]}"
            is_ours = fault["type"] == "value_error"
            return text if is_ours else f"{text}, not {fault['input']!r}"


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
