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
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="", help="part of the names of the profiles to try")
    parser.add_argument("--save", action="store_true", help="keep the result as JSON")
    arguments = parser.parse_args()
    chosen = [p for p in profiles() if arguments.only in p.name]
    seeds = range(1, arguments.seeds + 1)
    modes = {
        "live": list(trials(chosen, seeds)),
        # Both reads in the same moment: nothing is seen of what must not jump.
        "standing still": list(trials(chosen, seeds, moves=False)),
    }
    for mode, done in modes.items():
        print(f"\n{mode}\n{table(done)}")
        print(json.dumps({k: v for k, v in _figures(done).items() if k != "misses"}))
    if arguments.save:
        _save({mode: _figures(done) for mode, done in modes.items()})


def table(done: Sequence[Trial]) -> str:
    """One line a profile that was missed, and the sum of all."""
    lines = []
    for name, tried in _by_name(done).items():
        wrong = [t for t in tried if not t.is_right]
        if wrong:
            told = sorted({f"{_way(t)} taken for {t.found}" for t in wrong})
            lines.append(
                f"{name:40} {len(tried) - len(wrong):3} of {len(tried):3}  {'; '.join(told)}"
            )
    right = sum(t.is_right for t in done)
    lines.append(f"{'all profiles':40} {right:3} of {len(done):3}")
    return "\n".join(lines)


def _by_name(done: Sequence[Trial]) -> dict[str, list[Trial]]:
    found: dict[str, list[Trial]] = {}
    for t in done:
        found.setdefault(t.profile, []).append(t)
    return found


def _way(t: Trial) -> str:
    return f"{t.shift:+d} {t.order.letters}"


def _figures(done: Sequence[Trial]) -> dict[str, object]:
    by_name = _by_name(done)
    wrong = {n: sorted({_way(t) for t in ts if not t.is_right}) for n, ts in by_name.items()}
    return {
        "trials": len(done),
        "profiles": len(by_name),
        "truth_first_percent": round(100 * sum(t.is_right for t in done) / len(done), 2),
        "profiles_never_missed": sum(not ways for ways in wrong.values()),
        "misses_called_sure": sum(t.is_sure and not t.is_right for t in done),
        "right_and_sure_percent": round(
            100 * sum(t.is_sure and t.is_right for t in done) / len(done), 2
        ),
        "requests_mean": round(sum(t.requests for t in done) / len(done), 1),
        "requests_most": max(t.requests for t in done),
        "misses": {name: ways for name, ways in wrong.items() if ways},
    }


def _save(figures: dict[str, object]) -> None:
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    document = {"topic": "find", "date": today, "python": platform.python_version(), **figures}
    path = RESULTS / f"{today}-find.json"
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(f"kept in {path}")


if __name__ == "__main__":
    main()
