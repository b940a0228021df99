"""A URL of a link: which way the bytes go, in which envelope, and when.

`tcp://HOST:502`, `rtu:///dev/ttyUSB0?baudrate=9600&parity=E`, `ascii://...`, `rtu+tcp://HOST:PORT`,
`udp://`, `rtu+udp://`, `tls://HOST:802`, `listen://:PORT`. It knows the names of Modbus framings;
it does not know what is in them.

A serial line is 9600 baud, 8 data bits, no parity, 1 stop bit unless the URL says otherwise. The
standard's default is even parity (and 7 data bits for ASCII); most meters leave the factory
without.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final

from energymeter.codec.framing import Framing
from energymeter.errors import EndpointError
from energymeter.transports.dial import DialInEndpoint, DialOutListener
from energymeter.transports.endpoint import Endpoint, Listener, host_and_port
from energymeter.transports.options import Options, duration_text, query_text
from energymeter.transports.place import parse_place, parse_serial_path, path_text, split_url
from energymeter.transports.scheme import ELSEWHERE, Scheme, Way, find_scheme, scheme_name
from energymeter.transports.serial import (
    BYTE_SIZES,
    PARITIES,
    STOP_BITS,
    SerialEndpoint,
    SerialListener,
    SerialSettings,
)
from energymeter.transports.tcp import TcpEndpoint, TcpListener
from energymeter.transports.tls import DEFAULT_TLS_PORT, TlsEndpoint, TlsFiles, TlsListener
from energymeter.transports.udp import UdpEndpoint, UdpListener

__all__ = ["Pacing", "Wire", "parse_wire"]

_LOOPBACK: Final = "127.0.0.1"
"""Where is listened when no host is given."""

_DIAL_IN_TIMEOUT_S: Final = 60.0
"""How long a device that dials in is waited for: most try again every minute or sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """When a link may send. All in seconds, 0 or more."""

    character_s: float = 0.0
    """How long a character takes on the line; 0: the line is as fast as bytes can be written."""

    silence_s: float = 0.0
    """Silence between two frames, whoever sent the first: 3.5 characters on a serial line."""

    connect_pause_s: float = 0.0
    """From the opening of a connection to the first request."""

    pause_s: float = 0.0
    """From an answer (or a time-out) to the next request."""

    unit_pause_s: float = 0.0
    """The same when the next request is for another unit."""

    broadcast_pause_s: float = 0.1
    """After a broadcast, for the units to carry it out (serial line specification, 2.4.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """All that a URL says of a link. `str()` writes the URL, without what goes without saying.

    It holds no secrets: of certificates and keys it knows the files.
    """

    framing: Framing
    """The envelope messages travel in."""

    way: Way
    """What carries the bytes."""

    host: str | None = None
    """Name or address; None: a serial line, or a place to listen that is only for this machine."""

    port: int | None = None
    """1 to 65535, or 0 where the system shall choose; None: a serial line."""

    path: str | None = None
    """The serial port, such as `/dev/ttyUSB0` or `COM3`; None: not a serial line."""

    serial: SerialSettings | None = None
    """Speed and shape of the characters; None: not known, as behind most converters."""

    tls: TlsFiles | None = None
    """Certificates; None: not TLS."""

    pacing: Pacing = Pacing()
    """When may be sent."""

    max_in_flight: int = 1
    """Requests that may be under way at once, 1 or more."""

    removes_echo: bool = False
    """Whether everything sent comes back first, and is to be dropped."""

    ignores_transactions: bool = False
    """Whether answers carry any transaction number, as some gateways' do."""

    timeout_s: float | None = None
    """How long to wait for an answer, seconds; None: not said."""

    connect_timeout_s: float | None = None
    """How long opening may take, seconds; None: not said."""

    def __str__(self) -> str:
        if self.path is not None:
            place = path_text(self.path)
        else:
            place = host_and_port(self.host or "", self.port or 0)
        return f"{self.scheme}://{place}{query_text(_options_of(self))}"

    @property
    def scheme(self) -> str:
        """What stands before `://`."""
        return scheme_name(Scheme(self.framing, self.way))

    @property
    def is_numbered(self) -> bool:
        """Whether an answer carries the number of its question."""
        return self.framing.has_transactions and not self.ignores_transactions

    def endpoint(self) -> Endpoint:
        """What a client connects to.

        Raises:
            EndpointError: A client cannot connect to such a thing, or no host is given.
            ConfigError: A certificate or key cannot be used.
        """
        match self.way:
            case Way.SERIAL:
                return SerialEndpoint(self.path or "", *astuple(self.serial or SerialSettings()))
            case Way.LISTEN:
                return DialInEndpoint(self.host or _LOOPBACK, self.port or 0)
            case Way.DIAL:
                wanted = self.scheme.replace("dial", "listen")
                msg = f"{self}: a device that dials in is read with {wanted}://:PORT"
                raise EndpointError(msg)
        host, port = self._far_end()
        match self.way:
            case Way.UDP:
                return UdpEndpoint(host, port)
            case Way.TLS:
                return TlsEndpoint(host, port, self.tls or TlsFiles())
        return TcpEndpoint(host, port)

    def listener(self) -> Listener:
        """What a server listens on: only this machine's own clients when no host is given.

        Raises:
            EndpointError: A server cannot listen on such a thing.
            ConfigError: A certificate or key cannot be used.
        """
        host, port = self.host or _LOOPBACK, self.port or 0
        match self.way:
            case Way.SERIAL:
                return SerialListener(self.path or "", *astuple(self.serial or SerialSettings()))
            case Way.LISTEN:
                wanted = self.scheme.replace("listen", "dial")
                msg = f"{self}: a simulated device that dials out is {wanted}://HOST:PORT"
                raise EndpointError(msg)
            case Way.DIAL:
                return DialOutListener(*self._far_end())
            case Way.UDP:
                return UdpListener(host, port)
            case Way.TLS:
                return TlsListener(host, port, self.tls or TlsFiles())
        return TcpListener(host, port)

    def _far_end(self) -> tuple[str, int]:
        if self.host is None:
            msg = f"{self} names no host to connect to, write {self.scheme}://HOST:{self.port}"
            raise EndpointError(msg)
        if not self.port:
            msg = f"{self}: port 0 is for listening only, give the port of the device"
            raise EndpointError(msg)
        return self.host, self.port


