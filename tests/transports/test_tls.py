"""TLS: who is trusted, what is said when not, and the role in a certificate."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.loops import on_each_loop, run, until
from tests.transports.ears import Ear, Ears
from tests.transports.pki import Pki, utf8_string

from energymeter.errors import ConfigError, EndpointError, LinkOpenError
from energymeter.transports import TcpEndpoint, TcpListener, TlsEndpoint, TlsFiles, TlsListener
from energymeter.transports.tls import peer_role


@asynccontextmanager
async def listening(files: TlsFiles) -> AsyncIterator[tuple[TlsListener, Ears]]:
    listener, ears = TlsListener("127.0.0.1", 0, files), Ears()
    await listener.start(ears)
    yield listener, ears
    listener.close()
    for ear in ears.connected:
        ear.transport.abort()
    await until(lambda: not ears.open)
    await listener.wait_closed()


@contextmanager
def outspoken_server(files: TlsFiles, version: ssl.TLSVersion) -> Iterator[int]:
    """One that says why it refuses, as those do that are not asyncio's; for one connection."""
    context = files.server_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("DEFAULT:@SECLEVEL=0")

    def serve() -> None:
        connection, _ = door.accept()
        with connection, suppress(OSError):
            connection.settimeout(5)
            context.wrap_socket(connection, server_side=True)
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=serve)
        thread.start()
        yield door.getsockname()[1]
        thread.join()


async def ask(port: int, files: TlsFiles, host: str = "127.0.0.1") -> Ear:
    """Connect and say something."""
    client = Ear()
    await TlsEndpoint(host, port, files).connect(client.itself)
    client.transport.write(b"question")
    return client


async def failure(port: int, files: TlsFiles, host: str = "127.0.0.1") -> str:
    """What is said of a connection that does not come about, or is lost at once."""
    client = Ear()
    try:
        await TlsEndpoint(host, port, files).connect(client.itself)
    except LinkOpenError as error:
        return error.message
    await until(lambda: client.is_lost)
    return str(client.losses[0])


async def end(client: Ear) -> None:
    client.transport.abort()
    await until(lambda: client.is_lost)


# Trust


@on_each_loop
def test_a_server_of_a_trusted_issuer_is_spoken_to(loop: str, pki: Pki) -> None:
    server = replace(pki.sign("open"), ca=None)

    async def scenario() -> None:
        async with listening(server) as (listener, ears):
            client = await ask(listener.port, TlsFiles(ca=pki.ca))
            await until(lambda: [ear.data for ear in ears.made] == [b"question"])
            secured = client.transport.get_extra_info("ssl_object")
            assert secured.version() in {"TLSv1.2", "TLSv1.3"}
            assert peer_role(ears.made[0].transport) is None
            await end(client)

    run(scenario(), loop)


