"""The simulated site of `energymeter demo`: twelve meters of different makes, one misbehaving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from energymeter.profiles import ProfileLibrary
from energymeter.simulator import Manners, Misbehaviour, SimulatedSite
from energymeter.simulator.control import SimulatorControl
from energymeter.simulator.scenario import parse_scenario
from energymeter.simulator.timeline import Timeline

__all__ = ["MADE_BY", "METERS", "DemoMeter", "demo_site_text", "start_meters"]


class DemoMeter(NamedTuple):
    """One simulated meter."""

    name: str
    profile: str
    link: str
    """What shares a link shares a port, as behind a gateway."""

    unit: int
    circuit: str


METERS: Final = (
    DemoMeter("grid", "schneider-electric/pm8000", "grid", 1, "main"),
    DemoMeter("hall", "siemens/sentron-pac1600", "hall", 1, "production"),
    DemoMeter("compressor", "janitza/umg-96rm", "compressor", 1, "production"),
    DemoMeter("server-room", "shelly/pro-3em", "server-room", 1, "office"),
    DemoMeter("office", "eastron/sdm630", "gateway", 1, "office"),
    DemoMeter("kitchen", "carlo-gavazzi/em340", "gateway", 2, "office"),
    DemoMeter("charger", "abb/b23", "gateway", 3, "parking"),
    DemoMeter("lighting", "inepro-metering/pro380-mod", "gateway", 4, "parking"),
    DemoMeter("heat-pump", "orno/or-we-516", "gateway", 5, "heating"),
    DemoMeter("boiler", "aqua-metro/calec-st", "boiler", 1, "heating"),
    DemoMeter("water", "water", "water", 1, "main"),
    DemoMeter("gas", "gas", "gas", 1, "main"),
)

MADE_BY: Final = "# Made by energymeter demo."
"""How its site file begins."""

_GRID: Final = "grid"
"""The link of the meter that measures the sum of the others' power."""

_GATEWAY: Final = "gateway"
_TIMEOUT: Final = "150ms"
"""Of the gateway: what is long enough for a unit that is late keeps nobody waiting for long."""

_SCENARIO: Final[dict[str, Any]] = {
    "step": [
        {"at": "0s", "unit": 5, "fault": "late=60ms:0.3"},
        {"at": "0s", "unit": 5, "fault": "exception=4:0.3"},
        {"at": "4s", "unit": 5, "fault": "dead", "for": "10s", "every": "90s"},
    ]
}
"""What the heat pump's meter does to whoever asks it: it answers late, refuses a part of what it
is asked, and is gone now and then."""


async def start_meters(
    stack: AsyncExitStack, *, seed: int, speed: float, folder: Path | None = None
) -> dict[str, int]:
    """Start the meters on ports of this machine.

    Args:
        stack: Stops them at its end.
        seed: The same seed gives the same values.
        speed: Simulated seconds a real second.
        folder: Where counters are kept over a restart; None: nowhere.

    Returns:
        The port of each link.
    """
    library = ProfileLibrary()
    links = list(dict.fromkeys(meter.link for meter in METERS))
    sites: dict[str, SimulatedSite] = {}
    for link in sorted(links, key=_GRID.__eq__):  # the sum after what it is of
        misbehaviour = Misbehaviour(seed) if link == _GATEWAY else None
        behind = [each for site in sites.values() for each in site.populations]
        sites[link] = site = SimulatedSite(
            {m.unit: library.load(m.profile) for m in METERS if m.link == link},
            listen=["tcp://127.0.0.1:0"],
            seed=seed + links.index(link),
            speed=speed,
            state_path=None if folder is None else folder / f"{link}-{seed}.json",
            manners=Manners(misbehaviour=misbehaviour),
            behind=behind if link == _GRID else (),
        )
        await stack.enter_async_context(site)
        if misbehaviour is not None:
            await stack.enter_async_context(_happening(site, misbehaviour))
    return {link: sites[link].ports[0] for link in links}


@asynccontextmanager
async def _happening(site: SimulatedSite, misbehaviour: Misbehaviour) -> AsyncIterator[None]:
    """Let the scenario happen for as long as the block lasts."""
    scenario = parse_scenario(_SCENARIO, "the demo")
    control = SimulatorControl(site, misbehaviour)
    timeline = Timeline(scenario, control, site.clock, tell=lambda _text: None)
    running = asyncio.create_task(timeline.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


def demo_site_text(ports: dict[str, int], listen: str | None) -> str:
    """The site file that reads them.

    Args:
        ports: Port of each link on this machine.
        listen: Where the HTTP side is to listen; None: there is none.
    """
    lines = [
        f"{MADE_BY} A copy of it runs with: energymeter run site.toml",
        'name = "demo"',
        *(["web = false"] if listen is None else []),
        "",
        "[defaults]",
        'interval = "1s"',
    ]
    if listen is not None:
        lines += ["", "[web]", f'listen = "{listen}"', "", "[[sink]]", 'type = "prometheus"']
    for link, port in ports.items():
        lines += ["", "[[link]]", f'name = "{link}"', f'url = "tcp://127.0.0.1:{port}"']
        if link == _GATEWAY:
            lines.append(f'timeout = "{_TIMEOUT}"')
    for meter in METERS:
        lines += [
            "",
            "[[meter]]",
            f'name = "{meter.name}"',
            f'link = "{meter.link}"',
            f"unit = {meter.unit}",
            f'profile = "{meter.profile}"',
            f'labels = {{ circuit = "{meter.circuit}" }}',
        ]
    return "\n".join(lines) + "\n"
