"""On which line of a TOML text something stands, found by eye: good enough for messages."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["Lines"]

_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([\w-]+)\s*\]")
_ANY_HEADER: Final = re.compile(r"\s*\[\[?\s*[\w-]+[\w.\s-]*\]")


class Lines:
    """Finds the lines of places in a file.

    Args:
        text: All of it.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._heads: dict[str, list[int]] = {}
        for place, line in enumerate(self._lines):
            header = _HEADER.match(line)
            if header is not None:
                self._heads.setdefault(header[2], []).append(place)

    def __call__(self, where: tuple[str | int, ...]) -> int | None:
        """The line of a key or, where it is not found, of its table; counts from 1.

        Args:
            where: Keys and, in lists, numbers from 0.

        Returns:
            None where the table is not found either, as with tables written inline.
        """
        if not where:
            return None
        heads = self._heads.get(str(where[0]), [])
        number = where[1] if len(where) > 1 and isinstance(where[1], int) else 0
        keys = [step for step in where if isinstance(step, str)]
        if number < len(heads):
            head = heads[number]
            return (self._key(keys[1:], head + 1) or head) + 1
        found = self._key(keys, 0)
        return None if found is None or isinstance(where[-1], int) else found + 1

    def _key(self, keys: list[str], start: int) -> int | None:
        """Where the first of the keys stands, before the next table begins."""
        for place in range(start, len(self._lines) if keys else start):
            line = self._lines[place].strip()
            if _ANY_HEADER.match(line):
                return None
            if re.match(rf"[\"']?{re.escape(keys[0])}[\"']?\s*[=.]", line):
                return place
        return None
