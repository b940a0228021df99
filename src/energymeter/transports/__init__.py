"""Bytes in and out of a machine; knows no Modbus."""

from energymeter.transports.endpoint import Endpoint, parse_host_port
from energymeter.transports.tcp import TcpEndpoint

__all__ = ["Endpoint", "TcpEndpoint", "parse_host_port"]
