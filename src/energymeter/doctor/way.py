"""Route and port: is there a machine at that address, and does it let us in?"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import replace
from typing import Final

from energymeter.codec import Framing
from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.secure import explain_tls
from energymeter.doctor.surroundings import Door
from energymeter.errors import LinkOpenError
from energymeter.transports import Way, Wire

__all__ = ["examine_way", "other_framings", "speech_of", "with_framing"]

_MOST_DOORS: Final = 4
"""Open ports that are asked whether they speak Modbus."""

_HOME_PREFIX: Final = 24
"""Networks at home and in plants are mostly of this length."""


async def examine_way(case: Case) -> list[Step]:
    """Open the link to where the user says; on success it stays open."""
    case.tell(f"connecting to {case.place}")
    started = case.clock.monotonic()
    try:
        await case.open()
    except LinkOpenError as error:
        return await _explain(case, error)
    took_ms = (case.clock.monotonic() - started) * 1000
    if case.wire.way is Way.UDP:
        return []  # nobody was asked yet
    if case.wire.way is Way.LISTEN:
        return [Step(Layer.PORT, Verdict.FINE, f"a device dialled in after {took_ms / 1000:.1f} s")]
    steps = [Step(Layer.PORT, Verdict.FINE, f"open, connected in {took_ms:.0f} ms")]
    if case.wire.way is Way.TLS:
        is_checked = case.wire.tls is None or case.wire.tls.verify
        trust = (
            "the certificate is trusted" if is_checked else "whose certificate was not looked at"
        )
        steps.append(Step(Layer.TLS, Verdict.FINE, f"TLS is spoken, {trust}"))
    return steps


async def _explain(case: Case, error: LinkOpenError) -> list[Step]:
    if case.wire.way is Way.LISTEN:
        return [_explain_listening(case, error)]
    if case.wire.way is Way.TLS:
        step = await explain_tls(case, error)
        if step is not None:
            return [step]
    await case.hang_up()
    host, port = case.wire.host or "", case.wire.port or 0
    case.tell(f"knocking at {host} port {port} once more, with more patience")
    started = case.clock.monotonic()
    match await case.surroundings.try_door(host, port, case.longest_s):
        case Door.OPEN:
            return await _explain_open(case, case.clock.monotonic() - started)
        case Door.REFUSED:
            return [await _explain_refused(case)]
        case Door.UNREACHABLE:
            return [_explain_unreachable(case)]
    return [await _explain_silent(case)]


def _explain_listening(case: Case, error: LinkOpenError) -> Step:
    if not isinstance(error.__cause__, TimeoutError):
        return Step(
            Layer.PORT,
            Verdict.CANNOT_LISTEN,
            error.message,
            f"{error.message}: end the program that has the port, or use another one above 1023",
        )
    host = case.wire.host or "127.0.0.1"
    only_here = host in ("127.0.0.1", "::1", "localhost")
    hint = (
        f"only programs on this machine can reach {host}, listen on 0.0.0.0"
        if only_here
        else "is the device's server address this machine's, and its port this one?"
    )
    seen = f"no device dialled in to {host} port {case.wire.port}"
    command = case.command(wire=replace(case.wire, host="0.0.0.0")) if only_here else ""  # noqa: S104
    return Step(Layer.PORT, Verdict.NOBODY_DIALS_IN, seen, f"{seen}: {hint}", command)


async def _explain_open(case: Case, took_s: float) -> list[Step]:
    """It was not open before: it is slow to open, or closes at once."""
    if took_s < case.timeout_s:
        return []  # asking will show
    slow = f"connecting took {took_s:.1f} s, more than the {case.timeout_s:g} s it may take"
    for address in case.addresses[1:]:
        if await case.surroundings.try_door(address, case.wire.port or 0, case.timeout_s) is (
            Door.OPEN
        ):
            name = case.wire.host
            return [
                Step(
                    Layer.PORT,
                    Verdict.SLOW,
                    f"{slow}; {case.addresses[0]} does not answer, {address} does",
                    f"{name} has several addresses, and the first one does not answer; use the "
                    f"one that does",
                    case.command(wire=replace(case.wire, host=address)),
                )
            ]
    wire = replace(case.wire, connect_timeout_s=float(round(2 * took_s + 1)))
    return [
        Step(
            Layer.PORT,
            Verdict.SLOW,
            f"open, but {slow}",
            f"the way is slow: {slow}",
            case.command(wire=wire),
        )
    ]


async def _explain_refused(case: Case) -> Step:
    port = case.wire.port
    seen = f"{case.wire.host} is there and refuses port {port}"
    doors = await _other_doors(case)
    found = await _speaking(case, [port for port, door in doors.items() if door is Door.OPEN])
    if found is not None:
        return _other_port(case, seen, found)
    if case.wire.way is Way.TCP:
        udp = replace(case.wire, way=Way.UDP)
        if await _speaks(case, udp):
            return Step(
                Layer.PORT,
                Verdict.OTHER_TRANSPORT,
                f"{seen}, but answers over UDP",
                f"port {port} is open for UDP, not for TCP",
                case.command(wire=udp),
            )
    return Step(
        Layer.PORT,
        Verdict.PORT_REFUSED,
        f"{seen}; {_in_words(doors)}",
        f"{case.wire.host} is there, but nothing listens on port {port}: switch Modbus TCP on in "
        f"the meter's or gateway's menu, or look up its port there",
    )


async def _explain_silent(case: Case) -> Step:
    """Not a word: no machine, the wrong network, or a firewall."""
    host, port = case.wire.host or "", case.wire.port
    doors = await _other_doors(case)
    seen = f"{host} does not answer at port {port}; {_in_words(doors)}"
    if any(door in (Door.OPEN, Door.REFUSED) for door in doors.values()):
        found = await _speaking(case, [port for port, door in doors.items() if door is Door.OPEN])
        if found is not None:
            return _other_port(case, seen, found)
        return Step(
            Layer.PORT,
            Verdict.PORT_FILTERED,
            seen,
            f"{host} is there, but something swallows what goes to port {port}: a firewall in "
            f"between or on the device has to let it through",
        )
    other = _other_network(case)
    if other is not None:
        return other
    return Step(
        Layer.ROUTE,
        Verdict.HOST_SILENT,
        seen,
        f"no machine answers at {host}: is it switched on, is the cable in, and is it still its "
        f"address (look into its menu or the router's list)?",
    )


def _explain_unreachable(case: Case) -> Step:
    other = _other_network(case)
    if other is not None:
        return other
    host = case.wire.host
    seen = f"this machine's system knows no way to {host}"
    return Step(
        Layer.ROUTE,
        Verdict.NO_ROUTE,
        seen,
        f"{seen}: nobody has that address in this network, or this machine is in none; check the "
        f"address, the cable and this machine's network settings",
    )


def _other_network(case: Case) -> Step | None:
    """Whether the address belongs to another private network than ours."""
    for address in case.addresses:
        own = case.surroundings.own_address(address)
        if own is None or ":" in address:
            continue
        try:
            theirs = ipaddress.IPv4Address(address)
            home = ipaddress.IPv4Network(f"{own}/{_HOME_PREFIX}", strict=False)
        except ValueError:
            continue
        if theirs.is_private and not theirs.is_loopback and theirs not in home:
            seen = f"{address} does not answer; this machine is {own} on that way"
            return Step(
                Layer.ROUTE,
                Verdict.OTHER_NETWORK,
                seen,
                f"nobody answers at {address}, and this machine ({own}) seems to be in another "
                f"network: check the address, or go into the meter's network (VLAN, VPN, router)",
            )
    return None


def _other_port(case: Case, seen: str, found: Wire) -> Step:
    return Step(
        Layer.PORT,
        Verdict.OTHER_PORT,
        f"{seen}; port {found.port} answers in {speech_of(found)}",
        f"the meter answers at port {found.port}, not at port {case.wire.port}",
        case.command(wire=found),
    )


async def _other_doors(case: Case) -> dict[int, Door]:
    ports = [port for port in case.usual_ports if port != case.wire.port]
    case.tell(f"knocking at {len(ports)} other ports Modbus is often found at")
    host, patience_s = case.wire.host or "", min(case.timeout_s, 2.0)
    doors = await asyncio.gather(
        *(case.surroundings.try_door(host, port, patience_s) for port in ports)
    )
    return dict(zip(ports, doors, strict=True))


async def _speaking(case: Case, ports: list[int]) -> Wire | None:
    """The first of these ports that speaks Modbus, in whatever framing."""
    if case.wire.way is not Way.TCP:
        return None
    for port in ports[:_MOST_DOORS]:
        for framing in (case.wire.framing, *other_framings(case.wire)[:1]):
            wire = with_framing(replace(case.wire, port=port), framing)
            if case.has_time and await _speaks(case, wire):
                return wire
    return None


async def _speaks(case: Case, wire: Wire) -> bool:
    case.tell(f"asking at {wire}")
    exchange = await case.ask(next(iter(case.questions())), wire=wire)
    await case.hang_up()
    return exchange.is_answered or exchange.is_from_gateway


def _in_words(doors: dict[int, Door]) -> str:
    open_ports = [str(port) for port, door in doors.items() if door is Door.OPEN]
    if open_ports:
        return f"open are ports {', '.join(open_ports)}, none of which speaks Modbus"
    return f"of {len(doors)} other ports Modbus is often found at none is open"


def other_framings(wire: Wire) -> list[Framing]:
    """The framings the URL does not say, the likeliest first."""
    return [f for f in (Framing.RTU, Framing.MBAP, Framing.ASCII) if f is not wire.framing]


def with_framing(wire: Wire, framing: Framing) -> Wire:
    """The same place in another envelope, without the options only the first one has."""
    if framing is wire.framing:
        return wire
    is_line = wire.path is not None
    pacing = wire.pacing if is_line else replace(wire.pacing, character_s=0.0, silence_s=0.0)
    return replace(
        wire,
        framing=framing,
        serial=wire.serial if is_line else None,
        pacing=pacing,
        max_in_flight=1,
        removes_echo=wire.removes_echo and not framing.has_transactions,
        ignores_transactions=False,
    )


def speech_of(wire: Wire) -> str:
    """What people call an envelope on this way."""
    if wire.framing is Framing.MBAP:
        return "Modbus UDP" if wire.way is Way.UDP else "Modbus TCP"
    kind = "RTU" if wire.framing is Framing.RTU else "ASCII"
    if wire.way is Way.SERIAL:
        return kind
    return f"{kind} over {'UDP' if wire.way is Way.UDP else 'TCP'}"
