"""The site file: what an operator writes, as data.

    shelf = ProfileShelf()
    site = load_site(Path("site.toml"), shelf)
    view = resolved(site, shelf)

`model` and `sinks` say what may stand in it, `units` and `secret` how some of it is written,
`load` reads it, `resolve` fills it in for who builds it, `changes` compares two of them, `write`
makes a first one, `schema` describes it for editors.
"""

from energymeter.site.changes import SameMeter, SiteChanges, compare
from energymeter.site.check import site_warnings
from energymeter.site.load import load_site
from energymeter.site.model import LinkEntry, MeterEntry, Rates, Site
from energymeter.site.resolve import ResolvedLink, ResolvedMeter, ResolvedSite, resolved
from energymeter.site.shelf import ProfileShelf

__all__ = [
    "LinkEntry",
    "MeterEntry",
    "ProfileShelf",
    "Rates",
    "ResolvedLink",
    "ResolvedMeter",
    "ResolvedSite",
    "SameMeter",
    "Site",
    "SiteChanges",
    "compare",
    "load_site",
    "resolved",
    "site_warnings",
]
