"""Bytes in and out of a machine; knows no Modbus but the names of its framings, in URLs.

`parse_wire` reads a URL into a `Wire`, which makes an `Endpoint` (for a client) or a `Listener`
(for a server). Each file below it is one way bytes can go.
"""

from energymeter.transports.dial import DialInEndpoint, DialOutListener
from energymeter.transports.endpoint import Endpoint, Listener, parse_host_port
from energymeter.transports.memory import MemoryLine
from energymeter.transports.scheme import Way
from energymeter.transports.serial import SerialEndpoint, SerialListener, SerialSettings
from energymeter.transports.tcp import TcpEndpoint, TcpListener
from energymeter.transports.tls import TlsEndpoint, TlsFiles, TlsListener
from energymeter.transports.udp import UdpEndpoint, UdpListener
from energymeter.transports.wire import Pacing, Wire, parse_wire

__all__ = [
    "DialInEndpoint",
    "DialOutListener",
    "Endpoint",
    "Listener",
    "MemoryLine",
    "Pacing",
    "SerialEndpoint",
    "SerialListener",
    "SerialSettings",
    "TcpEndpoint",
    "TcpListener",
    "TlsEndpoint",
    "TlsFiles",
    "TlsListener",
    "UdpEndpoint",
    "UdpListener",
    "Way",
    "Wire",
    "parse_host_port",
    "parse_wire",
]
