"""The profiles of a site, each loaded once, and the points that patterns pick of them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from energymeter.errors import ProfileError
from energymeter.profiles import Point, Profile, ProfileLibrary, load_profile

__all__ = ["ProfileShelf"]


class ProfileShelf:
    """Loads each profile once; a new shelf sees what changed on the disk.

    Args:
        library: Where profiles are found by name; None: the user's own and the shipped ones.
    """

    def __init__(self, library: ProfileLibrary | None = None) -> None:
        self._library = library
        self._found: dict[str, Profile | ProfileError] = {}
        self._picked: dict[tuple[str, tuple[str, ...] | None], tuple[Point, ...]] = {}

    def load(self, name: str) -> Profile:
        """The profile of this name, or in this file where the name ends in `.toml`.

        Raises:
            ProfileError: There is none, or it is broken.
        """
        found = self._found.get(name)
        if found is None:
            try:
                found = self._open(name)
            except ProfileError as error:
                found = error
            self._found[name] = found
        if isinstance(found, ProfileError):
            raise found
        return found

    def pick(self, name: str, patterns: tuple[str, ...] | None) -> tuple[Point, ...]:
        """The points of a profile that any of the patterns means; None: all that can be read.

        Raises:
            ProfileError: There is no such profile, or a pattern means no point of it.
        """
        key = name, patterns
        if key not in self._picked:
            points = self.load(name).readable_points
            if patterns is not None:
                points = _matching(points, patterns, name)
            self._picked[key] = points
        return self._picked[key]

    def _open(self, name: str) -> Profile:
        if name.endswith(".toml"):
            return load_profile(Path(name))
        if name.endswith(".py"):
            msg = f"{name} is a program, a site takes profiles: see energymeter profile new"
            raise ProfileError(msg)
        if name == "sunspec":
            msg = "sunspec asks a device for its description, name the profile here"
            raise ProfileError(msg)
        if self._library is None:
            self._library = ProfileLibrary()
        return self._library.load(name)


def _matching(points: tuple[Point, ...], patterns: tuple[str, ...], name: str) -> tuple[Point, ...]:
    for pattern in patterns:
        if not any(fnmatchcase(point.name, pattern) for point in points):
            msg = f"{pattern!r} is no value of {name}, see energymeter profile show {name}"
            raise ProfileError(msg)
    if not patterns:
        msg = "nothing would be read, leave points out to read everything"
        raise ProfileError(msg)
    return tuple(p for p in points if any(fnmatchcase(p.name, pattern) for pattern in patterns))
