"""HTML in pieces that cannot be broken by what stands in them. Pure; knows no page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

__all__ = ["Attribute", "Child", "Markup", "join", "nothing", "tag"]

_VOID: Final = frozenset({"br", "hr", "input", "link", "meta"})
"""Elements that have no end."""

Attribute = str | int | float | bool | None
"""True: the attribute stands alone; False and None: it is left out."""


class Markup(str):
    """HTML, to be taken as it is."""

    __slots__ = ()


Child = str | None
"""Text, which is escaped, or `Markup`."""


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """An element.

    Args:
        name: Its name.
        children: What it holds.
        attributes: By name, with `_` for `-`, and one more at the end where Python has the word.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        spelled = key.removesuffix("_").replace("_", "-")
        parts.append(f" {spelled}" if value is True else f' {spelled}="{escape(str(value))}"')
    parts.append(">")
    if name in _VOID:
        return Markup("".join(parts))
    parts += [_escaped(child) for child in children]
    parts.append(f"</{name}>")
    return Markup("".join(parts))


def join(children: Iterable[Child]) -> Markup:
    """Pieces one after the other."""
    return Markup("".join(map(_escaped, children)))


def nothing() -> Markup:
    """No HTML at all."""
    return Markup()


def _escaped(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Markup) else escape(child)
