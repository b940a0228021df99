"""URLs: what each means, how it is written back, and what is said of a wrong one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.transports.pki import Pki

from energymeter.codec.framing import Framing
from energymeter.errors import ConfigError, EndpointError
from energymeter.transports import (
    DialInEndpoint,
    DialOutListener,
    SerialEndpoint,
    SerialListener,
    SerialSettings,
    TcpEndpoint,
    TcpListener,
    TlsEndpoint,
    TlsFiles,
    TlsListener,
    UdpEndpoint,
    UdpListener,
    Way,
    Wire,
    parse_wire,
)

GOOD: list[tuple[str, str, dict[str, Any]]] = [
    ("meter", "tcp://meter:502", {"framing": Framing.MBAP, "way": Way.TCP}),
    ("  192.0.2.1:1502 ", "tcp://192.0.2.1:1502", {"host": "192.0.2.1", "port": 1502}),
    ("::1", "tcp://[::1]:502", {"host": "::1"}),
    ("[fe80::1%eth0]:5020", "tcp://[fe80::1%eth0]:5020", {"host": "fe80::1%eth0"}),
    ("meter?timeout=3", "tcp://meter:502?timeout=3s", {"timeout_s": 3.0}),
    ("tcp://meter", "tcp://meter:502", {"timeout_s": None, "connect_timeout_s": None}),
    ("TCP://Meter:0502/", "tcp://Meter:502", {"host": "Meter"}),
    ("tcp://[::1]:5020", "tcp://[::1]:5020", {"host": "::1", "port": 5020}),
    ("tcp://:5020", "tcp://:5020", {"host": None, "port": 5020}),
    ("tcp://:0", "tcp://:0", {"host": None, "port": 0}),
    ("tcp://0.0.0.0:0", "tcp://0.0.0.0:0", {"host": "0.0.0.0", "port": 0}),
    ("tcp://[::]:0", "tcp://[::]:0", {"host": "::", "port": 0}),
    ("tcp://m?in_flight=8", "tcp://m:502?in_flight=8", {"max_in_flight": 8}),
    ("tcp://m?ids=ignore", "tcp://m:502?ids=ignore", {"ignores_transactions": True}),
    ("tcp://m?ids=check&in_flight=1", "tcp://m:502", {"ignores_transactions": False}),
    (
        "tcp://m?unit_pause=.5s&connect_pause=1.5s&pause=50ms&connect_timeout=2",
        "tcp://m:502?connect_pause=1.5s&pause=50ms&unit_pause=500ms&connect_timeout=2s",
        {"connect_timeout_s": 2.0},
    ),
    ("udp://m:5020", "udp://m:5020", {"framing": Framing.MBAP, "way": Way.UDP}),
    ("rtu+udp://m", "rtu+udp://m:502", {"framing": Framing.RTU, "way": Way.UDP}),
    ("ascii+udp://m", "ascii+udp://m:502", {"framing": Framing.ASCII}),
    ("rtu+tcp://m:4001", "rtu+tcp://m:4001", {"framing": Framing.RTU, "serial": None}),
    (
        "rtu+tcp://m?baudrate=9600&parity=e&echo=yes",
        "rtu+tcp://m:502?baudrate=9600&parity=E&echo=yes",
        {"serial": SerialSettings(9600, "E"), "removes_echo": True},
    ),
    ("ascii+tcp://m:23", "ascii+tcp://m:23", {"framing": Framing.ASCII, "way": Way.TCP}),
    ("tls://m", "tls://m:802", {"port": 802, "tls": TlsFiles()}),
    ("rtu+tls://m:8802", "rtu+tls://m:8802", {"framing": Framing.RTU, "way": Way.TLS}),
    (
        "tls://m?key=k&ca=/etc/my%20ca.pem&cert=c&server_name=plant.example&verify=no",
        "tls://m:802?ca=/etc/my%20ca.pem&cert=c&key=k&server_name=plant.example&verify=no",
        {"tls": TlsFiles("/etc/my ca.pem", "c", "k", "plant.example", verify=False)},
    ),
    ("listen://:5020", "listen://:5020", {"way": Way.LISTEN, "connect_timeout_s": 60.0}),
    (
        "rtu+listen://0.0.0.0:5020?connect_timeout=60s",
        "rtu+listen://0.0.0.0:5020",
        {"framing": Framing.RTU, "host": "0.0.0.0"},
    ),
    ("dial://m:5020", "dial://m:5020", {"way": Way.DIAL, "connect_timeout_s": None}),
    ("rtu+dial://m:5020", "rtu+dial://m:5020", {"framing": Framing.RTU}),
    (
        "rtu:///dev/ttyUSB0",
        "rtu:///dev/ttyUSB0",
        {"path": "/dev/ttyUSB0", "host": None, "port": None, "serial": SerialSettings()},
    ),
    (
        "rtu:///dev/serial/by-id/usb-FTDI_(x)%20y-if00",
        "rtu:///dev/serial/by-id/usb-FTDI_%28x%29%20y-if00",
        {"path": "/dev/serial/by-id/usb-FTDI_(x) y-if00"},
    ),
    (
        "rtu:///dev/ttyS1?stopbits=2&parity=O&baudrate=19200&gap=5ms",
        "rtu:///dev/ttyS1?baudrate=19200&parity=O&stopbits=2&gap=5ms",
        {"serial": SerialSettings(19200, "O", 2)},
    ),
    ("rtu://com3?parity=n", "rtu://COM3", {"path": "COM3"}),
    ("rtu://\\\\.\\COM12", "rtu://COM12", {"path": "COM12"}),
    ("ascii:///dev/ttyUSB0", "ascii:///dev/ttyUSB0", {"serial": SerialSettings()}),
    (
        "ascii://COM1?bytesize=7&parity=E",
        "ascii://COM1?parity=E&bytesize=7",
        {"serial": SerialSettings(9600, "E", 1, 7)},
    ),
]

BAD = [
    ("", "the address is empty, write HOST:PORT"),
    ("tcp:/meter", "did you mean tcp://meter?"),
    ("tcp:meter", "did you mean tcp://meter?"),
    ("tcp//meter", "did you mean tcp://meter?"),
    ("rtu:/dev/ttyUSB0", "did you mean rtu:///dev/ttyUSB0?"),
    ("tcp:///meter", "did you mean tcp://meter?"),
    ("tcp://", "write tcp://HOST:PORT"),
    ("listen://", "write listen://HOST:PORT (:PORT alone to listen)"),
    ("tcp://?timeout=1", "has no host"),
    ("tcp://meter:", "the port is 'empty'"),
    ("meter:http", "address 'meter:http': the port is 'http'"),
    ("tcp://meter:http", "the port is 'http', use a number from 1 to 65535"),
    ("tcp://meter:70000", "port 70000 is out of range"),
    ("tcp://:70000", "port 70000 is out of range"),
    ("tcp://me ter", "has a space or a slash"),
    ("tcp://meter:502/1", "only ?options may follow the port, leave out /1"),
    ("tcp://[::1", "is not [IPV6]:PORT"),
    ("tcp://a:b:c", "is neither HOST:PORT nor an IPv6 address"),
    ("tcp://admin:secret@meter", "tcp://***@meter: Modbus has no user names"),
    ("modbus://meter", "did you mean tcp://?"),
    ("modbus+rtu:///dev/ttyUSB0", "did you mean rtu://?"),
    ("tcp+rtu://meter", "did you mean rtu+tcp://?"),
    ("rtuovertcp://meter", "did you mean rtu+tcp://?"),
    ("utp://meter", "did you mean udp://?"),
    ("mqtt://meter", "there are tcp, udp, tls, listen, dial, rtu, ascii, rtu+tcp"),
    ("/dev/ttyUSB0", "looks like a serial port, write rtu:///dev/ttyUSB0"),
    ("COM3", "looks like a serial port, write rtu://COM3"),
    ("COM3:", "looks like a serial port, write rtu://COM3"),
    ("rtu://", "names no serial port, write rtu:///dev/ttyUSB0 or rtu://COM3"),
    ("rtu:///", "is a folder"),
    ("rtu://dev/ttyUSB0", "did you mean rtu:///dev/ttyUSB0?"),
    ("rtu://ttyUSB0", "did you mean rtu:///dev/ttyUSB0?"),
    ("rtu://./port", "write the whole path"),
    ("rtu://~/port", "write the whole path"),
    ("rtu://C:\\port", "a serial port of Windows is written rtu://COM3"),
    ("rtu://C:/port", "a serial port of Windows is written rtu://COM3"),
    ("rtu://192.0.2.1:4001", "did you mean rtu+tcp://192.0.2.1:4001?"),
    ("ascii://gateway.example", "did you mean ascii+tcp://gateway.example?"),
    ("tcp://m?timeot=1", "unknown option 'timeot', did you mean 'timeout'? tcp:// has in_flight"),
    ("tcp://m?colour=red", "unknown option 'colour'; tcp:// has in_flight, ids, connect_pause"),
    ("tcp://m?baudrate=9600", "option 'baudrate' is for serial lines"),
    ("tcp://m?ca=x", "option 'ca' is for tls, not for tcp://"),
    ("rtu:///dev/x?in_flight=2", "option 'in_flight' is for messages with transaction numbers"),
    ("tcp://m?timeout", "option 'timeout' has no value"),
    ("tcp://m?timeout=", "option 'timeout' has no value"),
    ("tcp://m?timeout=1&timeout=2", "option 'timeout' is given twice"),
    ("tcp://m?timeout=0", "use more than 0 to 86400 s"),
    ("tcp://m?timeout=100000", "use more than 0 to 86400 s"),
    ("tcp://m?pause=5m", "pause=5m is not a duration, write 50ms, 1.5s or 2 (seconds)"),
    ("tcp://m?pause=-1", "is not a duration"),
    ("tcp://m?pause=1e3", "is not a duration"),
    ("tcp://m?pause=nan", "is not a duration"),
    ("tcp://m?in_flight=0", "in_flight=0 is not possible, use 1 to 1024"),
    ("tcp://m?in_flight=9999999999999999999999", "use 1 to 1024"),
    ("tcp://m?in_flight=two", "use 1 to 1024"),
    ("tcp://m?in_flight=²", "use 1 to 1024"),
    ("tcp://m?ids=no", "ids=no is not possible, use check or ignore"),
    ("tcp://m?ids=ignore&in_flight=2", "ids=ignore cannot tell answers apart"),
    ("tls://m?verify=maybe", "verify=maybe is not possible, use yes or no"),
    ("rtu:///dev/x?parity=M", "parity=M is not possible, use N or E or O"),
    ("rtu:///dev/x?stopbits=1.5", "stopbits=1.5 is not possible, use 1 to 2"),
    ("rtu:///dev/x?baudrate=fast", "baudrate=fast is not possible"),
    ("rtu:///dev/x?baudrate=0", "baudrate=0 is not possible"),
    ("rtu:///dev/x?bytesize=7", "RTU needs 8 data bits"),
    ("ascii:///dev/x?bytesize=6", "bytesize=6 is not possible, use 7 to 8"),
    ("rtu:///dev/x?echo=1", "echo=1 is not possible, use yes or no"),
    ("rtu+tcp://m?parity=E", "parity has no effect without baudrate"),
]


@pytest.mark.parametrize(("text", "written", "facts"), GOOD, ids=[text for text, *_ in GOOD])
def test_a_url_says_what_it_says(text: str, written: str, facts: dict[str, Any]) -> None:
    wire = parse_wire(text)

    assert str(wire) == written
    assert {name: getattr(wire, name) for name in facts} == facts
    assert parse_wire(written) == wire


@pytest.mark.parametrize(("text", "fragment"), BAD, ids=[text for text, _ in BAD])
def test_a_wrong_url_is_explained_in_one_sentence(text: str, fragment: str) -> None:
    with pytest.raises(EndpointError) as caught:
        parse_wire(text)

    assert fragment in caught.value.message
    assert "\n" not in caught.value.message
    assert "secret" not in caught.value.message


@given(st.text(max_size=40), st.sampled_from(["", "tcp://", "rtu://", "tcp://m?", "rtu:///d?gap="]))
def test_no_text_gives_another_error_and_what_is_read_can_be_written(text: str, head: str) -> None:
    try:
        wire = parse_wire(head + text)
    except EndpointError:
        return
    assert parse_wire(str(wire)) == wire


@given(st.floats(min_value=1e-6, max_value=86400))
def test_a_duration_can_be_read_back(seconds: float) -> None:
    wire = Wire(framing=Framing.MBAP, way=Way.TCP, host="m", port=502, timeout_s=seconds)
    assert parse_wire(str(wire)).timeout_s == pytest.approx(seconds, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "character_ms", "silence_ms"),
    [
        ("tcp://m", 0, 0),
        ("rtu+tcp://m", 0, 0),
        ("rtu+tcp://m?gap=20ms", 0, 20),
        ("rtu+tcp://m?baudrate=9600", 1.04167, 3.64583),
        ("rtu:///dev/x", 1.04167, 3.64583),
        ("rtu:///dev/x?parity=E", 1.14583, 4.01042),
        ("rtu:///dev/x?baudrate=19200&parity=E", 0.572917, 2.00521),
        ("rtu:///dev/x?baudrate=115200", 0.0868056, 1.75),
        ("rtu:///dev/x?baudrate=115200&gap=0", 0.0868056, 0),
        ("ascii:///dev/x?bytesize=7&parity=E", 1.04167, 3.64583),
    ],
)
def test_a_line_has_its_pace(text: str, character_ms: float, silence_ms: float) -> None:
    pacing = parse_wire(text).pacing

    assert pacing.character_s * 1000 == pytest.approx(character_ms, rel=1e-4)
    assert pacing.silence_s * 1000 == pytest.approx(silence_ms, rel=1e-4)


@pytest.mark.parametrize(
    ("text", "is_numbered"),
    [("m", True), ("tls://m", True), ("m?ids=ignore", False), ("rtu+tcp://m", False)],
)
def test_whether_answers_carry_numbers_is_known(text: str, is_numbered: bool) -> None:
    assert parse_wire(text).is_numbered is is_numbered


def test_pauses_are_kept() -> None:
    pacing = parse_wire("m?connect_pause=1.5s&pause=50ms&unit_pause=2").pacing

    assert (pacing.connect_pause_s, pacing.pause_s, pacing.unit_pause_s) == (1.5, 0.05, 2.0)


def test_the_port_that_goes_without_saying_can_be_chosen() -> None:
    assert parse_wire("m", default_port=1502).port == 1502
    assert parse_wire("rtu+tcp://m", default_port=1502).port == 1502
    assert parse_wire("m:502", default_port=1502).port == 502
    assert parse_wire("tls://m", default_port=1502).port == 802


@pytest.mark.parametrize(
    ("text", "kind", "written"),
    [
        ("m", TcpEndpoint, "m:502"),
        ("rtu+tcp://m:4001", TcpEndpoint, "m:4001"),
        ("udp://m", UdpEndpoint, "udp://m:502"),
        ("rtu+udp://m", UdpEndpoint, "udp://m:502"),
        ("tls://m", TlsEndpoint, "tls://m:802"),
        ("listen://:5020", DialInEndpoint, "listen://127.0.0.1:5020"),
        ("rtu:///dev/ttyUSB0?parity=E", SerialEndpoint, "/dev/ttyUSB0"),
    ],
)
def test_a_wire_makes_the_endpoint_it_says(text: str, kind: type, written: str) -> None:
    endpoint = parse_wire(text).endpoint()

    assert type(endpoint) is kind
    assert str(endpoint) == written
    assert endpoint.is_datagram == ("udp" in text)


@pytest.mark.parametrize(
    ("text", "kind", "written"),
    [
        ("tcp://:5020", TcpListener, "127.0.0.1:5020"),
        ("tcp://0.0.0.0:0", TcpListener, "0.0.0.0:0"),
        ("rtu+tcp://:5020", TcpListener, "127.0.0.1:5020"),
        ("udp://:5020", UdpListener, "udp://127.0.0.1:5020"),
        ("dial://m:5020", DialOutListener, "dial://m:5020"),
        ("rtu:///dev/ttyUSB0?parity=E", SerialListener, "/dev/ttyUSB0"),
    ],
)
def test_a_wire_makes_the_listener_it_says(text: str, kind: type, written: str) -> None:
    listener = parse_wire(text).listener()

    assert type(listener) is kind
    assert str(listener) == written
    assert listener.is_datagram == ("udp" in text)


def test_the_settings_of_a_line_reach_its_port() -> None:
    endpoint = parse_wire("ascii://COM3?baudrate=1200&parity=E&stopbits=2&bytesize=7").endpoint()

    assert isinstance(endpoint, SerialEndpoint)
    assert endpoint.settings == SerialSettings(1200, "E", 2, 7)


def test_certificates_reach_both_ends(pki: Pki) -> None:
    files = pki.sign("wire")
    url = f"tls://127.0.0.1:8802?ca={files.ca}&cert={files.cert}&key={files.key}"

    endpoint, listener = parse_wire(url).endpoint(), parse_wire(url).listener()

    assert isinstance(endpoint, TlsEndpoint)
    assert endpoint.files == files
    assert isinstance(listener, TlsListener)
    with pytest.raises(ConfigError, match="/nowhere cannot be read"):
        parse_wire("tls://m?ca=/nowhere").endpoint()


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("tcp://:5020", "names no host to connect to, write tcp://HOST:5020"),
        ("udp://:5020", "names no host to connect to"),
        ("tcp://m:0", "port 0 is for listening only"),
        ("dial://m", "a device that dials in is read with listen://:PORT"),
        ("rtu+dial://m", "a device that dials in is read with rtu+listen://:PORT"),
    ],
)
def test_what_cannot_be_connected_to_is_said(text: str, fragment: str) -> None:
    with pytest.raises(EndpointError) as caught:
        parse_wire(text).endpoint()
    assert fragment in caught.value.message


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("rtu+listen://:5020", "a simulated device that dials out is rtu+dial://HOST:PORT"),
        ("dial://:5020", "names no host to connect to"),
    ],
)
def test_what_cannot_be_listened_on_is_said(text: str, fragment: str) -> None:
    with pytest.raises(EndpointError) as caught:
        parse_wire(text).listener()
    assert fragment in caught.value.message
