"""Every operation of a unit against our own server, on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from tests.support import scripted
from tests.support.loops import on_each_loop, run
from tests.support.scripted import Asked, ScriptedServer

from energymeter.client import Link, Unit
from energymeter.codec import ExceptionCode
from energymeter.errors import ExceptionReplyError, LengthError, MismatchError
from energymeter.server import BitImage, ModbusServer, RegisterImage, Tables
from energymeter.transports import TcpEndpoint


def make_tables(identification: dict[int, bytes] | None = None) -> Tables:
    return Tables(
        holding=RegisterImage([(0, bytes(range(250))), (65534, b"\xca\xfe\xba\xbe")]),
        input=RegisterImage([(10, b"\x12\x34\x56\x78")]),
        coils=BitImage((address, address % 3 == 0) for address in range(2000)),
        discrete=BitImage((address, address % 2 == 0) for address in range(100, 120)),
        server_id=b"meter 7\xff",
        identification={0: b"vendor", 1: b"code", 2: b"1.0", 4: b"product"}
        if identification is None
        else identification,
    )


@asynccontextmanager
async def unit_of(tables: Tables, number: int = 1) -> AsyncIterator[Unit]:
    async with (
        ModbusServer(tables, port=0) as server,
        Link(TcpEndpoint("127.0.0.1", server.port)) as link,
    ):
        yield link.unit(number)


@asynccontextmanager
async def scripted_unit(manner: scripted.Manner) -> AsyncIterator[Unit]:
    async with (
        ScriptedServer(manner) as server,
        Link(TcpEndpoint("127.0.0.1", server.port)) as link,
    ):
        yield link.unit(6)


def check(call: Callable[[Unit], Awaitable[object]], wanted: object, loop: str) -> None:
    async def scenario() -> None:
        async with unit_of(make_tables()) as unit:
            assert await call(unit) == wanted

    run(scenario(), loop)


def check_written(
    call: Callable[[Unit], Awaitable[object]], look: Callable[[Tables], bytes | None], wanted: bytes
) -> None:
    async def scenario() -> None:
        tables = make_tables()
        async with unit_of(tables) as unit:
            await call(unit)
        assert look(tables) == wanted

    run(scenario())


@on_each_loop
def test_coils_are_read_one_by_one_and_in_the_longest_read(loop: str) -> None:
    check(lambda unit: unit.read_coils(3), (True,), loop)
    check(lambda unit: unit.read_coils(0, 2000), tuple(n % 3 == 0 for n in range(2000)), loop)


@on_each_loop
def test_discrete_inputs_are_read(loop: str) -> None:
    check(lambda unit: unit.read_discrete_inputs(101, 9), tuple(n % 2 == 1 for n in range(9)), loop)


@on_each_loop
def test_holding_registers_are_read_up_to_the_longest_read(loop: str) -> None:
    wanted = tuple(int.from_bytes(bytes((2 * n, 2 * n + 1)), "big") for n in range(125))
    check(lambda unit: unit.read_holding_registers(0, 125), wanted, loop)


def test_the_last_registers_there_can_be_are_read() -> None:
    check(lambda unit: unit.read_holding_registers(65534, 2), (0xCAFE, 0xBABE), "asyncio")


@on_each_loop
def test_input_registers_are_read(loop: str) -> None:
    check(lambda unit: unit.read_input_registers(10, 2), (0x1234, 0x5678), loop)


@pytest.mark.parametrize("value", [True, False])
def test_one_coil_is_switched(value: bool) -> None:
    wanted = bytes((value,))
    check_written(lambda unit: unit.write_coil(4, value), lambda t: t.coils.read(4, 1), wanted)


def test_one_register_is_written() -> None:
    check_written(
        lambda unit: unit.write_register(4, 65535), lambda t: t.holding.read(4, 1), b"\xff\xff"
    )


def test_several_coils_are_switched() -> None:
    bits = [True, False, True, True, False, False, True, True, True, False]
    check_written(
        lambda unit: unit.write_coils(5, bits), lambda t: t.coils.read(5, 10), b"\xcd\x01"
    )


def test_several_registers_are_written() -> None:
    check_written(
        lambda unit: unit.write_registers(5, [1, 2, 0xABCD]),
        lambda t: t.holding.read(5, 3),
        b"\x00\x01\x00\x02\xab\xcd",
    )


def test_the_longest_write_of_registers_arrives_whole() -> None:
    check_written(
        lambda unit: unit.write_registers(0, [0x0102] * 123),
        lambda t: t.holding.read(0, 123),
        b"\x01\x02" * 123,
    )


def test_masked_bits_of_a_register_are_changed() -> None:
    # The example of the specification, section 6.16: 0x12 AND 0xF2, OR 0x25 where masked: 0x17.
    async def scenario() -> None:
        async with unit_of(make_tables()) as unit:
            await unit.write_register(4, 0x0012)
            await unit.mask_write_register(4, 0x00F2, 0x0025)
            assert await unit.read_holding_registers(4) == (0x0017,)

    run(scenario())


@on_each_loop
def test_write_and_read_in_one_transaction_shows_what_was_just_written(loop: str) -> None:
    check(
        lambda unit: unit.read_write_registers(
            read_address=3, read_count=3, write_address=4, words=[0xAAAA, 0xBBBB]
        ),
        (0x0607, 0xAAAA, 0xBBBB),
        loop,
    )


@pytest.mark.parametrize("data", [b"\x00\x00", b"ab" * 125])
def test_an_echo_comes_back(data: bytes) -> None:
    check(lambda unit: unit.echo(data), None, "asyncio")


@on_each_loop
def test_the_server_id_is_reported(loop: str) -> None:
    check(lambda unit: unit.report_server_id(), b"meter 7\xff", loop)


@on_each_loop
def test_the_basic_identification_is_read(loop: str) -> None:
    wanted = {0: b"vendor", 1: b"code", 2: b"1.0"}
    check(lambda unit: unit.read_identification(), wanted, loop)


def test_the_regular_identification_holds_the_basic_one_too() -> None:
    wanted = {0: b"vendor", 1: b"code", 2: b"1.0", 4: b"product"}
    check(lambda unit: unit.read_identification(2), wanted, "asyncio")


def test_a_long_identification_is_read_page_by_page() -> None:
    objects = {number: bytes((65 + number,)) * 120 for number in range(7)}

    async def scenario() -> None:
        async with unit_of(make_tables(objects)) as unit:
            assert await unit.read_identification(2) == objects

    run(scenario())


def test_a_unit_without_identification_refuses_it() -> None:
    async def scenario() -> None:
        async with unit_of(make_tables({})) as unit:
            with pytest.raises(ExceptionReplyError) as caught:
                await unit.read_identification()
        assert caught.value.code == ExceptionCode.ILLEGAL_FUNCTION

    run(scenario())


def test_an_identification_without_an_end_is_given_up() -> None:
    def endless(asked: Asked) -> list[scripted.Step]:
        pdu = bytes((43, 14, 1, 0x81, 0xFF, 0, 1, 0, 1)) + b"x"
        return [scripted.frame(asked.transaction, asked.unit, pdu)]

    async def scenario() -> None:
        async with scripted_unit(endless) as unit:
            with pytest.raises(MismatchError, match="never ends"):
                await unit.read_identification()

    run(scenario())


@pytest.mark.parametrize(
    "pdu", [b"\x2b\x0e", b"\x2b\x0e\x01\x81\x00\x00\x01\x00\x09x", b"\x2b\x0d\x01\x81\x00\x00\x00"]
)
def test_a_broken_identification_is_a_protocol_error_that_says_whose(pdu: bytes) -> None:
    def broken(asked: Asked) -> list[scripted.Step]:
        return [scripted.frame(asked.transaction, asked.unit, pdu)]

    async def scenario() -> None:
        async with scripted_unit(broken) as unit:
            with pytest.raises(LengthError) as caught:
                await unit.read_identification()
            assert (caught.value.endpoint, caught.value.unit) == (str(unit.link), 6)

    run(scenario())


@pytest.mark.parametrize(
    ("call", "function", "code"),
    [
        (lambda unit: unit.read_coils(1999, 2), 1, 2),
        (lambda unit: unit.read_discrete_inputs(99), 2, 2),
        (lambda unit: unit.read_holding_registers(124, 2), 3, 2),
        (lambda unit: unit.read_input_registers(12), 4, 2),
        (lambda unit: unit.write_coil(2000, True), 5, 2),
        (lambda unit: unit.write_register(125, 0), 6, 2),
        (lambda unit: unit.write_coils(1999, [True, True]), 15, 2),
        (lambda unit: unit.write_registers(124, [1, 2]), 16, 2),
        (lambda unit: unit.mask_write_register(125, 0, 0), 22, 2),
        (
            lambda unit: unit.read_write_registers(
                read_address=125, read_count=1, write_address=0, words=[1]
            ),
            23,
            2,
        ),
    ],
)
def test_addresses_that_do_not_exist_are_refused_with_exception_2(
    call: Callable[[Unit], Awaitable[object]], function: int, code: int
) -> None:
    async def scenario() -> None:
        async with unit_of(make_tables(), number=5) as unit:
            with pytest.raises(ExceptionReplyError) as caught:
                await call(unit)
        error = caught.value
        assert (error.function, error.code, error.unit) == (function, code, 5)
        assert error.endpoint == str(unit.link)

    run(scenario())


def test_a_write_that_is_refused_changes_nothing() -> None:
    async def scenario() -> None:
        tables = make_tables()
        before = tables.holding.read(0, 125)
        async with unit_of(tables) as unit:
            for call in (
                lambda: unit.write_registers(124, [1, 2]),
                lambda: unit.read_write_registers(
                    read_address=125, read_count=1, write_address=0, words=[1]
                ),
            ):
                with pytest.raises(ExceptionReplyError):
                    await call()
        assert tables.holding.read(0, 125) == before

    run(scenario())


@on_each_loop
def test_every_unit_number_may_be_asked(loop: str) -> None:
    async def scenario() -> None:
        async with unit_of(make_tables()) as unit:
            answers = await asyncio.gather(
                *(unit.link.unit(number).read_input_registers(10) for number in range(256))
            )
        assert answers == [(0x1234,)] * 256

    run(scenario(), loop)
