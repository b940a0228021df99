"""Who is trusted over TLS, and who may write: pymodbus 3.16 and we on either side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pymodbus import ModbusException
from tests.interop.meters import make_plain_tables
from tests.interop.test_pymodbus_server_wires import registers
from tests.interop.wires import connected, foreign_served, served
from tests.transports.pki import Pki, utf8_string

from energymeter import BlockingLink, LinkError
from energymeter.server import Roles
from energymeter.transports import TlsFiles, Wire

WRITERS = Roles(["operator"])


def written(wire: Wire, files: TlsFiles) -> tuple[int | None, list[int]]:
    """What writing a register draws (an exception or None), and what it holds afterwards."""
    with connected(replace(wire, tls=files)) as client:
        answer = client.write_register(5, 7)
        held = client.read_holding_registers(5, count=1).registers
    return (answer.exception_code if answer.isError() else None), held


def test_role_that_may_write_writes(pki: Pki) -> None:
    files = pki.sign("writer", role=utf8_string("operator"))
    with served("tls", make_plain_tables(), pki, roles=WRITERS) as wire:
        assert written(wire, files) == (None, [7])


@pytest.mark.parametrize("role", [None, utf8_string("viewer"), utf8_string("Operator"), b"\x0c"])
def test_every_other_role_and_none_may_only_read(pki: Pki, role: bytes | None) -> None:
    files = pki.sign("reader", role=role)
    with served("tls", make_plain_tables(), pki, roles=WRITERS) as wire:
        assert written(wire, files) == (1, [0])


def test_client_of_another_issuer_is_not_served_and_the_next_is(pki: Pki, tmp_path: Path) -> None:
    stranger = replace(Pki(tmp_path, "stranger").sign("client"), ca=pki.ca)
    with served("tls", make_plain_tables(), pki) as wire:
        # With TLS 1.3 a client learns only afterwards that it was not let in.
        with (
            pytest.raises((ModbusException, OSError)),
            connected(replace(wire, tls=stranger), timeout_s=1) as client,
        ):
            client.read_input_registers(1, count=1)
        with connected(wire) as client:
            assert client.read_input_registers(1, count=1).registers == [3]


def test_server_of_another_issuer_is_refused_in_words(pki: Pki, tmp_path: Path) -> None:
    other = Pki(tmp_path, "other")
    with foreign_served("tls", pki, registers(1, 11)) as wire:
        files = replace(pki.sign("trusting"), ca=other.ca)
        with (
            BlockingLink(str(replace(wire, tls=files))) as link,
            pytest.raises(LinkError, match="certificate of an unknown issuer"),
        ):
            link.unit(1).read_holding_registers(0)


def test_server_that_wants_a_certificate_answers_only_who_has_one(pki: Pki) -> None:
    with foreign_served("tls", pki, registers(1, 11)) as wire:
        with (
            BlockingLink(str(replace(wire, tls=TlsFiles(ca=pki.ca)))) as link,
            pytest.raises(LinkError),
        ):
            link.unit(1).read_holding_registers(0)
        with BlockingLink(str(wire)) as link:
            assert link.unit(1).read_holding_registers(0) == (11,)


def test_server_that_hangs_up_for_want_of_a_certificate_is_explained(pki: Pki) -> None:
    # asyncio's servers do so without the alert that would say why.
    with (
        foreign_served("tls", pki, registers(1, 11)) as wire,
        BlockingLink(str(replace(wire, tls=TlsFiles(ca=pki.ca)))) as link,
        pytest.raises(LinkError, match="client certificate"),
    ):
        link.unit(1).read_holding_registers(0)
