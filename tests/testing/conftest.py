"""The fixtures of energymeter.testing, also where the checkout was installed before it had them."""

from __future__ import annotations

from energymeter.testing.plugin import (
    manual_clock,
    memory_line,
    pty_bus,
    scripted_fault,
    simulated_meter,
)

__all__ = ["manual_clock", "memory_line", "pty_bus", "scripted_fault", "simulated_meter"]
