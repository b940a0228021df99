"""The table of docs/howto/when-a-meter-does-not-answer.md, made from the set-ups.

Run: python -m tests.doctor.table, from the root of the checkout, and paste what it prints.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from energymeter.doctor import Diagnosis

ROOT: Final = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # for benchmarks.doubles

from tests.doctor.bench import SHORT_S  # noqa: E402
from tests.doctor.haste import run_hastily  # noqa: E402
from tests.doctor.setups import SETUPS, Bench, Setup  # noqa: E402
from tests.support.loops import run  # noqa: E402
from tests.transports.pki import Pki  # noqa: E402

__all__ = ["HEAD", "HOWTO", "examined", "row_of"]

HOWTO: Final = ROOT / "docs" / "howto" / "when-a-meter-does-not-answer.md"
HEAD: Final = "| what is wrong | where it stops | what `doctor` says |\n|---|---|---|"

_ACCIDENTS: Final = (
    (re.compile(r"(?<![:/\w])/\S*/(ttyUSB\d)"), r"/dev/\1"),
    (re.compile(r"/dev/pts/\d+"), "/dev/ttyUSB0"),
    (re.compile(r"ca=/[^\s&']*"), "ca=FILE"),
    (re.compile(r"after \d\.\d s, and 0\.\d s"), "after 1.5 s, and 1 s"),
    (re.compile(r"connect_timeout=\d+s"), "connect_timeout=4s"),
    (re.compile(r"(127\.0\.0\.1):\d+"), "HOST:PORT"),
    (re.compile(r"0\.0\.0\.0:\d+"), "0.0.0.0:PORT"),
    (re.compile(r"127\.0\.0\.1"), "HOST"),
    (re.compile(r"listen://:\d+"), "listen://:PORT"),
    (re.compile(r"\bport \d{4,}"), "port PORT"),
    (re.compile(r"; there is /dev/\S+|; none was found on this machine.*"), "; there is ..."),
    (re.compile(r"; it belongs to .*|; ask the administrator .*"), "; it belongs to ..."),
)
"""What is another at each run."""


async def examined(setup: Setup, bench: Bench) -> Diagnosis:
    from energymeter.doctor import examine  # noqa: PLC0415

    async with setup.make(bench) as case:
        return await examine(case)


def row_of(setup: Setup, diagnosis: Diagnosis) -> str:
    """The row of a set-up, without what is accidental."""
    sentence = diagnosis.sentence.replace(f" --timeout {SHORT_S:g}", "")
    for pattern, word in _ACCIDENTS:
        sentence = pattern.sub(word, sentence)
    return f"| {setup.title} | {setup.layer}: {setup.verdict} | {sentence} |"


def _rows() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pki = Pki(folder)
        for number, setup in enumerate(SETUPS):
            own = folder / str(number)
            own.mkdir()
            task = examined(setup, Bench(pki, own))
            yield row_of(setup, run(task) if setup.is_real else run_hastily(task))


if __name__ == "__main__":
    print(HEAD)
    for row in _rows():
        print(row)
