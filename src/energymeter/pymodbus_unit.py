"""pymodbus's synchronous client as one of ours, known by its shape; pymodbus is never imported."""

from __future__ import annotations

import inspect
import struct
from collections.abc import Coroutine
from typing import Any, TypeVar

from energymeter.codec import ReadRequest
from energymeter.errors import ExceptionReplyError, LinkLostError, RequestTimeout

__all__ = ["PymodbusUnit", "ThisThread", "is_pymodbus_client"]

Result = TypeVar("Result")


def is_pymodbus_client(client: object) -> bool:
    """Whether this is such a client; the asynchronous one is not."""
    is_asynchronous = inspect.iscoroutinefunction(getattr(client, "connect", None))
    return hasattr(client, "read_holding_registers") and not is_asynchronous


class PymodbusUnit:
    """pymodbus's synchronous client as a `UnitClient`."""

    def __init__(self, client: Any, unit: int) -> None:  # noqa: ANN401
        self._call = client.read_holding_registers
        known = inspect.signature(self._call).parameters
        # The argument that names the unit was renamed twice.
        name = next((n for n in ("device_id", "slave", "unit") if n in known), "device_id")
        self._unit = {name: unit}

    async def read(self, request: ReadRequest) -> bytes:
        """See `UnitClient.read`; blocks, as the client does."""
        try:
            answer = self._call(request.address, count=request.count, **self._unit)
        except Exception as error:
            # Every error of that library means one thing here: no answer.
            if "ModbusIOException" in type(error).__name__:
                raise RequestTimeout(str(error)) from error
            raise LinkLostError(str(error)) from error
        if answer.isError():
            code = int(getattr(answer, "exception_code", 0))
            if code:
                msg = f"function {request.function} refused with exception {code}"
                raise ExceptionReplyError(msg, function=request.function, code=code)
            raise RequestTimeout(str(answer))
        words = answer.registers
        if len(words) != request.count:
            msg = f"{len(words)} registers came instead of {request.count}"
            raise LinkLostError(msg)
        return struct.pack(f">{len(words)}H", *words)


class ThisThread:
    """Runs coroutines that never wait, such as reading a `PymodbusUnit`, where they are called.

    pymodbus's client blocks, so it needs no loop, and it stays in its owner's thread.
    """

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run to the end and return the result or raise the error."""
        try:
            coroutine.send(None)
        except StopIteration as end:
            result: Result = end.value
            return result
        coroutine.close()
        msg = "a coroutine that was not to wait did"
        raise RuntimeError(msg)
