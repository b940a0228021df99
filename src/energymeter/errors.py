"""The whole exception tree: everything this library raises on purpose.

Callers choose with `except`, never with message text. Every error carries what is known of
its circumstances as attributes; the message says what failed, on what, and what to try.
Imports nothing of ours.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

__all__ = [
    "ConfigError",
    "DecodeError",
    "EndpointError",
    "ExceptionReplyError",
    "InvalidRequestError",
    "LengthError",
    "LinkClosedError",
    "LinkError",
    "LinkLostError",
    "LinkOpenError",
    "LocalProtocolError",
    "MeterError",
    "MismatchError",
    "ProfileError",
    "ProtocolError",
    "RemoteProtocolError",
    "RequestTimeout",
    "SinkError",
    "SinkRejectedError",
    "SinkUnavailableError",
    "UnitSilentError",
    "UnknownHostError",
]


class MeterError(Exception):
    """Root of every error of this library.

    Attributes:
        retryable: Whether the same call may succeed later without a change by the caller.
        endpoint: Where the link leads, such as `192.0.2.7:502`; None when no link is involved.
        unit: The unit addressed, 0 to 255; None when unknown.
    """

    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, endpoint: str | None = None, unit: int | None = None
    ) -> None:
        super().__init__(message)
        self.endpoint = endpoint
        self.unit = unit

    @property
    def message(self) -> str:
        """The sentence alone, without the context attributes."""
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is copied by a call with its `args`, which lack what is given by keyword.
        return self._revived, (self.args,), self.__dict__

    @classmethod
    def _revived(cls, args: tuple[Any, ...]) -> Self:
        error = cls.__new__(cls)
        error.args = args
        return error


class ConfigError(MeterError, ValueError):
    """Something the user wrote is wrong; found before any byte is sent."""


class EndpointError(ConfigError):
    """An invalid host, port or address."""


class ProfileError(ConfigError):
    """A profile or device file that cannot be used; the message names file and key."""


class LinkError(MeterError, ConnectionError):
    """There is no connection to the meter."""

    retryable = True


class LinkOpenError(LinkError):
    """The link could not be opened."""


class UnknownHostError(LinkOpenError):
    """The host's name does not resolve to an address."""


class LinkLostError(LinkError):
    """The link broke while it was open; a request under way got no answer."""


class LinkClosedError(LinkError):
    """The link was closed by its owner."""

    retryable = False


class RequestTimeout(MeterError, TimeoutError):  # noqa: N818 - the built-in twin ends in Error
    """The link is up, but nobody answered in time."""

    retryable = True


class UnitSilentError(RequestTimeout):
    """A unit was not asked: it has been silent, and other units on its link take precedence."""


class ProtocolError(MeterError):
    """Bytes or arguments outside the Modbus specification."""


class LocalProtocolError(ProtocolError, ValueError):
    """The caller asked to send something the specification forbids.

    Attributes:
        code: The exception code a server answers to such a request.
    """

    def __init__(self, message: str, *, code: int = 3) -> None:
        super().__init__(message)
        self.code = code


class RemoteProtocolError(ProtocolError):
    """The other side sent something the specification forbids.

    Attributes:
        data: The bytes in question.
    """

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        data: bytes = b"",
        endpoint: str | None = None,
        unit: int | None = None,
    ) -> None:
        super().__init__(message, endpoint=endpoint, unit=unit)
        self.data = data


class LengthError(RemoteProtocolError):
    """A message shorter or longer than its own fields say."""


class InvalidRequestError(RemoteProtocolError):
    """A request that cannot be served as it stands.

    Attributes:
        function: The function asked for, 0 to 127.
        code: The exception code to answer with.
    """

    def __init__(self, message: str, *, function: int, code: int, data: bytes = b"") -> None:
        super().__init__(message, data=data)
        self.function = function
        self.code = code


class MismatchError(RemoteProtocolError):
    """A well-formed answer, but to another question."""


class ExceptionReplyError(MeterError):
    """The meter answered with an exception.

    Attributes:
        function: The function that was refused, 1 to 127.
        code: The exception code (Modbus application protocol v1.1b3, section 7).
    """

    def __init__(
        self,
        message: str,
        *,
        function: int,
        code: int,
        endpoint: str | None = None,
        unit: int | None = None,
    ) -> None:
        super().__init__(message, endpoint=endpoint, unit=unit)
        self.function = function
        self.code = code

    @property
    def is_busy(self) -> bool:
        """Whether the meter asks for patience (acknowledge, server busy)."""
        return self.code in (5, 6)


class DecodeError(MeterError):
    """Register words that cannot be decoded as the expected value."""


class SinkError(MeterError):
    """A reading could not be forwarded."""


class SinkUnavailableError(SinkError):
    """The receiver cannot be reached or has no time; the same may be sent again later."""

    retryable = True


class SinkRejectedError(SinkError):
    """The receiver will never take this; it is dropped and counted.

    Attributes:
        lost: How many polls it did not take; None: all that it was sent.
    """

    def __init__(self, message: str, *, lost: int | None = None) -> None:
        super().__init__(message)
        self.lost = lost
