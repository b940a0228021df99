"""Find out about a meter of which little is known: how its map is to be read, and what it is.

`find_map` ranks the ways to read a known map, `read_range` and `propose` guess at an unknown one,
`scan_hosts` says which units answer and which profiles fit them, by a `ProfileTree`. Only reads.
"""

from energymeter.discovery.asking import Asker
from energymeter.discovery.find import Candidate, Finding, find_map
from energymeter.discovery.identify import Identity, identify
from energymeter.discovery.rawmap import Proposal, propose, read_range
from energymeter.discovery.scan import FoundUnit, HostReport, scan_host, scan_hosts
from energymeter.discovery.tree import ProfileTree

__all__ = [
    "Asker",
    "Candidate",
    "Finding",
    "FoundUnit",
    "HostReport",
    "Identity",
    "ProfileTree",
    "Proposal",
    "find_map",
    "identify",
    "propose",
    "read_range",
    "scan_host",
    "scan_hosts",
]
