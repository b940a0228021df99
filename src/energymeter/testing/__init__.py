"""Doubles of meters for the tests of programs that read meters; `plugin` makes fixtures of them.

A double answers on a real port or serial line, from a thread of its own: the program under test may
use asyncio, threads or be another process. Nothing here needs pytest but `plugin`.
"""

from energymeter.testing.bus import PtyBus
from energymeter.testing.line import LineDouble, RunningFault
from energymeter.testing.meter import MeterDouble
from energymeter.testing.modem import NullModem
from energymeter.testing.script import FaultScript, SeenRequest
from energymeter.testing.unit import ProfileSource, UnitDouble

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
