"""Faults of connections, and of the device as a whole."""

from __future__ import annotations

from collections.abc import Callable

from energymeter.simulator.faults.exchange import Exchange, Hit, Plant
from energymeter.simulator.faults.fault import Fault
from energymeter.simulator.faults.kind import Kind

__all__ = ["be_down", "has_enough", "is_whole_device", "keep_out", "reboot_now", "reboot_then"]


def keep_out(_connections: int, _hit: Hit) -> bool:
    """Nobody comes in."""
    return True


def has_enough(connections: int, hit: Hit) -> bool:
    """As many are in as there may be."""
    return connections >= hit.draw()


def is_whole_device(_connections: int, hit: Hit) -> bool:
    """Not only some units behind a gateway, which itself goes on."""
    return not hit.fault.units


def be_down(exchange: Exchange, hit: Hit) -> None:
    """Nothing is heard; who is connected to the device itself is dropped."""
    if hit.fault.units:
        exchange.lose()
    else:
        exchange.drop()


def reboot_now(down: Kind) -> Callable[[Plant, Hit], None]:
    """What a reboot is: a restart of all the meters, and being down for a time."""

    def happen(plant: Plant, hit: Hit) -> None:
        for meter in plant.meters_of(hit.fault):
            meter.restart()
        fault = hit.fault
        plant.begin(Fault(kind=down, units=fault.units, wires=fault.wires, for_s=hit.draw()))

    return happen


def reboot_then(exchange: Exchange, hit: Hit) -> None:
    """A request that makes it reboot; nobody answers it."""
    exchange.happen(hit)
    be_down(exchange, hit)
