"""Serial meters on a pty, and our reader polling them without a pause.

`serve` is a bus of simulated SDM630, in a process of its own: a pty has no speed, so character
times, silences and the meters' latency are modelled (`SerialLine`). `poll` reads all units asked
for, each as fast as the line allows, and prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from typing import Any, Final

from energymeter.client import Link
from energymeter.errors import UnitSilentError
from energymeter.eventloop import run
from energymeter.planner import cost_of
from energymeter.profiles import ProfileLibrary
from energymeter.reader import MeterReader, wire_cost
from energymeter.server import ModbusServer, SerialLine, UnitRouter
from energymeter.simulator import SimulatedFleet
from energymeter.transports import Wire, parse_wire

PROFILE: Final = "eastron/sdm630"
LATENCY_S: Final = 0.020


def wire_of(asked: argparse.Namespace) -> Wire:
    """The line, at its end here."""
    return parse_wire(f"rtu://{asked.path}?baudrate={asked.baud}")


async def serve(asked: argparse.Namespace) -> None:
    """Be the units that are alive, until the process is ended."""
    fleet = SimulatedFleet(ProfileLibrary([]).load(PROFILE), count=asked.alive, port=0)
    wire = wire_of(asked)
    line = SerialLine(
        character_s=wire.pacing.character_s,
        silence_s=wire.pacing.silence_s,
        latency_s=LATENCY_S,
    )
    units = UnitRouter({number: meter.tables for number, meter in enumerate(fleet.meters, 1)})
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = ModbusServer(units, listener=wire.listener(), framing=wire.framing, delivery=line)
    async with server:
        print("PORT 0", flush=True)  # what the runner waits for
        await stop.wait()


class Polling:
    """Polls one unit again and again, and counts; the first poll is for getting acquainted."""

    def __init__(self, link: Link, wire: Wire, unit: int) -> None:
        self.polls = 0
        self.unit = unit
        self.reader = MeterReader(
            link.unit(unit), ProfileLibrary([]).load(PROFILE), cost=wire_cost(wire)
        )
        self._link = link

    async def run(self, until: float) -> None:
        """Poll until a moment of `time.monotonic`."""
        while time.monotonic() < until:
            report = await self.reader.read()
            if report.is_complete:
                self.polls += 1
            elif any(isinstance(failure.error, UnitSilentError) for failure in report.failures):
                # It is left alone; a schedule would come back for it after its interval.
                await asyncio.sleep(0.5)


async def poll(asked: argparse.Namespace) -> None:
    """Read all units for so long, after so long a time of settling."""
    wire = wire_of(asked)
    async with Link.to(wire, timeout_s=asked.timeout) as link:
        polling = [Polling(link, wire, unit) for unit in range(1, asked.units + 1)]
        await _all(polling, asked.settle)
        for one in polling:
            one.polls = 0
        busy_s, begin = link.busy_s, time.monotonic()
        await _all(polling, asked.seconds)
        seconds = time.monotonic() - begin
        blocks = polling[0].reader.blocks
        result: dict[str, Any] = {
            "seconds": seconds,
            "polls": {one.unit: one.polls for one in polling},
            "polls_per_s": sum(one.polls for one in polling) / seconds,
            "requests_a_poll": len(blocks),
            "possible_ms": cost_of(blocks, wire_cost(wire, 1000 * LATENCY_S)),
            "busy_share": (link.busy_s - busy_s) / seconds,
        }
    print(json.dumps(result), flush=True)


async def _all(polling: list[Polling], seconds: float) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(*(one.run(until) for one in polling))


def main() -> None:
    """Serve or poll."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=["serve", "poll"])
    parser.add_argument("path", help="this end of the pty")
    parser.add_argument("--baud", type=int, default=9600)
    parser.add_argument("--alive", type=int, default=1, help="units 1 to this answer")
    parser.add_argument("--units", type=int, default=1, help="units 1 to this are polled")
    parser.add_argument("--settle", type=float, default=3.0, help="seconds before counting")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--timeout", type=float, default=1.0)
    asked = parser.parse_args()
    run((serve if asked.role == "serve" else poll)(asked))


if __name__ == "__main__":
    main()
