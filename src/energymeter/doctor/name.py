"""The host's name: is it written right, and does it lead to an address?"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Final

from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.surroundings import NoNameServerError
from energymeter.errors import UnknownHostError

__all__ = ["examine_name", "meant_address"]

_NUMBERS: Final = re.compile(r"\d+(\.\d+){0,3}\.?")


async def examine_name(case: Case) -> list[Step]:
    """Look the host up."""
    host = case.wire.host
    if host is None:
        return []
    misleading = _examine_numbers(case, host)
    if misleading is not None:
        return [misleading]
    case.tell(f"looking up {host}")
    try:
        addresses = await case.surroundings.addresses(host)
    except NoNameServerError as error:
        return [
            Step(
                Layer.NAME,
                Verdict.NO_NAME_SERVER,
                error.message,
                f"{error.message}: this machine has no network or no name server, "
                f"give the meter's IP address instead of its name",
            )
        ]
    except UnknownHostError as error:
        hint = "is it spelt right? Use the IP address from the meter's menu or the router's list"
        return [Step(Layer.NAME, Verdict.UNKNOWN_HOST, error.message, f"{error.message}, {hint}")]
    case.addresses = tuple(addresses)
    if list(addresses) == [host]:
        return [Step(Layer.NAME, Verdict.FINE, f"{host} is an address")]
    return [Step(Layer.NAME, Verdict.FINE, f"{host} is {', '.join(addresses[:4])}")]


def _examine_numbers(case: Case, host: str) -> Step | None:
    meant = meant_address(host)
    if meant is None:
        return None
    try:
        read_as = socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        seen = f"{host} is no IP address"
        rule = "it takes four numbers from 0 to 255 with dots between them"
        hint = rule if meant == host else f"write {meant}"
        return Step(Layer.NAME, Verdict.UNKNOWN_HOST, seen, f"{seen}: {hint}")
    seen = f"{host} is read as {read_as}"
    if meant == host:
        return Step(
            Layer.NAME,
            Verdict.MISLEADING_ADDRESS,
            seen,
            f"{seen}, because a part of the address is missing; write all four numbers",
        )
    if meant == read_as:
        return None
    port = f":{case.wire.port}" if case.wire.port else ""
    return Step(
        Layer.NAME,
        Verdict.MISLEADING_ADDRESS,
        seen,
        f"{seen}, because numbers with leading zeros count in eights; write {meant}{port}",
    )


def meant_address(host: str) -> str | None:
    """What a person means by numbers that are no proper IPv4 address.

    The host itself when nobody can say; None when the host is a proper address, or a name.
    """
    if not _NUMBERS.fullmatch(host):
        return None
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        # Not by int, which refuses to read thousands of digits.
        parts = [part.lstrip("0") or "0" for part in host.rstrip(".").split(".")]
        plain = ".".join(parts)
        is_whole = len(parts) == 4 and all(len(part) <= 3 and int(part) <= 255 for part in parts)
        return plain if is_whole and plain != host else host
    return None
