"""The profiles at hand: the user's own first, then the shipped ones.

Only the profile asked for is opened; the others are known by their file names.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from energymeter.errors import ProfileError
from energymeter.profiles.load import load_profile
from energymeter.profiles.model import Profile

__all__ = ["ProfileLibrary", "own_folder"]

_SHIPPED = Path(__file__).parent / "data"


def own_folder() -> Path:
    """Where the user's own profiles are: `$XDG_CONFIG_HOME/energymeter/profiles`."""
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config).expanduser() / "energymeter" / "profiles"


class ProfileLibrary:
    """Finds profiles by name.

    Args:
        folders: Folders searched first, in this order, each with `vendor/model.toml` below;
            None means the user's own, see `own_folder`.
    """

    def __init__(self, folders: Sequence[Path] | None = None) -> None:
        if folders is None:
            folders = [own_folder()]
        self.folders = (*folders, _SHIPPED)

    def names(self) -> list[str]:
        """`vendor/model` of every profile, in order."""
        return sorted(self._files())

    def load(self, name: str) -> Profile:
        """Load the profile called `vendor/model`, or `model` where only one vendor has it.

        Raises:
            ProfileError: There is none of this name, or several, or its file is broken.
        """
        return load_profile(self.path_of(name))

    def load_each(self) -> Iterator[tuple[str, Profile | ProfileError]]:
        """Every profile by name, in order; a broken one gives its error, the others go on."""
        for name, path in sorted(self._files().items()):
            try:
                yield name, load_profile(path)
            except ProfileError as error:
                yield name, error

    def path_of(self, name: str) -> Path:
        """The file of the profile called `vendor/model`, or `model` where that is enough.

        Raises:
            ProfileError: There is none of this name, or several.
        """
        files = self._files()
        wanted = name.strip().lower()
        if wanted in files:
            return files[wanted]
        matches = [full for full in files if full.partition("/")[2] == wanted]
        if len(matches) == 1:
            return files[matches[0]]
        if matches:
            msg = f"profile {name!r} is of several vendors: {', '.join(sorted(matches))}"
            raise ProfileError(msg)
        short = [full.partition("/")[2] for full in files]
        near = difflib.get_close_matches(wanted, [*files, *short], n=3)
        hint = (
            f"did you mean {' or '.join(near)}?"
            if near
            else f"there are {len(files)}, see energymeter profile list"
        )
        msg = f"profile {name!r} is not known, {hint}"
        raise ProfileError(msg)

    def _files(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for folder in self.folders:
            for path in sorted(folder.glob("*/*.toml")):
                found.setdefault(f"{path.parent.name}/{path.stem}".lower(), path)
        return found
