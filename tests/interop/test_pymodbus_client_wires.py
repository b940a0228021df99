"""pymodbus 3.16's clients of serial lines, UDP, TLS and RTU over TCP against our servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pymodbus import ModbusException
from pymodbus.client import ModbusTcpClient
from tests.interop.meters import make_plain_tables, make_standing_meter, read_at
from tests.interop.wires import BUSES, WIRES, connected, served
from tests.transports.pki import Pki

from energymeter.server import Handler, UnitRouter
from energymeter.transports import Wire
from energymeter.values import DataType

Serve = Callable[[Handler], Wire]
"""Puts a handler at the far end of the test's wire."""

DATATYPE = ModbusTcpClient.DATATYPE

each_wire = pytest.mark.parametrize("scheme", WIRES)
each_bus = pytest.mark.parametrize("scheme", BUSES)


@pytest.fixture
def serve(scheme: str, pki: Pki) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda handler: stack.enter_context(served(scheme, handler, pki))


def good(answer: Any) -> Any:
    assert not answer.isError(), answer
    return answer


@each_wire
@pytest.mark.parametrize("with_asyncio", [False, True], ids=["blocking", "asyncio"])
def test_every_value_of_a_pm8000_is_what_our_reader_reads(serve: Serve, with_asyncio: bool) -> None:
    meter = make_standing_meter("pm8000")
    wire = serve(meter.tables)

    with connected(wire, with_asyncio=with_asyncio) as client:
        words = {
            point.name: good(client.read_holding_registers(point.address, count=point.count))
            for point in meter.profile.points
        }

    assert {
        point.name: ModbusTcpClient.convert_from_registers(
            words[point.name].registers,
            DATATYPE.FLOAT32 if point.type is DataType.FLOAT32 else DATATYPE.UINT64,
        )
        for point in meter.profile.points
    } == read_at(str(wire), meter.profile)


@each_wire
def test_everything_is_written_and_read_back(serve: Serve) -> None:
    pattern = [True, False, True, True, False, False, True, False, True, True, True]
    with connected(serve(make_plain_tables())) as client:
        good(client.write_coil(3, True))
        good(client.write_coils(16, pattern))
        good(client.write_register(5, 0xBEEF))
        good(client.write_registers(6, [1, 2, 65535]))
        good(client.write_register(20, 0x12))
        good(client.mask_write_register(address=20, and_mask=0xF2, or_mask=0x25))
        both = client.readwrite_registers(
            read_address=30, read_count=4, write_address=31, values=[7, 8]
        )

        assert good(client.read_coils(0, count=8)).bits == [False] * 3 + [True] + [False] * 4
        assert good(client.read_coils(16, count=11)).bits[:11] == pattern
        assert good(client.read_discrete_inputs(1, count=9)).bits[:9] == [False, False, True] * 3
        assert good(client.read_holding_registers(4, count=6)).registers == [
            *(0, 0xBEEF, 1, 2, 65535, 0)
        ]
        assert good(client.read_holding_registers(20, count=1)).registers == [0x17]
        assert good(both).registers == [0, 7, 8, 0]


@each_wire
@pytest.mark.parametrize("count", [1, 2, 125])
def test_read_of_any_length_is_whole(serve: Serve, count: int) -> None:
    with connected(serve(make_plain_tables())) as client:
        registers = good(client.read_input_registers(0, count=count)).registers

    assert registers == [3 * address for address in range(count)]


@each_wire
def test_what_is_refused_is_an_exception_answer_and_the_next_is_served(serve: Serve) -> None:
    meter = make_standing_meter("electric")
    with connected(serve(meter.tables)) as client:
        refused = [
            client.read_exception_status(),
            client.read_holding_registers(102, count=1),
            client.write_register(10, 2300),
            client.write_register(100, 7),
        ]
        online = good(client.read_holding_registers(100, count=1)).registers

    assert [answer.exception_code for answer in refused] == [1, 2, 2, 3]
    assert online == [1]


@each_wire
def test_meter_says_who_it_is(serve: Serve) -> None:
    with connected(serve(make_standing_meter("electric").tables)) as client:
        name = good(client.report_device_id())
        identity = good(client.read_device_information(read_code=1))
        echo = good(client.diag_query_data(b"\x12\x34"))

    assert (name.identifier, name.status) == (b"energymeter electric", True)
    assert identity.information == {0: b"energymeter", 1: b"EM-ELECTRIC", 2: b"1.0"}
    assert echo.message == b"\x12\x34"


@each_wire
def test_every_unit_has_its_own_values(serve: Serve) -> None:
    meters = {unit: make_standing_meter("electric", seed=unit) for unit in (1, 2, 3, 17, 247)}
    wire = serve(UnitRouter({unit: meter.tables for unit, meter in meters.items()}))

    with connected(wire) as client:
        heard = {
            unit: good(client.read_holding_registers(0, count=102, device_id=unit))
            for unit in meters
        }

    assert {unit: answer.dev_id for unit, answer in heard.items()} == {
        unit: unit for unit in meters
    }
    words = {unit: tuple(answer.registers) for unit, answer in heard.items()}
    assert words == {
        unit: tuple(
            int.from_bytes(pair, "big") for pair in _pairs(meter.tables.holding.read(0, 102))
        )
        for unit, meter in meters.items()
    }
    assert len(set(words.values())) == len(meters)


def _pairs(data: bytes | None) -> list[bytes]:
    assert data is not None
    return [data[start : start + 2] for start in range(0, len(data), 2)]


@each_bus
def test_who_is_not_there_keeps_silent_and_the_others_answer(serve: Serve) -> None:
    meters = UnitRouter({unit: make_plain_tables() for unit in (1, 3)})
    with connected(serve(meters), timeout_s=0.2) as client:
        with pytest.raises(ModbusException, match="No response"):
            client.read_input_registers(0, count=2, device_id=2)

        assert good(client.read_input_registers(1, count=2, device_id=3)).registers == [3, 6]


@each_bus
def test_broadcast_is_carried_out_by_all_and_answered_by_none(serve: Serve) -> None:
    tables = {unit: make_plain_tables() for unit in (1, 2, 3)}
    with connected(serve(UnitRouter(tables))) as client:
        client.write_registers(7, [11, 22], device_id=0, no_response_expected=True)
        written = [
            good(client.read_holding_registers(7, count=2, device_id=unit)).registers
            for unit in tables
        ]

    assert written == [[11, 22]] * 3
