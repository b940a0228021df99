"""TLS, version 1.2 or newer: who the other side is, is verified unless somebody says otherwise.

Source: MODBUS/TCP Security Protocol Specification v2.1 (MB-TCP-Security-v21), sections 5 to 8.
What a role allows is for others to decide.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final

from energymeter.errors import ConfigError, EndpointError, LinkOpenError
from energymeter.transports.certificates import TlsFiles
from energymeter.transports.endpoint import check_port, host_and_port
from energymeter.transports.relay import Relay
from energymeter.transports.tcp import TcpListener, dial, open_error

__all__ = ["DEFAULT_TLS_PORT", "TlsEndpoint", "TlsFiles", "TlsListener", "peer_role"]

DEFAULT_TLS_PORT: Final = 802
"""The port registered for Modbus/TCP Security (mbap-s)."""

_ROLE_OID: Final = "1.3.6.1.4.1.50316.802.1"
"""The certificate extension that holds a role (R-21)."""

_UTF8_STRING: Final = 0x0C
"""The DER tag of the only type a role may have (R-22)."""


@dataclass(frozen=True, slots=True)
class TlsEndpoint:
    """A host name or IP address and a port, 1 to 65535, spoken to in TLS.

    Files are read once here, so that a wrong one is found before anything is sent, and again at
    every connection, so that a renewed certificate counts without a restart.

    Raises:
        EndpointError: The host is empty or the port out of range.
        ConfigError: A certificate or key cannot be used.
    """

    is_datagram: ClassVar[bool] = False

    host: str
    port: int = DEFAULT_TLS_PORT
    files: TlsFiles = field(default_factory=TlsFiles)

    def __post_init__(self) -> None:
        if not self.host:
            msg = "the host is empty, give a name or an IP address"
            raise EndpointError(msg)
        check_port(self.port)
        self.files.client_context()

    def __str__(self) -> str:
        return f"tls://{host_and_port(self.host, self.port)}"

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Endpoint.connect`.

        A peer that wants a client certificate may say so only afterwards, as the loss of the
        connection.

        Raises:
            ConfigError: A certificate or key cannot be used any more.
        """
        context = await asyncio.to_thread(self.files.client_context)
        try:
            await dial(
                lambda: _ClientRelay(protocol_factory, self._why_lost),
                self.host,
                self.port,
                context=context,
                server_name=self.files.server_name or self.host,
            )
        except (OSError, UnicodeError) as error:
            reason = self._reason(error)
            if reason is None:
                raise open_error(error, self.host, str(self)) from error
            msg = f"{self} {reason}"
            raise LinkOpenError(msg, endpoint=str(self)) from error

    def release(self) -> None:
        """See `Endpoint.release`; nothing is kept."""

    def _why_lost(self, error: Exception | None, *, was_heard: bool) -> Exception | None:
        reason = self._reason(error) if isinstance(error, ssl.SSLError) else None
        if reason is None and was_heard:
            return error
        if reason is None:
            reason = f"closed the connection as soon as TLS had begun, does it {self._doubt}?"
        return ConnectionResetError(f"the other side {reason}")

    @property
    def _doubt(self) -> str:
        """What a peer may have against us that says nothing."""
        return "want a client certificate" if self.files.cert is None else "reject ours"

    def _reason(self, error: Exception) -> str | None:
        """What TLS has against this peer, or it against us; None: it was not TLS."""
        match error:
            case ssl.SSLCertVerificationError():
                return self._distrust(error)
            case ssl.SSLError():
                return self._refusal(error)
            case ConnectionAbortedError():  # what the loop makes of a handshake without end
                return "does not answer in TLS, is it plain Modbus TCP (tcp://) on that port?"
            case ConnectionResetError() | BrokenPipeError():
                return (
                    "closed the connection when TLS began, "
                    f"is it plain Modbus TCP (tcp://) on that port, or does it {self._doubt}?"
                )
        return None

    def _distrust(self, error: ssl.SSLCertVerificationError) -> str:
        name = self.files.server_name or self.host
        match error.verify_code:
            case 9:
                return "has a certificate that is not valid yet, are both clocks right?"
            case 10:
                return "has a certificate that has expired"
            case 18 | 19 | 20 | 21:
                return (
                    "has a certificate of an unknown issuer, "
                    "give the file of that issuer's certificate as ca"
                )
            case 62 | 64:
                return (
                    f"has a certificate that is not for {name}, give the name in it as server_name"
                )
        return f"has a certificate that is not trusted ({error.verify_message})"

    def _refusal(self, error: ssl.SSLError) -> str:
        reason = (error.reason or "").upper().replace(" ", "_")
        if "CERTIFICATE_REQUIRED" in reason or (
            "HANDSHAKE_FAILURE" in reason and self.files.cert is None
        ):
            return "demands a client certificate, give its file as cert and its key as key"
        if any(word in reason for word in ("UNKNOWN_CA", "_CERTIFICATE", "CERTIFICATE_")):
            return f"does not accept our certificate ({_in_lower_case(reason)})"
        if "PROTOCOL_VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason:
            return "speaks only versions of TLS older than 1.2, which are not safe"
        if any(word in reason for word in _NO_TLS):
            return "does not speak TLS, is it plain Modbus TCP (tcp://) on that port?"
        return f"and we cannot agree on TLS ({_in_lower_case(reason) or error})"


