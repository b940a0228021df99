"""A password or token that a site file names, and that nobody prints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from energymeter.errors import ConfigError

__all__ = ["Secret", "SecretSource"]


class SecretSource(BaseModel):
    """Where a secret stands: `{ env = "NAME" }` or `{ file = "/run/secrets/name" }`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str | None = None
    """Name of the environment variable that holds it."""

    file: Path | None = None
    """File that holds it; a line end behind it does not count."""

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
            raise ConfigError(msg) from error

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.env is None) == (self.file is None):
            msg = "a secret stands either in env or in file"
            raise ValueError(msg)
        return self


class _Plain(SecretStr):
    """A secret written into the file itself."""

    def reveal(self) -> str:
        """The secret itself."""
        return self.get_secret_value()


Secret = Annotated[SecretSource | _Plain, Field(union_mode="left_to_right")]
"""Call `reveal()` where it is needed, and nowhere else."""
