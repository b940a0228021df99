"""`energymeter replay`: be the meter that was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from energymeter.cli.options import NumberRange, place_options
from energymeter.clock import ManualClock
from energymeter.errors import ConfigError
from energymeter.eventloop import run, stop_signal
from energymeter.recording import PcapWriter, Tracer
from energymeter.recording.replay import Replay, ReplayDelivery, ReplayHandler
from energymeter.recording.trace import play
from energymeter.recording.traffic import Traffic, load_traffic
from energymeter.server import ModbusServer
from energymeter.transports import Wire, parse_wire
from energymeter.transports.endpoint import host_and_port

__all__ = ["command"]


@click.command("replay")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@place_options
@click.option(
    "--listen",
    metavar="URL",
    multiple=True,
    help="A wire instead of --port, such as rtu:///dev/ttyUSB0; more than once: on each.",
)
@click.option(
    "--speed",
    type=NumberRange(0, 1e6),
    default=1.0,
    show_default=True,
    help="Speed factor; 0: as fast as possible.",
)
@click.option(
    "--loop",
    "loops",
    is_flag=True,
    help="Start over after the last answer instead of repeating it.",
)
@click.option(
    "--server", metavar="HOST:PORT", help="Server to replay, if a capture contains several."
)
@click.option("--explain", is_flag=True, help="Print every frame in words instead of serving.")
@click.option(
    "--pcap",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OUT",
    help="Write it as a capture for Wireshark instead of serving.",
)
@click.pass_context
def command(ctx: click.Context, /, file: Path, **options: Any) -> int:  # noqa: ANN401
    """Serve a recording as a meter: same answers, same order, same delays.

    FILE is what --record wrote, or a pcap or pcapng file with Modbus TCP in it. A question that
    was recorded gets its recorded answers, and then the last one again. Other reads are put
    together from recorded registers where all are known, which is told on stderr; what is not in
    the recording is refused. Until Ctrl-C.
    """
    for name in ("port", "address"):
        if options["listen"] and ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            msg = f"give --listen or --{name}, not both; TCP is --listen tcp://HOST:PORT"
            raise ConfigError(msg)
    traffic = load_traffic(file, options["server"])
    for remark in traffic.remarks:
        _warn(remark)
    if options["explain"] or options["pcap"]:
        return _show(traffic, options)
    replay = Replay(traffic.exchanges(), speed=options["speed"], loops=options["loops"], told=_warn)
    try:
        return run(_serve(replay, file, _wires(options)))
    except KeyboardInterrupt:
        return 0


def _show(traffic: Traffic, options: Mapping[str, Any]) -> int:
    if options["pcap"] and len(traffic.recordings) > 1:
        msg = "--pcap writes one connection, and this file holds several"
        raise ConfigError(msg)
    for header, events, _ in traffic.recordings:
        framing, is_datagram = header.framing, header.is_datagram
        if options["explain"]:
            play(events, Tracer(click.echo, framing, is_datagram=is_datagram, start_s=0.0))
        if options["pcap"]:
            clock = ManualClock(header.started)
            with PcapWriter(
                options["pcap"], framing, is_datagram=is_datagram, clock=clock
            ) as writer:
                play(events, writer)
            left_out = writer.left_out_bytes
            more = f", {left_out} bytes left out that are no frames" if left_out else ""
            _warn(f"wrote {options['pcap']}{more}")
    return 0


def _wires(options: Mapping[str, Any]) -> list[Wire]:
    urls = options["listen"] or [f"tcp://{host_and_port(options['address'], options['port'])}"]
    return [parse_wire(url) for url in urls]


async def _serve(replay: Replay, file: Path, wires: list[Wire]) -> int:
    stop = stop_signal()
    async with AsyncExitStack() as stack:
        for wire in wires:
            silence_s = 0.0 if wire.path is None else wire.pacing.silence_s
            delivery = ReplayDelivery(replay, wire.framing, silence_s=silence_s)
            server = ModbusServer.at(wire, ReplayHandler(replay), delivery=delivery)
            await stack.enter_async_context(server)
            click.echo(f"replaying {file} on {server}")
        click.echo("Ctrl-C ends")
        await stop.wait()
    _warn(
        f"{replay.recorded} answers as recorded, {replay.recalled} put together, "
        f"{replay.unknown} not in the recording"
    )
    return 0


def _warn(text: str) -> None:
    click.echo(f"energymeter replay: {text}", err=True)
