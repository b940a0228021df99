"""A profile becomes a meter: physics, register image, and the sockets it answers on."""

from energymeter.simulator.fleet import SimulatedFleet
from energymeter.simulator.image import ImageMaker
from energymeter.simulator.meter import SimulatedMeter

__all__ = ["ImageMaker", "SimulatedFleet", "SimulatedMeter"]
