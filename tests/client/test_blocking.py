"""The link for scripts without asyncio, from one thread and from several."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from tests.support import scripted
from tests.support.loops import until
from tests.support.scripted import ScriptedServer, word_at

from energymeter.blocking import BlockingLink, LoopThread
from energymeter.codec import ReadRequest
from energymeter.errors import (
    ConfigError,
    EndpointError,
    LinkClosedError,
    LinkOpenError,
    MeterError,
)
from energymeter.profiles import ProfileLibrary, parse_profile
from energymeter.reader import MeterReader, wire_cost
from energymeter.server import BitImage, ModbusServer, RegisterImage, Tables
from energymeter.testing import PtyBus
from energymeter.transports import parse_wire


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    """Where the other side lives."""
    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture
def server(thread: LoopThread) -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    thread.run(server.restart())
    yield server
    thread.run(server.kill())


@pytest.fixture
def modbus_server(thread: LoopThread) -> Iterator[ModbusServer]:
    tables = Tables(
        holding=RegisterImage([(0, bytes(20))]),
        input=RegisterImage([(0, b"\x12\x34")]),
        coils=BitImage((n, False) for n in range(10)),
        discrete=BitImage([(0, True)]),
        server_id=b"me\xff",
        identification={0: b"v", 1: b"p", 2: b"r"},
    )
    server = ModbusServer(tables, port=0)
    thread.run(server.start())
    yield server
    thread.run(server.close())


def test_every_operation_is_there_without_asyncio(modbus_server: ModbusServer) -> None:
    with BlockingLink("127.0.0.1", modbus_server.port) as link:
        link.open()
        unit = link.unit(1)
        unit.write_register(0, 7)
        unit.write_registers(1, [8, 9])
        unit.mask_write_register(3, 0, 5)
        unit.write_coil(0, True)
        unit.write_coils(1, [True, True])

        assert unit.read_holding_registers(0, 5) == (7, 8, 9, 5, 0)
        assert unit.read_input_registers(0) == (0x1234,)
        assert unit.read_coils(0, 4) == (True, True, True, False)
        assert unit.read_discrete_inputs(0) == (True,)
        assert unit.read_write_registers(
            read_address=0, read_count=2, write_address=0, words=[1]
        ) == (1, 8)
        assert unit.report_server_id() == b"me\xff"
        assert unit.read_identification() == {0: b"v", 1: b"p", 2: b"r"}


def test_a_meter_is_read_by_its_profile(server: ScriptedServer) -> None:
    profile = parse_profile(
        {
            "name": "t/m",
            "vendor": "t",
            "model": "m",
            "points": [{"name": "at_5", "address": 5, "type": "uint16"}],
            "defaults": {"unit": 3},
        },
        "test",
    )
    with BlockingLink("127.0.0.1", server.port) as link:
        assert link.read(profile).as_dict() == {"at_5": word_at(3, 5)}
        assert link.read(profile, unit=4).as_dict() == {"at_5": word_at(4, 5)}


def test_errors_are_those_of_the_asynchronous_link(thread: LoopThread) -> None:
    server = ScriptedServer()
    thread.run(server.restart())
    thread.run(server.kill())
    with BlockingLink("127.0.0.1", server.port) as link, pytest.raises(LinkOpenError):
        link.unit(1).read_coils(0)


def test_an_endpoint_that_cannot_be_starts_no_thread() -> None:
    before = threading.active_count()

    with pytest.raises(EndpointError):
        BlockingLink("", 502)

    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("url", "timeout_s"),
    [("tls://127.0.0.1?ca=not-there.pem", 1.0), ("127.0.0.1", 0.0)],
)
def test_a_link_that_cannot_be_made_leaves_no_thread(url: str, timeout_s: float) -> None:
    before = threading.active_count()

    with pytest.raises(ConfigError):
        BlockingLink(url, timeout_s=timeout_s)

    assert threading.active_count() == before


def test_many_threads_share_a_link_and_each_gets_its_own_answers(server: ScriptedServer) -> None:
    with BlockingLink("127.0.0.1", server.port, max_in_flight=4) as link:

        def ask(number: int) -> bool:
            unit = link.unit(number)
            return all(
                unit.read_holding_registers(address, 2)
                == (word_at(number, address), word_at(number, address + 1))
                for address in range(40)
            )

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, range(1, 9)))
    assert server.accepted == 1
    assert server.most_waiting <= 4


def test_one_in_flight_holds_for_threads_too(server: ScriptedServer) -> None:
    server.manner = scripted.late(0.002)
    with BlockingLink("127.0.0.1", server.port) as link, ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: link.unit(1).read_holding_registers(n), range(12)))
    assert server.most_waiting == 1


def within(seconds: float, call: Callable[[], object]) -> None:
    """Run `call` in a thread that must end in time."""
    worker = threading.Thread(target=call, daemon=True)
    worker.start()
    worker.join(seconds)
    assert not worker.is_alive()


def test_closing_frees_every_thread_that_waits(server: ScriptedServer, thread: LoopThread) -> None:
    server.manner = scripted.never
    link = BlockingLink("127.0.0.1", server.port, timeout_s=60)
    errors: list[BaseException] = []

    def ask(number: int) -> None:
        try:
            link.unit(number).read_holding_registers(0)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(n,), daemon=True) for n in range(1, 21)]
    for each in threads:
        each.start()
    thread.run(until(lambda: len(server.asked) == 1))
    within(10, link.close)
    deadline = time.monotonic() + 10
    for each in threads:
        each.join(max(0.0, deadline - time.monotonic()))

    assert [type(error) for error in errors] == [LinkClosedError] * 20


def test_a_closed_link_refuses_and_may_be_closed_again(server: ScriptedServer) -> None:
    link = BlockingLink("127.0.0.1", server.port)
    unit = link.unit(1)
    unit.read_holding_registers(0)
    link.close()
    link.close()

    with pytest.raises(LinkClosedError):
        unit.read_holding_registers(0)
    with pytest.raises(LinkClosedError):
        link.open()


def test_closing_ends_the_thread(server: ScriptedServer) -> None:
    before = threading.active_count()
    with BlockingLink("127.0.0.1", server.port) as link:
        link.open()
        assert threading.active_count() == before + 1

    assert threading.active_count() == before


def test_a_blocking_call_raises_meter_errors_only_from_the_wire(server: ScriptedServer) -> None:
    server.manner = scripted.garbage
    with BlockingLink("127.0.0.1", server.port) as link, pytest.raises(MeterError):
        link.unit(1).read_holding_registers(0)


def test_a_meter_on_a_serial_line_is_read_as_is_best_there() -> None:
    profile = ProfileLibrary().load("sdm120")
    with PtyBus({1: profile}) as bus:
        with BlockingLink(bus.url) as link:
            assert link.read(profile).is_complete
        asked = [(request.address, request.count) for request in bus.requests]

    cost = wire_cost(parse_wire(bus.url))
    planned = MeterReader(AnyUnit(), profile, cost=cost, is_numbered=False).blocks
    assert asked[: len(planned)] == [(block.address, block.count) for block in planned]
    assert planned != MeterReader(AnyUnit(), profile).blocks


class AnyUnit:
    """Asked nothing."""

    async def read(self, request: ReadRequest) -> bytes:
        raise NotImplementedError


_FORKS: Final = """
import os, sys
from energymeter import BlockingLink, LinkError

with BlockingLink("127.0.0.1", int(sys.argv[1])) as link:
    link.unit(1).read_holding_registers(0)
    if os.fork():
        assert os.wait()[1] == 0
        link.unit(1).read_holding_registers(0)
    else:
        try:
            link.unit(1).read_holding_registers(0)
        except LinkError as error:
            assert "process" in str(error), error
        else:
            sys.exit("it was read")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_link_made_before_a_fork_says_so_in_the_child_and_goes_on_in_the_parent(
    server: ScriptedServer,
) -> None:
    script = [sys.executable, "-W", "ignore", "-c", _FORKS, str(server.port)]

    done = subprocess.run(script, timeout=20, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
