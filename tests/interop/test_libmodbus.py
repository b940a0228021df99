"""libmodbus 3.1, in C, on either side of the wire."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.interop.foreign import ORDERS, words_of
from tests.interop.meters import PlainTables, StandingMeter
from tests.interop.programs import libmodbus

from energymeter import BlockingLink, DataType, ExceptionReplyError, ModbusDevice, Register
from energymeter.compat import ModbusDeviceDataReader
from energymeter.values import WireOrder

each_order = pytest.mark.parametrize("order", ORDERS, ids=[order.letters for order in ORDERS])

FLOAT_ADDRESSES = {"ABCD": 0, "BADC": 2, "CDAB": 4, "DCBA": 6}


def refused(reason: str) -> dict[str, str]:
    return {"error": reason}


def test_c_client_reads_what_our_reader_reads(
    libmodbus_client: Path, electric: StandingMeter
) -> None:
    head, block, status = libmodbus(
        libmodbus_client,
        electric.port,
        "read_registers 0 6",
        "read_input_registers 10 8",
        "read_registers 100 2",
    )

    values = electric.read()
    assert (head[1] << 16 | head[0]) / 100 == values["active_energy_import_total"] > 0
    assert (head[3] << 16 | head[2]) / 10 == values["active_power_total"]
    assert [block[0] / 10, block[6] / 100, block[7] / 1000] == [
        values["voltage_phase_a"],
        values["frequency"],
        values["power_factor_total"],
    ]
    assert status == [1, 0]


def test_c_client_reads_the_floats_of_a_pm8000(
    libmodbus_client: Path, pm8000: StandingMeter
) -> None:
    (words,) = libmodbus(libmodbus_client, pm8000.port, "read_registers 3027 6")

    values = pm8000.read()
    assert words == [
        word for phase in "abc" for word in words_of("FLOAT32", values[f"voltage_phase_{phase}"])
    ]


def test_c_client_reads_bits_and_resets_the_counter(
    libmodbus_client: Path, electric: StandingMeter
) -> None:
    answers = libmodbus(
        libmodbus_client,
        electric.port,
        "read_bits 0 11",
        "read_input_bits 0 13",
        "write_bit 10 1",
        "read_registers 0 2",
        "read_bits 10 1",
    )

    assert answers == [[1] * 3 + [0] * 8, [1] * 3 + [0] * 10, [], [0, 0], [0]]


def test_c_client_takes_the_meter_offline_and_back(
    libmodbus_client: Path, electric: StandingMeter
) -> None:
    answers = libmodbus(
        libmodbus_client,
        electric.port,
        "write_register 100 0",
        "read_registers 100 1",
        "write_registers 100 1",
        "read_registers 100 1",
        "mask_write_register 100 65534 0",
        "write_and_read_registers 100 2 100 1",
    )

    assert answers == [[], [0], [], [1], [], [1, 0]]


def test_c_client_writes_in_every_way_it_knows(
    libmodbus_client: Path, plain_tables: PlainTables
) -> None:
    answers = libmodbus(
        libmodbus_client,
        plain_tables.port,
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
    )

    assert answers[2:4] == [[0, 0, 0, 1, 0, 0, 0, 0], [1, 0, 1, 1, 0, 0, 1, 0, 1, 1]]
    assert answers[6] == [0, 48879, 1, 2, 65535, 0]
    assert answers[9:] == [[0x17], [0, 7, 8, 0]]


def test_c_client_reads_as_much_as_the_protocol_allows(
    libmodbus_client: Path, plain_tables: PlainTables
) -> None:
    words, bits = libmodbus(
        libmodbus_client,
        plain_tables.port,
        "read_input_registers 75 125",
        "read_input_bits 0 200",
    )

    assert words == [3 * address for address in range(75, 200)]
    assert bits == [int(address % 3 == 0) for address in range(200)]


def test_c_client_learns_the_name_of_the_meter_and_that_it_runs(
    libmodbus_client: Path, electric: StandingMeter
) -> None:
    (answer,) = libmodbus(libmodbus_client, electric.port, "report_slave_id")

    assert bytes(answer) == b"energymeter electric\xff"


def test_c_client_is_answered_as_any_unit(libmodbus_client: Path, electric: StandingMeter) -> None:
    answers = libmodbus(
        libmodbus_client,
        electric.port,
        *("unit 0", "read_registers 101 1"),
        *("unit 247", "read_registers 101 1"),
        *("unit 255", "read_registers 101 1"),
    )

    assert answers == [[], [0], [], [0], [], [0]]


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ("read_registers 102 1", "Illegal data address"),
        ("read_input_registers 100 3", "Illegal data address"),
        ("read_bits 11 1", "Illegal data address"),
        ("write_bit 0 1", "Illegal data address"),
        ("write_register 10 2300", "Illegal data address"),
        ("write_and_read_registers 0 2 10 1", "Illegal data address"),
        ("write_register 100 7", "Illegal data value"),
        ("write_registers 100 7", "Illegal data value"),
    ],
)
def test_c_client_sees_why_it_is_refused_and_goes_on(
    libmodbus_client: Path, electric: StandingMeter, operation: str, reason: str
) -> None:
    answers = libmodbus(libmodbus_client, electric.port, operation, "read_registers 101 1")

    assert answers == [refused(reason), [0]]


@each_order
def test_our_reader_reads_floats_from_the_c_server(libmodbus_server: int, order: WireOrder) -> None:
    device = ModbusDevice(
        "libmodbus", [Register("value", FLOAT_ADDRESSES[order.letters], 2, DataType.FLOAT32)]
    )
    with BlockingLink("127.0.0.1", libmodbus_server, timeout_s=5) as link:
        reader = ModbusDeviceDataReader(link, device, order.byte, order.word)

        assert reader.read_registers() == {"value": 230.125}


def test_our_reader_reads_long_integers_from_the_c_server(libmodbus_server: int) -> None:
    device = ModbusDevice(
        "libmodbus",
        [Register("long", 8, 2, DataType.INT32), Register("longer", 10, 4, DataType.INT64)],
    )

    with BlockingLink("127.0.0.1", libmodbus_server, timeout_s=5) as link:
        values = link.read(device.profile).as_dict()

    assert values == {"long": -123456789, "longer": -1234567890123456789}


def test_our_link_reads_and_writes_the_tables_of_the_c_server(libmodbus_server: int) -> None:
    with BlockingLink("127.0.0.1", libmodbus_server, timeout_s=5) as link:
        unit = link.unit(1)
        coils, inputs = unit.read_coils(0, 10), unit.read_discrete_inputs(0, 10)
        unit.write_coil(1, True)
        unit.write_coils(2, [True, False])
        unit.write_register(14, 0x12)
        unit.mask_write_register(14, 0xF2, 0x25)
        unit.write_registers(15, [1, 65535])
        both = unit.read_write_registers(
            read_address=14, read_count=5, write_address=17, words=[7, 8]
        )

        assert coils == tuple(address % 3 == 0 for address in range(10))
        assert inputs == tuple(address % 2 == 1 for address in range(10))
        assert unit.read_coils(0, 4) == (True, True, True, False)
        assert unit.read_input_registers(0, 10) == tuple(range(1000, 1010))
        assert both == (0x17, 1, 65535, 7, 8)
        assert unit.report_server_id()[1:].startswith(b"\xffLMB")


def test_our_link_says_what_the_c_server_refuses_and_goes_on(libmodbus_server: int) -> None:
    with BlockingLink("127.0.0.1", libmodbus_server, timeout_s=5) as link:
        unit = link.unit(1)
        with pytest.raises(ExceptionReplyError) as address:
            unit.read_holding_registers(15, 10)
        with pytest.raises(ExceptionReplyError) as function:
            unit.read_identification()

        assert (address.value.function, address.value.code) == (3, 2)
        assert (function.value.function, function.value.code) == (43, 1)
        assert unit.read_input_registers(9) == (1009,)
