"""`energymeter` as a program on a serial line with several meters."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.interop.programs import ROOT

from energymeter.testing import PtyBus


@pytest.fixture(params=["rtu", "ascii"])
def bus(request: pytest.FixtureRequest) -> Iterator[PtyBus]:
    with PtyBus(dict.fromkeys((1, 2, 3, 5), "sdm120"), seed=7, framing=request.param) as bus:
        for unit, meter in bus.units.items():
            meter.set("voltage_phase_a", 230 + unit)
        yield bus


def read(bus: PtyBus, units: str) -> tuple[subprocess.CompletedProcess[str], list[Any]]:
    program = [sys.executable, "-m", "energymeter", "read", bus.url]
    options = ["--profile", "sdm120", "--unit", units, "--timeout", "0.3", "--json"]
    done = subprocess.run(
        [*program, *options], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )
    return done, json.loads(done.stdout)


def test_every_unit_is_read_with_its_own_values(bus: PtyBus) -> None:
    done, meters = read(bus, "1-3,5")

    assert (done.returncode, done.stderr) == (0, "")
    assert {meter["unit"]: meter["values"]["voltage_phase_a"]["value"] for meter in meters} == {
        unit: 230 + unit for unit in (1, 2, 3, 5)
    }
    energies = {meter["values"]["active_energy_import"]["value"] for meter in meters}
    assert len(energies) == 4


def test_unit_that_is_not_there_is_told_and_the_others_are_read(bus: PtyBus) -> None:
    done, meters = read(bus, "1-5")

    assert done.returncode == 1
    assert "unit 4: not read:" in done.stderr
    assert f"no answer from {bus.path} unit 4 within 0.3 s" in done.stderr
    assert {meter["unit"]: meter["values"]["voltage_phase_a"]["value"] for meter in meters} == {
        **{unit: 230 + unit for unit in (1, 2, 3, 5)},
        4: None,
    }
