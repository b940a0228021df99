"""Names of CSV files: which meter, which period, which part; and back again. No I/O.

`<meter>/<meter>_<period>.csv`, further parts of a period `<meter>_<period>.2.csv` and so on. The
meter's name stands in the file's too, so a file that was sent to somebody still says what it is.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from energymeter.store.base import datetime_of

__all__ = ["Rotation", "end_of_file", "file_name", "file_stem", "file_stems", "period_of"]

Rotation = Literal["hour", "day", "month"]

_FORMATS: Final[dict[Rotation, str]] = {
    "hour": "%Y-%m-%dT%H",
    "day": "%Y-%m-%d",
    "month": "%Y-%m",
}
_BY_LENGTH: Final[dict[int, Rotation]] = {13: "hour", 10: "day", 7: "month"}
_NAME: Final = re.compile(r"(?P<stem>.+)_(?P<period>\d{4}-\d\d(-\d\d(T\d\d)?)?)(\.\d+)?\.csv")
_UNSAFE: Final = re.compile(r"[^\w .()-]")
_WINDOWS_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_MOST_BYTES: Final = 100


def period_of(time_us: int, rotate: Rotation) -> str:
    """The hour, day or month a moment lies in, UTC: `2026-01-31T12`, `2026-01-31`, `2026-01`."""
    return datetime_of(time_us).strftime(_FORMATS[rotate])


def file_name(stem: str, period: str, number: int) -> str:
    """Name of a file; `number` counts the parts of a period from 1."""
    part = "" if number == 1 else f".{number}"
    return f"{stem}_{period}{part}.csv"


def end_of_file(name: str, stem: str) -> datetime | None:
    """When the period of a file ended; None when the file is none of this meter's."""
    match = _NAME.fullmatch(name)
    if match is None or match["stem"] != stem:
        return None
    rotate = _BY_LENGTH[len(match["period"])]
    try:
        start = datetime.strptime(match["period"], _FORMATS[rotate]).replace(tzinfo=UTC)
    except ValueError:
        return None
    if rotate == "month":
        return (start + timedelta(days=32)).replace(day=1)
    return start + timedelta(hours=1 if rotate == "hour" else 24)


def file_stems(meters: Iterable[str]) -> dict[str, str]:
    """A name for the files of each meter.

    Names that differ only in capitals get a mark: on some systems they are one file.
    """
    names = list(meters)
    alike = Counter(map(_folded, names))
    return {name: file_stem(name, is_alone=alike[_folded(name)] == 1) for name in names}


def file_stem(meter: str, *, is_alone: bool = True) -> str:
    """A name for the files of one meter, possible on every system and leading nowhere else.

    Letters, digits, spaces and `_ . ( ) -` stay. Where something had to be changed, `~` and eight
    digits made of the whole name follow, so no two meters share files.

    Args:
        meter: Its name in the site.
        is_alone: Whether it can be told from the others of the site.
    """
    safe = _UNSAFE.sub("_", unicodedata.normalize("NFC", meter)).strip(" .")
    safe = safe.encode()[:_MOST_BYTES].decode(errors="ignore").rstrip(" .")
    if safe and safe == meter and is_alone and not _WINDOWS_DEVICE.fullmatch(safe):
        return safe
    digits = hashlib.sha256(meter.encode(errors="replace")).hexdigest()[:8]
    return f"{safe or 'meter'}~{digits}"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
