"""A program that writes, compacts and says what was acknowledged, until it is killed.

Run as `writer.py FILE FIRST SURVIVES`: numbers from FIRST on, five a batch, of two meters.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from energymeter.reader import Quality
from energymeter.store import Form, Kind, Layout, Series, SqliteStore, StoredPoll
from energymeter.store.base import datetime_of

LAYOUT = Layout((Series("n", kind=Kind.COUNTER, form=Form.INTEGER), Series("half")))
STEP_US = 30_000_000
GOOD = (Quality.GOOD, Quality.GOOD)


def poll(meter: str, number: int) -> StoredPoll:
    return StoredPoll(meter, LAYOUT, number * STEP_US, [number, number / 2], GOOD)


def main(path: Path, first: int, *, survives_power_loss: bool) -> None:
    store = SqliteStore(path, survives_power_loss=survives_power_loss)
    written = first

    def tidy() -> None:
        while True:
            store.compact(datetime_of(written * STEP_US))

    threading.Thread(target=tidy, daemon=True).start()
    while True:
        numbers = range(written, written + 5)
        store.append([poll(meter, number) for number in numbers for meter in ("a", "b")])
        written = numbers.stop
        sys.stdout.write(f"{written}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), survives_power_loss=sys.argv[3] == "True")
