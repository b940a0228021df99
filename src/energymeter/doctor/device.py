"""The serial port of this machine: is it there, may we use it, has somebody else got it?"""

from __future__ import annotations

import errno
from dataclasses import replace

from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.errors import LinkOpenError
from energymeter.transports import SerialSettings

__all__ = ["examine_device"]

_BUSY = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)


async def examine_device(case: Case) -> list[Step]:
    """Open the serial port as the URL says; on success it stays open."""
    path = case.wire.path or ""
    case.tell(f"opening {path}")
    try:
        await case.open()
    except LinkOpenError as error:
        return [_explain(case, error)]
    settings = case.wire.serial or SerialSettings()
    return [Step(Layer.DEVICE, Verdict.FINE, f"{path} opens with {settings}")]


def _explain(case: Case, error: LinkOpenError) -> Step:
    path, cause = case.wire.path or "", error.__cause__
    number = getattr(cause, "errno", None)
    if isinstance(cause, FileNotFoundError) or number in (errno.ENXIO, errno.ENODEV):
        verdict, hint = Verdict.NO_DEVICE, ""
    elif number in _BUSY:
        holder = case.surroundings.holder_of(path)
        verdict, hint = Verdict.DEVICE_BUSY, "" if holder is None else f": it is {holder}"
    elif isinstance(cause, PermissionError):
        verdict, hint = Verdict.NO_PERMISSION, ""
    elif number in (errno.ENOTTY, errno.EISDIR):
        verdict, hint = Verdict.NO_DEVICE, ""
    else:
        verdict, hint = Verdict.DEVICE_FAILED, ""
    sentence = f"{error.message}{hint}"
    return Step(Layer.DEVICE, verdict, sentence, sentence, _other_device(case, verdict))


def _other_device(case: Case, verdict: Verdict) -> str:
    """A command with the only serial port there is, where the one named is none."""
    if verdict is not Verdict.NO_DEVICE:
        return ""
    ports = case.surroundings.serial_ports()
    return case.command(wire=replace(case.wire, path=ports[0])) if len(ports) == 1 else ""
