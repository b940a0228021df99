"""The files TLS needs, and what can be wrong with them, said before any connection is tried."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energymeter.errors import ConfigError

__all__ = ["TlsFiles"]

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_KEY: Final = b"PRIVATE KEY-----"
_LOCKED: Final = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Which certificates and keys to use. All files are PEM; a leading `~` is the home folder."""

    ca: str | None = None
    """Certificates of issuers to trust. None: a client trusts those the system trusts, a server
    asks its clients for nothing."""

    cert: str | None = None
    """Our certificate, followed by those between it and its issuer's, if any."""

    key: str | None = None
    """The key of `cert`, without a password; None: it stands in the same file."""

    server_name: str | None = None
    """The name the server's certificate must be for; None: the host that is connected to."""

    verify: bool = True
    """Whether the other side must be who it says. False: anybody can be in between and read."""

    def client_context(self) -> ssl.SSLContext:
        """What a client needs.

        Raises:
            ConfigError: A file cannot be used; the message says which and why.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.ca is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        self._load(context)
        return context

    def server_context(self) -> ssl.SSLContext:
        """What a server needs; with `ca` it demands a certificate of its clients.

        Raises:
            ConfigError: There is no certificate, or a file cannot be used.
        """
        if self.cert is None:
            msg = "a TLS server needs a certificate, give its file as cert and its key as key"
            raise ConfigError(msg)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca is not None and self.verify:
            context.verify_mode = ssl.CERT_REQUIRED
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        if self.ca is not None:
            path = _readable("ca", self.ca, _CERTIFICATE)
            try:
                context.load_verify_locations(path)
            except ssl.SSLError as error:
                msg = f"ca {self.ca} has a certificate that cannot be read ({error.reason})"
                raise ConfigError(msg) from error
        if self.cert is not None:
            self._load_ours(context, self.cert)
        elif self.key is not None:
            msg = f"key {self.key} has no effect without a certificate, give its file as cert"
            raise ConfigError(msg)

    def _load_ours(self, context: ssl.SSLContext, cert: str) -> None:
        cert_path = _readable("cert", cert, _CERTIFICATE)
        key = self.key or cert
        key_path = _readable("key", key, _KEY)
        try:
            context.load_cert_chain(cert_path, key_path, password="")  # never asks a terminal
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                msg = f"key {key} does not belong to certificate {cert}"
            elif any(mark in key_path.read_bytes() for mark in _LOCKED):
                msg = f"key {key} has a password; write one without: openssl pkey -in ... -out ..."
            else:
                msg = f"certificate {cert} and key {key} cannot be used ({error.reason})"
            raise ConfigError(msg) from error


def _readable(option: str, name: str, mark: bytes) -> Path:
    """The path of a file that holds what it should."""
    path = Path(name).expanduser()
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{option} {name} cannot be read ({error.strerror or error})"
        raise ConfigError(msg) from error
    if mark not in data:
        what = "private key" if mark == _KEY else "certificate"
        msg = f"{option} {name} holds no {what} in PEM form (text with BEGIN lines)"
        raise ConfigError(msg)
    return path
