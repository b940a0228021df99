"""Points to the cheapest reads; pure."""

from energymeter.planner.cost import TCP_COST, Cost, serial_cost, tcp_cost
from energymeter.planner.plan import Block, plan_reads
from energymeter.planner.rates import bus_use, plan_rates, with_scales
from energymeter.planner.rules import FIXED_GAPS, cost_of, reads_by_gap
from energymeter.planner.shapes import told_apart

__all__ = [
    "FIXED_GAPS",
    "TCP_COST",
    "Block",
    "Cost",
    "bus_use",
    "cost_of",
    "plan_rates",
    "plan_reads",
    "reads_by_gap",
    "serial_cost",
    "tcp_cost",
    "told_apart",
    "with_scales",
]