@on_each_loop
def test_a_server_of_an_unknown_issuer_is_not_trusted(loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with listening(pki.sign("foreign")) as (listener, ears):
            said = await failure(listener.port, TlsFiles())
            assert "has a certificate of an unknown issuer" in said
            assert "ca" in said
            assert ears.connected == []

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_demand_for_a_client_certificate_is_said(
    version: ssl.TLSVersion, loop: str, pki: Pki
) -> None:
    with outspoken_server(pki.sign("demanding"), version) as port:
        said = run(failure(port, TlsFiles(ca=pki.ca)), loop)
    assert "demands a client certificate, give its file as cert" in said


@on_each_loop
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_the_server_does_not_accept_is_said(
    version: ssl.TLSVersion, loop: str, pki: Pki, tmp_path: Path
) -> None:
    stranger = replace(Pki(tmp_path, "strangers").sign("stranger"), ca=pki.ca)
    with outspoken_server(pki.sign("choosy"), version) as port:
        said = run(failure(port, stranger), loop)
    assert "does not accept our certificate (" in said


@on_each_loop
def test_a_server_of_old_is_said_to_be_unsafe(loop: str, pki: Pki) -> None:
    with outspoken_server(pki.sign("old-server"), ssl.TLSVersion.TLSv1_1) as port:
        said = run(failure(port, TlsFiles(ca=pki.ca)), loop)
    assert "older than 1.2" in said


@on_each_loop
def test_only_clients_of_the_issuer_are_let_in(loop: str, pki: Pki, tmp_path: Path) -> None:
    stranger = replace(Pki(tmp_path, "strangers").sign("stranger"), ca=pki.ca)

    async def scenario() -> None:
        async with listening(pki.sign("exclusive")) as (listener, ears):
            said = await failure(listener.port, TlsFiles(ca=pki.ca))
            assert "want a client certificate" in said
            said = await failure(listener.port, stranger)
            assert "reject ours" in said
            assert ears.connected == []
            client = await ask(listener.port, pki.sign("guest"))
            await until(lambda: [ear.data for ear in ears.connected] == [b"question"])
            await end(client)

    run(scenario(), loop)


@on_each_loop
def test_an_expired_certificate_is_not_trusted(loop: str, pki: Pki) -> None:
    server = replace(pki.sign("old", lasts=-timedelta(hours=1)), ca=None)

    async def scenario() -> None:
        async with listening(server) as (listener, _):
            assert "has expired" in await failure(listener.port, TlsFiles(ca=pki.ca))

    run(scenario(), loop)


@on_each_loop
def test_a_certificate_of_another_name_is_not_trusted_unless_told(loop: str, pki: Pki) -> None:
    server = replace(pki.sign("named", hosts=("meter.example",)), ca=None)

    async def scenario() -> None:
        async with listening(server) as (listener, _):
            for host in ("127.0.0.1", "localhost"):
                said = await failure(listener.port, TlsFiles(ca=pki.ca), host)
                assert f"a certificate that is not for {host}" in said
                assert "server_name" in said
            await end(await ask(listener.port, TlsFiles(ca=pki.ca, server_name="meter.example")))

    run(scenario(), loop)


@on_each_loop
def test_nothing_is_verified_when_told_so(loop: str, pki: Pki) -> None:
    server = replace(pki.sign("anybody", hosts=("meter.example",)), ca=None)

    async def scenario() -> None:
        async with listening(server) as (listener, ears):
            client = await ask(listener.port, TlsFiles(verify=False))
            await until(lambda: [ear.data for ear in ears.made] == [b"question"])
            await end(client)

    run(scenario(), loop)


# Not TLS


@on_each_loop
def test_a_server_without_tls_is_named_as_such(loop: str, pki: Pki) -> None:
    class Babbler(Ear):
        def data_received(self, data: bytes) -> None:
            self.transport.write(b"\x00\x01\x00\x00\x00\x03\x01\x83\x02")

    class Refuser(Ear):
        def data_received(self, data: bytes) -> None:
            self.transport.abort()

    async def scenario() -> None:
        for manner in (Babbler, Refuser):
            listener = TcpListener(port=0)
            await listener.start(manner)
            with pytest.raises(LinkOpenError, match="is it plain Modbus TCP") as caught:
                await TlsEndpoint("127.0.0.1", listener.port, TlsFiles(ca=pki.ca)).connect(Ear)
            assert "\n" not in caught.value.message
            listener.close()
            await listener.wait_closed()

    run(scenario(), loop)


@on_each_loop
def test_a_client_without_tls_is_dropped_unheard(loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with listening(pki.sign("strict")) as (listener, ears):
            client = Ear()
            await TcpEndpoint("127.0.0.1", listener.port).connect(client.itself)
            client.transport.write(b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x01")
            await until(lambda: client.is_lost)
            assert ears.connected == []

    run(scenario(), loop)


@on_each_loop
def test_a_port_nobody_listens_on_is_said_as_with_tcp(loop: str, pki: Pki) -> None:
    async def scenario() -> None:
        async with listening(pki.sign("soon-gone")) as (listener, _):
            port = listener.port
        with pytest.raises(LinkOpenError, match=f"127.0.0.1:{port} refused the connection"):
            await TlsEndpoint("127.0.0.1", port, TlsFiles(ca=pki.ca)).connect(Ear)

    run(scenario(), loop)


# Files


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"ca": "/nowhere/ca.pem"}, "ca /nowhere/ca.pem cannot be read (No such file"),
        ({"cert": "/nowhere/me.pem"}, "cert /nowhere/me.pem cannot be read"),
        ({"key": "/nowhere/me.key"}, "key /nowhere/me.key cannot be read"),
        ({"cert": None}, "has no effect without a certificate"),
        ({"ca": "{folder}"}, "cannot be read (Is a directory)"),
        ({"ca": "{text}"}, "holds no certificate in PEM form"),
        ({"cert": "{text}"}, "holds no certificate in PEM form"),
        ({"key": "{text}"}, "holds no private key in PEM form"),
        ({"key": None}, "holds no private key in PEM form"),
        ({"key": "{foreign}"}, "does not belong to certificate"),
        ({"key": "{locked}"}, "has a password"),
        ({"ca": "{broken}"}, "has a certificate that cannot be read"),
        ({"cert": "{broken}"}, "cannot be used"),
    ],
)
def test_a_wrong_file_is_found_before_anything_is_sent(
    change: dict[str, Any], fragment: str, pki: Pki, tmp_path: Path
) -> None:
    right = pki.sign("right")
    places = {
        "folder": tmp_path,
        "text": tmp_path / "text",
        "foreign": tmp_path / "foreign",
        "locked": tmp_path / "locked",
        "broken": tmp_path / "broken",
    }
    key = ec.generate_private_key(ec.SECP256R1())
    places["text"].write_text("a certificate\n")
    places["foreign"].write_bytes(pki.pem_of(key))
    places["locked"].write_bytes(pki.pem_of(key, b"secret"))
    places["broken"].write_text(
        "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
    )
    named = {name: text and text.format(**places) for name, text in change.items()}
    files = replace(right, **named)

    with pytest.raises(ConfigError) as caught:
        TlsEndpoint("127.0.0.1", 802, files)

    assert fragment in caught.value.message
    assert "\n" not in caught.value.message


