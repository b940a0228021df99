"""The profiles at hand: the user's own first, then the shipped ones.

Only the profile asked for is opened; the others are known by their file names.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from energymeter.errors import ProfileError
from energymeter.profiles.load import load_profile
from energymeter.profiles.model import Profile

__all__ = ["ProfileLibrary"]

_SHIPPED = Path(__file__).parent / "data"


class ProfileLibrary:
    """Finds profiles by name.

    Args:
        folders: Folders searched first, in this order, each with `vendor/model.toml` below;
            None means the user's own, `$XDG_CONFIG_HOME/energymeter/profiles`.
    """

    def __init__(self, folders: Sequence[Path] | None = None) -> None:
        if folders is None:
            config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
            folders = [Path(config).expanduser() / "energymeter" / "profiles"]
        self.folders = (*folders, _SHIPPED)

    def names(self) -> list[str]:
        """`vendor/model` of every profile, in order."""
        return sorted(self._files())

    def load(self, name: str) -> Profile:
        """Load the profile called `vendor/model`, or `model` where only one vendor has it.

        Raises:
            ProfileError: There is none of this name, or several, or its file is broken.
        """
        files = self._files()
        wanted = name.strip().lower()
        if wanted in files:
            return load_profile(files[wanted])
        matches = [full for full in files if full.partition("/")[2] == wanted]
        if len(matches) == 1:
            return load_profile(files[matches[0]])
        if matches:
            msg = f"profile {name!r} is of several vendors: {', '.join(sorted(matches))}"
            raise ProfileError(msg)
        short = [full.partition("/")[2] for full in files]
        near = difflib.get_close_matches(wanted, [*files, *short], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(short)}"
        msg = f"profile {name!r} is not known, {hint}"
        raise ProfileError(msg)

    def _files(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for folder in self.folders:
            for path in sorted(folder.glob("*/*.toml")):
                found.setdefault(f"{path.parent.name}/{path.stem}".lower(), path)
        return found
