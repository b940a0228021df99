"""Read any energy meter over Modbus, and stand in for it when there is none.

The public names, each imported from its room when it is first used, so that importing this
package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from energymeter._version import __version__

if TYPE_CHECKING:
    from energymeter.blocking import BlockingLink, BlockingUnit
    from energymeter.client import Backoff, Link, Unit, UnitClient
    from energymeter.codec import ExceptionCode, Table
    from energymeter.compat import Endian, ModbusDevice, ModbusDeviceDataReader, Register
    from energymeter.errors import (
        ConfigError,
        EndpointError,
        ExceptionReplyError,
        LinkError,
        MeterError,
        ProfileError,
        ProtocolError,
        RequestTimeout,
    )
    from energymeter.profiles import Point, Profile, ProfileLibrary, load_profile
    from energymeter.reader import MeterReader, Quality, Reading, ReadReport
    from energymeter.server import ModbusServer, RegisterImage, Tables
    from energymeter.service import Poller
    from energymeter.simulator import SimulatedFleet
    from energymeter.transports import TcpEndpoint
    from energymeter.values import DataType

_ROOMS = {
    "blocking": ("BlockingLink", "BlockingUnit"),
    "client": ("Backoff", "Link", "Unit", "UnitClient"),
    "codec": ("ExceptionCode", "Table"),
    "compat": ("Endian", "ModbusDevice", "ModbusDeviceDataReader", "Register"),
    "errors": (
        "ConfigError",
        "EndpointError",
        "ExceptionReplyError",
        "LinkError",
        "MeterError",
        "ProfileError",
        "ProtocolError",
        "RequestTimeout",
    ),
    "profiles": ("Point", "Profile", "ProfileLibrary", "load_profile"),
    "reader": ("MeterReader", "Quality", "ReadReport", "Reading"),
    "server": ("ModbusServer", "RegisterImage", "Tables"),
    "service": ("Poller",),
    "simulator": ("SimulatedFleet",),
    "transports": ("TcpEndpoint",),
    "values": ("DataType",),
}
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Backoff",
    "BlockingLink",
    "BlockingUnit",
    "ConfigError",
    "DataType",
    "Endian",
    "EndpointError",
    "ExceptionCode",
    "ExceptionReplyError",
    "Link",
    "LinkError",
    "MeterError",
    "MeterReader",
    "ModbusDevice",
    "ModbusDeviceDataReader",
    "ModbusServer",
    "Point",
    "Poller",
    "Profile",
    "ProfileError",
    "ProfileLibrary",
    "ProtocolError",
    "Quality",
    "ReadReport",
    "Reading",
    "Register",
    "RegisterImage",
    "RequestTimeout",
    "SimulatedFleet",
    "Table",
    "Tables",
    "TcpEndpoint",
    "Unit",
    "UnitClient",
    "__version__",
    "load_profile",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as PEP 562 has it
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module  # noqa: PLC0415

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
