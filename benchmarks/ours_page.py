"""Our service with its pages on a simulated site, for those who look at them.

Prints `PORT n`, the port of the HTTP side on loopback, once every meter was read; runs until
terminated.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
from pathlib import Path

from benchmarks.harness.loops import LOOPS, run_on
from benchmarks.ours_service import site_text

from energymeter.clock import SystemClock
from energymeter.daemon.installation import Installation
from energymeter.eventloop import spare_collector
from energymeter.service.events import EventStream
from energymeter.site import ProfileShelf, load_site, resolved


async def serve(folder: Path) -> None:
    """Run the site until cancelled."""
    shelf = ProfileShelf()
    view = resolved(load_site(folder / "site.toml", shelf), shelf)
    clock = SystemClock()
    installation = Installation(view, events=EventStream(clock), reload=lambda: None, clock=clock)
    await installation.start()
    meters = installation.snapshot.meters
    while not all(meter.polls > 1 for meter in meters.values()):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.2)
    spare_collector()
    sys.stdout.write(f"PORT {installation.address.rpartition(':')[2]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Allow a socket for each link and browser, write the site file, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ports", required=True, help="one a link, separated by commas")
    parser.add_argument("--each", type=int, default=20, help="meters on each link")
    parser.add_argument("--profile", default="schneider-electric/pm8000")
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    asked = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ports = [int(port) for port in asked.ports.split(",")]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:  # on a real disk
        folder = Path(made)
        text = site_text(ports, asked.each, asked.profile)
        text = text.replace("web = false", "").replace(
            "[defaults]", '[web]\nlisten = "127.0.0.1:0"\n[defaults]'
        )
        (folder / "site.toml").write_text(text, "utf-8")
        run_on(asked.loop, serve(folder))


if __name__ == "__main__":
    main()
