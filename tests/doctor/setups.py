"""Every broken set-up, how to make it, and what the doctor has to say of it.

The table in docs/howto/when-a-meter-does-not-answer.md has a row for each, in this order.
"""

from __future__ import annotations

import asyncio
import stat
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.doubles import moved
from tests.doctor.bench import (
    PM8000,
    SDM120,
    SDM630,
    SHORT_S,
    FakeNetwork,
    Line,
    PtyMeter,
    Session,
    Shy,
    SlowDoor,
    SlowName,
    answer_mbap,
    case_of,
    free_port,
    meter,
    served,
    tables_of,
    talker,
    user_profile,
)
from tests.server.wires import rtu
from tests.support.peculiar import profile_of
from tests.support.scripted import ScriptedServer, hangs_up
from tests.transports.pki import Pki
from tests.transports.ptys import NullModem, Pty

from energymeter.codec import Framing, Table
from energymeter.discovery.survey import in_table
from energymeter.doctor import Case, Layer, Verdict
from energymeter.doctor.surroundings import Door, NoNameServerError
from energymeter.errors import LinkOpenError, UnknownHostError
from energymeter.profiles import Point
from energymeter.server import ModbusServer, RegisterImage, Tables, UnitRouter
from energymeter.transports import (
    Endpoint,
    SerialEndpoint,
    TlsFiles,
    TlsListener,
    Way,
    Wire,
    parse_wire,
)
from energymeter.values import Order, WireOrder

__all__ = ["SETUPS", "Bench", "Setup"]

SLOW_S: Final = 1.8
"""How long a slow meter takes."""

DOCUMENTATION: Final = "192.0.2.7"
"""An address nobody has (RFC 5737)."""


ORDERS: Final = {
    order.letters: order for order in (WireOrder(byte, word) for byte in Order for word in Order)
}

ONE_SCALE: Final = profile_of(
    *(
        {"name": f"voltage_phase_{phase}", "address": n, "type": "uint16", "scale": 0.1}
        | {"unit": "V"}
        for n, phase in enumerate("abc")
    ),
    {"name": "frequency", "address": 3, "type": "uint16", "scale": 0.1, "unit": "Hz"},
)

ANOTHER_SCALE: Final = Tables(
    holding=RegisterImage([(0, struct.pack(">5H", 23012, 22987, 23115, 4998, 777))])
)


class Bench(NamedTuple):
    """What set-ups are made with."""

    pki: Pki
    folder: Path


Make = Callable[[Bench], AbstractAsyncContextManager[Case]]


@dataclass(frozen=True)
class Setup:
    """One of them."""

    title: str
    layer: Layer
    verdict: Verdict
    says: str
    """A part of the sentence."""

    make: Make
    is_real: bool = False
    """Whether real time has to pass: there are threads, or other things than our loop."""

    def __str__(self) -> str:
        return getattr(self.make, "__name__", self.title)


SETUPS: Final[list[Setup]] = []


def broken(
    title: str, layer: Layer, verdict: Verdict, says: str, *, is_real: bool = False
) -> Callable[[Callable[[Bench], AsyncIterator[Case]]], Make]:
    def register(make: Callable[[Bench], AsyncIterator[Case]]) -> Make:
        manager = asynccontextmanager(make)
        SETUPS.append(Setup(title, layer, verdict, says, manager, is_real))
        return manager

    return register


# The name.


@broken("a name nobody knows", Layer.NAME, Verdict.UNKNOWN_HOST, "is it spelt right?")
async def unknown_name(bench: Bench) -> AsyncIterator[Case]:
    def names(host: str) -> Sequence[str]:
        msg = f"nobody knows the name {host!r}"
        raise UnknownHostError(msg)

    yield case_of("mteer.example:502", surroundings=FakeNetwork(names=names))


@broken(
    "a name, and no name server to ask",
    Layer.NAME,
    Verdict.NO_NAME_SERVER,
    "give the meter's IP address instead of its name",
)
async def no_name_server(bench: Bench) -> AsyncIterator[Case]:
    def names(host: str) -> Sequence[str]:
        msg = f"no name server can be asked who {host!r} is"
        raise NoNameServerError(msg)

    yield case_of("meter.example:502", surroundings=FakeNetwork(names=names))


@broken(
    "an address as a meter shows it, with leading zeros: `192.0.2.010`",
    Layer.NAME,
    Verdict.MISLEADING_ADDRESS,
    "write 192.0.2.10:502",
)
async def leading_zeros(bench: Bench) -> AsyncIterator[Case]:
    yield case_of("192.0.2.010:502", surroundings=FakeNetwork())


