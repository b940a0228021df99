"""libmodbus 3.1, in C, on either side of a serial line; socat is the line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.foreign import words_of
from tests.interop.meters import make_plain_tables, make_standing_meter
from tests.interop.programs import Program, libmodbus, socat_line

from energymeter import (
    BlockingLink,
    DataType,
    ExceptionReplyError,
    Link,
    ModbusDevice,
    Register,
)
from energymeter.blocking import LoopThread
from energymeter.errors import RequestTimeout
from energymeter.server import Handler, ModbusServer, UnitRouter
from energymeter.transports import parse_wire

UNIT = 17
"""What the server in C is."""


@pytest.fixture
def line() -> Iterator[tuple[str, str]]:
    with socat_line() as ends:
        yield ends


class Served:
    """A handler of ours at the far end of a line, and the path of the near one."""

    def __init__(self, line: tuple[str, str], handler: Handler) -> None:
        near, far = line
        self.path = near
        self._thread = LoopThread()
        self._server = ModbusServer.at(parse_wire(f"rtu://{far}?baudrate=19200"), handler)
        self._thread.run(self._server.start())

    def __enter__(self) -> str:
        return self.path

    def __exit__(self, *_: object) -> None:
        self._thread.run(self._server.close())
        self._thread.close()


@pytest.fixture
def c_link(line: tuple[str, str], libmodbus_server_program: Path) -> Iterator[BlockingLink]:
    """Our link to the server in C."""
    near, far = line
    with Program([str(libmodbus_server_program), far, str(UNIT)]) as program:
        program.wait_for("^READY$")
        with BlockingLink(f"rtu://{near}?baudrate=19200", timeout_s=5) as link:
            yield link


def test_c_client_reads_several_blocks(line: tuple[str, str], libmodbus_client: Path) -> None:
    electric, floats = make_standing_meter("electric"), make_standing_meter("pm8000")
    units = UnitRouter({1: electric.tables, 2: floats.tables})
    with Served(line, units) as path:
        head, block, inputs, coils, discrete, _, voltages, energy = libmodbus(
            libmodbus_client,
            path,
            "read_registers 0 6",
            "read_registers 10 8",
            "read_input_registers 10 8",
            "read_bits 0 11",
            "read_input_bits 0 13",
            "unit 2",
            "read_registers 3027 6",
            "read_registers 3203 4",
        )

    assert (head[1] << 16 | head[0]) == int(electric.values["active_energy_import_total"] // 10)
    assert block == inputs
    assert block[0] / 10 == pytest.approx(electric.values["voltage_phase_a"], abs=0.05)
    assert (coils, discrete) == ([1] * 3 + [0] * 8, [1] * 3 + [0] * 10)
    assert voltages == [
        word
        for phase in "abc"
        for word in words_of("FLOAT32", floats.values[f"voltage_phase_{phase}"])
    ]
    assert energy == words_of("UINT64", int(floats.values["active_energy_import_total"]))


def test_c_client_writes_in_every_way_it_knows(
    line: tuple[str, str], libmodbus_client: Path
) -> None:
    with Served(line, UnitRouter({1: make_plain_tables()})) as path:
        answers = libmodbus(
            libmodbus_client,
            path,
            "write_bit 3 1",
            "write_bits 16 1 0 1 1 0 0 1 0 1 1",
            "read_bits 0 8",
            "read_bits 16 10",
            "write_register 5 48879",
            "write_registers 6 1 2 65535",
            "read_registers 4 6",
            "write_register 20 18",
            "mask_write_register 20 242 37",
            "read_registers 20 1",
            "write_and_read_registers 30 4 31 7 8",
            "read_input_registers 75 125",
            "read_input_bits 0 200",
            "report_slave_id",
        )

    assert answers[2:4] == [[0, 0, 0, 1, 0, 0, 0, 0], [1, 0, 1, 1, 0, 0, 1, 0, 1, 1]]
    assert answers[6] == [0, 48879, 1, 2, 65535, 0]
    assert answers[9:11] == [[0x17], [0, 7, 8, 0]]
    assert answers[11] == [3 * address for address in range(75, 200)]
    assert answers[12] == [int(address % 3 == 0) for address in range(200)]
    assert bytes(answers[13]) == b"plain\xff"


def test_c_client_sees_why_it_is_refused_and_goes_on(
    line: tuple[str, str], libmodbus_client: Path
) -> None:
    with Served(line, UnitRouter({1: make_standing_meter("electric").tables})) as path:
        answers = libmodbus(
            libmodbus_client,
            path,
            "read_registers 102 1",
            "write_register 10 2300",
            "write_registers 100 7",
            "read_registers 100 1",
        )

    assert answers == [
        {"error": "Illegal data address"},
        {"error": "Illegal data address"},
        {"error": "Illegal data value"},
        [1],
    ]


def test_c_client_hears_nothing_from_who_is_not_there_and_the_others_answer(
    line: tuple[str, str], libmodbus_client: Path
) -> None:
    with Served(line, UnitRouter({1: make_plain_tables(), 3: make_plain_tables()})) as path:
        answers = libmodbus(
            libmodbus_client,
            path,
            "timeout 200",
            *("unit 2", "read_input_registers 1 2"),
            "timeout 5000",
            *("unit 3", "read_input_registers 1 2"),
        )

    assert answers[2] == {"error": "Connection timed out"}
    assert answers[5] == [3, 6]


def test_broadcast_of_the_c_client_is_carried_out_by_all_and_answered_by_none(
    line: tuple[str, str], libmodbus_client: Path
) -> None:
    tables = {unit: make_plain_tables() for unit in (1, 2, 3)}
    with Served(line, UnitRouter(tables)) as path:
        answers = libmodbus(
            libmodbus_client,
            path,
            "timeout 200",
            *("unit 0", "write_registers 7 11 22"),
            "timeout 5000",
            *("unit 1", "read_registers 7 2"),
            *("unit 3", "read_registers 7 2"),
        )

    # This version waits for an answer that nobody may give.
    assert answers[2] == {"error": "Connection timed out"}
    assert answers[5::2] == [[11, 22], [11, 22]]


def test_our_reader_reads_every_type_from_the_c_server(c_link: BlockingLink) -> None:
    device = ModbusDevice(
        "libmodbus",
        [
            Register("float", 0, 2, DataType.FLOAT32),
            Register("long", 8, 2, DataType.INT32),
            Register("longer", 10, 4, DataType.INT64),
        ],
    )

    values = c_link.read(device.profile, UNIT).as_dict()

    assert values == {"float": 230.125, "long": -123456789, "longer": -1234567890123456789}


def test_our_link_reads_and_writes_the_tables_of_the_c_server(c_link: BlockingLink) -> None:
    unit = c_link.unit(UNIT)
    coils, inputs = unit.read_coils(0, 10), unit.read_discrete_inputs(0, 10)
    unit.write_coil(1, True)
    unit.write_coils(2, [True, False])
    unit.write_register(14, 0x12)
    unit.mask_write_register(14, 0xF2, 0x25)
    unit.write_registers(15, [1, 65535])
    both = unit.read_write_registers(read_address=14, read_count=5, write_address=17, words=[7, 8])

    assert coils == tuple(address % 3 == 0 for address in range(10))
    assert inputs == tuple(address % 2 == 1 for address in range(10))
    assert unit.read_coils(0, 4) == (True, True, True, False)
    assert unit.read_input_registers(0, 10) == tuple(range(1000, 1010))
    assert both == (0x17, 1, 65535, 7, 8)
    assert unit.report_server_id()[1:].startswith(b"\xffLMB")


def test_our_link_says_what_the_c_server_refuses_and_goes_on(c_link: BlockingLink) -> None:
    unit = c_link.unit(UNIT)
    with pytest.raises(ExceptionReplyError) as address:
        unit.read_holding_registers(15, 10)

    assert (address.value.function, address.value.code) == (3, 2)
    assert unit.read_input_registers(9) == (1009,)


def test_c_server_is_silent_for_other_units_and_answers_afterwards(c_link: BlockingLink) -> None:
    # For half a second it takes whatever comes for the other unit's answer, requests too.
    c_link.unit(UNIT).asynchronous.link.timeout_s = 0.6
    with pytest.raises(RequestTimeout):
        c_link.unit(UNIT + 1).read_input_registers(0)

    assert c_link.unit(UNIT).read_input_registers(9) == (1009,)


def test_c_server_carries_out_our_broadcast(c_link: BlockingLink) -> None:
    c_link.unit(0).write_registers(15, [11, 22])

    assert c_link.unit(UNIT).read_holding_registers(15, 2) == (11, 22)


def test_patience_with_a_silent_unit_outlasts_the_deafness_of_the_c_server(
    line: tuple[str, str], libmodbus_server_program: Path
) -> None:
    near, far = line

    async def program() -> tuple[int, ...]:
        async with Link.to(f"rtu://{near}?baudrate=19200", timeout_s=0.6) as link:
            await link.unit(UNIT).read_input_registers(0)
            for _ in range(2):  # the second time it is known to be silent
                with pytest.raises(RequestTimeout):
                    await link.unit(UNIT + 1).read_input_registers(0)
                link.health.units[UNIT + 1].retry_at = 0.0
            return await link.unit(UNIT).read_input_registers(9)

    with Program([str(libmodbus_server_program), far, str(UNIT)]) as server:
        server.wait_for("^READY$")
        assert asyncio.run(program()) == (1009,)
