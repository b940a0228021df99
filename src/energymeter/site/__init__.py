"""The site file: what an operator writes, as data.

    site = load_site(Path("site.toml"))

`model` and `sinks` say what may stand in it, `units` and `secret` how some of it is written,
`load` reads it, `changes` compares two of them, `write` makes a first one.
"""

from energymeter.site.model import LinkEntry, MeterEntry, Rates, Site

__all__ = ["LinkEntry", "MeterEntry", "Rates", "Site"]
