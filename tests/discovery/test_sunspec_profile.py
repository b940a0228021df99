"""A SunSpec device described by itself reads as by its shipped profile."""

from __future__ import annotations

import pytest

from energymeter.client import Link
from energymeter.clock import ManualClock
from energymeter.discovery.sunspec import SunSpecMap
from energymeter.discovery.sunspec_profile import ask_profile, sunspec_profile
from energymeter.errors import ConfigError
from energymeter.eventloop import run
from energymeter.profiles import ProfileLibrary
from energymeter.reader import MeterReader, ReadReport
from energymeter.simulator import SimulatedFleet
from energymeter.transports import parse_wire


async def read_both_ways(name: str) -> tuple[ReadReport, ReadReport]:
    """What a simulated meter says, by its own description and by its shipped profile."""
    shipped = ProfileLibrary([]).load(name)
    async with SimulatedFleet(shipped, port=0, seed=3, clock=ManualClock()) as fleet:
        endpoint = parse_wire(f"127.0.0.1:{fleet.ports[0]}")
        described = await ask_profile(endpoint, 1, 1.0)
        async with Link.to(endpoint) as link:
            own = await MeterReader(link.unit(1), described).read()
            other = await MeterReader(link.unit(1), shipped).read()
            return own, other


@pytest.mark.parametrize("name", ["kostal/smart-energy-meter", "solaredge/inverter-meter-1"])
def test_a_sunspec_meter_reads_by_its_own_description_as_by_its_profile(name: str) -> None:
    own, shipped = run(read_both_ways(name))
    described, known = own.as_dict(), shipped.as_dict()
    common = described.keys() & known.keys()

    # No description says that a SolarEdge counts its power the other way round; its profile does.
    turned = {key for key in common if key.startswith("active_power_") and "solaredge" in name}
    assert not own.failures
    assert len(common) >= 30
    assert {key: described[key] for key in common - turned} == {
        key: known[key] for key in common - turned
    }
    for key in turned:
        value = known[key]
        assert isinstance(value, int | float)
        assert described[key] == -value
    assert described["voltage_phase_a"] == pytest.approx(230, abs=15)


def test_a_meter_without_a_marker_is_no_sunspec_device() -> None:
    async def ask() -> None:
        profile = ProfileLibrary([]).load("electric")
        async with SimulatedFleet(profile, port=0, clock=ManualClock()) as fleet:
            await ask_profile(parse_wire(f"127.0.0.1:{fleet.ports[0]}"), 1, 1.0)

    with pytest.raises(ConfigError, match="is not a SunSpec device"):
        run(ask())


def test_a_chain_of_unknown_models_says_which_they_are() -> None:
    found = SunSpecMap("Somebody", "Box", (64999,), ((64999, 40002, 10),))

    with pytest.raises(ConfigError, match="64999"):
        sunspec_profile(found)
