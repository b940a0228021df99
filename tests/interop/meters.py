"""Servers of ours for foreign clients to ask: a meter that stands still, and plain tables."""

from __future__ import annotations

from typing import Any

from energymeter import ModbusServer, RegisterImage, SimulatedFleet, Tables
from energymeter.blocking import BlockingLink, LoopThread
from energymeter.clock import ManualClock
from energymeter.profiles import Profile, ProfileLibrary
from energymeter.server import BitImage

__all__ = ["PlainTables", "StandingMeter", "read_here"]

Values = dict[str, Any]


def read_here(profile: Profile, port: int) -> Values:
    """All values of a meter on this machine, as our own reader has them."""
    with BlockingLink("127.0.0.1", port, timeout_s=5.0) as link:
        report = link.read(profile)
    assert report.is_complete, report.failures
    return report.as_dict()


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


class PlainTables:
    """A server that keeps what is written: 200 items in each table, served from a thread.

    Input registers are 0, 3, 6, ..., every third discrete input is on, the rest is 0.
    """

    def __init__(self) -> None:
        self.tables = Tables(
            holding=RegisterImage([(0, bytes(400))]),
            input=RegisterImage([(0, b"".join((3 * n).to_bytes(2, "big") for n in range(200)))]),
            coils=BitImage((address, False) for address in range(200)),
            discrete=BitImage((address, address % 3 == 0) for address in range(200)),
            server_id=b"plain\xff",
            identification={0: b"energymeter", 1: b"plain tables", 2: b"1.0", 0x80: b"own"},
        )
        self._thread = LoopThread()
        self._server = ModbusServer(self.tables, port=0)
        self._thread.run(self._server.start())
        self.port = self._server.port

    def close(self) -> None:
        """Stop serving."""
        self._thread.run(self._server.close())
        self._thread.close()
