"""A profile and a unit give readings with quality."""

from energymeter.reader.memory import FileMemory, Knowledge, Memory
from energymeter.reader.order import OrderFinding, find_order
from energymeter.reader.quality import Rating
from energymeter.reader.reader import MeterReader, ReaderKind
from energymeter.reader.reading import Event, EventKind, Failure, Quality, Reading, ReadReport
from energymeter.reader.wirecost import wire_cost

__all__ = [
    "Event",
    "EventKind",
    "Failure",
    "FileMemory",
    "Knowledge",
    "Memory",
    "MeterReader",
    "OrderFinding",
    "Quality",
    "Rating",
    "ReadReport",
    "ReaderKind",
    "Reading",
    "find_order",
    "wire_cost",
]
