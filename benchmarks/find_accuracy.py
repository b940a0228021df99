"""How often `find` ranks the truth first: every shipped profile, shifted and in another order.

Each profile is served as its own simulated meter would answer, but with the addresses moved and
the order changed, once with the registers around the map refused and once with zeros there.

    python benchmarks/find_accuracy.py [--seeds 2] [--save]
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.doubles import DirectUnit, StillMeter, moved

from energymeter.discovery import Candidate, Finding, find_map
from energymeter.profiles import Profile, ProfileLibrary
from energymeter.values import Order, WireOrder, quantity_of

RESULTS: Final = Path(__file__).parent / "results"
MAIN: Final = ("voltage", "active_power", "frequency")
ORDERS: Final = [WireOrder(byte, word) for byte in Order for word in Order]


@dataclass(frozen=True, slots=True)
class Trial:
    """One profile served one way, and what became of it."""

    profile: str
    shift: int
    order: WireOrder
    edges: str
    is_right: bool
    is_sure: bool
    requests: int
    seconds: float
    found: str


def profiles() -> list[Profile]:
    """The shipped profiles with a voltage, a power or a frequency in registers."""
    library = ProfileLibrary([])
    loaded = [library.load(name) for name in library.names()]
    return [profile for profile in loaded if _has_main(profile)]


def trial(
    profile: Profile, shift: int, order: WireOrder, seed: int, edges: str, *, moves: bool = True
) -> Trial:
    """Serve the profile this way and let `find` look at it."""
    served = moved(profile, shift, order, margin=8 if edges == "zero" else 0)
    meter = StillMeter(served, seed)
    unit = DirectUnit(meter.tables, after_each=meter.pass_time if moves else None)
    start = time.perf_counter()
    finding = asyncio.run(find_map(unit, profile))
    seconds = time.perf_counter() - start
    best = finding.candidates[0] if finding.candidates else None
    found = "nothing" if best is None else f"{best.shift:+d} {best.order.letters}"
    return Trial(
        profile=profile.name,
        shift=shift,
        order=order,
        edges=edges,
        is_right=best is not None and _is_truth(best, finding, shift, order),
        is_sure=finding.is_sure,
        requests=finding.requests,
        seconds=seconds,
        found=found,
    )


def trials(
    chosen: Sequence[Profile],
    seeds: Sequence[int],
    *,
    sample: int | None = None,
    moves: bool = True,
) -> Iterator[Trial]:
    """All shifts and orders of all profiles; `sample`: so many of them, taken in turn."""
    turn = 0
    for profile in chosen:
        lowest = min(point.address for point in profile.points if not point.table.is_bits)
        ways = [
            (shift, order, edges)
            for shift in (-1, 0, 1)
            if lowest + shift >= 0
            for order in ORDERS
            for edges in ("refused", "zero")
        ]
        if sample is not None:
            ways = [ways[(turn + 7 * n) % len(ways)] for n in range(sample)]
            turn += 5
        for seed in seeds:
            for shift, order, edges in ways:
                yield trial(profile, shift, order, seed, edges, moves=moves)


def _is_truth(best: Candidate, finding: Finding, shift: int, order: WireOrder) -> bool:
    """The shift and order served, or others that read the very same values."""
    return finding.is_found and (shift, order) in ((best.shift, best.order), *best.alike)


def _has_main(profile: Profile) -> bool:
    return any(
        (quantity := quantity_of(point.name)) is not None
        and quantity.name in MAIN
        and not point.table.is_bits
        for point in profile.readable_points
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--frozen", action="store_true", help="no time passes between reads")
    parser.add_argument("--save", action="store_true", help="keep the result as JSON")
    arguments = parser.parse_args()
    chosen = [p for p in profiles() if arguments.only in p.name]
    done = list(trials(chosen, range(1, arguments.seeds + 1), moves=not arguments.frozen))
    missed = [t for t in done if not t.is_right]
    by_name: dict[str, list[Trial]] = {}
    for t in done:
        by_name.setdefault(t.profile, []).append(t)
    whole = [name for name, ts in by_name.items() if all(t.is_right for t in ts)]
    print(f"{'profile':42} right/all  requests")
    for name, ts in by_name.items():
        right = sum(t.is_right for t in ts)
        most = max(t.requests for t in ts)
        wrong = "; ".join(
            sorted(
                {
                    f"{t.shift:+d} {t.order.letters} taken for {t.found}"
                    for t in ts
                    if not t.is_right
                }
            )
        )
        print(f"{name:42} {right:4}/{len(ts):<4} {most:5}  {wrong[:200]}")
    share = 1 - len(missed) / len(done)
    wrong_but_sure = sum(t.is_sure for t in missed)
    print(f"\n{len(done)} trials of {len(by_name)} profiles: truth first {100 * share:.2f} %")
    print(f"profiles never missed: {len(whole)}; misses called sure: {wrong_but_sure}")
    if arguments.save:
        _save(done, by_name)


def _save(done: Sequence[Trial], by_name: dict[str, list[Trial]]) -> None:
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    missed = [t for t in done if not t.is_right]
    document = {
        "topic": "find",
        "date": today,
        "python": platform.python_version(),
        "trials": len(done),
        "profiles": len(by_name),
        "truth_first_percent": round(100 * (1 - len(missed) / len(done)), 2),
        "profiles_never_missed": sum(all(t.is_right for t in ts) for ts in by_name.values()),
        "misses_called_sure": sum(t.is_sure for t in missed),
        "requests_mean": round(sum(t.requests for t in done) / len(done), 1),
        "requests_most": max(t.requests for t in done),
        "misses": [
            {
                "profile": t.profile,
                "served": f"{t.shift:+d} {t.order.letters}",
                "found": t.found,
                "edges": t.edges,
                "called_sure": t.is_sure,
            }
            for t in missed
        ],
    }
    path = RESULTS / f"{today}-find.json"
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(f"kept in {path}")


if __name__ == "__main__":
    main()
