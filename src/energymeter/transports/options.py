"""The options behind the `?` of a link's URL: what may stand there, and what it means.

Text in, values out; every mistake is one sentence that says what to write instead.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NoReturn
from urllib.parse import quote, unquote

from energymeter.errors import EndpointError

__all__ = ["Options", "duration_text", "nearest", "query_text"]

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ms|s|)")
_LONGEST_S: Final = 86400.0


class Options:
    """The options of one URL, each taken out as the kind of value it is.

    Args:
        query: What stands behind the `?`.
        where: The URL, for messages.
        scheme: What stands before `://`, for messages.
        known: The names that may stand there.
        elsewhere: Names that exist for other schemes, with the kind of link they are for.

    Raises:
        EndpointError: A name is unknown, given twice, or has no value.
    """

    def __init__(
        self,
        query: str,
        *,
        where: str,
        scheme: str,
        known: Collection[str],
        elsewhere: Mapping[str, str],
    ) -> None:
        self._where = where
        self._values: dict[str, str] = {}
        for part in filter(None, query.split("&")):
            name, equals, value = part.partition("=")
            if name not in known:
                self._refuse_name(name, scheme, known, elsewhere)
            if not equals or not value:
                self.refuse(f"option {name!r} has no value, write {name}=...")
            if name in self._values:
                self.refuse(f"option {name!r} is given twice")
            self._values[name] = unquote(value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def refuse(self, what: str) -> NoReturn:
        """Raise the error for a mistake in this URL.

        Raises:
            EndpointError: Always; it names the URL and says `what`.
        """
        msg = f"{self._where}: {what}"
        raise EndpointError(msg)

    def text(self, name: str) -> str | None:
        """The value as it was written; None when it was not."""
        return self._values.get(name)

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number."""
        value = self._values.get(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit()) or not least <= int(value[:12]) <= most:
            self.refuse(f"{name}={value} is not possible, use {least} to {most}")
        return int(value)

    def choice(self, name: str, default: str, choices: Iterable[str]) -> str:
        """One of a few words, in capitals or not."""
        value = self._values.get(name)
        if value is None:
            return default
        found = next((word for word in choices if word.casefold() == value.casefold()), None)
        if found is None:
            self.refuse(f"{name}={value} is not possible, use {' or '.join(choices)}")
        return found

    def is_on(self, name: str, *, default: bool = False) -> bool:
        """Yes or no."""
        return self.choice(name, "yes" if default else "no", ("yes", "no")) == "yes"

    def duration_s(self, name: str, *, may_be_zero: bool = True) -> float | None:
        """A time in seconds, written `50ms`, `1.5s` or `2`; None when it was not given."""
        value = self._values.get(name)
        if value is None:
            return None
        match = _DURATION.fullmatch(value)
        if match is None:
            self.refuse(f"{name}={value} is not a duration, write 50ms, 1.5s or 2 (seconds)")
        seconds = float(match[1]) / (1000 if match[2] == "ms" else 1)
        if seconds > _LONGEST_S or (seconds == 0 and not may_be_zero):
            least = "0" if may_be_zero else "more than 0"
            self.refuse(f"{name}={value} is not possible, use {least} to {_LONGEST_S:g} s")
        return seconds

    def _refuse_name(
        self, name: str, scheme: str, known: Collection[str], elsewhere: Mapping[str, str]
    ) -> NoReturn:
        if name in elsewhere:
            self.refuse(f"option {name!r} is for {elsewhere[name]}, not for {scheme}://")
        guess = nearest(name, known)
        hint = f", did you mean {guess!r}?" if guess else ";"
        self.refuse(f"unknown option {name!r}{hint} {scheme}:// has {', '.join(known)}")


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The one that `word` was probably meant to be."""
    return next(iter(difflib.get_close_matches(word.lower(), list(words), n=1)), None)


def duration_text(seconds: float) -> str:
    """Write a duration so that it can be read back."""
    thousandths = repr(seconds * 1000).removesuffix(".0")
    if seconds < 1 and "e" not in thousandths and float(thousandths) / 1000 == seconds:
        return f"{thousandths}ms"
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def query_text(values: Mapping[str, str]) -> str:
    """Write options so that they can be read back; nothing for none."""
    pairs = (f"{name}={quote(value, safe='/:.,~')}" for name, value in values.items())
    return "?" + "&".join(pairs) if values else ""