@broken(
    "an address that cannot be: `192.0.2.300`",
    Layer.NAME,
    Verdict.UNKNOWN_HOST,
    "four numbers from 0 to 255",
)
async def no_address(bench: Bench) -> AsyncIterator[Case]:
    yield case_of("192.0.2.300:502", surroundings=FakeNetwork())


# The route.


@broken("nobody has that address", Layer.ROUTE, Verdict.HOST_SILENT, "is it switched on")
async def nobody_there(bench: Bench) -> AsyncIterator[Case]:
    yield case_of(DOCUMENTATION, surroundings=FakeNetwork(), usual_ports=(502, 503, 1502))


@broken(
    "this machine is in another network",
    Layer.ROUTE,
    Verdict.OTHER_NETWORK,
    "seems to be in another network",
)
async def other_network(bench: Bench) -> AsyncIterator[Case]:
    yield case_of("192.168.1.7", surroundings=FakeNetwork(own="10.0.0.5"))


@broken("this machine is in no network", Layer.ROUTE, Verdict.NO_ROUTE, "knows no way to")
async def no_network(bench: Bench) -> AsyncIterator[Case]:
    yield case_of(DOCUMENTATION, surroundings=FakeNetwork(Door.UNREACHABLE, own=None))


# The port.


@broken("a firewall drops the port", Layer.PORT, Verdict.PORT_FILTERED, "a firewall")
async def firewall(bench: Bench) -> AsyncIterator[Case]:
    network = FakeNetwork(doors={503: Door.REFUSED})
    yield case_of(DOCUMENTATION, surroundings=network, usual_ports=(502, 503))


@broken(
    "nothing listens on the port",
    Layer.PORT,
    Verdict.PORT_REFUSED,
    "switch Modbus TCP on in the meter's or gateway's menu",
)
async def refused(bench: Bench) -> AsyncIterator[Case]:
    yield case_of(f"127.0.0.1:{free_port()}", usual_ports=(free_port(),))


@broken(
    "the meter is at another of the usual ports",
    Layer.PORT,
    Verdict.OTHER_PORT,
    "; try: energymeter read tcp://127.0.0.1:",
)
async def other_port(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000) as url:
        usual = (free_port(), parse_wire(url).port)
        yield case_of(f"127.0.0.1:{free_port()}", PM8000, usual_ports=usual)


@broken(
    "a name with two addresses, the first of which is dead",
    Layer.PORT,
    Verdict.SLOW,
    "use the one that does; try: energymeter read tcp://192.0.2.8:502",
)
async def dead_first_address(bench: Bench) -> AsyncIterator[Case]:
    network = SlowName({"192.0.2.6": Door.SILENT, "192.0.2.8": Door.OPEN})
    yield case_of("meter.example", PM8000, surroundings=network)


@broken(
    "the meter takes UDP, not TCP",
    Layer.PORT,
    Verdict.OTHER_TRANSPORT,
    "; try: energymeter read udp://",
    is_real=True,
)
async def udp_meter(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000, listen="udp://127.0.0.1:0") as url:
        yield case_of(replace(parse_wire(url), way=Way.TCP), PM8000, timeout_s=SHORT_S)


@broken(
    "the meter takes TCP, not UDP",
    Layer.PORT,
    Verdict.OTHER_TRANSPORT,
    "; try: energymeter read tcp://",
    is_real=True,
)
async def tcp_meter(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000) as url:
        yield case_of(replace(parse_wire(url), way=Way.UDP), PM8000, timeout_s=SHORT_S)


@broken(
    "the device has room for one client, and another program is it",
    Layer.PORT,
    Verdict.CLOSED_AT_ONCE,
    "it has room for one client, and another program is connected",
)
async def one_client(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000, "one_client") as url:
        wire = parse_wire(url)
        _, writer = await asyncio.open_connection(wire.host, wire.port)
        yield case_of(url, PM8000)
        writer.close()


@broken("the device hangs up on everybody", Layer.PORT, Verdict.HANGS_UP, "list of allowed clients")
async def hanging_up(bench: Bench) -> AsyncIterator[Case]:
    async with ScriptedServer(hangs_up) as server:
        yield case_of(f"127.0.0.1:{server.port}", unit=3)


@broken(
    "the device hangs up in the middle of its answers",
    Layer.PORT,
    Verdict.HANGS_UP,
    "in the middle of its answers",
)
async def hanging_up_midway(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000, "hang_up") as url:
        yield case_of(url, PM8000)


@broken(
    "a device that should dial in does not",
    Layer.PORT,
    Verdict.NOBODY_DIALS_IN,
    "listen on 0.0.0.0",
)
async def nobody_dials_in(bench: Bench) -> AsyncIterator[Case]:
    yield case_of(f"listen://:{free_port()}?connect_timeout=200ms")


