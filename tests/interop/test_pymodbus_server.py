"""Our reader, our blocking link and the original reader's classes against pymodbus's server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.simulator import DataType as SimType
from pymodbus.simulator import SimData, SimDevice
from tests.interop.foreign import (
    EIGHT_TYPES,
    EIGHT_VALUES,
    ORDERS,
    PM8000_VALUES,
    PymodbusServer,
    eight_types,
    pm8000_device,
    words_of,
)

from energymeter import (
    BlockingLink,
    Endian,
    ExceptionReplyError,
    Link,
    LinkError,
    MeterReader,
    ModbusDevice,
    ModbusDeviceDataReader,
    Quality,
    ReadReport,
    Register,
    RequestTimeout,
    TcpEndpoint,
)
from energymeter.devices.example_meter import ExampleMeter
from energymeter.profiles import ProfileLibrary
from energymeter.values import WireOrder

PM8000 = [value for _, value in PM8000_VALUES.values()]

each_order = pytest.mark.parametrize("order", ORDERS, ids=[order.letters for order in ORDERS])


def unit_of(order: WireOrder) -> int:
    """Units 1 to 4 of the server hold the eight types, each in another order."""
    return 1 + ORDERS.index(order)


def old_device(order: WireOrder) -> ModbusDevice:
    """The eight types in the form of the original reader, in no particular order."""
    # A first index of 1 is a first address of 0.
    places = accumulate(EIGHT_TYPES.values(), initial=1)
    registers = [
        Register(name, place, size, name)
        for (name, size), place in zip(EIGHT_TYPES.items(), places, strict=False)
    ]
    return ModbusDevice("eight types", registers[::-1], unit=unit_of(order), index_shift=-1)


@pytest.fixture(scope="module")
def orders_port() -> Iterator[int]:
    devices = []
    for order in ORDERS:
        words = [w for name, value in EIGHT_VALUES.items() for w in words_of(name, value, order)]
        block = SimData(0, values=words, datatype=SimType.REGISTERS)
        devices.append(SimDevice(id=unit_of(order), simdata=[block]))
    with closing(PymodbusServer(*devices)) as server:
        yield server.port


@pytest.fixture(scope="module")
def pm8000_port() -> Iterator[int]:
    """The PM8000's map: unit 1 as documented, 2 to 4 with other orders."""
    devices = [pm8000_device(order, unit_of(order)) for order in ORDERS]
    with closing(PymodbusServer(*devices)) as server:
        yield server.port


@pytest.fixture
def four_tables_port() -> Iterator[int]:
    """Four tables of their own, with values that cannot be mistaken for one another's."""
    device = SimDevice(
        id=1,
        simdata=(
            [SimData(0, values=[address % 3 == 0 for address in range(32)], datatype=SimType.BITS)],
            [SimData(0, values=[address % 5 == 0 for address in range(32)], datatype=SimType.BITS)],
            [SimData(0, values=list(range(100)), datatype=SimType.REGISTERS)],
            [SimData(0, values=list(range(1000, 1100)), datatype=SimType.REGISTERS)],
        ),
    )
    with closing(PymodbusServer(device)) as server:
        yield server.port


@each_order
@pytest.mark.parametrize("table", ["holding", "input"])
def test_reader_reads_all_eight_types_in_every_order(
    orders_port: int, order: WireOrder, table: str
) -> None:
    async def read() -> ReadReport:
        async with Link(TcpEndpoint("127.0.0.1", orders_port), timeout_s=5) as link:
            return await MeterReader(link.unit(unit_of(order)), eight_types(order, table)).read()

    assert asyncio.run(read()).as_dict() == EIGHT_VALUES


@each_order
def test_blocking_link_reads_all_eight_types_in_every_order(
    orders_port: int, order: WireOrder
) -> None:
    with BlockingLink("127.0.0.1", orders_port, timeout_s=5) as link:
        report = link.read(eight_types(order), unit_of(order))

    assert report.as_dict() == EIGHT_VALUES


@each_order
def test_original_reader_reads_all_eight_types_over_our_link(
    orders_port: int, order: WireOrder
) -> None:
    with BlockingLink("127.0.0.1", orders_port, timeout_s=5) as link:
        reader = ModbusDeviceDataReader(
            link, old_device(order), Endian(order.byte), Endian(order.word)
        )

        assert reader.read_registers() == EIGHT_VALUES


@each_order
def test_original_reader_reads_all_eight_types_over_pymodbus_client(
    orders_port: int, order: WireOrder
) -> None:
    with ModbusTcpClient("127.0.0.1", port=orders_port, timeout=5) as client:
        reader = ModbusDeviceDataReader(
            client, old_device(order), order.byte.upper(), order.word.upper()
        )

        assert reader.read_registers() == EIGHT_VALUES


@pytest.mark.parametrize("size", [4, 5, 7, 19, 20, 125])
def test_message_size_changes_the_requests_and_not_the_values(orders_port: int, size: int) -> None:
    device = old_device(WireOrder())

    with BlockingLink("127.0.0.1", orders_port, timeout_s=5) as link:
        reader = ModbusDeviceDataReader(link, device, message_size=size)

        assert reader.read_registers() == EIGHT_VALUES


def test_example_meter_reads_the_published_map(pm8000_port: int) -> None:
    with BlockingLink("127.0.0.1", pm8000_port, timeout_s=5) as link:
        values = ModbusDeviceDataReader(link, ExampleMeter).read_registers()

    assert list(values.values()) == PM8000
    assert values["voltage_phase_a"] == 230.125


