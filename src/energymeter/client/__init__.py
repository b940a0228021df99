"""Ask a meter: one link shared by many units."""

from energymeter.client.link import Backoff, Link
from energymeter.client.unit import Unit, UnitClient

__all__ = ["Backoff", "Link", "Unit", "UnitClient"]
