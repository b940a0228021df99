"""Simulated meters for the command line, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cli.programs import simulator


@pytest.fixture(scope="session")
def electric() -> Iterator[str]:
    """HOST:PORT of an electricity meter with the documented map."""
    with simulator("--meter-type", "electric", "--seed", "1") as program:
        yield f"127.0.0.1:{program.port}"


@pytest.fixture(scope="session")
def pm8000() -> Iterator[str]:
    """HOST:PORT of a PM8000."""
    with simulator("--profile", "pm8000", "--seed", "1") as program:
        yield f"127.0.0.1:{program.port}"
