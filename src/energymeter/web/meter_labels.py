"""The labels every sample of a meter has, written once and kept."""

from __future__ import annotations

from typing import Final

from energymeter.service.sink import MeterInfo
from energymeter.service.snapshot import Snapshot
from energymeter.web.text_format import label_block, label_names

__all__ = ["OWN_LABELS", "MeterLabels"]

OWN_LABELS: Final = ("meter", "profile", "link", "point", "unit")
"""Names that mean something here; those of the site step back."""


class MeterLabels:
    """Remembers the written labels of each meter until something about it changes.

    Args:
        snapshot: Where the meters stand.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._known: dict[str, tuple[MeterInfo, str, str]] = {}

    def links(self) -> dict[str, str]:
        """The name of each meter's link."""
        return {meter: link.name for link in self._snapshot.links.values() for meter in link.meters}

    def block(self, info: MeterInfo, link: str) -> str:
        """The labels of a meter in braces.

        Args:
            info: What it is.
            link: The name of its link.
        """
        known = self._known.get(info.name)
        if known is not None and known[0] is info and known[1] == link:
            return known[2]
        names = label_names(info.labels, OWN_LABELS)
        own = {"meter": info.name, "profile": info.profile.name, "link": link}
        written = label_block(own | {names[key]: value for key, value in info.labels.items()})
        self._known[info.name] = (info, link, written)
        return written

    def forget_others(self) -> None:
        """Drop what is kept of meters that are no more."""
        for name in self._known.keys() - self._snapshot.meters.keys():
            del self._known[name]
