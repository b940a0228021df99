"""pyModbusTCP 0.3 on either side of the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing

import pytest
from pyModbusTCP.client import ModbusClient
from pyModbusTCP.utils import decode_ieee, get_list_2comp, word_list_to_long
from tests.interop.foreign import (
    EIGHT_VALUES,
    ORDERS,
    PM8000_VALUES,
    PyModbusTcpServer,
    eight_types,
    words_of,
)
from tests.interop.meters import PlainTables, StandingMeter

from energymeter import (
    BlockingLink,
    ExceptionReplyError,
    Link,
    MeterReader,
    ModbusDeviceDataReader,
    ReadReport,
    TcpEndpoint,
)
from energymeter.devices.example_meter import ExampleMeter
from energymeter.values import WireOrder

each_order = pytest.mark.parametrize("order", ORDERS, ids=[order.letters for order in ORDERS])


@pytest.fixture
def client(electric: StandingMeter) -> Iterator[ModbusClient]:
    with closing(ModbusClient("127.0.0.1", electric.port, timeout=5)) as client:
        yield client


@pytest.fixture
def tables_client(plain_tables: PlainTables) -> Iterator[ModbusClient]:
    with closing(ModbusClient("127.0.0.1", plain_tables.port, timeout=5)) as client:
        yield client


@pytest.fixture
def server() -> Iterator[PyModbusTcpServer]:
    with closing(PyModbusTcpServer()) as server:
        yield server


def test_their_client_reads_what_our_reader_reads(
    electric: StandingMeter, client: ModbusClient
) -> None:
    energy, power = word_list_to_long(client.read_holding_registers(0, 4), big_endian=False)
    block = client.read_input_registers(10, 8)

    values = electric.read()
    assert energy / 100 == values["active_energy_import_total"] > 0
    assert get_list_2comp([power], 32)[0] / 10 == values["active_power_total"]
    assert block[0] / 10 == values["voltage_phase_a"]
    assert block[6] / 100 == values["frequency"]


def test_their_client_reads_floats_of_a_pm8000(pm8000: StandingMeter) -> None:
    with closing(ModbusClient("127.0.0.1", pm8000.port, timeout=5)) as client:
        longs = word_list_to_long(client.read_holding_registers(3027, 6))

    values = pm8000.read()
    assert [decode_ieee(long) for long in longs] == [
        values[f"voltage_phase_{phase}"] for phase in "abc"
    ]


def test_their_client_reads_bits_and_resets_the_counter(client: ModbusClient) -> None:
    coils, inputs = client.read_coils(0, 11), client.read_discrete_inputs(0, 13)

    assert client.write_single_coil(10, True)

    assert coils == [True] * 3 + [False] * 8
    assert inputs == [True] * 3 + [False] * 10
    assert client.read_holding_registers(0, 2) == [0, 0]
    assert client.read_coils(10) == [False]


def test_their_client_writes_in_every_way_it_knows(tables_client: ModbusClient) -> None:
    assert tables_client.write_single_coil(3, True)
    assert tables_client.write_multiple_coils(16, [True, False, True, True])
    assert tables_client.write_single_register(5, 0xBEEF)
    assert tables_client.write_multiple_registers(6, [1, 65535])
    both = tables_client.write_read_multiple_registers(31, [7, 8], 30, 4)

    assert tables_client.read_coils(3, 17) == ([True] + [False] * 12 + [True, False, True, True])
    assert tables_client.read_holding_registers(4, 5) == [0, 0xBEEF, 1, 65535, 0]
    assert both == [0, 7, 8, 0]


def test_their_client_learns_who_the_meter_is(client: ModbusClient) -> None:
    identity = client.read_device_identification(read_code=2)

    assert identity.vendor_name == b"energymeter"
    assert identity.product_code == b"EM-ELECTRIC"
    assert identity.model_name == b"electric"


@pytest.mark.parametrize(("address", "value", "code"), [(102, 1, 2), (10, 2300, 2), (100, 7, 3)])
def test_their_client_sees_why_a_write_is_refused(
    client: ModbusClient, address: int, value: int, code: int
) -> None:
    assert not client.write_single_register(address, value)
    assert client.last_except == code


def test_their_client_sees_that_a_function_is_not_served(client: ModbusClient) -> None:
    assert client.custom_request(bytes([7])) is None
    assert client.last_except == 1


@each_order
@pytest.mark.parametrize("table", ["holding", "input"])
def test_our_reader_reads_all_eight_types_from_their_server(
    server: PyModbusTcpServer, order: WireOrder, table: str
) -> None:
    words = [w for name, value in EIGHT_VALUES.items() for w in words_of(name, value, order)]
    server.bank.set_holding_registers(0, words if table == "holding" else [0] * 20)
    server.bank.set_input_registers(0, words if table == "input" else [0] * 20)

    async def read() -> ReadReport:
        async with Link(TcpEndpoint("127.0.0.1", server.port), timeout_s=5) as link:
            return await MeterReader(link.unit(1), eight_types(order, table)).read()

    assert asyncio.run(read()).as_dict() == EIGHT_VALUES


def test_original_reader_reads_the_example_meter_from_their_server(
    server: PyModbusTcpServer,
) -> None:
    for address, (name, value) in PM8000_VALUES.items():
        server.bank.set_holding_registers(address, words_of(name, value))

    with BlockingLink("127.0.0.1", server.port, timeout_s=5) as link:
        values = ModbusDeviceDataReader(link, ExampleMeter).read_registers()

    assert list(values.values()) == [value for _, value in PM8000_VALUES.values()]


def test_our_link_writes_to_their_server(server: PyModbusTcpServer) -> None:
    with BlockingLink("127.0.0.1", server.port, timeout_s=5) as link:
        unit = link.unit(1)
        unit.write_coil(1, True)
        unit.write_coils(16, [True, False, True])
        unit.write_register(10, 0xBEEF)
        unit.write_registers(11, [1, 65535])
        both = unit.read_write_registers(read_address=29, read_count=3, write_address=30, words=[7])

    assert server.bank.get_coils(0, 3) == [False, True, False]
    assert server.bank.get_coils(16, 3) == [True, False, True]
    assert server.bank.get_holding_registers(10, 3) == [0xBEEF, 1, 65535]
    assert both == (0, 7, 0)


def test_our_link_reads_bits_from_their_server(server: PyModbusTcpServer) -> None:
    server.bank.set_coils(0, [address % 3 == 0 for address in range(2000)])
    server.bank.set_discrete_inputs(0, [True, False, True])

    with BlockingLink("127.0.0.1", server.port, timeout_s=5) as link:
        coils = link.unit(1).read_coils(0, 2000)
        inputs = link.unit(1).read_discrete_inputs(0, 3)

    assert coils == tuple(address % 3 == 0 for address in range(2000))
    assert inputs == (True, False, True)


def test_our_link_asks_their_server_who_it_is(server: PyModbusTcpServer) -> None:
    with BlockingLink("127.0.0.1", server.port, timeout_s=5) as link:
        identity = link.unit(1).read_identification()

    assert identity == {0: b"pyModbusTCP", 1: b"PMT", 2: b"0.3"}


def test_our_link_says_that_their_server_does_not_serve_a_function(
    server: PyModbusTcpServer,
) -> None:
    with BlockingLink("127.0.0.1", server.port, timeout_s=5) as link:
        unit = link.unit(1)
        with pytest.raises(ExceptionReplyError) as refused:
            unit.mask_write_register(0, 0, 0)

        assert (refused.value.function, refused.value.code) == (22, 1)
        assert unit.read_holding_registers(0) == (0,)


def test_sixteen_requests_in_flight_get_their_own_answers(server: PyModbusTcpServer) -> None:
    server.bank.set_holding_registers(0, list(range(200)))

    async def read_all() -> list[tuple[int, ...]]:
        endpoint = TcpEndpoint("127.0.0.1", server.port)
        async with Link(endpoint, timeout_s=5, max_in_flight=16) as link:
            unit = link.unit(1)
            return await asyncio.gather(
                *(unit.read_holding_registers(address) for address in range(200))
            )

    assert asyncio.run(read_all()) == [(address,) for address in range(200)]
