"""Servers of ours for foreign clients to ask: a meter that stands still, and plain tables."""

from __future__ import annotations

from typing import Any

from energymeter import ModbusServer, RegisterImage, SimulatedFleet, Tables
from energymeter.blocking import BlockingLink, LoopThread
from energymeter.clock import ManualClock
from energymeter.profiles import Profile, ProfileLibrary
from energymeter.server import BitImage
from energymeter.simulator import SimulatedMeter
from energymeter.simulator.population import Population

__all__ = [
    "PlainTables",
    "StandingMeter",
    "make_plain_tables",
    "make_standing_meter",
    "read_at",
    "read_here",
]

Values = dict[str, Any]


def read_here(profile: Profile, port: int) -> Values:
    """All values of a meter on this machine, as our own reader has them."""
    return read_at(f"tcp://127.0.0.1:{port}", profile)


def read_at(url: str, profile: Profile, unit: int | None = None) -> Values:
    """All values of a meter at a URL, as our own reader has them."""
    with BlockingLink(url, timeout_s=5.0) as link:
        report = link.read(profile, unit)
    assert report.is_complete, report.failures
    return report.as_dict()


def make_standing_meter(name: str, seed: int = 7) -> SimulatedMeter:
    """A simulated meter nobody moves; its `tables` are a handler for any wire."""
    return Population(ProfileLibrary().load(name), seed=seed).meters[0]


class StandingMeter:
    """A simulated meter whose time stands still, served from a thread of its own.

    Args:
        name: Its profile.
    """

    def __init__(self, name: str) -> None:
        self.profile = ProfileLibrary().load(name)
        self._thread = LoopThread()
        self._fleet = SimulatedFleet(self.profile, port=0, seed=7, clock=ManualClock())
        self._thread.run(self._fleet.start())
        self.port = self._fleet.ports[0]

    def read(self) -> Values:
        """All its values, as our own reader has them."""
        return read_here(self.profile, self.port)

    def close(self) -> None:
        """Stop serving."""
        self._thread.run(self._fleet.close())
        self._thread.close()


def make_plain_tables() -> Tables:
    """Tables that keep what is written: 200 items in each.

    Input registers are 0, 3, 6, ..., every third discrete input is on, the rest is 0.
    """
    return Tables(
        holding=RegisterImage([(0, bytes(400))]),
        input=RegisterImage([(0, b"".join((3 * n).to_bytes(2, "big") for n in range(200)))]),
        coils=BitImage((address, False) for address in range(200)),
        discrete=BitImage((address, address % 3 == 0) for address in range(200)),
        server_id=b"plain\xff",
        identification={0: b"energymeter", 1: b"plain tables", 2: b"1.0", 0x80: b"own"},
    )


class PlainTables:
    """A server of `make_plain_tables`, in a thread of its own."""

    def __init__(self) -> None:
        self.tables = make_plain_tables()
        self._thread = LoopThread()
        self._server = ModbusServer(self.tables, port=0)
        self._thread.run(self._server.start())
        self.port = self._server.port

    def close(self) -> None:
        """Stop serving."""
        self._thread.run(self._server.close())
        self._thread.close()
