"""What a new profile begins with."""

from __future__ import annotations

from energymeter.profiles.convert.toml import value_text

__all__ = ["new_profile_text"]

_TEXT = """# A meter as data. Keys: energymeter profile schema. Check it: energymeter profile lint.
vendor = {vendor}
model = {model}
description = ""
kind = "electricity"  # water, gas, heat
phases = 3
transports = ["rtu"]  # tcp, udp
sources = ["document, revision, page"]
notes = []

word_order = "big"  # "little": the low word of a 32-bit value comes first
tables = ["holding"]  # "input": read with function 4

# Addresses as on the wire: often the printed number minus 1, minus 30001 or minus 40001.
# value = raw * scale + offset.
points = [
  {{ name = "voltage_phase_a", address = 0, type = "uint16", unit = "V", scale = 0.1 }},
  {{ name = "active_power_total", address = 1, type = "int32", unit = "W" }},
  {{ name = "active_energy_import", address = 3, type = "uint32", unit = "kWh", scale = 0.01 }},
]

[defaults]
unit = 1
baudrate = 9600
parity = "N"
stopbits = 1
"""


def new_profile_text(vendor: str, model: str) -> str:
    """A file that loads, with what usually has to be said, ready to be filled in."""
    return _TEXT.format(vendor=value_text(vendor), model=value_text(model))
