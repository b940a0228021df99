"""Load a ModbusDevice out of a Python file."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from pathlib import Path

from energymeter.compat import ModbusDevice
from energymeter.errors import ProfileError

__all__ = ["load_device"]


def load_device(reference: str) -> ModbusDevice:
    """Load the device of `FILE.py` or `FILE.py:NAME`.

    The file is run as Python runs any module; only load files you trust.

    Raises:
        ProfileError: The file cannot be read or run, or has no such device, or several and no
            name was given; the message names file, line and reason.
    """
    path_text, name = reference, ""
    if ":" in reference and not os.path.exists(reference):  # noqa: PTH110 - never raises
        path_text, _, name = reference.rpartition(":")
    path = Path(path_text)
    devices = {
        key: value
        for key, value in _run(path).items()
        if isinstance(value, ModbusDevice) and not key.startswith("_")
    }
    if name:
        if name not in devices:
            msg = f"{path}: has no ModbusDevice {name!r}, it has {', '.join(devices) or 'none'}"
            raise ProfileError(msg)
        return devices[name]
    if len(devices) != 1:
        found = ", ".join(devices)
        msg = (
            f"{path}: has several devices, choose one: {path}:NAME with {found}"
            if devices
            else f"{path}: has no ModbusDevice, assign one to a name at the top level"
        )
        raise ProfileError(msg)
    return next(iter(devices.values()))


def _run(path: Path) -> dict[str, object]:
    try:
        path.open("rb").close()
    except FileNotFoundError as error:
        msg = f"{path}: there is no such device file"
        raise ProfileError(msg) from error
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise ProfileError(msg) from error
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        msg = f"{path}: is not a Python file, its name must end in .py"
        raise ProfileError(msg)
    module = importlib.util.module_from_spec(spec)
    written, path_before = sys.dont_write_bytecode, list(sys.path)
    sys.path.insert(0, str(path.absolute().parent))  # as for a script: its neighbours are found
    sys.dont_write_bytecode = True  # a device file's folder is the user's, leave nothing there
    try:
        spec.loader.exec_module(module)
    except ProfileError as error:
        msg = f"{path}: {error.message}"
        raise ProfileError(msg) from error
    except ModuleNotFoundError as error:
        msg = f"{path}: needs the package {error.name!r}, install it: pip install {error.name}"
        raise ProfileError(msg) from error
    except SyntaxError as error:
        line = "" if error.lineno is None else f"line {error.lineno}: "
        msg = f"{path}: {line}{error.msg}"
        raise ProfileError(msg) from error
    except SystemExit as error:
        msg = f"{path}: ends the program (SystemExit: {error}) where it should declare a device"
        raise ProfileError(msg) from error
    except Exception as error:  # whatever a user's file does, it is told as one sentence
        at = next(
            (
                f"line {f.lineno}: "
                for f in reversed(traceback.extract_tb(error.__traceback__))
                if f.filename == str(path.absolute())
            ),
            "",
        )
        msg = f"{path}: {at}{type(error).__name__}: {error}"
        raise ProfileError(msg) from error
    finally:
        sys.dont_write_bytecode = written
        sys.path[:] = path_before
    return vars(module)
