"""The history as Parquet, by pyarrow (extra `arrow`), which is imported when it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from energymeter._version import __version__
from energymeter.errors import ConfigError
from energymeter.reader.reading import Quality
from energymeter.store.base import Every, Form, History, Kind, Series
from energymeter.store.export import Block, Column, WideTable, extreme_values

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

__all__ = ["ParquetWriter"]

_GROUP_ROWS: Final = 250_000
"""Rows that are gathered before they are written together."""

_EXACT: Final = 2**53
"""Whole numbers up to here are doubles too."""


class ParquetWriter:
    """Writes a Parquet file.

    A long one has the columns time, meter, quantity, value, text, unit, quality; text has what is
    no number, and whole numbers that no double holds. A wide one has time, meter, a column for
    each quantity with its unit as metadata, `other` (JSON of what is not of its column's type)
    and quality.

    Args:
        path: The file.
        columns: Those of a wide table; None for a long one.
        every: Whether rows are windows, and which.
        zone: In which programs are to show the times; None: UTC.

    Raises:
        ConfigError: pyarrow is missing.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[Column] | None,
        every: Every | None,
        zone: tzinfo | None,
    ) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError as error:
            msg = "Parquet needs pyarrow: pip install 'energymeter[arrow]'"
            raise ConfigError(msg) from error
        self._pa = pa
        self._columns = columns
        self._has_windows = every is not None
        self._time = pa.timestamp("us", tz=_name_of(zone))
        self._schema = self._schema_of(columns).with_metadata(_facts(every, zone))
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, block: Block) -> int:
        """See `Writer.write`."""
        if self._columns is not None:
            table = WideTable(self._columns, block)
            self._add(self._wide(block.meter, table, self._columns))
            return table.values
        count = 0
        for _, history in block.histories:
            self._add(self._long(block.meter, history))
            count += len(history)
        return count

    def close(self) -> None:
        """See `Writer.close`; also after an error."""
        try:
            self._flush()
        finally:
            self._writer.close()

    def _schema_of(self, columns: Sequence[Column] | None) -> pa.Schema:
        pa = self._pa
        text = pa.string()
        first = [pa.field("time", self._time, nullable=False), ("meter", text)]
        if columns is None:
            rest = [("quantity", text), ("value", pa.float64()), ("text", text)]
            rest += [("unit", text), ("quality", text)]
            if self._has_windows:
                rest += [("lowest", pa.float64()), ("highest", pa.float64())]
            return pa.schema([*first, *rest])
        values = [
            pa.field(
                column.title,
                self._type_of(column.series),
                metadata={"unit": column.series.unit, "kind": column.series.kind.value},
            )
            for column in columns
        ]
        return pa.schema([*first, *values, ("other", text), ("quality", text)])

    def _type_of(self, series: Series) -> pa.DataType:
        pa = self._pa
        if self._has_windows:
            is_whole = series.kind is Kind.COUNTER and series.form is Form.INTEGER
            return pa.int64() if is_whole else pa.float64()
        types = {
            Form.FLOAT: pa.float64(),
            Form.INTEGER: pa.int64(),
            Form.BOOLEAN: pa.bool_(),
            Form.TEXT: pa.string(),
        }
        return types[series.form]

    def _add(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self._waiting.append(batch)
            self._rows += batch.num_rows
        if self._rows >= _GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = self._pa.Table.from_batches(self._waiting, self._schema)
            self._waiting, self._rows = [], 0
            self._writer.write_table(table, row_group_size=_GROUP_ROWS)

    def _long(self, meter: str, history: History) -> pa.RecordBatch:
        pa = self._pa
        size = len(history)
        (doubles, is_null), texts = _as_doubles(history)
        columns = [
            pa.array(history.times_us, self._time),
            pa.repeat(meter, size),
            pa.repeat(history.series.name, size),
            pa.array(doubles, pa.float64(), mask=is_null),
            pa.nulls(size, pa.string()) if texts is None else pa.array(texts, pa.string()),
            pa.repeat(history.series.unit, size),
            self._qualities(history.qualities),
        ]
        if self._has_windows:
            columns += [
                pa.array(extreme_values(history, column), pa.float64())
                for column in (history.lows, history.highs)
            ]
        return pa.record_batch(columns, schema=self._schema)

    def _qualities(self, qualities: Sequence[Quality]) -> pa.Array:
        names = list(Quality)
        codes = {quality: code for code, quality in enumerate(names)}
        indexes = np.fromiter((codes[q] for q in qualities), np.int8, len(qualities))
        words = [quality.value for quality in names]
        return self._pa.DictionaryArray.from_arrays(indexes, words).cast(self._pa.string())

    def _wide(self, meter: str, table: WideTable, columns: Sequence[Column]) -> pa.RecordBatch:
        pa = self._pa
        size = len(table.times_us)
        others: dict[int, dict[str, Any]] = {}
        arrays: list[Any] = []
        for place, column in enumerate(columns):
            kind = self._schema.field(place + 2).type
            cells: list[Any] = [None] * size
            for at, rows, history in table.placed:
                if at != place:
                    continue
                for row, value in zip(rows.tolist(), history.values, strict=True):
                    cells[row] = value
            try:
                arrays.append(pa.array(cells, kind))
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
                arrays.append(self._fitting(cells, kind, column.title, others))
        return pa.record_batch(
            [
                pa.array(table.times_us, self._time),
                pa.repeat(meter, size),
                *arrays,
                pa.array(
                    [json.dumps(others[row]) if row in others else None for row in range(size)],
                    pa.string(),
                ),
                pa.array(table.qualities(), pa.string()),
            ],
            schema=self._schema,
        )

    def _fitting(
        self, cells: Sequence[Any], kind: pa.DataType, title: str, others: dict[int, dict[str, Any]]
    ) -> pa.Array:
        """The values that are of the column's type; the others go elsewhere."""
        pa = self._pa
        kept: list[Any] = [None] * len(cells)
        for row, value in enumerate(cells):
            with suppress(pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
                pa.scalar(value, kind)
                kept[row] = value
                continue
            others.setdefault(row, {})[title] = value
        return pa.array(kept, kind)


def _as_doubles(
    history: History,
) -> tuple[tuple[NDArray[np.float64], NDArray[np.bool_]], list[str | None] | None]:
    """The values as doubles with what is null among them, and the others as text."""
    numbers, is_null = history.numbers, history.is_null
    if numbers.dtype.kind in "fb":
        return (numbers.astype(np.float64), is_null), None
    if numbers.dtype == np.int64 and ((numbers <= _EXACT) & (numbers >= -_EXACT)).all():
        return (numbers.astype(np.float64), is_null), None
    doubles = np.zeros(len(numbers))
    is_other = np.ones(len(numbers), np.bool_)
    texts: list[str | None] = [None] * len(numbers)
    for row, value in enumerate(history.values):
        if value is None:
            continue
        if isinstance(value, str) or (abs(value) > _EXACT and isinstance(value, int)):
            texts[row] = str(value)
        else:
            doubles[row], is_other[row] = value, False
    return (doubles, is_other), texts


def _name_of(zone: tzinfo | None) -> str:
    return "UTC" if zone is None else str(zone)


def _facts(every: Every | None, zone: tzinfo | None) -> Mapping[str, str]:
    return {
        "energymeter.version": __version__,
        "energymeter.window_s": "" if every is None else str(int(every)),
        "energymeter.timezone": _name_of(zone),
    }
