"""Each broken set-up gets its right sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.doctor.setups import SETUPS, Bench, Setup
from tests.support.loops import run
from tests.transports.pki import Pki

from energymeter.doctor import Diagnosis, examine


async def _examine(setup: Setup, bench: Bench) -> Diagnosis:
    async with setup.make(bench) as case:
        return await examine(case)


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_a_broken_set_up_gets_its_sentence(setup: Setup, pki: Pki, tmp_path: Path) -> None:
    diagnosis = run(_examine(setup, Bench(pki, tmp_path)), limit_s=30)

    assert diagnosis.broken is not None
    found = (diagnosis.broken.layer, diagnosis.broken.verdict)
    assert found == (setup.layer, setup.verdict), diagnosis
    assert setup.says in diagnosis.sentence