def test_profile_of_the_same_meter_reads_the_same(pm8000_port: int) -> None:
    with BlockingLink("127.0.0.1", pm8000_port, timeout_s=5) as link:
        report = link.read(ProfileLibrary().load("pm8000"))

    # All ones is no energy: what cannot be true is not handed on.
    believed = [None if value == 2**64 - 1 else value for value in PM8000]
    assert list(report.as_dict().values()) == believed
    assert report["active_power_total"].unit == "kW"


@each_order
def test_auto_finds_the_order_of_the_example_meter(pm8000_port: int, order: WireOrder) -> None:
    device = ModbusDevice("PM8000", ExampleMeter.registers_map, unit=unit_of(order), index_shift=-1)

    with BlockingLink("127.0.0.1", pm8000_port, timeout_s=5) as link:
        reader = ModbusDeviceDataReader(link, device, Endian.AUTO, Endian.AUTO)

        assert list(reader.read_registers().values()) == PM8000


def test_link_reads_each_of_the_four_tables(four_tables_port: int) -> None:
    with BlockingLink("127.0.0.1", four_tables_port, timeout_s=5) as link:
        unit = link.unit(1)

        assert unit.read_coils(1, 7) == (False, False, True, False, False, True, False)
        assert (
            unit.read_discrete_inputs(4, 9) == (False, True) + (False,) * 4 + (True,) + (False,) * 2
        )
        assert unit.read_holding_registers(3, 3) == (3, 4, 5)
        assert unit.read_input_registers(3, 3) == (1003, 1004, 1005)


def test_link_writes_coils_and_registers_in_every_way(four_tables_port: int) -> None:
    with BlockingLink("127.0.0.1", four_tables_port, timeout_s=5) as link:
        unit = link.unit(1)

        unit.write_coil(1, True)
        unit.write_coils(16, [True, False, True, True])
        unit.write_register(10, 0xBEEF)
        unit.write_registers(11, [1, 65535])
        unit.write_register(20, 0x12)
        unit.mask_write_register(20, 0xF2, 0x25)
        both = unit.read_write_registers(
            read_address=29, read_count=4, write_address=30, words=[7, 8]
        )

        assert unit.read_coils(0, 4) == (True, True, False, True)
        assert unit.read_coils(16, 4) == (True, False, True, True)
        assert unit.read_holding_registers(10, 3) == (0xBEEF, 1, 65535)
        assert unit.read_holding_registers(20) == (0x17,)
        assert both == (29, 7, 8, 32)


def test_link_asks_for_the_identity_of_the_device(four_tables_port: int) -> None:
    async def ask() -> tuple[dict[int, bytes], bytes]:
        async with Link(TcpEndpoint("127.0.0.1", four_tables_port), timeout_s=5) as link:
            unit = link.unit(1)
            await unit.echo(b"\x12\x34")
            return await unit.read_identification(), await unit.report_server_id()

    identification, server_id = asyncio.run(ask())

    assert identification == {0: b"pymodbus", 1: b"PM", 2: b"3.16"}
    assert server_id.endswith(b"\xff")


def test_questions_asked_at_once_wait_their_turn_and_get_their_own_answers(
    four_tables_port: int,
) -> None:
    # Of several requests in one segment this server answers the last one only; a link has one
    # in flight unless it is told otherwise.
    async def read_all() -> list[tuple[int, ...]]:
        async with Link(TcpEndpoint("127.0.0.1", four_tables_port), timeout_s=5) as link:
            unit = link.unit(1)
            return await asyncio.gather(
                *(unit.read_holding_registers(address) for address in range(100))
            )

    assert asyncio.run(read_all()) == [(address,) for address in range(100)]


def test_address_that_does_not_exist_is_an_exception_reply(orders_port: int) -> None:
    with (
        BlockingLink("127.0.0.1", orders_port, timeout_s=5) as link,
        pytest.raises(ExceptionReplyError) as refused,
    ):
        link.unit(1).read_holding_registers(20)

    assert (refused.value.function, refused.value.code) == (3, 2)


@pytest.mark.parametrize("over_pymodbus", [False, True], ids=["our link", "pymodbus's client"])
def test_refused_block_loses_its_own_values_only(orders_port: int, over_pymodbus: bool) -> None:
    device = ModbusDevice(
        "half there",
        [Register("there", 0, 1, "INT16"), Register("beyond", 1000, 2, "FLOAT32")],
    )
    with (
        BlockingLink("127.0.0.1", orders_port, timeout_s=5) as link,
        ModbusTcpClient("127.0.0.1", port=orders_port, timeout=5) as client,
    ):
        reader = ModbusDeviceDataReader(client if over_pymodbus else link, device)

        assert reader.read_registers() == {"there": -12345, "beyond": None}


def test_report_says_which_block_was_refused_and_with_what(orders_port: int) -> None:
    device = ModbusDevice(
        "half there",
        [Register("there", 0, 1, "INT16"), Register("beyond", 1000, 2, "FLOAT32")],
    )

    with BlockingLink("127.0.0.1", orders_port, timeout_s=5) as link:
        report = link.read(device.profile)

    (failure,) = report.failures
    assert isinstance(failure.error, ExceptionReplyError)
    assert (failure.error.code, failure.block.address) == (2, 1000)
    assert [reading.quality for reading in report] == [Quality.GOOD, Quality.NOT_AVAILABLE]


@pytest.mark.parametrize("over_pymodbus", [False, True], ids=["our link", "pymodbus's client"])
def test_meter_that_is_gone_raises_a_link_error(over_pymodbus: bool) -> None:
    with closing(PymodbusServer(pm8000_device())) as server:
        port = server.port
    with (
        BlockingLink("127.0.0.1", port) as link,
        ModbusTcpClient("127.0.0.1", port=port, timeout=1, retries=0) as client,
        pytest.raises((LinkError, RequestTimeout)),
    ):
        ModbusDeviceDataReader(client if over_pymodbus else link, ExampleMeter).read_registers()
