"""Points to the cheapest reads; pure."""

from energymeter.planner.cost import TCP_COST, Cost
from energymeter.planner.plan import Block, plan_reads

__all__ = ["TCP_COST", "Block", "Cost", "plan_reads"]
