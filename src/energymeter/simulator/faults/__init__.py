"""Bad manners as data: what meters, gateways and wires do wrong, to be put into a simulator.

    misbehaviour = Misbehaviour(seed=7)
    wire = misbehaviour.wire({1: meter})              # the `delivery` of a `ModbusServer`
    misbehaviour.add(parse_fault("late=500ms:0.1,unit=1"))

`table` lists every kind; `parse` reads what people write; `misbehaviour` applies what is on.
"""

from energymeter.simulator.faults.active import ActiveFault
from energymeter.simulator.faults.amount import parse_duration
from energymeter.simulator.faults.exchange import FaultyMeter
from energymeter.simulator.faults.fault import Fault
from energymeter.simulator.faults.misbehaviour import FaultyWire, Misbehaviour
from energymeter.simulator.faults.parse import FAULT_KEYS, parse_fault, parse_ranges
from energymeter.simulator.faults.table import KINDS

__all__ = [
    "FAULT_KEYS",
    "KINDS",
    "ActiveFault",
    "Fault",
    "FaultyMeter",
    "FaultyWire",
    "Misbehaviour",
    "parse_duration",
    "parse_fault",
    "parse_ranges",
]
