"""Servers and programs to talk to, all on loopback and on ports of the system's choice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.interop.meters import PlainTables, StandingMeter
from tests.interop.programs import Program, compile_c
from tests.transports.pki import Pki


@pytest.fixture
def electric() -> Iterator[StandingMeter]:
    with closing(StandingMeter("energymeter/electric")) as meter:
        yield meter


@pytest.fixture
def pm8000() -> Iterator[StandingMeter]:
    with closing(StandingMeter("pm8000")) as meter:
        yield meter


@pytest.fixture
def plain_tables() -> Iterator[PlainTables]:
    with closing(PlainTables()) as server:
        yield server


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def libmodbus_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c("libmodbus_client", tmp_path_factory.mktemp("c"))


@pytest.fixture(scope="session")
def libmodbus_server_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c("libmodbus_server", tmp_path_factory.mktemp("c"))


@pytest.fixture
def libmodbus_server(libmodbus_server_program: Path) -> Iterator[int]:
    with Program([str(libmodbus_server_program)]) as program:
        yield int(program.wait_for(r"^PORT (\d+)$")[1])
