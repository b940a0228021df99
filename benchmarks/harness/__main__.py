"""The command line of the benchmarks: which topics, how long, how often."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness.machine import describe_machine
from benchmarks.harness.model import Report
from benchmarks.harness.options import Options
from benchmarks.harness.priority import raised_priority
from benchmarks.harness.quiet import Quiet, disturbances
from benchmarks.harness.report import show, store, write_overview
from benchmarks.harness.topic_bus import run_bus
from benchmarks.harness.topic_client import run_client
from benchmarks.harness.topic_fleet import run_fleet
from benchmarks.harness.topic_page import run_page
from benchmarks.harness.topic_rest import run_rest
from benchmarks.harness.topic_server import run_server
from benchmarks.harness.topic_service import run_service
from benchmarks.harness.topic_start import run_start
from benchmarks.harness.topic_store import run_store
from benchmarks.harness.topic_top import run_top
from rich.console import Console

TOPICS: dict[str, Callable[[Options], Report]] = {
    "server": run_server,
    "client": run_client,
    "fleet": run_fleet,
    "bus": run_bus,
    "service": run_service,
    "page": run_page,
    "store": run_store,
    "rest": run_rest,
    "start": run_start,
    "top": run_top,
}

URGENT_REMARK = (
    "Measured with raised priority beside other work: `others_cores` is what that got meanwhile."
)
PIPED_WIDTH = 120
"""Columns of the tables where no terminal says how many it has."""


def parse_arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/run.py",
        description="Measure the promises of energymeter beside its peers, all on loopback. "
        "Ends with 0 even when a promise is missed: this reports, it does not judge.",
    )
    parser.add_argument("topic", nargs="?", choices=[*TOPICS, "all"], default="all")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one load")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all candidates")
    parser.add_argument("--meters", type=int, default=5000, help="size of the fleet")
    parser.add_argument("--fleet-seconds", type=float, default=40.0, help="length of a fleet run")
    parser.add_argument(
        "--service-seconds", type=float, default=300.0, help="length of a service run"
    )
    parser.add_argument("--links", type=int, default=500, help="links of the service's site")
    parser.add_argument(
        "--patience",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="a topic may spend this long on waiting for a quiet machine and on repeating "
        "loads that something else disturbed",
    )
    parser.add_argument(
        "--urgent",
        action="store_true",
        help="do not wait for quiet but go before everything else on the machine (needs root)",
    )
    parser.add_argument("--no-store", action="store_true", help="leave benchmarks/results alone")
    return parser.parse_args()


def main() -> None:
    """Measure, show and keep each topic as it is done."""
    asked = parse_arguments()
    # Being ended by a signal unwinds too, so that nothing we started is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    machine = describe_machine()
    date = datetime.now(UTC).date().isoformat()
    topics = list(TOPICS) if asked.topic == "all" else [asked.topic]
    with (
        tempfile.TemporaryDirectory(prefix="energymeter-bench-") as folder,
        raised_priority(wanted=asked.urgent),
    ):
        for topic in topics:
            options = Options(
                seconds=asked.seconds,
                rounds=asked.rounds,
                fleet_meters=asked.meters,
                service_seconds=asked.service_seconds,
                service_links=asked.links,
                fleet_seconds=asked.fleet_seconds,
                build_folder=Path(folder),
                quiet=Quiet(0 if asked.urgent else asked.patience),
                say=lambda line: console.print(f"[dim]{line}[/]", highlight=False),
            )
            report = TOPICS[topic](options)
            report.remarks += [URGENT_REMARK] if asked.urgent else disturbances(report.rows)
            show(report, console)
            if not asked.no_store:
                store(report, date=date, machine=machine)
    if not asked.no_store:
        write_overview()
        console.print("kept in benchmarks/results")


main()