def test_a_server_needs_a_certificate() -> None:
    with pytest.raises(ConfigError, match="a TLS server needs a certificate"):
        TlsListener()


@pytest.mark.parametrize(("host", "port"), [("", 802), ("meter", 0), ("meter", 65536)])
def test_an_impossible_place_is_refused(host: str, port: int) -> None:
    with pytest.raises(EndpointError):
        TlsEndpoint(host, port)


def test_a_key_in_the_same_file_as_its_certificate_is_found(pki: Pki, tmp_path: Path) -> None:
    apart = pki.sign("apart")
    both = tmp_path / "both.pem"
    both.write_bytes(Path(str(apart.cert)).read_bytes() + Path(str(apart.key)).read_bytes())

    assert TlsEndpoint("meter", files=TlsFiles(cert=str(both))).port == 802


@on_each_loop
def test_a_renewed_certificate_counts_at_the_next_connection(
    loop: str, pki: Pki, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with listening(pki.sign("patient")) as (listener, ears):
            strangers = Pki(tmp_path, "strangers")
            stale = strangers.sign("renewed")
            endpoint = TlsEndpoint("127.0.0.1", listener.port, replace(stale, ca=pki.ca))
            client = Ear()
            await endpoint.connect(client.itself)
            await until(lambda: client.is_lost)

            fresh = pki.sign("renewed")
            shutil.copy(str(fresh.cert), str(stale.cert))
            shutil.copy(str(fresh.key), str(stale.key))
            again = Ear()
            await endpoint.connect(again.itself)
            again.transport.write(b"x")
            await until(lambda: [ear.data for ear in ears.connected] == [b"x"])
            await end(again)

    run(scenario(), loop)


# Roles


@on_each_loop
@pytest.mark.parametrize(
    ("extension", "role"),
    [
        (utf8_string("Operator"), "Operator"),
        (utf8_string("Zähler-Wärter"), "Zähler-Wärter"),
        (None, None),
        (utf8_string(""), None),
        (b"Operator", None),
        (b"\x13\x08Operator", None),
        (b"\x0c\x09Operator", None),
        (b"\x0c\x08Operator!", None),
        (b"\x0c\x02\xff\xfe", None),
        (b"", None),
    ],
)
def test_the_role_stands_in_the_certificate(
    extension: bytes | None, role: str | None, loop: str, pki: Pki
) -> None:
    client_files = pki.sign("roles", role=extension)

    async def scenario() -> None:
        async with listening(pki.sign("roles-server")) as (listener, ears):
            client = await ask(listener.port, client_files)
            await until(lambda: bool(ears.connected))

            assert peer_role(ears.connected[0].transport) == role
            assert peer_role(client.transport) is None
            await end(client)

    run(scenario(), loop)


@on_each_loop
def test_without_tls_nobody_has_a_role(loop: str) -> None:
    async def scenario() -> None:
        listener, ears, client = TcpListener(port=0), Ears(), Ear()
        await listener.start(ears)
        await TcpEndpoint("127.0.0.1", listener.port).connect(client.itself)
        await until(lambda: bool(ears.connected))
        assert peer_role(ears.connected[0].transport) is None
        await end(client)
        await until(lambda: not ears.open)
        listener.close()
        await listener.wait_closed()

    run(scenario(), loop)


def test_a_missing_package_is_named(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    class Secured:
        def getpeercert(self, *, binary_form: bool) -> bytes:
            return b"DER"

    class Secure(asyncio.BaseTransport):
        def get_extra_info(self, name: str, default: Any = None) -> Any:
            return Secured() if name == "ssl_object" else default

    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ConfigError, match="extra: tls"):
        peer_role(Secure())
