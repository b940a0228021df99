"""Our reader and our links against pymodbus 3.16's servers of every kind of wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pymodbus.simulator import DataType as SimType
from pymodbus.simulator import SimData, SimDevice
from tests.interop.foreign import (
    EIGHT_VALUES,
    ORDERS,
    PM8000_VALUES,
    eight_types,
    pm8000_device,
    words_of,
)
from tests.interop.wires import BUSES, WIRES, foreign_served
from tests.transports.pki import Pki

from energymeter import (
    BlockingLink,
    ExceptionReplyError,
    Link,
    MeterReader,
    ReadReport,
    RequestTimeout,
)
from energymeter.profiles import ProfileLibrary
from energymeter.transports import Wire

Serve = Callable[..., Wire]
"""Puts pymodbus's server at the far end of the test's wire: devices and options."""

each_wire = pytest.mark.parametrize("scheme", WIRES)
each_bus = pytest.mark.parametrize("scheme", BUSES)


@pytest.fixture
def serve(scheme: str, pki: Pki) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(*devices: SimDevice, **options: Any) -> Wire:
            return stack.enter_context(foreign_served(scheme, pki, *devices, **options))

        yield start


def registers(unit: int, *words: int) -> SimDevice:
    return SimDevice(id=unit, simdata=[SimData(0, values=list(words), datatype=SimType.REGISTERS)])


def four_tables() -> SimDevice:
    """Four tables of their own, with values that cannot be mistaken for one another's."""
    return SimDevice(
        id=1,
        simdata=(
            [SimData(0, values=[address % 3 == 0 for address in range(32)], datatype=SimType.BITS)],
            [SimData(0, values=[address % 5 == 0 for address in range(32)], datatype=SimType.BITS)],
            [SimData(0, values=list(range(130)), datatype=SimType.REGISTERS)],
            [SimData(0, values=list(range(1000, 1130)), datatype=SimType.REGISTERS)],
        ),
    )


@each_wire
def test_reader_reads_all_eight_types_in_every_order(serve: Serve) -> None:
    devices = [
        registers(
            1 + place,
            *(
                word
                for name, value in EIGHT_VALUES.items()
                for word in words_of(name, value, order)
            ),
        )
        for place, order in enumerate(ORDERS)
    ]
    wire = serve(*devices)

    async def read() -> list[ReadReport]:
        async with Link.to(wire, timeout_s=5) as link:
            return [
                await MeterReader(link.unit(1 + place), eight_types(order)).read()
                for place, order in enumerate(ORDERS)
            ]

    assert [report.as_dict() for report in asyncio.run(read())] == [EIGHT_VALUES] * len(ORDERS)


@each_wire
def test_blocking_link_reads_a_pm8000(serve: Serve) -> None:
    with BlockingLink(str(serve(pm8000_device())), timeout_s=5) as link:
        report = link.read(ProfileLibrary().load("pm8000"))

    # All ones is no energy: what cannot be true is not handed on.
    believed = [None if value == 2**64 - 1 else value for _, value in PM8000_VALUES.values()]
    assert list(report.as_dict().values()) == believed


@each_wire
def test_everything_is_written_and_read_back(serve: Serve) -> None:
    with BlockingLink(str(serve(four_tables())), timeout_s=5) as link:
        unit = link.unit(1)
        before = unit.read_coils(0, 6), unit.read_discrete_inputs(0, 6)
        unit.write_coil(1, True)
        unit.write_coils(2, [True, False, True])
        unit.write_register(5, 0x12)
        unit.mask_write_register(5, 0xF2, 0x25)
        unit.write_registers(6, [1, 65535])
        both = unit.read_write_registers(
            read_address=5, read_count=5, write_address=8, words=[7, 8]
        )

        assert before == ((True, False, False) * 2, (True, False, False, False, False, True))
        assert unit.read_coils(0, 6) == (True, True, True, False, True, False)
        assert both == (0x17, 1, 65535, 7, 8)
        assert unit.read_holding_registers(5, 5) == both


@each_wire
@pytest.mark.parametrize("count", [1, 2, 125])
def test_read_of_any_length_is_whole(serve: Serve, count: int) -> None:
    with BlockingLink(str(serve(four_tables())), timeout_s=5) as link:
        words = link.unit(1).read_input_registers(0, count)

    assert words == tuple(range(1000, 1000 + count))


@each_wire
def test_what_is_refused_is_raised_and_the_next_is_answered(serve: Serve) -> None:
    with BlockingLink(str(serve(four_tables())), timeout_s=5) as link:
        unit = link.unit(1)
        with pytest.raises(ExceptionReplyError) as read:
            unit.read_holding_registers(129, 2)
        with pytest.raises(ExceptionReplyError) as written:
            unit.write_coil(500, True)

        assert [(error.value.function, error.value.code) for error in (read, written)] == [
            *((3, 2), (5, 2))
        ]
        assert unit.read_holding_registers(129) == (129,)


@each_wire
def test_server_says_who_it_is(serve: Serve) -> None:
    with BlockingLink(str(serve(four_tables())), timeout_s=5) as link:
        unit = link.unit(1)
        unit.echo(b"\x12\x34")

        assert unit.read_identification() == {0: b"pymodbus", 1: b"PM", 2: b"3.16"}
        assert unit.report_server_id()


@each_wire
def test_every_unit_has_its_own_values(serve: Serve) -> None:
    numbers = (1, 2, 17, 247)
    wire = serve(*(registers(number, number, 1000 + number) for number in numbers))

    async def read() -> list[tuple[int, ...]]:
        async with Link.to(wire, timeout_s=5) as link:
            return await asyncio.gather(
                *(link.unit(number).read_holding_registers(0, 2) for number in numbers * 3)
            )

    assert asyncio.run(read()) == [(number, 1000 + number) for number in numbers * 3]


@each_bus
def test_who_is_not_there_times_out_and_the_others_answer(serve: Serve) -> None:
    # This version refuses (exception 4) what is for a unit it has not, whatever it is told.
    wire = serve(
        *(registers(unit, 11 * unit) for unit in (1, 2, 3)),
        trace_packet=lambda is_sent, data: (
            b"" if is_sent and data.startswith((b"\x02", b":02")) else data
        ),
    )

    with BlockingLink(str(wire), timeout_s=0.2) as link:
        with pytest.raises(RequestTimeout):
            link.unit(2).read_holding_registers(0)

        assert [link.unit(unit).read_holding_registers(0) for unit in (1, 3)] == [(11,), (33,)]


@each_bus
def test_broadcast_is_carried_out_by_all(serve: Serve) -> None:
    wire = serve(*(registers(unit, 0, 0) for unit in (1, 2, 3)), broadcast_enable=True)

    with BlockingLink(str(wire), timeout_s=5) as link:
        link.unit(0).write_registers(0, [11, 22])

        assert [link.unit(unit).read_holding_registers(0, 2) for unit in (1, 2, 3)] == [
            *((11, 22),) * 3
        ]
