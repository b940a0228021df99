"""A profile and a unit give readings with quality."""

from energymeter.reader.order import OrderFinding, find_order
from energymeter.reader.reader import MeterReader
from energymeter.reader.reading import Quality, Reading, ReadReport

__all__ = ["MeterReader", "OrderFinding", "Quality", "ReadReport", "Reading", "find_order"]
