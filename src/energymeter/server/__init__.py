"""Be asked: one function from request to response, and the sockets around it."""

from energymeter.server.handler import Handler
from energymeter.server.image import BitImage, RegisterImage
from energymeter.server.server import ModbusServer
from energymeter.server.tables import Tables, Write
from energymeter.server.units import UnitRouter

__all__ = ["BitImage", "Handler", "ModbusServer", "RegisterImage", "Tables", "UnitRouter", "Write"]
