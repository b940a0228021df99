"""Fleet: thousands of meters read and decoded every second by one process."""

from __future__ import annotations

from benchmarks.harness.model import Json, Promise, Report, Row
from benchmarks.harness.options import LOADING_CORE, SERVED_CORE, Options
from benchmarks.harness.process import RunError, module, run_json, serving
from benchmarks.harness.rounds import Candidate, measure_in_rounds, missing_module

__all__ = ["run_fleet"]

OURS = "energymeter"
LATE = "p99 start lateness ms"
MISSED = "polls missed"
CPU = "% of a core"


def run_fleet(options: Options) -> Report:
    """Let our reader and poller read a simulated fleet on the other core."""
    meters = str(options.fleet_meters)
    missing = missing_module("energymeter.simulator", "energymeter.reader", "energymeter.service")

    def measure(row: Row) -> None:
        simulator = module("ours_simulator", "--meters", meters)
        with serving(simulator, core=SERVED_CORE) as fleet:
            seconds = str(options.fleet_seconds)
            if len(fleet.ports) != options.fleet_meters:
                message = f"the simulator gave {len(fleet.ports)} ports for {meters} meters"
                raise RunError(message)
            ports = ",".join(map(str, fleet.ports))

            def poll() -> Json:
                words = module("ours_fleet", "--ports", ports, "--seconds", seconds)
                return run_json(words, core=LOADING_CORE, timeout_s=options.fleet_seconds + 120)

            result = options.quiet.run(poll, fleet)
        row.add(LATE, result["p99_late_ms"])
        row.add(MISSED, result["missed"])
        row.add(CPU, 100 * result["cpu_share"])
        row.details.append(result)

    rows = measure_in_rounds([Candidate(OURS, measure, missing)], options)
    ours = rows[0]
    promises = [
        Promise("fleet, p99 start lateness", 50, ours.median(LATE), "at most", "ms"),
        Promise(
            "fleet, polls missed",
            0,
            max(ours.figures.get(MISSED, []), default=None),
            "at most",
            "polls",
        ),
        Promise(
            "fleet, time of the reading process", 50, ours.median(CPU), "at most", "% of a core"
        ),
    ]
    settings: Json = {
        "meters": options.fleet_meters,
        "seconds": options.fleet_seconds,
        "rounds": options.rounds,
    }
    return Report("fleet", settings, rows, promises)