# Something else at that port.


@broken("a web server", Layer.FRAMING, Verdict.OTHER_PROTOCOL, "is a web server, not Modbus")
async def web_server(bench: Bench) -> AsyncIterator[Case]:
    def answer(session: Session, data: bytes) -> None:
        if b"\r\n" in data:  # it waits for a whole line
            session.transport.write(b"HTTP/1.0 200 OK\r\n\r\n<html></html>")

    async with talker(answer) as url:
        yield case_of(url)


@broken("an SSH server", Layer.FRAMING, Verdict.OTHER_PROTOCOL, "is an SSH server, not Modbus")
async def ssh_server(bench: Bench) -> AsyncIterator[Case]:
    async with talker(greeting=b"SSH-2.0-OpenSSH_9.7\r\n") as url:
        yield case_of(url)


@broken("a telnet server", Layer.FRAMING, Verdict.OTHER_PROTOCOL, "is a telnet server")
async def telnet_server(bench: Bench) -> AsyncIterator[Case]:
    async with talker(greeting=b"\xff\xfb\x01\xff\xfb\x03\xff\xfd\x18") as url:
        yield case_of(url)


@broken("an MQTT broker", Layer.FRAMING, Verdict.OTHER_PROTOCOL, "is an MQTT broker, not Modbus")
async def mqtt_broker(bench: Bench) -> AsyncIterator[Case]:
    def answer(session: Session, data: bytes) -> None:
        if data[:1] == b"\x10":
            session.transport.write(b"\x20\x02\x00\x00")
        else:
            session.transport.close()

    async with talker(answer) as url:
        yield case_of(url)


# TLS.


@broken(
    "`tls://`, and the port speaks in the clear",
    Layer.TLS,
    Verdict.TLS_NOT_SPOKEN,
    "; try: energymeter read tcp://",
    is_real=True,
)
async def plain_not_tls(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000) as url:
        yield case_of(
            replace(parse_wire(url), way=Way.TLS, tls=TlsFiles()), PM8000, timeout_s=SHORT_S
        )


@asynccontextmanager
async def _tls_meter(files: TlsFiles) -> AsyncIterator[int]:
    listener = TlsListener("127.0.0.1", 0, files)
    async with ModbusServer(Tables(), listener=listener):
        yield listener.port


@broken(
    "`tcp://`, and the port wants TLS",
    Layer.TLS,
    Verdict.TLS_NEEDED,
    "; try: energymeter doctor tls://",
    is_real=True,
)
async def tls_not_plain(bench: Bench) -> AsyncIterator[Case]:
    files = bench.pki.sign("door")
    async with _tls_meter(replace(files, ca=None)) as port:
        yield case_of(f"127.0.0.1:{port}")


