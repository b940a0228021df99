"""How a meter's name becomes a file's."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["profile_name", "slug"]


def slug(text: str) -> str:
    """Small letters, digits and hyphens: `B+G e-tech` is `bg-e-tech`; what is in brackets goes."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"\([^)]*\)", " ", plain)
    plain = re.sub(r"(?<=\w)[+&](?=\w)", "", plain)
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "unnamed"


def profile_name(vendor: str, model: str) -> str:
    """`vendor/model` as the profile's file is placed."""
    return f"{slug(vendor)}/{slug(model)}"
