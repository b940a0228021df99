"""Service: a site of ten thousand meters read, checked and stored by one process."""

from __future__ import annotations

import time

from benchmarks.harness.model import Json, Promise, Report, Row
from benchmarks.harness.options import LOADING_CORE, SERVED_CORE, Options
from benchmarks.harness.process import RunError, module, run_json, serving
from benchmarks.harness.rounds import Candidate, measure_in_rounds, missing_module

__all__ = ["run_service"]

OURS = "energymeter"
LATE = "p99 start lateness ms"
MISSED = "polls missed"
CPU = "% of a core"
SIMULATOR = "% of a core, the simulator"
MEMORY = "memory MiB"
GROWTH = "growth MiB"
STORED = "polls stored/s"


def run_service(options: Options) -> Report:
    """Let our service run a simulated site whose meters are on the other core."""
    links, each = options.service_links, options.service_each
    missing = missing_module("energymeter.simulator", "energymeter.daemon", "energymeter.store")

    def measure(row: Row) -> None:
        simulator = module("ours_links", "--links", str(links), "--each", str(each))
        with serving(simulator, core=SERVED_CORE) as site:
            if len(site.ports) != links:
                message = f"the simulator gave {len(site.ports)} ports for {links} links"
                raise RunError(message)
            ports = ",".join(map(str, site.ports))

            def serve() -> Json:
                seconds = str(options.service_seconds)
                words = module(
                    "ours_service", "--ports", ports, "--each", str(each), "--seconds", seconds
                )
                cpu_s, begun = site.cpu_seconds(), time.monotonic()
                told = run_json(words, core=LOADING_CORE, timeout_s=options.service_seconds + 240)
                spent_s = site.cpu_seconds() - cpu_s
                return {**told, "simulator_share": spent_s / (time.monotonic() - begun)}

            result = options.quiet.run(serve, site)
        row.add(LATE, result["p99_late_ms"])
        row.add(MISSED, result["missed"])
        row.add(STORED, result["stored_per_s"])
        row.add(CPU, 100 * result["cpu_share"])
        row.add(SIMULATOR, 100 * result["simulator_share"])
        row.add(MEMORY, result["memory_mib"])
        row.add(GROWTH, result["memory_mib"] - result["memory_before_mib"])
        row.details.append(result)

    rows = measure_in_rounds([Candidate(OURS, measure, missing)], options)
    ours = rows[0]
    worst = {name: max(ours.figures.get(name, []), default=None) for name in (MISSED, GROWTH)}
    promises = [
        Promise("service, p99 start lateness", 100, ours.median(LATE), "at most", "ms"),
        Promise("service, polls missed", 0, worst[MISSED], "at most", "polls"),
        Promise("service, time of the process", 100, ours.median(CPU), "at most", "% of a core"),
        Promise(
            f"simulator of {links * each:,} meters", 50, ours.median(SIMULATOR), "at most", CPU
        ),
        Promise("service, memory", 600, ours.median(MEMORY), "at most", "MiB"),
        Promise("service, growth of memory", 30, worst[GROWTH], "at most", "MiB"),
    ]
    settings: Json = {
        "links": links,
        "meters": links * each,
        "values": 25,
        "seconds": options.service_seconds,
        "rounds": options.rounds,
    }
    return Report("service", settings, rows, promises)
