"""What a population can be told when it is made. Data only, checked on construction."""

from __future__ import annotations

import math
from dataclasses import dataclass

from energymeter.simulator.physics.load import Load

__all__ = ["PhysicsOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsOptions:
    """Settings of a population; water, gas and heat use the first two only."""

    start_s: float = 8 * 3600.0
    """Simulated time at the start, in seconds after midnight."""
    zero_counters: bool = False
    """Start the counters at zero instead of at a seeded amount of some years."""
    phases: int = 3
    """Phases that carry load, 1 to 3; the others have voltage and nothing else."""
    behind: tuple[Load, ...] = ()
    """What one meter at the grid measures the sum of; empty: each meter has a load of its own."""
    nominal_voltage_v: float = 230.0
    """Phase to neutral."""
    nominal_frequency_hz: float = 50.0
    solar_w: float = 0.0
    """Peak of the feed-in over all three phases; 0 is a site that only imports."""
    events: bool = True
    """False: no sag, swell or outage but the forced ones."""
    sag_interval_s: float | None = 6 * 3600.0
    """Mean time between two sags of one meter, 36 or more; None for never."""
    swell_interval_s: float | None = 12 * 3600.0
    """Mean time between two swells of one meter, 36 or more; None for never."""
    outage_interval_s: float | None = 5 * 86_400.0
    """Mean time between two outages of one meter, 706 or more; None for never."""

    def __post_init__(self) -> None:
        for name in ("nominal_voltage_v", "nominal_frequency_hz"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                message = f"{name} must be above 0, not {value}"
                raise ValueError(message)
        if self.phases not in (1, 2, 3):
            message = f"phases must be 1, 2 or 3, not {self.phases}"
            raise ValueError(message)
        for name in ("start_s", "solar_w"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                message = f"{name} must be 0 or more, not {value}"
                raise ValueError(message)
        for name in ("sag_interval_s", "swell_interval_s", "outage_interval_s"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                message = f"{name} must be above 0, or None for never, not {value}"
                raise ValueError(message)
