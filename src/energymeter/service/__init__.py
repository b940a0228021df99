"""Poll meters on time and say what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from energymeter.service.console import ConsoleReporter
from energymeter.service.poller import Poll, Poller
from energymeter.service.schedule import Beat

if TYPE_CHECKING:
    from energymeter.compat import ModbusDeviceService

__all__ = ["Beat", "ConsoleReporter", "ModbusDeviceService", "Poll", "Poller"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as PEP 562 has it
    # The original reader's service lives in compat, which stands on this package.
    if name == "ModbusDeviceService":
        from energymeter.compat import ModbusDeviceService  # noqa: PLC0415

        return ModbusDeviceService
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
