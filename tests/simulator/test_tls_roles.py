"""Over TLS a simulated meter is written only by whom its owner named."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.loops import run
from tests.transports.pki import Pki, utf8_string

from energymeter.client import Link
from energymeter.errors import ExceptionReplyError
from energymeter.profiles import ProfileLibrary
from energymeter.simulator import Manners, SimulatedFleet


def test_only_the_named_role_writes_and_everybody_reads(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    meter = pki.sign("meter")
    operator = pki.sign("operator", role=utf8_string("operator"))
    guest = pki.sign("guest")

    async def scenario() -> None:
        fleet = SimulatedFleet(
            ProfileLibrary(()).load("electric"),
            listen=[f"tls://127.0.0.1:0?cert={meter.cert}&key={meter.key}&ca={meter.ca}"],
            manners=Manners(writing_roles=["operator"]),
        )
        async with fleet:
            for files, may_write in ((operator, True), (guest, False)):
                url = (
                    f"tls://localhost:{fleet.ports[0]}"
                    f"?ca={files.ca}&cert={files.cert}&key={files.key}"
                )
                async with Link.to(url) as link:
                    unit = link.unit(1)
                    assert len(await unit.read_holding_registers(0, 6)) == 6
                    if may_write:
                        await unit.write_coil(10, value=True)
                        continue
                    with pytest.raises(ExceptionReplyError) as refusal:
                        await unit.write_coil(10, value=True)
                    assert refusal.value.code == 1

    run(scenario(), "asyncio")
