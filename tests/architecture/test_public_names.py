"""What `from energymeter import ...` offers changes on purpose only."""

from __future__ import annotations

import subprocess
import sys

import pytest

import energymeter
from energymeter.devices.example_meter import ExampleMeter
from energymeter.service import ModbusDeviceService
from flexmodbusreader import device, reader

PUBLIC_NAMES = [
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


def test_the_public_list_is_frozen() -> None:
    assert energymeter.__all__ == PUBLIC_NAMES
    assert dir(energymeter) == PUBLIC_NAMES


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_public_name_imports_and_is_documented(name: str) -> None:
    value = getattr(energymeter, name)
    assert name == "__version__" or value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        _ = energymeter.Nothing


def test_the_names_of_the_original_reader_lead_to_ours() -> None:
    assert device.ModbusDevice is energymeter.ModbusDevice
    assert device.Register is energymeter.Register
    assert reader.ModbusDeviceDataReader is energymeter.ModbusDeviceDataReader
    assert isinstance(ExampleMeter, energymeter.ModbusDevice)
    assert len(ExampleMeter.registers_map) == 25
    assert ModbusDeviceService.__module__ == "energymeter.compat"


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import energymeter", "asyncio pydantic numpy click rich"),
        ("from energymeter.cli.app import cli", "asyncio pydantic numpy rich uvloop"),
        ("import energymeter.cli.read", "numpy rich"),
        ("import energymeter.cli.poll", "numpy rich"),
        ("from energymeter import Link, MeterReader", "numpy click rich"),
        ("import flexmodbusreader.device", "numpy click rich pymodbus"),
    ],
)
def test_heavy_imports_happen_when_used(statement: str, absent: str) -> None:
    program = (
        f"{statement}\nimport sys\nprint(*[n for n in {absent.split()!r} if n in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""