@broken(
    "a web server that wants TLS",
    Layer.FRAMING,
    Verdict.OTHER_PROTOCOL,
    "is a web server",
    is_real=True,
)
async def https_server(bench: Bench) -> AsyncIterator[Case]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(100):
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    context = replace(bench.pki.sign("web"), ca=None).server_context()
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    yield case_of(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    server.close()


@broken(
    "a certificate of an unknown issuer",
    Layer.TLS,
    Verdict.CERTIFICATE_REFUSED,
    "give the file of that issuer's certificate as ca",
    is_real=True,
)
async def unknown_issuer(bench: Bench) -> AsyncIterator[Case]:
    files = bench.pki.sign("stranger")
    async with _tls_meter(replace(files, ca=None)) as port:
        yield case_of(f"tls://127.0.0.1:{port}")


@broken(
    "the server wants a certificate of ours",
    Layer.TLS,
    Verdict.TLS_FAILED,
    "a certificate of ours; give its file as cert and its key as key",
    is_real=True,
)
async def wants_certificate(bench: Bench) -> AsyncIterator[Case]:
    files = bench.pki.sign("strict")
    async with _tls_meter(files) as port:
        yield case_of(f"tls://127.0.0.1:{port}?ca={files.ca}")


@broken(
    "a device that needs long for TLS", Layer.TLS, Verdict.SLOW, "connect_timeout=", is_real=True
)
async def slow_tls(bench: Bench) -> AsyncIterator[Case]:
    files = bench.pki.sign("slow")
    listener = TlsListener("127.0.0.1", 0, replace(files, ca=None))
    async with ModbusServer(tables_of(PM8000), listener=listener):
        url = f"tls://127.0.0.1:{listener.port}?ca={files.ca}"
        slow = SlowDoor(1.5 * SHORT_S)
        yield case_of(url, PM8000, timeout_s=SHORT_S, surroundings=slow)


# The framing.


@broken(
    "RTU over TCP, asked as Modbus TCP",
    Layer.FRAMING,
    Verdict.OTHER_FRAMING,
    "; try: energymeter read rtu+tcp://127.0.0.1:",
)
async def rtu_over_tcp(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, listen="rtu+tcp://127.0.0.1:0") as url:
        yield case_of(url.removeprefix("rtu+"), SDM630)


@broken(
    "Modbus TCP, asked as RTU over TCP",
    Layer.FRAMING,
    Verdict.OTHER_FRAMING,
    "; try: energymeter read tcp://127.0.0.1:",
)
async def modbus_tcp(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630) as url:
        yield case_of(f"rtu+{url}", SDM630)


@broken(
    "ASCII over TCP, asked as Modbus TCP",
    Layer.FRAMING,
    Verdict.OTHER_FRAMING,
    "; try: energymeter read ascii+tcp://127.0.0.1:",
)
async def ascii_over_tcp(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, listen="ascii+tcp://127.0.0.1:0") as url:
        yield case_of(url.removeprefix("ascii+"), SDM630)


@broken(
    "RTU over TCP and another unit, both wrong in the URL",
    Layer.FRAMING,
    Verdict.OTHER_FRAMING,
    "and the meter is unit 3; try: energymeter read rtu+tcp://",
)
async def two_wrongs(bench: Bench) -> AsyncIterator[Case]:
    async with meter({3: SDM630}, listen="rtu+tcp://127.0.0.1:0") as url:
        yield case_of(url.removeprefix("rtu+"), SDM630)


@broken(
    "RTU over UDP, asked as Modbus UDP",
    Layer.FRAMING,
    Verdict.OTHER_FRAMING,
    "; try: energymeter read rtu+udp://",
    is_real=True,
)
async def rtu_over_udp(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, listen="rtu+udp://127.0.0.1:0") as url:
        yield case_of(url.removeprefix("rtu+"), SDM630)


@broken(
    "a device that dials in and speaks RTU, awaited as Modbus TCP",
    Layer.FRAMING,
    Verdict.OTHER_FRAMING,
    "; try: energymeter read rtu+listen://",
)
async def dials_in_with_rtu(bench: Bench) -> AsyncIterator[Case]:
    port = free_port()
    async with meter(SDM630, listen=f"rtu+dial://127.0.0.1:{port}"):
        yield case_of(f"listen://:{port}", SDM630)


@broken(
    "a gateway with the same transaction number in every answer",
    Layer.FRAMING,
    Verdict.WRONG_IDS,
    "?ids=ignore'",
)
async def constant_id(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000, "constant_id") as url:
        yield case_of(url, PM8000)


@broken(
    "a gateway whose transaction numbers are one off",
    Layer.FRAMING,
    Verdict.WRONG_IDS,
    "does not repeat the transaction number",
)
async def wrong_id(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000, "wrong_id") as url:
        yield case_of(url, PM8000)


@broken(
    "each answer is the one to the question before",
    Layer.FRAMING,
    Verdict.ONE_BEHIND,
    "one answer behind",
)
async def one_behind(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000, "previous") as url:
        yield case_of(url, PM8000)


@broken(
    "a converter that keeps each answer until the next question",
    Layer.FRAMING,
    Verdict.ONE_BEHIND,
    "packing time",
)
async def held_back(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, "glued", listen="rtu+tcp://127.0.0.1:0") as url:
        yield case_of(url, SDM630)


@broken(
    "a converter that changes bytes", Layer.FRAMING, Verdict.BAD_CHECKSUM, "its checksums are wrong"
)
async def bad_checksum(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, "wrong_crc", listen="rtu+tcp://127.0.0.1:0") as url:
        yield case_of(url, SDM630)


@broken("answers that are no Modbus", Layer.FRAMING, Verdict.GARBLED, "not Modbus")
async def garbled(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, "garbage", listen="rtu+tcp://127.0.0.1:0") as url:
        yield case_of(url, SDM630)


# The serial port.


@broken(
    "the serial port is not there",
    Layer.DEVICE,
    Verdict.NO_DEVICE,
    "there is no serial port",
    is_real=True,
)
async def no_device(bench: Bench) -> AsyncIterator[Case]:
    yield case_of(f"rtu://{bench.folder}/ttyUSB7", SDM630, timeout_s=SHORT_S)


class _Forbidden(Line):
    def __init__(self, path: str) -> None:
        super().__init__(None)
        self._path = path

    def endpoint(self, wire: Wire) -> Endpoint:
        return _Locked(self._path)


class _Locked(SerialEndpoint):
    """Fails as for a user without rights; the tests may run as one who has them all."""

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        error = PermissionError(13, "Permission denied")
        raise LinkOpenError(await self._why(error)) from error


@broken(
    "we may not use the serial port",
    Layer.DEVICE,
    Verdict.NO_PERMISSION,
    "permission denied for",
    is_real=True,
)
async def no_permission(bench: Bench) -> AsyncIterator[Case]:
    path = bench.folder / "ttyUSB0"
    path.touch(stat.S_IRUSR)
    yield case_of(f"rtu://{path}", SDM630, surroundings=_Forbidden(str(path)), timeout_s=SHORT_S)


@broken(
    "another program has the serial port",
    Layer.DEVICE,
    Verdict.DEVICE_BUSY,
    "is used by another program",
    is_real=True,
)
async def busy_device(bench: Bench) -> AsyncIterator[Case]:
    port = Pty()
    holder = SerialEndpoint(port.path)
    protocols: list[asyncio.Protocol] = []

    class Keeper(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

    def keep() -> asyncio.Protocol:
        protocols.append(Keeper())
        return protocols[-1]

    await holder.connect(keep)
    yield case_of(f"rtu://{port.path}", SDM630, timeout_s=SHORT_S)
    protocols[0].transport.close()  # type: ignore[attr-defined]
    await holder.wait_for_the_last()
    port.unplug()


# The serial line.


@broken(
    "the line runs at another speed (19200, asked at 9600)",
    Layer.LINE,
    Verdict.OTHER_SPEED,
    "baudrate=19200",
    is_real=True,
)
async def other_speed(bench: Bench) -> AsyncIterator[Case]:
    async with PtyMeter(UnitRouter({1: tables_of(SDM630)}), 19200) as line:
        yield case_of(f"rtu://{line.path}", SDM630, timeout_s=SHORT_S)


@broken(
    "the line has even parity, asked without",
    Layer.LINE,
    Verdict.OTHER_PARITY,
    "?parity=E'",
)
async def other_parity(bench: Bench) -> AsyncIterator[Case]:
    line = Line(tables_of(SDM630), "9600 8E1")
    yield case_of("rtu:///dev/ttyUSB0", SDM630, surroundings=line)


@broken(
    "another speed and parity, and noise at the wrong ones",
    Layer.LINE,
    Verdict.OTHER_SPEED,
    "the line runs at 38400 8E1, not at 9600 8N1",
)
async def noisy_walk(bench: Bench) -> AsyncIterator[Case]:
    line = Line(tables_of(SDM630), "38400 8E1", elsewhere=b"\xf8\x00\xfe")
    yield case_of("rtu:///dev/ttyUSB0", SDM630, surroundings=line)


@broken(
    "the line runs as the meter came from the factory (2400 baud)",
    Layer.LINE,
    Verdict.OTHER_SPEED,
    "baudrate=2400",
)
async def factory_speed(bench: Bench) -> AsyncIterator[Case]:
    line = Line(tables_of(SDM120), "2400 8N1")
    yield case_of("rtu:///dev/ttyUSB0", SDM120, surroundings=line)


@broken(
    "the meter is another unit of the line",
    Layer.UNIT,
    Verdict.OTHER_UNIT,
    "the meter is unit 2, not unit 1; try: energymeter read rtu:///dev/ttyUSB0",
)
async def other_unit_on_line(bench: Bench) -> AsyncIterator[Case]:
    line = Line(UnitRouter({2: tables_of(SDM630)}))
    yield case_of("rtu:///dev/ttyUSB0", SDM630, surroundings=line)


@broken(
    "the meter speaks ASCII, asked in RTU",
    Layer.FRAMING,
    Verdict.OTHER_FRAMING,
    "; try: energymeter read 'ascii:///dev/ttyUSB0",
)
async def ascii_line(bench: Bench) -> AsyncIterator[Case]:
    line = Line(tables_of(SDM630), "9600 7E1", framing=Framing.ASCII)
    yield case_of("rtu:///dev/ttyUSB0", SDM630, surroundings=line)


@broken(
    "A and B swapped: only noise comes back",
    Layer.LINE,
    Verdict.NOISE_ONLY,
    "A and B are the wrong way round",
)
async def noise(bench: Bench) -> AsyncIterator[Case]:
    line = Line(None, elsewhere=b"\xe0\x1c\xff\x00\xfc")
    yield case_of("rtu:///dev/ttyUSB0", SDM630, surroundings=line)


@broken(
    "the cable is cut, or the meter off",
    Layer.LINE,
    Verdict.LINE_SILENT,
    "nothing at all is heard on the line",
)
async def cut_cable(bench: Bench) -> AsyncIterator[Case]:
    yield case_of("rtu:///dev/ttyUSB0", SDM630, surroundings=Line(None))


@broken(
    "another program asks on the same line",
    Layer.LINE,
    Verdict.OTHER_MASTER,
    "somebody else asks on this bus (unit 5)",
)
async def other_master(bench: Bench) -> AsyncIterator[Case]:
    line = Line(None, noise=rtu(5, bytes((3, 0, 0, 0, 8))))
    yield case_of("rtu:///dev/ttyUSB0", SDM630, surroundings=line)


# Echo.


@broken("an adapter that echoes", Layer.ECHO, Verdict.ECHO, "?echo=yes'", is_real=True)
async def echo(bench: Bench) -> AsyncIterator[Case]:
    async with NullModem() as modem, meter(SDM630, "echo", listen=f"rtu://{modem.other.path}"):
        yield case_of(f"rtu://{modem.one.path}", SDM630, timeout_s=SHORT_S)


@broken(
    "an adapter that echoes, and no meter behind it",
    Layer.ECHO,
    Verdict.ECHO_ONLY,
    "the adapter echoes, but no meter answers",
)
async def echo_alone(bench: Bench) -> AsyncIterator[Case]:
    yield case_of("rtu:///dev/ttyUSB0", SDM630, surroundings=Line(None, echoes=True))


@broken("a converter that echoes", Layer.ECHO, Verdict.ECHO, "?echo=yes'")
async def converter_echo(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, "echo", listen="rtu+tcp://127.0.0.1:0") as url:
        yield case_of(url, SDM630)


@broken(
    "an echo service instead of a meter",
    Layer.ECHO,
    Verdict.ECHO_ONLY,
    "only sends back what it is sent",
)
async def echo_service(bench: Bench) -> AsyncIterator[Case]:
    async with talker(lambda session, data: session.transport.write(data)) as url:
        yield case_of(url)


# Unit and gateway.


@broken("the meter is another unit", Layer.UNIT, Verdict.OTHER_UNIT, "the meter is unit 10")
async def other_unit(bench: Bench) -> AsyncIterator[Case]:
    async with meter({10: SDM630}, listen="tcp://127.0.0.1:0") as url:
        yield case_of(url, SDM630)


@broken(
    "a gateway that renumbers the units",
    Layer.UNIT,
    Verdict.UNIT_CHANGED,
    "a gateway renumbers the units",
)
async def renumbered(bench: Bench) -> AsyncIterator[Case]:
    async with meter({1: PM8000, 2: PM8000}, "wrong_unit") as url:
        yield case_of(url, PM8000)


@broken(
    "nobody behind the converter, or at another speed",
    Layer.UNIT,
    Verdict.SILENT,
    "has the converter the meter's baud rate and parity",
)
async def silent_converter(bench: Bench) -> AsyncIterator[Case]:
    async with talker(scheme="rtu+tcp") as url:
        yield case_of(url, SDM630)


@broken(
    "a port that is open and says nothing",
    Layer.UNIT,
    Verdict.SILENT,
    "lets us in and says nothing",
)
async def silent_port(bench: Bench) -> AsyncIterator[Case]:
    async with talker() as url:
        yield case_of(url, PM8000)


@broken("the meter is busy all the time", Layer.UNIT, Verdict.BUSY, "busy (exception 6)")
async def busy(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000, "busy") as url:
        yield case_of(url, PM8000)


@broken(
    "a gateway (exception 11), the meter behind it is another unit",
    Layer.UNIT,
    Verdict.OTHER_UNIT,
    "the meter is unit 3, not unit 1",
)
async def gateway_other_unit(bench: Bench) -> AsyncIterator[Case]:
    async with served(UnitRouter({3: tables_of(SDM630)}, is_silent=False)) as url:
        yield case_of(url, SDM630)


@broken(
    "a gateway (exception 11), the meter behind it off",
    Layer.GATEWAY,
    Verdict.TARGET_SILENT,
    "the gateway works, but no meter answers it",
)
async def gateway_failed(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, "gateway_failed") as url:
        yield case_of(url, SDM630)


@broken(
    "a gateway (exception 10) that does not know the unit",
    Layer.GATEWAY,
    Verdict.NO_PATH,
    "in the gateway's configuration",
)
async def gateway_no_path(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, "gateway_busy") as url:
        yield case_of(url, SDM630)


@broken(
    "a gateway that takes longer than the time-out to say so",
    Layer.GATEWAY,
    Verdict.TARGET_SILENT,
    "the gateway works, but no meter answers it",
)
async def slow_gateway(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, "gateway_failed", "late=2s") as url:
        yield case_of(url, SDM630)


@broken(
    "a gateway that says exception 4 of a silent meter",
    Layer.UNIT,
    Verdict.FAILING,
    "the meter behind it is silent",
)
async def failing(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, "exception=4") as url:
        yield case_of(url, SDM630)


# Timing.


@broken("a slow meter, or a short time-out", Layer.TIMING, Verdict.SLOW, "--timeout 4")
async def slow(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000, f"late={SLOW_S}s") as url:
        yield case_of(url, PM8000)


@broken("a slow meter on a converter", Layer.TIMING, Verdict.SLOW, "only after 1.8 s")
async def slow_converter(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, f"late={SLOW_S}s", listen="rtu+tcp://127.0.0.1:0") as url:
        yield case_of(url, SDM630)


@broken(
    "a slow line: long reads take longer than the time-out",
    Layer.TIMING,
    Verdict.SLOW,
    "long reads take the meter 2.",
)
async def slow_line(bench: Bench) -> AsyncIterator[Case]:
    tables = tables_of(SDM630)
    loop = asyncio.get_running_loop()

    def answer(session: Session, data: bytes) -> None:
        loop.call_later(data[11] / 20, answer_mbap, session, data, tables)

    async with talker(answer) as url:
        yield case_of(url, SDM630)


@broken(
    "a meter that answers late now and then",
    Layer.TIMING,
    Verdict.LATE,
    "answers late now and then",
)
async def late(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000, f"late={SLOW_S}s:0.4", seed=3) as url:
        yield case_of(url, PM8000)


@broken("a line that loses answers", Layer.TIMING, Verdict.UNRELIABLE, "lost on the way")
async def losing(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000, "silence:0.4", seed=4) as url:
        yield case_of(url, PM8000)


@broken(
    "noise that spoils answers now and then",
    Layer.TIMING,
    Verdict.UNRELIABLE,
    "answers are corrupted on the way",
)
async def noisy(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, "wrong_crc:0.4", listen="rtu+tcp://127.0.0.1:0", seed=3) as url:
        yield case_of(url, SDM630)


@broken(
    "a gateway that does not always get an answer",
    Layer.TIMING,
    Verdict.UNRELIABLE,
    "the gateway does not always get one from the meter",
)
async def gateway_now_and_then(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, "gateway_failed:0.4", seed=2) as url:
        yield case_of(url, SDM630)


@broken(
    "a device that is deaf right after connecting",
    Layer.TIMING,
    Verdict.CONNECT_PAUSE,
    "connect_pause=300ms'",
)
async def deaf_at_first(bench: Bench) -> AsyncIterator[Case]:
    def answer(session: Session, data: bytes) -> None:
        if asyncio.get_running_loop().time() - session.opened_at > 0.2:
            answer_mbap(session, data, Tables())

    async with talker(answer) as url:
        yield case_of(url)


@broken(
    "a meter that is deaf right after an answer",
    Layer.TIMING,
    Verdict.PAUSE,
    "?pause=100ms'",
)
async def deaf_in_between(bench: Bench) -> AsyncIterator[Case]:
    answered_at = 0.0

    def answer(session: Session, data: bytes) -> None:
        nonlocal answered_at
        now = asyncio.get_running_loop().time()
        if now - answered_at > 0.05:
            answered_at = now
            answer_mbap(session, data, Tables())

    async with talker(answer) as url:
        yield case_of(url)


# Function and address.


@broken(
    "the registers are input registers, the profile says holding",
    Layer.FUNCTION,
    Verdict.OTHER_TABLE,
    "the registers are input registers",
)
async def other_table(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630) as url:
        yield case_of(url, user_profile(in_table(SDM630, Table.HOLDING)))


@broken(
    "the profile counts addresses from 1, the meter from 0",
    Layer.ADDRESS,
    Verdict.OTHER_BASE,
    "the addresses are one lower than in the profile",
)
async def off_by_one(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000) as url:
        yield case_of(url, user_profile(moved(PM8000, 1, ORDERS["ABCD"])))


@broken(
    "the profile has 40001-style numbers",
    Layer.ADDRESS,
    Verdict.OTHER_BASE,
    "the addresses are 40001 lower than in the profile",
)
async def printed_numbers(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000) as url:
        yield case_of(url, user_profile(moved(PM8000, 40001, ORDERS["ABCD"])))


@broken(
    "the meter answers and refuses every register",
    Layer.FUNCTION,
    Verdict.ALL_REFUSED,
    "exception 1, the meter does not know this function",
)
async def all_refused(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000, "exception=1") as url:
        yield case_of(url, PM8000)


@broken(
    "the meter has none of the profile's addresses",
    Layer.ADDRESS,
    Verdict.ALL_REFUSED,
    "has none of the registers",
)
async def no_such_addresses(bench: Bench) -> AsyncIterator[Case]:
    async with served(Tables(holding=RegisterImage([(7, bytes(20))]))) as url:
        yield case_of(url, SDM120)


# Length.


@broken(
    "a meter that answers short reads only",
    Layer.LENGTH,
    Verdict.TOO_LONG,
    "--message-size 20",
)
async def short_reads(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630, "max_read=20") as url:
        yield case_of(url, SDM630)


@broken(
    "a meter that says nothing to long reads",
    Layer.LENGTH,
    Verdict.TOO_LONG,
    "answers reads of 20 registers and says nothing to longer ones",
)
async def silent_to_long(bench: Bench) -> AsyncIterator[Case]:
    tables = tables_of(SDM630)

    def answer(session: Session, data: bytes) -> None:
        if data[11] <= 20:
            answer_mbap(session, data, tables)

    async with talker(answer) as url:
        yield case_of(url, SDM630)


@broken(
    "a meter that leaves out addresses it has not, in long reads",
    Layer.LENGTH,
    Verdict.LEAVES_OUT,
    "what is behind them moves up",
)
async def leaves_out(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000, "reindexed=3029") as url:
        yield case_of(url, PM8000)


# Order and values.


@broken(
    "the words of a value come in another order",
    Layer.ORDER,
    Verdict.OTHER_ORDER,
    "--wordorder LITTLE",
)
async def other_words(bench: Bench) -> AsyncIterator[Case]:
    async with meter(moved(PM8000, 0, ORDERS["CDAB"])) as url:
        yield case_of(url, PM8000)


@broken(
    "one address off and the words swapped",
    Layer.ADDRESS,
    Verdict.OTHER_BASE,
    "one lower than in the profile and the words of a value come big first",
)
async def two_wrongs_in_the_map(bench: Bench) -> AsyncIterator[Case]:
    async with meter(PM8000) as url:
        yield case_of(url, user_profile(moved(PM8000, 1, ORDERS["CDAB"])))


@broken(
    "a profile of another model",
    Layer.VALUES,
    Verdict.OTHER_PROFILE,
    "; try: energymeter read tcp://",
)
async def other_model(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630) as url:
        yield case_of(url, PM8000)


@broken(
    "a profile of another model, and a meter that says nothing to what it has not got",
    Layer.VALUES,
    Verdict.OTHER_PROFILE,
    "eastron/sdm630 fits",
)
async def shy_other_model(bench: Bench) -> AsyncIterator[Case]:
    async with served(Shy(tables_of(SDM630))) as url:
        yield case_of(url, PM8000)


@broken(
    "a profile of a sister model, whose values look right",
    Layer.VALUES,
    Verdict.OTHER_PROFILE,
    "eastron/sdm630 fits",
)
async def sister_model(bench: Bench) -> AsyncIterator[Case]:
    async with meter(SDM630) as url:
        yield case_of(url, SDM120)


@broken(
    "a profile with other scales than the meter",
    Layer.VALUES,
    Verdict.OTHER_SCALE,
    "voltage is kept as int16 x 0.01, not as uint16 x 0.1",
)
async def other_scale(bench: Bench) -> AsyncIterator[Case]:
    async with served(ANOTHER_SCALE) as url:
        yield case_of(url, ONE_SCALE)


@broken(
    "a profile in which one quantity has another scale",
    Layer.VALUES,
    Verdict.OTHER_SCALE,
    "current is kept as float32, not as float32 x 10",
)
async def one_other_scale(bench: Bench) -> AsyncIterator[Case]:
    points = tuple(
        Point(**{**point.model_dump(), "scale": 10}) if "current" in point.name else point
        for point in SDM630.points
    )
    async with meter(SDM630) as url:
        yield case_of(url, user_profile(SDM630, points=points))


@broken("a meter that reads 0 everywhere", Layer.VALUES, Verdict.ALL_ZERO, "all registers read 0")
async def all_zero(bench: Bench) -> AsyncIterator[Case]:
    async with served(Tables(input=RegisterImage([(0, bytes(1000))]))) as url:
        yield case_of(url, SDM630)


@broken(
    "values that make no sense at all",
    Layer.VALUES,
    Verdict.NONSENSE,
    "compare the profile with the manual",
)
async def nonsense(bench: Bench) -> AsyncIterator[Case]:
    data = bytes((7 * n * n + 3 * n + 90) % 251 for n in range(1000))
    async with served(Tables(input=RegisterImage([(0, data)]))) as url:
        yield case_of(url, SDM630)