_NO_TLS: Final = (
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "HTTP_REQUEST",
    "UNKNOWN_PROTOCOL",
    "PACKET_LENGTH",
    "UNEXPECTED_MESSAGE",
    "UNEXPECTED_EOF",
)
"""What OpenSSL calls bytes that are no TLS."""


class _ClientRelay(Relay):
    """Knows whether the other side ever said anything: with TLS 1.3 it may refuse us late."""

    def __init__(
        self,
        factory: Callable[[], asyncio.Protocol],
        why_lost: Callable[..., Exception | None],
    ) -> None:
        super().__init__(factory)
        self._why_lost = why_lost
        self._was_heard = False

    def data_received(self, data: bytes) -> None:
        self._was_heard = True
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport is not None and not self.transport.was_closed_by_us:
            exc = self._why_lost(exc, was_heard=self._was_heard)
        super().connection_lost(exc)


class TlsListener:
    """A port that TLS clients come to.

    Args:
        host: Address to listen on; only loopback by default.
        port: Port to listen on; 0 lets the system choose, see `port`.
        files: `cert` and `key` are needed; with `ca`, clients must show a certificate of it.

    Raises:
        ConfigError: A certificate or key is missing or cannot be used.
    """

    is_datagram: ClassVar[bool] = False

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_TLS_PORT,
        files: TlsFiles = TlsFiles(),  # noqa: B008 - frozen
    ) -> None:
        self._files = files
        self._listener = TcpListener(host, port, context=files.server_context())

    def __str__(self) -> str:
        return f"tls://{self._listener}"

    @property
    def port(self) -> int:
        """See `Listener.port`."""
        return self._listener.port

    async def start(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Listener.start`."""
        await self._listener.start(lambda: Relay(protocol_factory))

    def close(self) -> None:
        """See `Listener.close`."""
        self._listener.close()

    async def wait_closed(self) -> None:
        """See `Listener.wait_closed`."""
        await self._listener.wait_closed()


def peer_role(transport: asyncio.BaseTransport) -> str | None:
    """The role that stands in the certificate of the other side.

    None when it showed none, when none stands in it, or when what stands there is not a text as
    the specification wants it: whoever has no role may do the least.

    Raises:
        ConfigError: The package that reads certificates is missing.
    """
    secured = transport.get_extra_info("ssl_object")
    der = None if secured is None else secured.getpeercert(binary_form=True)
    if der is None:
        return None
    try:
        from cryptography import x509  # noqa: PLC0415 - an extra, 25 ms that only roles cost
    except ImportError as error:
        msg = "roles need the package cryptography, install energymeter with its extra: tls"
        raise ConfigError(msg) from error
    try:
        found = x509.load_der_x509_certificate(der).extensions.get_extension_for_oid(
            x509.ObjectIdentifier(_ROLE_OID)
        )
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return None
    value = found.value
    return _utf8_string(value.value) if isinstance(value, x509.UnrecognizedExtension) else None


def _utf8_string(der: bytes) -> str | None:
    """The text in a DER UTF8String, shorter than 128 bytes; None when it is anything else."""
    if len(der) < 3 or der[0] != _UTF8_STRING or der[1] != len(der) - 2 or der[1] > 127:
        return None
    try:
        return der[2:].decode()
    except UnicodeDecodeError:
        return None


def _in_lower_case(reason: str) -> str:
    return reason.replace("_", " ").lower()
