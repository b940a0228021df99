"""Tell systemd, if it started us, that the service is ready, alive, about to end: sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

from energymeter.clock import Clock

__all__ = ["Notifier"]

_BEATS: Final = 3
"""Signs of life in the time systemd allows without one."""


class Notifier:
    """Sends datagrams to the socket systemd names; without one every call does nothing.

    Args:
        environment: Where the socket and the longest silence are named.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = f"\0{self._address[1:]}"
        self._silence_s = 0.0
        if environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
            microseconds = environment.get("WATCHDOG_USEC", "")
            self._silence_s = int(microseconds) / 1e6 if microseconds.isdigit() else 0.0

    def ready(self, status: str = "") -> None:
        """It works now; after `reloading` too."""
        self._send("READY=1", f"STATUS={status}" if status else "")

    def reloading(self) -> None:
        """It takes up a changed site file."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It ends."""
        self._send("STOPPING=1")

    async def keep_alive(self, clock: Clock, is_well: Callable[[], bool]) -> None:
        """Give signs of life for as long as all is well; returns at once if nobody wants them.

        Args:
            clock: Says when.
            is_well: Asked each time; once systemd hears nothing, it starts the service again.
        """
        while self._address and self._silence_s:
            if is_well():
                self._send("WATCHDOG=1")
            await clock.sleep_until(clock.monotonic() + self._silence_s / _BEATS)

    def _send(self, *assignments: str) -> None:
        if not self._address:
            return
        text = "\n".join(each.replace("\n", " ") for each in assignments if each)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(text.encode(), self._address)
        except (OSError, AttributeError):
            return  # systemd waits, or starts it again: nothing we could do better
