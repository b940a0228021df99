"""A simulated meter on a port of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from energymeter.errors import ConfigError
from energymeter.testing.line import LineDouble
from energymeter.testing.unit import ProfileSource, UnitDouble, profile_of
from energymeter.transports import Way, parse_wire

__all__ = ["MeterDouble"]


class MeterDouble(LineDouble):
    """One meter on a port of the system's choice; with Modbus TCP it answers every unit number.

    Args:
        profile: What it is: a name such as `pm8000`, a file, or a `Profile`.
        seed: The same seed and the same calls give the same values and faults.
        unit: Its number; None: the profile's.
        listen: The wire: `tcp`, `udp`, `tls`, `rtu+tcp`, `ascii+tcp`, `rtu+udp` or `ascii+udp`.

    Raises:
        ConfigError: The profile or the wire is wrong, or the port is taken.
    """

    def __init__(
        self,
        profile: ProfileSource = "electric",
        *,
        seed: int = 0,
        unit: int | None = None,
        listen: str = "tcp://127.0.0.1:0",
    ) -> None:
        wire = parse_wire(listen)
        if wire.way not in (Way.TCP, Way.UDP, Way.TLS):
            msg = f"{wire} is no port to listen on; for a serial line take a PtyBus"
            raise ConfigError(msg)
        found = profile_of(profile)
        number = found.defaults.unit if unit is None else unit
        super().__init__(
            {number: found}, wire, seed=seed, answers_all=wire.framing.has_transactions
        )
        self.unit: UnitDouble = self.units[number]
        """The meter itself."""
        self.host = wire.host or "127.0.0.1"
        """Where it listens."""
        self.port = 0 if self._server is None else self._server.port
        """The port the system chose."""
        self._wire = replace(wire, host=self.host, port=self.port, tls=None)

    def __str__(self) -> str:
        return f"{self.unit.profile.name} at {self.url}"

    @property
    def url(self) -> str:
        """Where a client finds it, such as `tcp://127.0.0.1:40123`."""
        return str(self._wire)

    @property
    def values(self) -> Mapping[str, float]:
        """See `UnitDouble.values`."""
        return self.unit.values

    def set(self, name: str, value: float) -> None:
        """See `UnitDouble.set`."""
        self.unit.set(name, value)

    def freeze(self, *names: str) -> None:
        """See `UnitDouble.freeze`."""
        self.unit.freeze(*names)

    def release(self, *names: str) -> None:
        """See `UnitDouble.release`."""
        self.unit.release(*names)

    def reset_counters(self) -> None:
        """See `UnitDouble.reset_counters`."""
        self.unit.reset_counters()
