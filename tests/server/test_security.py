"""The role in a client's certificate decides whether it may write; reading is free."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from tests.server.wires import Client, mbap, read, registers, words
from tests.support.loops import on_each_loop, run
from tests.transports.pki import Pki, utf8_string

from energymeter.errors import ConfigError
from energymeter.server import ModbusServer, Roles, Tables
from energymeter.server.security import reading_only
from energymeter.transports import TcpEndpoint, TlsEndpoint, TlsListener

WRITES = [
    "05 0000 FF00",
    "06 0005 1234",
    "0F 0000 0001 01 01",
    "10 0005 0001 02 1234",
    "15 07 06 0001 0000 0001 1234",
    "16 0005 0000 1234",
    "17 0000 0001 0005 0001 02 1234",
    "08 0001 0000",
    "2B 0D 00",
    "2B",
    "08",
    "41",
    "63 FF FF FF FF",
    "86 00",
]
READS = [
    "01 0000 0001",
    "02 0000 0001",
    "03 0000 0001",
    "04 0000 0001",
    "07",
    "08 0000 1234",
    "0B",
    "0C",
    "11",
    "14 07 06 0001 0000 0001",
    "18 0000",
    "2B 0E 01 00",
]


class Server:
    """A TLS server with roles, and clients with certificates."""

    def __init__(self, pki: Pki, roles: Roles | None, tables: Tables) -> None:
        self._pki = pki
        self.server = ModbusServer(
            tables, listener=TlsListener("127.0.0.1", 0, pki.sign("server")), roles=roles
        )

    async def client(self, role: bytes | None) -> Client:
        files = self._pki.sign("client", role=role)
        return await Client.to(TlsEndpoint("127.0.0.1", self.server.port, files))


async def may_write(pki: Pki, roles: Roles | None, role: bytes | None) -> bool:
    tables = registers()
    place = Server(pki, roles, tables)
    async with place.server:
        client = await place.client(role)
        request = bytes.fromhex("06 0005 1234")
        await client.ask(mbap(1, read(5)), mbap(1, words(5)))
        client.pieces.clear()
        is_free = roles is None or role == utf8_string("operator")
        await client.ask(mbap(1, request), mbap(1, request if is_free else b"\x86\x01"))
        await client.ask(mbap(1, read(6)), mbap(1, words(6)))
        await client.leave()
    return tables.holding.read(5, 1) == b"\x12\x34"


@on_each_loop
def test_a_role_that_may_write_does(loop: str, pki: Pki) -> None:
    assert run(may_write(pki, Roles(["operator"]), utf8_string("operator")), loop)


@on_each_loop
@pytest.mark.parametrize(
    "role",
    [
        None,
        utf8_string("viewer"),
        utf8_string("Operator"),
        utf8_string(""),
        b"operator",
        b"\x0c\xff",
    ],
)
def test_any_other_role_and_none_may_only_read(role: bytes | None, loop: str, pki: Pki) -> None:
    assert not run(may_write(pki, Roles(["operator", "engineer"]), role), loop)


@on_each_loop
def test_without_roles_everybody_with_a_certificate_may_write(loop: str, pki: Pki) -> None:
    assert run(may_write(pki, None, None), loop)


@on_each_loop
def test_a_client_without_a_certificate_may_only_read(loop: str) -> None:
    async def scenario() -> None:
        async with ModbusServer(registers(), port=0, roles=Roles(["operator"])) as server:
            client = await Client.to(TcpEndpoint("127.0.0.1", server.port))
            await client.ask(mbap(1, read(5)), mbap(1, words(5)))
            await client.ask(mbap(1, bytes.fromhex("06 0005 1234")), mbap(1, b"\x86\x01"))
            await client.leave()

    run(scenario(), loop)


class Willing:
    """Does whatever it is asked."""

    @staticmethod
    def answer(unit: int, pdu: bytes) -> bytes:
        return b"done"


@pytest.mark.parametrize("request_", READS)
def test_what_changes_nothing_is_answered(request_: str) -> None:
    assert reading_only(Willing.answer)(1, bytes.fromhex(request_)) == b"done"


@pytest.mark.parametrize("request_", WRITES)
def test_what_may_change_something_is_refused_as_an_illegal_function(request_: str) -> None:
    pdu = bytes.fromhex(request_)

    assert reading_only(Willing.answer)(1, pdu) == bytes((pdu[0] | 0x80, 1))


def test_roles_without_the_package_that_reads_them_are_refused_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ConfigError, match="extra: tls"):
        Roles(["operator"])


def test_a_client_whose_certificate_cannot_be_looked_at_may_only_read(pki: Pki) -> None:
    class Unreadable(Roles):
        def may_write(self, transport: Any) -> bool:
            raise ConfigError("no")

    server = ModbusServer(registers(), port=0, roles=Unreadable(["operator"]))
    session = server._make_session()
    with pytest.raises(ConfigError):
        session.connection_made(object())  # type: ignore[arg-type]

    assert session._respond(1, bytes.fromhex("06 0005 1234")) == b"\x86\x01"
