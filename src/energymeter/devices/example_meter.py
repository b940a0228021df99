"""The example meter: a Schneider Electric PM8000 with 25 registers.

Indices are the published register numbers, which count from 1; the shift makes them addresses.
Source: Schneider Electric, PM8000 Modbus Map.
"""

from __future__ import annotations

from energymeter.compat import DataType, ModbusDevice, Register

__all__ = ["ExampleMeter"]

ExampleMeter = ModbusDevice(
    model="Example Meter Device",
    registers_map=[
        Register("current_phase_a", 3000, 2, DataType.FLOAT32),
        Register("current_phase_b", 3002, 2, DataType.FLOAT32),
        Register("current_phase_c", 3004, 2, DataType.FLOAT32),
        Register("voltage_phase_a", 3028, 2, DataType.FLOAT32),
        Register("voltage_phase_b", 3030, 2, DataType.FLOAT32),
        Register("voltage_phase_c", 3032, 2, DataType.FLOAT32),
        Register("active_power_phase_a", 3054, 2, DataType.FLOAT32),
        Register("active_power_phase_b", 3056, 2, DataType.FLOAT32),
        Register("active_power_phase_c", 3058, 2, DataType.FLOAT32),
        Register("active_power_total", 3060, 2, DataType.FLOAT32),
        Register("reactive_power_phase_a", 3062, 2, DataType.FLOAT32),
        Register("reactive_power_phase_b", 3064, 2, DataType.FLOAT32),
        Register("reactive_power_phase_c", 3066, 2, DataType.FLOAT32),
        Register("reactive_power_total", 3068, 2, DataType.FLOAT32),
        Register("apparent_power_phase_a", 3070, 2, DataType.FLOAT32),
        Register("apparent_power_phase_b", 3072, 2, DataType.FLOAT32),
        Register("apparent_power_phase_c", 3074, 2, DataType.FLOAT32),
        Register("apparent_power_total", 3076, 2, DataType.FLOAT32),
        Register("frequency", 3110, 2, DataType.FLOAT32),
        Register("active_energy_import", 3204, 4, DataType.UINT64),
        Register("active_energy_export", 3208, 4, DataType.UINT64),
        Register("reactive_energy_import", 3220, 4, DataType.UINT64),
        Register("reactive_energy_export", 3224, 4, DataType.UINT64),
        Register("apparent_energy_import", 3236, 4, DataType.UINT64),
        Register("apparent_energy_export", 3240, 4, DataType.UINT64),
    ],
    index_shift=-1,
)
