"""The way to a meter as commands take it: a URL, and what is kept of the traffic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from energymeter.client import Link, Tap
from energymeter.errors import ConfigError
from energymeter.transports import Way, Wire

if TYPE_CHECKING:
    from energymeter.recording import Recorder

__all__ = ["URL", "OpenLink", "check_units", "open_link", "traffic_options"]

URL: Final = "HOST[:PORT]|URL"
"""How help names the argument."""


def check_units(wire: Wire, units: Container[int]) -> None:
    """Make sure that each of the units can answer there.

    Raises:
        ConfigError: One cannot.
    """
    if 0 in units and not wire.framing.has_transactions:
        msg = (
            "unit 0 is the broadcast address on a serial line and nobody answers it, give a unit id"
        )
        raise ConfigError(msg)


class OpenLink:
    """A link of a command, and the recording that is kept of it."""

    def __init__(self, link: Link, recorder: Recorder | None) -> None:
        self.link = link
        self.recorder = recorder


def traffic_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that show or keep what goes over the wire."""
    for option in reversed(
        (
            click.option("--trace", is_flag=True, help="Explain every frame on stderr."),
            click.option(
                "--record",
                type=click.Path(dir_okay=False, path_type=Path),
                metavar="FILE",
                help="Keep frames, times and values in a text file; see replay.",
            ),
            click.option(
                "--pcap",
                type=click.Path(dir_okay=False, path_type=Path),
                metavar="FILE",
                help="Keep the frames in a file Wireshark reads.",
            ),
        )
    ):
        command = option(command)
    return command


@asynccontextmanager
async def open_link(
    wire: Wire, options: Mapping[str, Any], *, profile: str | None = None
) -> AsyncIterator[OpenLink]:
    """A link to where the URL leads, closed at the end with all that was kept of it.

    Args:
        wire: Where.
        options: What the command was given: `timeout`, and those of `traffic_options`.
        profile: Name of the profile the meter is read with, for the recording.

    Raises:
        ConfigError: A file cannot be written, or one the URL names cannot be used.
    """
    taps: list[Tap] = []
    recorder: Recorder | None = None
    async with AsyncExitStack() as stack:
        # Few record; the others do not wait for what it needs.
        if options.get("trace"):
            from energymeter.recording import Tracer  # noqa: PLC0415

            taps.append(
                Tracer(
                    lambda line: click.echo(line, err=True),
                    framing=wire.framing,
                    is_datagram=wire.way is Way.UDP,
                )
            )
        if options.get("record") is not None:
            from energymeter.recording import Recorder  # noqa: PLC0415

            recorder = stack.enter_context(
                Recorder(options["record"], framing=wire.framing, wire=str(wire), profile=profile)
            )
            taps.append(recorder)
        if options.get("pcap") is not None:
            from energymeter.recording import PcapWriter  # noqa: PLC0415

            taps.append(
                stack.enter_context(
                    PcapWriter(
                        options["pcap"], framing=wire.framing, is_datagram=wire.way is Way.UDP
                    )
                )
            )
        link = Link.to(wire, timeout_s=options["timeout"], tap=_one(taps))
        yield OpenLink(await stack.enter_async_context(link), recorder)


def _one(taps: list[Tap]) -> Tap | None:
    if len(taps) < 2:
        return taps[0] if taps else None
    from energymeter.recording import TapGroup  # noqa: PLC0415

    return TapGroup(taps)
