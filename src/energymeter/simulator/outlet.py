"""Where simulated meters answer: the wires they are on, and how they behave there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from energymeter.clock import Clock
from energymeter.errors import ConfigError
from energymeter.server import Delivery, Handler, ModbusServer, Roles, SerialLine, UnitRouter
from energymeter.simulator.faults import Misbehaviour
from energymeter.simulator.meter import SimulatedMeter
from energymeter.transports import Way, Wire, parse_wire

__all__ = ["LAST_UNIT", "Manners", "Outlet", "make_outlet"]

LAST_UNIT = 247
"""The largest unit number on a serial line (MODBUS over Serial Line v1.02, 2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How meters answer on all their wires."""

    misbehaviour: Misbehaviour | None = None
    """Faults that are there or may come; None: there will be none."""

    latency_s: float | None = None
    """How long a meter thinks before each answer; None: no time at all."""

    has_line_timing: bool = False
    """Whether characters take their time on serial lines, as the URL says."""

    writing_roles: Sequence[str] = ()
    """Roles in a client's certificate that may write over TLS; the others may only read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """One wire with meters on it."""

    server: ModbusServer
    wire: Wire
    meters: Mapping[int, SimulatedMeter]
    """By unit number."""

    answers_all: bool
    """Whether the only meter answers every unit number."""

    def __str__(self) -> str:
        if self.wire.port is None or self.wire.way is Way.DIAL:
            return str(self.wire)
        return str(replace(self.wire, port=self.server.port))


def make_outlet(  # noqa: PLR0913 - what a wire is, and what is on it
    where: str | Wire,
    meters: Mapping[int, SimulatedMeter],
    *,
    answers_all: bool,
    manners: Manners,
    clock: Clock,
    idle_timeout_s: float | None = None,
) -> Outlet:
    """Put meters on a wire; nothing is opened yet.

    Args:
        where: The wire, or its URL.
        meters: Unit number to meter.
        answers_all: Whether the only meter answers every unit number, where that is possible.
        manners: How they behave.
        clock: What times are measured by.
        idle_timeout_s: Seconds without a request after which a client is dropped; None: never.

    Raises:
        EndpointError: The URL is wrong, or one cannot listen there.
        ConfigError: A unit number cannot be, or a certificate cannot be used.
    """
    wire = parse_wire(where) if isinstance(where, str) else where
    answers_all = answers_all and len(meters) == 1 and wire.framing.has_transactions
    if not answers_all and not all(1 <= unit <= LAST_UNIT for unit in meters):
        msg = f"units {min(meters)} to {max(meters)} do not fit on {wire}, use 1 to {LAST_UNIT}"
        raise ConfigError(msg)
    handler: Handler
    if answers_all:
        (meter,) = meters.values()
        handler = meter.tables
    else:
        handler = UnitRouter({unit: meter.tables for unit, meter in meters.items()})
    faulty = None
    if manners.misbehaviour is not None:
        faulty = manners.misbehaviour.wire(
            meters, framing=wire.framing, way=wire.way, answers_all=answers_all
        )
    server = ModbusServer.at(
        wire,
        handler,
        delivery=_timed(wire, faulty, manners, clock),
        roles=Roles(manners.writing_roles) if wire.way is Way.TLS else None,
        idle_timeout_s=idle_timeout_s,
        clock=clock,
    )
    if faulty is not None:
        faulty.connections = lambda: server.connections
    return Outlet(server=server, wire=wire, meters=meters, answers_all=answers_all)


def _timed(wire: Wire, faulty: Delivery | None, manners: Manners, clock: Clock) -> Delivery | None:
    """The delivery with the time the wire and the meter take; None: none is needed."""
    pacing = wire.pacing
    has_characters = manners.has_line_timing or manners.latency_s is not None
    is_line = wire.path is not None
    takes_time = manners.latency_s is not None or (has_characters and pacing.character_s > 0)
    if not takes_time and not (is_line and faulty is not None):
        return faulty
    return SerialLine(
        character_s=pacing.character_s if has_characters else 0.0,
        silence_s=pacing.silence_s,
        latency_s=manners.latency_s or 0.0,
        framing=wire.framing,
        delivery=faulty,
        clock=clock,
    )
