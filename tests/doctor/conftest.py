"""What the broken set-ups are made of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.transports.pki import Pki

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for benchmarks.doubles


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))
