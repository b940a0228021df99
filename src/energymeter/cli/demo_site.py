"""The simulated site of `energymeter demo`: twelve meters of different makes, one misbehaving."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final, NamedTuple

from energymeter.profiles import ProfileLibrary
from energymeter.simulator import Manners, SimulatedSite
from energymeter.simulator.faults import Misbehaviour, parse_fault

__all__ = ["METERS", "DemoMeter", "demo_site_text", "start_meters"]


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
    DemoMeter("hall", "siemens/sentron-pac3200", "hall", 1, "production"),
    DemoMeter("compressor", "janitza/umg-96rm", "compressor", 1, "production"),
    DemoMeter("server-room", "shelly/pro-3em", "server-room", 1, "office"),
    DemoMeter("office", "eastron/sdm630", "gateway", 1, "office"),
    DemoMeter("kitchen", "carlo-gavazzi/em340", "gateway", 2, "office"),
    DemoMeter("charger", "abb/b23", "gateway", 3, "parking"),
    DemoMeter("lighting", "inepro-metering/pro380-mod", "gateway", 4, "parking"),
    DemoMeter("heat-pump", "orno/or-we-516", "gateway", 5, "heating"),
    DemoMeter("boiler", "kamstrup/multical-603", "boiler", 1, "heating"),
    DemoMeter("water", "water", "water", 1, "main"),
    DemoMeter("gas", "gas", "gas", 1, "main"),
)

_FAULTS: Final = ("late=400ms:0.15,unit=5", "silence:0.35,unit=5", "busy:0.1,unit=5")
"""What the heat pump's meter does to whoever asks it."""


async def start_meters(stack: AsyncExitStack, *, seed: int, speed: float) -> dict[str, int]:
    """Start the meters on ports of this machine.

    Args:
        stack: Stops them at its end.
        seed: The same seed gives the same values.
        speed: Simulated seconds a real second.

    Returns:
        The port of each link.
    """
    library = ProfileLibrary()
    misbehaviour = Misbehaviour(seed)
    for fault in _FAULTS:
        misbehaviour.add(parse_fault(fault))
    ports = {}
    for number, link in enumerate(dict.fromkeys(meter.link for meter in METERS)):
        units = {m.unit: library.load(m.profile) for m in METERS if m.link == link}
        site = SimulatedSite(
            units,
            listen=["tcp://127.0.0.1:0"],
            seed=seed + number,
            speed=speed,
            manners=Manners(misbehaviour=misbehaviour if len(units) > 1 else None),
        )
        await stack.enter_async_context(site)
        ports[link] = site.ports[0]
    return ports


def demo_site_text(ports: dict[str, int], listen: str) -> str:
    """The site file that reads them.

    Args:
        ports: Port of each link on this machine.
        listen: Where the HTTP side is to listen.
    """
    lines = [
        "# Made by energymeter demo. A copy of it runs with: energymeter run site.toml",
        'name = "demo"',
        "",
        "[defaults]",
        'interval = "1s"',
        "",
        "[web]",
        f'listen = "{listen}"',
        "",
        "[[sink]]",
        'type = "prometheus"',
    ]
    for link, port in ports.items():
        lines += ["", "[[link]]", f'name = "{link}"', f'url = "tcp://127.0.0.1:{port}"']
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
