"""Ask a meter: one link shared by many units."""

from energymeter.client.backoff import Backoff
from energymeter.client.health import LinkHealth, UnitHealth
from energymeter.client.link import Link
from energymeter.client.tap import Tap
from energymeter.client.turns import Priority
from energymeter.client.unit import Unit, UnitClient

__all__ = ["Backoff", "Link", "LinkHealth", "Priority", "Tap", "Unit", "UnitClient", "UnitHealth"]
