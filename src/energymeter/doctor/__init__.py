"""Find out why a meter does not answer, layer by layer, and say in one sentence what to try.

`examine` walks from the name of the host to the sense of the values and stops where something
is broken, after having tried what else it could be. Each file below is one part of that walk:
it gets a `Case` and returns `Step`s. Only reads.
"""

from energymeter.doctor.case import Case
from energymeter.doctor.examination import examine
from energymeter.doctor.finding import Diagnosis, Layer, Mark, Step, Verdict
from energymeter.doctor.surroundings import Surroundings

__all__ = ["Case", "Diagnosis", "Layer", "Mark", "Step", "Surroundings", "Verdict", "examine"]
