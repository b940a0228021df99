"""Site files for tests: written into a folder, loaded, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from energymeter.errors import ConfigError
from energymeter.site import ProfileShelf, ResolvedSite, Site, load_site, resolved

__all__ = ["BUS", "complaints", "loaded", "view_of", "written"]

BUS = """
[[link]]
name = "bus1"
url = "rtu:///dev/ttyUSB0?baudrate=19200"

[[meter]]
name = "main"
link = "bus1"
profile = "pm8000"
"""


def written(folder: Path, text: str) -> Path:
    """A site file in this folder."""
    path = folder / "site.toml"
    path.write_text(text, "utf-8")
    return path


def loaded(folder: Path, text: str) -> Site:
    """The site this text says."""
    return load_site(written(folder, text))


def view_of(folder: Path, text: str) -> ResolvedSite:
    """The same with defaults and profiles."""
    shelf = ProfileShelf()
    return resolved(load_site(written(folder, text), shelf), shelf)


def complaints(folder: Path, text: str) -> list[str]:
    """What is said of a bad file, a line each, without the file's folder."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    return [line.removeprefix(f"{folder}/") for line in caught.value.message.splitlines()]
