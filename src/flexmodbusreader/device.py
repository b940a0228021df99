"""See `energymeter.compat`."""

from energymeter.compat import ModbusDevice, Register

__all__ = ["ModbusDevice", "Register"]
