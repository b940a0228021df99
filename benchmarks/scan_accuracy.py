"""How often `scan` names the right meter: a bus of 32 mixed models behind one port, many times.

Profiles named together count as right when the truth is among them and they are twins of it: the
registers both describe mean the same in both, as far as one voltage, current, power, power factor
or frequency goes.

    python benchmarks/scan_accuracy.py [--buses 6] [--save]
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import math
import platform
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.doubles import DirectUnit, StillMeter

from energymeter.discovery import HostReport, ProfileTree, identify, scan_host
from energymeter.profiles import Point, Profile, ProfileLibrary
from energymeter.server import ModbusServer, UnitRouter
from energymeter.transports import parse_wire
from energymeter.values import quantity_of

RESULTS: Final = Path(__file__).parent / "results"
TELLING: Final = (
    *("voltage", "voltage_ll", "current", "active_power", "frequency", "power_factor"),
    *("flow_rate", "volume", "temperature"),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One unit on a bus, and what it was taken for."""

    profile: str
    named: tuple[str, ...]
    is_right: bool
    requests: int


def shipped() -> list[Profile]:
    """All profiles of the package."""
    library = ProfileLibrary([])
    return [library.load(name) for name in library.names()]


def are_twins(one: Profile, other: Profile) -> bool:
    """Whether nothing that tells meters apart stands differently in the two maps."""
    mine, theirs = _telling(one), _telling(other)
    shared = mine.keys() & theirs.keys()
    if not shared:
        return False
    small, large = sorted((mine, theirs), key=len)
    agree = all(mine[key] == theirs[key] for key in shared)
    return agree and len(shared) >= 0.5 * min(len(small), len(large))


def _telling(profile: Profile) -> dict[tuple[str, int], tuple[object, ...]]:
    found = {}
    for point in profile.readable_points:
        quantity = quantity_of(point.name)
        if quantity is not None and quantity.name in TELLING:
            for table in point.tables:
                found[table.value, point.address] = _meaning(point, profile)
    return found


def _meaning(point: Point, profile: Profile) -> tuple[object, ...]:
    quantity = quantity_of(point.name)
    order = profile.order_of(point) if point.count > 1 else None
    # Signed or not shows only in a value that is negative.
    kept = "float" if point.type.is_float else "whole"
    return (quantity and quantity.name, kept, point.count, order, point.scale, point.unit)


async def bus(profiles: Sequence[Profile], tree: ProfileTree, seed: int) -> list[Trial]:
    """Serve the profiles as units of one port, and scan it."""
    meters = {number: StillMeter(p, seed + number) for number, p in enumerate(profiles, 1)}
    router = UnitRouter({n: m.tables for n, m in meters.items()}, is_silent=False)
    server = ModbusServer(router, port=0)
    await server.start()
    try:
        endpoint = parse_wire(f"127.0.0.1:{server.port}")
        report = await scan_host(endpoint, range(1, len(profiles) + 8), tree, timeout_s=2.0)
    finally:
        await server.close()
    return _trials(profiles, report)


def _trials(profiles: Sequence[Profile], report: HostReport) -> list[Trial]:
    by_unit = {found.unit: found.identity for found in report.units}
    by_name = {profile.name: profile for profile in shipped()}
    trials = []
    for number, profile in enumerate(profiles, 1):
        identity = by_unit.get(number)
        named = identity.profiles if identity is not None else ()
        is_right = profile.name in named and all(
            name == profile.name or are_twins(profile, by_name[name]) for name in named
        )
        requests = identity.requests if identity is not None else 0
        trials.append(Trial(profile.name, tuple(named), is_right, requests))
    return trials


async def each(profiles: Sequence[Profile], tree: ProfileTree, seed: int) -> list[Trial]:
    """Every profile once, without a wire."""
    by_name = {profile.name: profile for profile in profiles}
    trials = []
    for profile in profiles:
        meter = StillMeter(profile, seed)
        identity = await identify(DirectUnit(meter.tables, after_each=meter.pass_time), tree)
        named = identity.profiles
        is_right = profile.name in named and all(
            name == profile.name or are_twins(profile, by_name[name]) for name in named
        )
        trials.append(Trial(profile.name, tuple(named), is_right, identity.requests))
    return trials


async def unknown(profiles: Sequence[Profile], seed: int) -> list[Trial]:
    """Every meter once, its own profile taken away: is it given a name it has not earned?"""
    by_name = {profile.name: profile for profile in profiles}
    trials = []
    for profile in profiles:
        tree = ProfileTree(other for other in profiles if other is not profile)
        meter = StillMeter(profile, seed)
        identity = await identify(DirectUnit(meter.tables, after_each=meter.pass_time), tree)
        is_right = all(are_twins(profile, by_name[name]) for name in identity.profiles)
        trials.append(Trial(profile.name, identity.profiles, is_right, identity.requests))
    return trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--buses", type=int, default=6)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--save", action="store_true", help="keep the result as JSON")
    arguments = parser.parse_args()
    profiles = shipped()
    start = time.perf_counter()
    tree = ProfileTree(profiles)
    built_s = time.perf_counter() - start
    on_buses: list[Trial] = []
    for number in range(arguments.buses):
        mixed = random.Random(number).sample(profiles, arguments.units)
        on_buses += asyncio.run(bus(mixed, tree, 100 * number))
    alone = [t for seed in (1, 2) for t in asyncio.run(each(profiles, tree, seed))]
    strangers = asyncio.run(unknown(profiles, 1))
    figures = {
        "buses": _figures(on_buses),
        "every profile, two seeds": _figures(alone),
        "every meter without its profile": {
            "meters": len(strangers),
            "given no name": sum(not t.named for t in strangers),
            "given the name of a twin": sum(bool(t.named) and t.is_right for t in strangers),
            "requests_mean": round(statistics.mean(t.requests for t in strangers), 2),
            "given another name": sorted(
                f"{t.profile} taken for {', '.join(t.named)}" for t in strangers if not t.is_right
            ),
        },
    }
    for name, figure in figures.items():
        print(name, json.dumps(figure, indent=1))
    if arguments.save:
        _save({"profiles": len(profiles), "tree_ms": round(1000 * built_s, 1), **figures})


def _figures(trials: Sequence[Trial]) -> dict[str, object]:
    requests = [t.requests for t in trials]
    return {
        "units": len(trials),
        "right_percent": round(100 * sum(t.is_right for t in trials) / len(trials), 2),
        "named_alone_percent": round(
            100 * sum(t.named == (t.profile,) for t in trials) / len(trials), 2
        ),
        "requests_mean": round(statistics.mean(requests), 2),
        "requests_median": statistics.median(requests),
        "requests_most": max(requests),
        "log2_of_profiles": round(math.log2(len(shipped())), 2),
        "wrong": sorted(
            {
                f"{t.profile} taken for {', '.join(t.named) or 'nothing'}"
                for t in trials
                if not t.is_right
            }
        ),
    }


def _save(figures: dict[str, object]) -> None:
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    document = {"topic": "scan", "date": today, "python": platform.python_version(), **figures}
    path = RESULTS / f"{today}-scan.json"
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(f"kept in {path}")


if __name__ == "__main__":
    main()
