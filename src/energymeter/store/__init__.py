"""Keep what meters say: the `Store` every store is, one in a SQLite file, one in PostgreSQL.

    layout = layout_of(report.points)
    with SqliteStore(Path("site.db")) as store:
        store.append([StoredPoll.of("building-1/main", layout, report)])
        store.latest()["building-1/main"].values
        store.history("building-1/main", "voltage_phase_a", start, end, Every.MINUTE)

`base` has the types, `errors` what can go wrong. `sqlite` puts the embedded store together from
`schema` and `pool` (the file), `rows` (a poll as bytes), `columns` and `chunks` (an hour as few
bytes), `reading`, `downsample`, `compaction` and `upkeep`. `postgres` does so for a server from the
files that begin with its name. `history` and `downsample` tell both stores' histories.
"""

from energymeter.store.base import (
    Every,
    Form,
    History,
    Kind,
    Latest,
    Layout,
    Series,
    Store,
    StoredPoll,
    layout_of,
)
from energymeter.store.errors import (
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
    StoreVersionError,
)
from energymeter.store.postgres import PostgresStore
from energymeter.store.sqlite import SqliteStore

__all__ = [
    "Every",
    "Form",
    "History",
    "Kind",
    "Latest",
    "Layout",
    "PostgresStore",
    "Series",
    "SqliteStore",
    "Store",
    "StoreBusyError",
    "StoreCorruptError",
    "StoreError",
    "StoreFullError",
    "StoreUnavailableError",
    "StoreVersionError",
    "StoredPoll",
    "layout_of",
]
