"""Each broken set-up gets its right sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from tests.doctor.haste import run_hastily
from tests.doctor.setups import SETUPS, Bench, Setup
from tests.support.loops import run
from tests.transports.pki import Pki

from energymeter.doctor import Diagnosis, examine

LIMIT_S: Final = 60.0
"""What is promised, with a time-out of a second."""


async def _examine(setup: Setup, bench: Bench) -> Diagnosis:
    async with setup.make(bench) as case:
        return await examine(case)


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_a_broken_set_up_gets_its_sentence(setup: Setup, pki: Pki, tmp_path: Path) -> None:
    task = _examine(setup, Bench(pki, tmp_path))
    diagnosis = run(task) if setup.is_real else run_hastily(task)

    assert diagnosis.broken is not None
    found = (diagnosis.broken.layer, diagnosis.broken.verdict)
    assert found == (setup.layer, setup.verdict), diagnosis
    assert setup.says in diagnosis.sentence
    assert diagnosis.seconds < LIMIT_S