def parse_wire(text: str, *, default_port: int = 502) -> Wire:
    """Read a URL, or `HOST[:PORT]` for Modbus TCP. Nothing is opened and no file is read.

    Args:
        text: As a person writes it.
        default_port: What counts when no port is written; TLS has its own, 802.

    Raises:
        EndpointError: It is wrong; the message is one sentence that says what to write.
    """
    url = split_url(text)
    scheme = find_scheme(url.scheme, url.shown)
    options = Options(
        url.query,
        where=url.shown,
        scheme=scheme_name(scheme),
        known=scheme.options,
        elsewhere=ELSEWHERE,
    )
    path = host = port = None
    if scheme.way is Way.SERIAL:
        path = parse_serial_path(url)
    else:
        host, port = parse_place(url, DEFAULT_TLS_PORT if scheme.way is Way.TLS else default_port)
    serial = _serial_of(options, scheme)
    ignores_transactions = options.choice("ids", "check", ("check", "ignore")) == "ignore"
    max_in_flight = options.whole("in_flight", 1, least=1, most=1024)
    if ignores_transactions and max_in_flight > 1:
        options.refuse("ids=ignore cannot tell answers apart, leave in_flight at 1")
    return Wire(
        framing=scheme.framing,
        way=scheme.way,
        host=host,
        port=port,
        path=path,
        serial=serial,
        tls=_tls_of(options) if scheme.way is Way.TLS else None,
        pacing=_pacing_of(options, serial),
        max_in_flight=max_in_flight,
        removes_echo=options.is_on("echo"),
        ignores_transactions=ignores_transactions,
        timeout_s=options.duration_s("timeout", may_be_zero=False),
        connect_timeout_s=options.duration_s("connect_timeout", may_be_zero=False)
        or _usual_connect_timeout_s(scheme.way),
    )


