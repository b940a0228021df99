"""Poll an energy meter over Modbus TCP and print its values: the original reader's script.

Replace ExampleMeter by your own device; see docs/howto/declare-a-meter.md.
"""

from __future__ import annotations

import sys

try:
    from energymeter.compat import poll_from_command_line
    from energymeter.devices.example_meter import ExampleMeter
except ModuleNotFoundError as error:
    sys.exit(
        f"{error.name} is not installed here: run 'make install', then .venv/bin/python main.py"
    )
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(poll_from_command_line(ExampleMeter))
