"""A program that appends and says what was acknowledged, until it is killed or the disk is full.

Run as `journal_writer.py FOLDER FIRST MOST_BYTES_OF_A_FILE`: five polls at a time, numbered from
FIRST on. It ends, telling the fault, when nothing can be written any more.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from tests.service.journaling import PLENTY, polls

from energymeter.service.journal import Journal


def main(folder: Path, first: int, most_bytes: int) -> None:
    if most_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
    journal = Journal(folder, segment_bytes=20_000)
    journal.reader("box", most_bytes=PLENTY)
    written = first
    while not journal.fault:
        journal.append(polls(range(written, written + 5)))
        written += 5
        sys.stdout.write(f"{written}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{journal.fault}\n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append([])
    sys.stdout.write(f"fault: {journal.fault!r}, in memory: {journal.waiting}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