def _serial_of(options: Options, scheme: Scheme) -> SerialSettings | None:
    usual = SerialSettings()
    settings = SerialSettings(
        baudrate=options.whole("baudrate", usual.baudrate, least=50, most=10_000_000),
        parity=options.choice("parity", usual.parity, PARITIES),
        stopbits=options.whole("stopbits", usual.stopbits, least=min(STOP_BITS), most=2),
        bytesize=options.whole("bytesize", usual.bytesize, least=min(BYTE_SIZES), most=8),
    )
    if scheme.way is Way.SERIAL or "baudrate" in options:
        if scheme.framing is Framing.RTU and settings.bytesize != 8:
            options.refuse("RTU needs 8 data bits, leave bytesize away (or use ascii)")
        return settings
    for name in ("parity", "stopbits", "bytesize"):
        if name in options:
            options.refuse(f"{name} has no effect without baudrate, give both or neither")
    return None


def _pacing_of(options: Options, serial: SerialSettings | None) -> Pacing:
    gap_s = options.duration_s("gap")
    if gap_s is None:
        gap_s = 0.0 if serial is None else serial.silence_s
    return Pacing(
        character_s=0.0 if serial is None else serial.character_s,
        silence_s=gap_s,
        connect_pause_s=options.duration_s("connect_pause") or 0.0,
        pause_s=options.duration_s("pause") or 0.0,
        unit_pause_s=options.duration_s("unit_pause") or 0.0,
    )


def _tls_of(options: Options) -> TlsFiles:
    return TlsFiles(
        ca=options.text("ca"),
        cert=options.text("cert"),
        key=options.text("key"),
        server_name=options.text("server_name"),
        verify=options.is_on("verify", default=True),
    )


def _usual_connect_timeout_s(way: Way) -> float | None:
    return _DIAL_IN_TIMEOUT_S if way is Way.LISTEN else None


def _options_of(wire: Wire) -> dict[str, str]:
    """What is not as it would be without a word, in a fixed order."""
    serial, tls, pacing = wire.serial, wire.tls, wire.pacing
    texts: dict[str, str | None] = {}
    if serial is not None:
        usual = SerialSettings()
        is_said = wire.way is not Way.SERIAL  # where nothing is said, nothing is known
        texts["baudrate"] = _unless(serial.baudrate, None if is_said else usual.baudrate)
        texts["parity"] = _unless(serial.parity, usual.parity)
        texts["stopbits"] = _unless(serial.stopbits, usual.stopbits)
        texts["bytesize"] = _unless(serial.bytesize, usual.bytesize)
    texts["gap"] = _time_unless(pacing.silence_s, 0.0 if serial is None else serial.silence_s)
    texts["echo"] = "yes" if wire.removes_echo else None
    texts["in_flight"] = _unless(wire.max_in_flight, 1)
    texts["ids"] = "ignore" if wire.ignores_transactions else None
    texts["connect_pause"] = _time_unless(pacing.connect_pause_s, 0.0)
    texts["pause"] = _time_unless(pacing.pause_s, 0.0)
    texts["unit_pause"] = _time_unless(pacing.unit_pause_s, 0.0)
    texts["timeout"] = _time_unless(wire.timeout_s, None)
    texts["connect_timeout"] = _time_unless(
        wire.connect_timeout_s, _usual_connect_timeout_s(wire.way)
    )
    if tls is not None:
        texts |= {"ca": tls.ca, "cert": tls.cert, "key": tls.key, "server_name": tls.server_name}
        texts["verify"] = None if tls.verify else "no"
    return {name: text for name, text in texts.items() if text is not None}


def _unless(value: object, usual: object) -> str | None:
    return None if value == usual else str(value)


def _time_unless(seconds: float | None, usual: float | None) -> str | None:
    return None if seconds is None or seconds == usual else duration_text(seconds)
