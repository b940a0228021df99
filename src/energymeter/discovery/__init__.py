"""Find out about a meter of which little is known: how its map is to be read, and what it is."""

from energymeter.discovery.find import Candidate, Finding, find_map

__all__ = ["Candidate", "Finding", "find_map"]
