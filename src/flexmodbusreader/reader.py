"""See `energymeter.compat`."""

from energymeter.compat import ModbusDeviceDataReader

__all__ = ["ModbusDeviceDataReader"]
