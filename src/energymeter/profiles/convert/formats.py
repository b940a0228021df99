"""The forms a profile is made of and written in, by name; the modules are imported when used."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from energymeter.errors import ProfileError
from energymeter.profiles.convert.draft import Imported
from energymeter.profiles.convert.facts import from_facts
from energymeter.profiles.convert.outline import Exported
from energymeter.profiles.model import Profile

__all__ = ["EXPORTS", "IMPORTS", "export_profile", "import_profile"]

EXPORTS: Final = ("telegraf", "home-assistant", "modbus-exporter", "modpoll")
IMPORTS: Final = ("facts", *EXPORTS)

_ENDINGS: Final = {
    ".json": "facts",
    ".csv": "modpoll",
    ".toml": "telegraf",
    ".conf": "telegraf",
}


def import_profile(path: Path, form: str | None = None, part: str | None = None) -> Imported:
    """Make a profile of another program's file.

    Args:
        path: The file.
        form: One of IMPORTS; None goes by the file's ending and content.
        part: Which device, hub or module of it; None is the first.

    Raises:
        ConfigError: It cannot be read or is not what was expected; names file, key and reason.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        msg = f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        raise ProfileError(msg) from error
    form = form or _form_of(path, text)
    if form == "facts":
        try:
            data = json.loads(text, parse_float=Decimal)
        except json.JSONDecodeError as error:
            msg = f"{path}: is not JSON: {error}"
            raise ProfileError(msg) from error
        return Imported(from_facts(data, str(path)), ())
    imported: Imported = _function("from", form)(text, str(path), part)
    return imported


def export_profile(profile: Profile, form: str) -> Exported:
    """Write a profile in one of EXPORTS."""
    exported: Exported = _function("to", form)(profile)
    return exported


def _function(verb: str, form: str) -> Callable[..., Any]:
    word = form.replace("-", "_")
    module = importlib.import_module(f"energymeter.profiles.convert.{word}")
    function: Callable[..., Any] = getattr(module, f"{verb}_{word}")
    return function


def _form_of(path: Path, text: str) -> str:
    if path.suffix in (".yaml", ".yml"):
        is_exporter = any(line.startswith("modules:") for line in text.splitlines())
        return "modbus-exporter" if is_exporter else "home-assistant"
    if path.suffix not in _ENDINGS:
        msg = f"{path}: what program's file is it? give --from with one of {', '.join(IMPORTS)}"
        raise ProfileError(msg)
    return _ENDINGS[path.suffix]
