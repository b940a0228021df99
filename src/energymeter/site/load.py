"""A site file read, with errors that name file, line and key, all of them at once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from energymeter.errors import ConfigError
from energymeter.site.check import site_faults
from energymeter.site.faults import complaint, faults_of
from energymeter.site.lines import Lines
from energymeter.site.model import Site
from energymeter.site.resolve import resolve
from energymeter.site.shelf import ProfileShelf
from energymeter.site.units import FOLDER

__all__ = ["load_site"]

_TOML_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def load_site(path: Path, shelf: ProfileShelf | None = None) -> Site:
    """Read a site file and make sure that it can be built.

    Meters in bulk come out one by one, relative paths start from the file's folder, and every
    sink has a name.

    Args:
        path: The file.
        shelf: Where profiles come from; give it to `resolved` too, and they are loaded once.

    Raises:
        ConfigError: It cannot be read, is no TOML or no site, or names what is not there: a link,
            a profile, a secret. The message has a line for each fault.
    """
    text = _read(path)
    data = _parse(text, path)
    # Defaults know no folder, what is given does.
    given = data if "store" in data else {**data, "store": {}}
    try:
        site = Site.model_validate(given, context={FOLDER: path.parent.absolute()})
    except ValidationError as error:
        faults = faults_of(error, data)
    else:
        _, faults = resolve(site, shelf or ProfileShelf())
        faults += site_faults(site)
    if faults:
        raise ConfigError(complaint(faults, str(path), data, Lines(text)))
    each = tuple(meter for entry in site.meter for meter in entry.each())
    return site.model_copy(update={"meter": each})


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        if isinstance(error, FileNotFoundError):
            msg = f"{path}: there is no such file, energymeter site new {path} makes one"
        raise ConfigError(msg) from error
    except UnicodeError as error:
        msg = f"{path}: cannot be read: it is not UTF-8"
        raise ConfigError(msg) from error


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Its own message may repeat what stands there: never a value, at most a character.
        found = _TOML_PLACE.search(str(error))
        what = _TOML_PLACE.sub("", str(error))
        if found is None or found[1] is None:
            line, column = text.count("\n") + 1, ""
        else:
            line, column = int(found[1]), f", column {found[2]}"
        what = f"{what[:1].lower()}{what[1:]}"
        msg = f"{path}:{line}: is not TOML{column}: {what}"
        raise ConfigError(msg) from None
