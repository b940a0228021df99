"""Be asked: one function from request to response, and the wires around it."""

from energymeter.server.delivery import Chunk, Delivery, Prompt
from energymeter.server.handler import Broadcaster, Handler
from energymeter.server.image import BitImage, RegisterImage
from energymeter.server.line import SerialLine
from energymeter.server.security import Roles
from energymeter.server.server import ModbusServer
from energymeter.server.tables import Tables, Write, refusal
from energymeter.server.units import UnitRouter

__all__ = [
    "BitImage",
    "Broadcaster",
    "Chunk",
    "Delivery",
    "Handler",
    "ModbusServer",
    "Prompt",
    "RegisterImage",
    "Roles",
    "SerialLine",
    "Tables",
    "UnitRouter",
    "Write",
    "refusal",
]
