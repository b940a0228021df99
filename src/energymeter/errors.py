"""The whole exception tree: everything this library raises on purpose.

Callers choose with `except`, never with message text. Every error carries what is known of
its circumstances as attributes; the message says what failed, on what, and what to try.
Imports nothing of ours.
"""

from __future__ import annotations

from typing import ClassVar

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


class ConfigError(MeterError, ValueError):
    """Something the user wrote is wrong; found before any byte is sent."""


class EndpointError(ConfigError):
    """A host, port or address that cannot be one."""


class ProfileError(ConfigError):
    """A profile or device file that cannot be used; the message names file and key."""


class LinkError(MeterError, ConnectionError):
    """The way to the meter is not there."""

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
    """A unit was not asked: it has been silent, and others on its link want their turns."""


class ProtocolError(MeterError):
    """Bytes or arguments outside the Modbus specification."""


class LocalProtocolError(ProtocolError, ValueError):
    """We were asked to send something the specification forbids.

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
    """The meter answered: no.

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
    """Words that cannot be the value they should be."""


class SinkError(MeterError):
    """What was read could not be passed on."""


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
