"""Fixtures of the service as a process."""

from tests.e2e.running import running

__all__ = ["running"]
