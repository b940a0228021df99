"""A password or token that a site file names, and that nobody prints."""

from __future__ import annotations

import os
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Discriminator, SecretStr, Tag, model_validator

from energymeter.errors import ConfigError
from energymeter.site.units import LocalPath

__all__ = ["PlainSecret", "Secret", "SecretSource"]

_HOW: Final = 'a secret is a text, { env = "NAME" } or { file = "PATH" }'


class SecretSource(BaseModel):
    """Where a secret stands: `{ env = "NAME" }` or `{ file = "/run/secrets/name" }`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    env: str | None = None
    """Name of the environment variable that holds it."""

    file: LocalPath | None = None
    """File that holds it, from the site file's folder on; a line end behind it does not count."""

    def reveal(self) -> str:
        """The secret itself.

        Raises:
            ConfigError: The variable is not set, or the file cannot be read.
        """
        if self.env is not None:
            value = os.environ.get(self.env)
            if value is None:
                msg = f"the environment variable {self.env} is not set"
                raise ConfigError(msg)
            return value
        assert self.file is not None  # noqa: S101 - one of the two is there
        try:
            return self.file.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
            msg = f"the secret in {self.file} cannot be read: {reason}"
            raise ConfigError(msg) from None  # what could not be decoded is the secret itself

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.env is None) == (self.file is None):
            msg = "give a secret as either env or file"
            raise ValueError(msg)
        return self


class PlainSecret(SecretStr):
    """A secret written into the file itself."""

    def reveal(self) -> str:
        """The secret itself."""
        return self.get_secret_value()


def _kind_of(value: Any) -> str | None:  # noqa: ANN401 - whatever the file holds
    if isinstance(value, (dict, SecretSource)):
        return "source"
    return "plain" if isinstance(value, (str, SecretStr)) else None


Secret = Annotated[
    Annotated[SecretSource, Tag("source")] | Annotated[PlainSecret, Tag("plain")],
    Discriminator(_kind_of, custom_error_type="secret", custom_error_message=_HOW),
]
"""Call `reveal()` where it is needed, and nowhere else."""
