"""What to look at, as people write it: hosts, networks, unit numbers, spans of addresses."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Final

from energymeter.errors import ConfigError, EndpointError
from energymeter.transports import Wire, parse_host_port, parse_wire

__all__ = ["parse_hosts", "parse_span", "parse_units"]

_MAX_HOSTS: Final = 65536
"""A /16; more is no plant but a mistake."""


def parse_hosts(text: str, default_port: int) -> list[Wire]:
    """`HOST[:PORT]`, a URL, or a network such as `192.0.2.0/24[:PORT]`, all its hosts.

    Raises:
        EndpointError: It is none of them, or the network is too large.
    """
    network, slash, rest = text.strip().partition("/")
    if not slash or "://" in text:
        return [parse_wire(text, default_port=default_port)]
    length, _, port = rest.partition(":")
    # The port is judged as in HOST:PORT.
    _, number = parse_host_port(f"host:{port}" if ":" in rest else "host", default_port)
    try:
        found = ipaddress.ip_network(f"{network.strip('[]')}/{length}", strict=False)
    except ValueError:
        msg = f"{text!r} is not a network, write ADDRESS/LENGTH such as 192.0.2.0/24"
        raise EndpointError(msg) from None
    if found.num_addresses > _MAX_HOSTS:
        msg = f"{text!r} has {found.num_addresses} addresses, the limit is {_MAX_HOSTS}"
        raise EndpointError(msg)
    usual = parse_wire("host", default_port=number)
    return [replace(usual, host=str(host)) for host in found.hosts()]


def parse_units(text: str) -> list[int]:
    """Unit numbers such as `1-10,20`, ascending, each once.

    Raises:
        ConfigError: There is something else in it, or a number outside 0..255.
    """
    units: set[int] = set()
    for part in text.split(","):
        first, last = _pair(part, "units", "1-247 or 1,5,10-20")
        if last > 255:
            msg = f"unit {last} is out of range, use 0 to 255"
            raise ConfigError(msg)
        units.update(range(first, last + 1))
    return sorted(units)


def parse_span(text: str) -> tuple[int, int]:
    """Addresses such as `0-120`, both ends included; decimal or, with 0x, hexadecimal.

    Raises:
        ConfigError: It is no span within 0..65535.
    """
    first, last = _pair(text, "addresses", "0-120")
    if last > 0xFFFF:
        msg = f"address {last} is out of range, use 0 to 65535"
        raise ConfigError(msg)
    return first, last


def _pair(text: str, what: str, example: str) -> tuple[int, int]:
    first, dash, last = (part.strip() for part in text.partition("-"))
    try:
        low = int(first, 0 if first.lower().startswith("0x") else 10)
        high = int(last, 0 if last.lower().startswith("0x") else 10) if dash else low
    except ValueError:
        low, high = 0, -1
    if not 0 <= low <= high:
        msg = f"{what} {text!r} are not valid, write them as {example}"
        raise ConfigError(msg)
    return low, high
