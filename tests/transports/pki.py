"""Certificates for tests: an issuer, and whatever it is asked to sign."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from energymeter.transports import TlsFiles

__all__ = ["Pki", "utf8_string"]

ROLE: Final = x509.ObjectIdentifier("1.3.6.1.4.1.50316.802.1")
DAY: Final = timedelta(days=1)


def utf8_string(text: str) -> bytes:
    """DER."""
    return bytes((0x0C, len(text.encode()))) + text.encode()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Pki:
    """An issuer with a folder for its files."""

    def __init__(self, folder: Path, name: str = "issuer") -> None:
        self._folder = folder / name
        self._folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._issuer = _name(name)
        certificate = (
            self._about(self._issuer, self._key.public_key(), DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca = self._write("ca.pem", certificate.public_bytes(serialization.Encoding.PEM))

    def sign(
        self,
        name: str,
        *,
        hosts: tuple[str, ...] = ("localhost",),
        role: bytes | None = None,
        lasts: timedelta = DAY,
    ) -> TlsFiles:
        """A certificate and its key, with this issuer as `ca`; `role` is DER."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName(
            [
                *(x509.DNSName(host) for host in hosts),
                x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            ]
            if "localhost" in hosts
            else [x509.DNSName(host) for host in hosts]
        )
        about = self._about(_name(name), key.public_key(), lasts).add_extension(
            alternatives, critical=False
        )
        if role is not None:
            about = about.add_extension(x509.UnrecognizedExtension(ROLE, role), critical=False)
        certificate = about.sign(self._key, hashes.SHA256())
        return TlsFiles(
            ca=self.ca,
            cert=self._write(f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM)),
            key=self._write(f"{name}.key", self.pem_of(key)),
        )

    @staticmethod
    def pem_of(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
        """A key as text, locked if there is a password."""
        lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            lock = serialization.BestAvailableEncryption(password)
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock
        )

    def _about(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, lasts: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now + lasts)
        )

    def _write(self, name: str, data: bytes) -> str:
        path = self._folder / name
        path.write_bytes(data)
        return str(path)
