"""The code blocks and links of the documents, and what their comments say about them.

- a first line `# file: NAME` (or `# File: NAME`): what a reader saves under that name;
- a first line `# runnable...`: runs as it stands, once the meters it names are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["DOCUMENTS", "ROOT", "Block", "anchors_of", "blocks_of", "links_of", "name_of"]

ROOT: Final = Path(__file__).parents[2]

DOCUMENTS: Final = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FILE: Final = re.compile(r"# [Ff]ile: (\S+)\n")


class Block(NamedTuple):
    """A code block of a document."""

    document: Path
    number: int
    language: str
    text: str

    @property
    def file_name(self) -> str | None:
        """The name a reader saves it under."""
        found = _FILE.match(self.text)
        return found.group(1) if found else None

    @property
    def is_runnable(self) -> bool:
        """Whether it runs as it stands."""
        return self.text.startswith("# runnable")

    def __str__(self) -> str:
        return f"{name_of(self.document)}#{self.number}"


def name_of(document: Path) -> str:
    """A document's path in the repository."""
    return document.relative_to(ROOT).as_posix()


def blocks_of(document: Path, *languages: str) -> list[Block]:
    """The blocks of a document in one of these languages, in order."""
    found = _BLOCK.findall(document.read_text("utf-8"))
    blocks = [Block(document, number, *parts) for number, parts in enumerate(found, start=1)]
    return [block for block in blocks if block.language in languages]


def links_of(document: Path) -> Iterator[str]:
    """Where the links of a document lead, code left out."""
    text = _BLOCK.sub("", document.read_text("utf-8"))
    for found in _LINK.finditer(text):
        yield found.group(1)


def anchors_of(document: Path) -> set[str]:
    """What a link to a document can name after `#`."""
    text = _BLOCK.sub("", document.read_text("utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(text)
    }
