"""A profile becomes a meter: physics, register image, the wires it answers on, its bad manners.

`Population` is meters and what moves them; an `Outlet` is a wire they are on. `SimulatedFleet` has
meters of one profile, `SimulatedSite` of several; `faults` spoils what they say.
"""

from energymeter.simulator.faults import Fault, Misbehaviour, parse_fault
from energymeter.simulator.fleet import SimulatedFleet
from energymeter.simulator.image import ImageMaker
from energymeter.simulator.meter import SimulatedMeter
from energymeter.simulator.outlet import Manners
from energymeter.simulator.site import SimulatedPlace, SimulatedSite

__all__ = [
    "Fault",
    "ImageMaker",
    "Manners",
    "Misbehaviour",
    "SimulatedFleet",
    "SimulatedMeter",
    "SimulatedPlace",
    "SimulatedSite",
    "parse_fault",
]
