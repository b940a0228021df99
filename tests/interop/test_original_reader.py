"""A device file as written for the original reader, with pymodbus's own client and data types."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.client.tcp import ModbusTcpClient
from tests.interop.meters import StandingMeter

from energymeter import ConfigError, DataType
from energymeter.devices.example_meter import ExampleMeter
from flexmodbusreader.device import ModbusDevice, Register
from flexmodbusreader.reader import ModbusDeviceDataReader

FLOAT32, UINT64 = ModbusTcpClient.DATATYPE.FLOAT32, ModbusTcpClient.DATATYPE.UINT64

OldForm = ModbusDevice(
    model="My Own Meter",
    registers_map=[
        Register("frequency", 3110, 2, ModbusTcpClient.DATATYPE.FLOAT32),
        Register("active_energy_import", 3204, 4, ModbusTcpClient.DATATYPE.UINT64),
        Register("current_phase_a", 3000, 2, ModbusTcpClient.DATATYPE.FLOAT32),
        Register("current_phase_b", 3002, 2, ModbusTcpClient.DATATYPE.FLOAT32),
        Register("current_phase_c", 3004, 2, ModbusTcpClient.DATATYPE.FLOAT32),
    ],
    index_shift=-1,
)


@pytest.fixture
def client(pm8000: StandingMeter) -> Iterator[ModbusTcpClient]:
    with ModbusTcpClient("127.0.0.1", port=pm8000.port, timeout=5) as client:
        yield client


def test_device_in_the_old_form_reads_over_pymodbus_client(
    pm8000: StandingMeter, client: ModbusTcpClient
) -> None:
    values = ModbusDeviceDataReader(client, OldForm).read_registers()

    expected = pm8000.read()
    assert values == {register.name: expected[register.name] for register in OldForm.registers_map}
    assert values["active_energy_import"]


def test_whole_example_meter_written_with_pymodbus_types_reads_the_same(
    pm8000: StandingMeter, client: ModbusTcpClient
) -> None:
    device = ModbusDevice(
        model="Example Meter Device",
        registers_map=[
            Register(r.name, r.index, r.length, FLOAT32 if r.length == 2 else UINT64)
            for r in ExampleMeter.registers_map
        ],
        index_shift=-1,
    )

    values = ModbusDeviceDataReader(client, device, message_size=50).read_registers()

    assert values == pm8000.read()


def test_map_stays_as_it_was_written(client: ModbusTcpClient) -> None:
    ModbusDeviceDataReader(client, OldForm).read_registers()

    assert [register.index for register in OldForm.registers_map] == [3110, 3204, 3000, 3002, 3004]


@pytest.mark.parametrize("member", list(ModbusTcpClient.DATATYPE)[:8], ids=lambda m: m.name)
def test_each_of_pymodbus_number_types_is_ours_of_the_same_name(
    member: ModbusTcpClient.DATATYPE,
) -> None:
    device = ModbusDevice("one", [Register("value", 0, member.value[1], member)])

    assert device.profile.points[0].type is DataType[member.name]


def test_client_connects_by_itself_and_again_after_it_was_closed(
    pm8000: StandingMeter, client: ModbusTcpClient
) -> None:
    reader = ModbusDeviceDataReader(client, OldForm)
    first = reader.read_registers()
    client.close()

    assert reader.read_registers() == first


def test_pymodbus_client_is_called_in_its_owners_thread_only(client: ModbusTcpClient) -> None:
    before = threading.active_count()

    readers = [ModbusDeviceDataReader(client, OldForm) for _ in range(5)]
    values = [reader.read_registers() for reader in readers]

    assert threading.active_count() == before
    assert values[1:] == values[:-1]


def test_asyncio_client_is_refused_in_words() -> None:
    async def make() -> AsyncModbusTcpClient:
        return AsyncModbusTcpClient("127.0.0.1", port=502)

    with pytest.raises(ConfigError):
        ModbusDeviceDataReader(asyncio.run(make()), OldForm)
