"""Names of sites, meters and values as parts of topics and as identifiers. Pure.

Two names never become one: what is lost on the way is made up for by a hash of the whole name.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache
from typing import Final

from energymeter.errors import ConfigError

__all__ = ["identifier", "spoken", "topic_level", "topic_prefix"]

_FORBIDDEN: Final = re.compile(r"[/+#\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""What a level of a topic cannot hold (MQTT 3.1.1, 1.5.3 and 4.7); brokers hang up for it."""

_HASHED: Final = re.compile(r"[-_][0-9a-f]{8}")
_UPPER: Final = {"ct", "pt", "thd", "ab", "bc", "ca", "a", "b", "c", "pen", "mac", "id"}
_MOST_CHARS: Final = 80


@lru_cache(maxsize=65_536)
def topic_level(name: str) -> str:
    """A name as one level of a topic: as it is, spaces and all, where MQTT allows it.

    Args:
        name: Of a site, a meter or a value.
    """
    clean = _FORBIDDEN.sub("-", name)
    return name if clean == name and name else f"{clean}-{_hash(name)}"


def topic_prefix(prefix: str, key: str) -> str:
    """The first levels of all topics, as an operator wrote them, checked.

    Args:
        prefix: Levels, such as `energymeter` or `home/energy`; a slash at the end does not count.
        key: What it is called in the site file, for the message.

    Raises:
        ConfigError: It cannot be the beginning of a topic.
    """
    levels = prefix.removesuffix("/").split("/")
    if prefix.startswith("$") or not all(levels) or any(map(_FORBIDDEN.search, levels)):
        msg = (
            f"{key} {prefix!r} cannot begin a topic: write words joined by slashes, without + or "
            "# and without $ in front"
        )
        raise ConfigError(msg)
    return "/".join(levels)


@lru_cache(maxsize=65_536)
def identifier(name: str, joint: str = "_") -> str:
    """A name as an identifier of a-z, 0-9 and single joints, readable where possible.

    Args:
        name: Of a site, a meter or a value.
        joint: What stands between words: `_` or `-`.

    Returns:
        The name itself where it is one; else what is left of it, a joint and eight hexadecimal
        digits of a hash. It neither begins nor ends with the joint and never has two in a row.
    """
    folded = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", folded)
    kept = joint.join(words)[:_MOST_CHARS].rstrip(joint)
    if name and kept == name and not _HASHED.fullmatch(name[-9:]):
        return name
    return f"{kept}{joint}{_hash(name)}" if kept else _hash(name)


def spoken(name: str) -> str:
    """A value's name as people say it: `Voltage phase AB` for `voltage_phase_ab`."""
    words = [word.upper() if word in _UPPER else word for word in name.split("_") if word]
    if words and words[0].islower():
        words[0] = words[0].capitalize()
    return " ".join(words) or name


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
