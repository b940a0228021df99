"""What the command line decides, handed to every topic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.quiet import Quiet

__all__ = ["LOADING_CORE", "SERVED_CORE", "Options"]

# Server and load each keep to one core. Left free, the scheduler moves them about, the figures
# scatter, and a threaded Python server loses two thirds of its rate to its own interpreter lock.
SERVED_CORE = 0
LOADING_CORE = 1


@dataclass(frozen=True)
class Options:
    """How long and how often to measure, where to build, and whom to tell."""

    seconds: float
    rounds: int
    build_folder: Path
    """A temporary folder for compiled programs."""
    say: Callable[[str], None]
    """Shows one line of progress."""
    quiet: Quiet
    """Chooses the moments."""
    fleet_seconds: float = 40.0
    fleet_meters: int = 5000
    service_seconds: float = 300.0
    service_links: int = 500
    service_each: int = 20
    """Meters on each link."""
