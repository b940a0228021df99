"""A password as a site file has it: a hash it cannot be told from. Prints nothing, asks nobody.

Scrypt (RFC 7914) with a salt of its own for each: `scrypt$n$r$p$salt$hash`, the last two in
base64. Whoever reads the file has to try one password after the other, at 32 MiB and a tenth of a
second each.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata
from typing import Final, NamedTuple, Self

from energymeter.errors import ConfigError

__all__ = ["LONGEST", "SHORTEST", "PasswordHash"]

SHORTEST: Final = 8
"""Characters a password needs."""

LONGEST: Final = 256
"""Characters a password may have."""

_N: Final = 2**15
_R: Final = 8
_P: Final = 1
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_MOST_MEMORY: Final = 256 * 2**20
_MOST_P: Final = 16
_HOW: Final = "make one with: energymeter site password"


class PasswordHash(NamedTuple):
    """What a password is compared with; `str()` gives the text for the site file."""

    n: int
    r: int
    p: int
    salt: bytes
    hash: bytes

    @classmethod
    def of(cls, password: str) -> Self:
        """The hash of a password, with a salt nobody used before.

        Raises:
            ConfigError: It is shorter than 8 or longer than 256 characters.
        """
        if len(password) < SHORTEST:
            msg = f"the password has {len(password)} characters, take {SHORTEST} or more"
            raise ConfigError(msg)
        if len(password) > LONGEST:
            msg = f"the password has {len(password)} characters, take at most {LONGEST}"
            raise ConfigError(msg)
        salt = secrets.token_bytes(_SALT_BYTES)
        return cls(_N, _R, _P, salt, _scrypt(password, salt, _N, _R, _P, _HASH_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str()` wrote.

        Raises:
            ConfigError: It is no such text, or one that would take too much memory.
        """
        parts = text.strip().split("$")
        if len(parts) != 6 or parts[0] != "scrypt":
            msg = f"this is no hash of a password, {_HOW}"
            raise ConfigError(msg)
        try:
            n, r, p = (int(part) for part in parts[1:4])
            salt, found = (base64.b64decode(part, validate=True) for part in parts[4:])
        except (ValueError, binascii.Error):
            msg = f"the hash of the password is damaged, {_HOW}"
            raise ConfigError(msg) from None
        is_sound = n >= 2 and not n & (n - 1) and r >= 1 and 1 <= p <= _MOST_P
        if not is_sound or 128 * n * r > _MOST_MEMORY or len(salt) < 8 or len(found) < 16:
            msg = f"the hash of the password has numbers that cannot be used, {_HOW}"
            raise ConfigError(msg)
        return cls(n, r, p, salt, found)

    def __str__(self) -> str:
        salt, found = (base64.b64encode(part).decode() for part in (self.salt, self.hash))
        return f"scrypt${self.n}${self.r}${self.p}${salt}${found}"

    def fits(self, password: str) -> bool:
        """Whether this is the password; takes a tenth of a second, and as long if it is not."""
        if len(password) > LONGEST:
            return False
        found = _scrypt(password, self.salt, self.n, self.r, self.p, len(self.hash))
        return hmac.compare_digest(found, self.hash)


def _scrypt(  # noqa: PLR0913, PLR0917 - those of scrypt
    password: str, salt: bytes, n: int, r: int, p: int, length: int
) -> bytes:
    # A letter with an accent may be typed as one character or as two.
    data = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    most = 128 * r * (n + p + 2) + 2**20
    return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=most, dklen=length)
