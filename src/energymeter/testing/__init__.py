"""Doubles of meters for the tests of programs that read meters; `plugin` makes fixtures of them.

A double answers on a real port or serial line, from a thread of its own: the program under test may
use asyncio, threads or be another process. Nothing here needs pytest but `plugin`, which every
pytest run loads: so that this costs nothing, each name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from energymeter.testing.bus import PtyBus
    from energymeter.testing.line import LineDouble, RunningFault
    from energymeter.testing.meter import MeterDouble
    from energymeter.testing.modem import NullModem
    from energymeter.testing.script import FaultScript, SeenRequest
    from energymeter.testing.unit import ProfileSource, UnitDouble

_HOMES = {
    "FaultScript": "script",
    "LineDouble": "line",
    "MeterDouble": "meter",
    "NullModem": "modem",
    "ProfileSource": "unit",
    "PtyBus": "bus",
    "RunningFault": "line",
    "SeenRequest": "script",
    "UnitDouble": "unit",
}

__all__ = [
    "FaultScript",
    "LineDouble",
    "MeterDouble",
    "NullModem",
    "ProfileSource",
    "PtyBus",
    "RunningFault",
    "SeenRequest",
    "UnitDouble",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as PEP 562 has it
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module  # noqa: PLC0415

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
