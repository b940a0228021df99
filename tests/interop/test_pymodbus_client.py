"""pymodbus 3.16's clients, the blocking one and the asyncio one, against our servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusTcpClient, ModbusTcpClient
from tests.interop.meters import PlainTables, StandingMeter

from energymeter.blocking import LoopThread
from energymeter.values import DataType

DATATYPE = ModbusTcpClient.DATATYPE

Connect = Callable[[int], Any]
"""Gives a client that is connected to a port."""


class AsyncClient:
    """pymodbus's asyncio client, its calls waited for: one test body serves both clients."""

    def __init__(self, port: int) -> None:
        self._thread = LoopThread()
        self._client = self._thread.run(self._connect(port))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            return self._thread.run(getattr(self._client, name)(*arguments, **options))

        return call

    def close(self) -> None:
        self._thread.run(self._close())
        self._thread.close()

    @staticmethod
    async def _connect(port: int) -> AsyncModbusTcpClient:
        client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=5, retries=0)
        assert await client.connect()
        return client

    async def _close(self) -> None:
        self._client.close()
        await asyncio.sleep(0)


@pytest.fixture(params=["blocking", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """One of the two clients."""
    clients = []

    def make(port: int) -> Any:
        if request.param == "asyncio":
            client: Any = AsyncClient(port)
        else:
            client = ModbusTcpClient("127.0.0.1", port=port, timeout=5, retries=0)
            assert client.connect()
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def good(answer: Any) -> Any:
    assert not answer.isError(), answer
    return answer


def test_documented_snippet_reads_what_our_reader_reads(
    connect: Connect, electric: StandingMeter
) -> None:
    client = connect(electric.port)

    result = client.read_holding_registers(0, count=2)
    consumption = (result.registers[1] << 16) | result.registers[0]
    result = client.read_holding_registers(2, count=2)
    power = (result.registers[1] << 16) | result.registers[0]

    values = electric.read()
    assert consumption / 100.0 == values["active_energy_import_total"] > 0
    assert power / 10.0 == values["active_power_total"] > 0


def test_converted_registers_are_what_our_reader_reads(
    connect: Connect, electric: StandingMeter
) -> None:
    client = connect(electric.port)
    registers = good(client.read_holding_registers(0, count=4)).registers

    energy, power = ModbusTcpClient.convert_from_registers(
        registers, DATATYPE.UINT32, word_order="little"
    )

    values = electric.read()
    assert energy / 100 == values["active_energy_import_total"]
    assert power / 10 == values["active_power_total"]


def test_every_value_of_a_pm8000_is_what_our_reader_reads(
    connect: Connect, pm8000: StandingMeter
) -> None:
    client = connect(pm8000.port)

    values = {
        point.name: client.read_holding_registers(point.address, count=point.count).registers
        for point in pm8000.profile.points
    }

    assert {
        point.name: ModbusTcpClient.convert_from_registers(
            values[point.name],
            DATATYPE.FLOAT32 if point.type is DataType.FLOAT32 else DATATYPE.UINT64,
        )
        for point in pm8000.profile.points
    } == pm8000.read()


def test_input_registers_of_the_meter_mirror_its_holding_registers(
    connect: Connect, electric: StandingMeter
) -> None:
    client = connect(electric.port)

    holding = good(client.read_holding_registers(0, count=102)).registers

    assert good(client.read_input_registers(0, count=102)).registers == holding


def test_coils_and_discrete_inputs_of_the_meter_say_its_state(
    connect: Connect, electric: StandingMeter
) -> None:
    client = connect(electric.port)

    coils = good(client.read_coils(0, count=11)).bits
    inputs = good(client.read_discrete_inputs(0, count=13)).bits

    assert coils[:11] == [True] * 3 + [False] * 8
    assert inputs[:13] == [True] * 3 + [False] * 10


def test_reset_command_clears_the_counter_and_falls_back(
    connect: Connect, electric: StandingMeter
) -> None:
    client = connect(electric.port)

    good(client.write_coil(10, True))

    assert good(client.read_holding_registers(0, count=2)).registers == [0, 0]
    assert good(client.read_coils(10, count=1)).bits[0] is False


@pytest.mark.parametrize("unit", [0, 1, 2, 247, 255])
def test_every_unit_is_answered_and_named_in_the_answer(
    connect: Connect, electric: StandingMeter, unit: int
) -> None:
    client = connect(electric.port)

    answer = good(client.read_holding_registers(101, count=1, device_id=unit))

    assert (answer.registers, answer.dev_id) == ([0], unit)


def test_status_register_can_be_written_by_all_five_functions(
    connect: Connect, electric: StandingMeter
) -> None:
    client = connect(electric.port)

    def online() -> int:
        registers: list[int] = good(client.read_holding_registers(100, count=1)).registers
        return registers[0]

    seen = [online()]
    good(client.write_register(100, 0))
    seen.append(online())
    good(client.write_registers(100, [1]))
    seen.append(online())
    good(client.mask_write_register(address=100, and_mask=0xFFFE, or_mask=0))
    seen.append(online())
    both = client.readwrite_registers(read_address=100, read_count=2, write_address=100, values=[1])

    assert seen == [1, 0, 1, 0]
    assert good(both).registers == [1, 0]


def test_one_coil_and_many_coils_are_written_and_read_back(
    connect: Connect, plain_tables: PlainTables
) -> None:
    client = connect(plain_tables.port)
    pattern = [True, False, True, True, False, False, True, False, True, True, True]

    good(client.write_coil(3, True))
    many = good(client.write_coils(16, pattern))

    assert good(client.read_coils(0, count=8)).bits == [False] * 3 + [True] + [False] * 4
    assert good(client.read_coils(16, count=11)).bits[:11] == pattern
    assert (many.address, many.count) == (16, 11)


def test_discrete_inputs_and_input_registers_are_tables_of_their_own(
    connect: Connect, plain_tables: PlainTables
) -> None:
    client = connect(plain_tables.port)

    bits = good(client.read_discrete_inputs(1, count=9)).bits[:9]
    words = good(client.read_input_registers(10, count=4)).registers

    assert bits == [False, False, True] * 3
    assert words == [30, 33, 36, 39]
    assert good(client.read_holding_registers(10, count=4)).registers == [0, 0, 0, 0]


def test_registers_are_written_masked_and_read_back(
    connect: Connect, plain_tables: PlainTables
) -> None:
    client = connect(plain_tables.port)

    single = good(client.write_register(5, 0xBEEF))
    good(client.write_registers(6, [1, 2, 65535]))
    good(client.write_register(20, 0x12))
    mask = good(client.mask_write_register(address=20, and_mask=0xF2, or_mask=0x25))

    assert good(client.read_holding_registers(4, count=6)).registers == [0, 0xBEEF, 1, 2, 65535, 0]
    # The example of the specification, section 6.16.
    assert good(client.read_holding_registers(20, count=1)).registers == [0x17]
    assert (single.address, single.registers) == (5, [0xBEEF])
    assert (mask.address, mask.and_mask, mask.or_mask) == (20, 0xF2, 0x25)


def test_write_comes_before_the_read_in_one_transaction(
    connect: Connect, plain_tables: PlainTables
) -> None:
    client = connect(plain_tables.port)

    answer = client.readwrite_registers(
        read_address=30, read_count=4, write_address=31, values=[7, 8]
    )

    assert good(answer).registers == [0, 7, 8, 0]


@pytest.mark.parametrize("count", [1, 2, 125])
def test_read_of_any_length_is_whole(
    connect: Connect, plain_tables: PlainTables, count: int
) -> None:
    client = connect(plain_tables.port)

    registers = good(client.read_input_registers(0, count=count)).registers

    assert registers == [3 * address for address in range(count)]


def test_diagnostics_returns_the_data_it_was_given(
    connect: Connect, electric: StandingMeter
) -> None:
    client = connect(electric.port)

    answer = good(client.diag_query_data(b"\x12\x34"))

    assert (answer.sub_function_code, answer.message) == (0, b"\x12\x34")


def test_meter_reports_its_name_and_that_it_runs(connect: Connect, electric: StandingMeter) -> None:
    client = connect(electric.port)

    answer = good(client.report_device_id())

    assert (answer.identifier, answer.status) == (b"energymeter electric", True)


@pytest.mark.parametrize(
    ("read_code", "objects"),
    [
        (1, {0: b"energymeter", 1: b"EM-ELECTRIC", 2: b"1.0"}),
        (
            2,
            {
                0: b"energymeter",
                1: b"EM-ELECTRIC",
                2: b"1.0",
                4: b"Simulated three-phase electricity meter",
                5: b"electric",
            },
        ),
    ],
)
def test_meter_identifies_itself(
    connect: Connect, electric: StandingMeter, read_code: int, objects: dict[int, bytes]
) -> None:
    client = connect(electric.port)

    answer = good(client.read_device_information(read_code=read_code))

    assert answer.information == objects
    assert answer.more_follows == 0


def test_single_identification_object_can_be_asked_for(
    connect: Connect, plain_tables: PlainTables
) -> None:
    client = connect(plain_tables.port)

    answer = good(client.read_device_information(read_code=4, object_id=0x80))

    assert answer.information == {0x80: b"own"}


@pytest.mark.parametrize(
    ("call", "code"),
    [
        pytest.param(lambda c: c.read_exception_status(), 1, id="function 7"),
        pytest.param(lambda c: c.read_fifo_queue(address=0), 1, id="function 24"),
        pytest.param(lambda c: c.diag_restart_communication(False), 1, id="function 8/1"),
        pytest.param(lambda c: c.read_holding_registers(102, count=1), 2, id="beyond the map"),
        pytest.param(lambda c: c.read_input_registers(100, count=3), 2, id="across the end"),
        pytest.param(lambda c: c.read_coils(11, count=1), 2, id="no such coil"),
        pytest.param(lambda c: c.read_discrete_inputs(13, count=1), 2, id="no such input"),
        pytest.param(lambda c: c.write_register(10, 2300), 2, id="read-only register"),
        pytest.param(lambda c: c.write_coil(0, True), 2, id="read-only coil"),
        pytest.param(lambda c: c.write_registers(100, [1, 1]), 2, id="half read-only"),
        pytest.param(
            lambda c: c.read_device_information(read_code=4, object_id=99), 2, id="no such object"
        ),
        pytest.param(lambda c: c.write_register(100, 7), 3, id="no such status"),
    ],
)
def test_what_the_meter_refuses_is_an_exception_answer(
    connect: Connect, electric: StandingMeter, call: Callable[[Any], Any], code: int
) -> None:
    client = connect(electric.port)

    answer = call(client)

    assert answer.isError()
    assert answer.exception_code == code
    assert good(client.read_holding_registers(101, count=1)).registers == [0]


def test_fifty_asyncio_clients_read_the_same_meter_at_once(electric: StandingMeter) -> None:
    async def read_all() -> list[list[int]]:
        clients = [
            AsyncModbusTcpClient("127.0.0.1", port=electric.port, timeout=5) for _ in range(50)
        ]
        assert all(await asyncio.gather(*(client.connect() for client in clients)))
        answers = await asyncio.gather(
            *(client.read_holding_registers(0, count=102) for client in clients)
        )
        for client in clients:
            client.close()
        await asyncio.sleep(0)
        return [answer.registers for answer in answers]

    registers = asyncio.run(read_all())

    assert len(registers) == 50
    assert all(one == registers[0] for one in registers)
    assert len(registers[0]) == 102


def test_client_that_speaks_another_framing_does_not_keep_the_next_from_being_served(
    electric: StandingMeter,
) -> None:
    with ModbusTcpClient(
        "127.0.0.1", port=electric.port, framer=FramerType.ASCII, timeout=5, retries=0
    ) as stranger:
        with pytest.raises(ModbusException):
            stranger.read_holding_registers(0, count=2)
        with ModbusTcpClient("127.0.0.1", port=electric.port, timeout=5) as client:
            answer = client.read_holding_registers(101, count=1)

    assert good(answer).registers == [0]
