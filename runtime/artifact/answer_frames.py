"""Answers as a frame of the kind that was given: of pandas, polars or Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from dlc.runtime.data.sources.frames import is_of_pandas

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from dlc.runtime.artifact.answer_columns import Values

LARGE = 1 << 31  # entries, or bytes of text, for which offsets of 32 bits are too small


class PandasLike(Protocol):
    """A DataFrame of pandas."""

    @property
    def iloc(self) -> Any: ...
    @property
    def columns(self) -> Any: ...


class PolarsLike(Protocol):
    """A DataFrame of polars."""

    @property
    def columns(self) -> Any: ...
    def lazy(self) -> Any: ...


class ArrowLike(Protocol):
    """A Table or a RecordBatch of pyarrow."""

    @property
    def columns(self) -> Any: ...
    def to_pydict(self) -> Any: ...


class ArrowStream(Protocol):
    """Anything else that exports a table by the C interface of Arrow."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


Frame = TypeVar("Frame", bound=PandasLike | PolarsLike | ArrowLike)


def like(given: Any, columns: Mapping[str, Values], rows: np.ndarray | None) -> Any:
    """The columns as a frame of the kind of `given`, a table of Arrow if it is another. `rows` are the
    numbers of the rows that are answered, None for all: they choose the index of pandas."""
    if is_of_pandas(given):
        return _of_pandas(given, columns, rows)
    import pyarrow as pa

    arrays = {name: arrow_array(values) for name, values in columns.items()}
    if isinstance(given, pa.RecordBatch):
        return pa.record_batch(arrays)
    if not any(kind.__module__.partition(".")[0] == "polars" for kind in type(given).__mro__):
        return pa.table(arrays)
    import polars as pl

    return pl.DataFrame(pa.table(arrays))


def _of_pandas(given: Any, columns: Mapping[str, Values], rows: np.ndarray | None) -> Any:
    """A DataFrame with the index of the rows given. A cell of a vector or a sequence is an array."""
    import pandas as pd

    index = given.index if rows is None else given.index.take(rows)
    return pd.DataFrame({name: _cells(values) for name, values in columns.items()}, index=index)


def _cells(values: Values) -> Any:
    """The values of a column of pandas."""
    if isinstance(values, list) or values.ndim > 1:
        return np.fromiter(values, object, len(values))
    values = _plain(values)
    return np.array(values, "U") if values.dtype == object and not len(values) else values


def arrow_array(values: Values) -> pa.Array:
    """A column of Arrow: numbers, text, or lists of them for each further axis."""
    if isinstance(values, list):
        shapes = np.array([row.shape for row in values], np.int64)
        return _nested(_plain(np.concatenate([row.ravel() for row in values])), shapes)
    values = _plain(values)
    return _nested(values.ravel(), np.tile(np.array(values.shape[1:], np.int64), (len(values), 1)))


def _plain(values: np.ndarray) -> np.ndarray:
    """The values in a dtype that every library has: bfloat16 becomes float32."""
    return values.astype(np.float32) if values.dtype.name == "bfloat16" else values


def _nested(flat: np.ndarray, shapes: np.ndarray) -> pa.Array:
    """The values of all rows, one after the other, as rows of these shapes."""
    import pyarrow as pa

    array = pa.array(flat, pa.large_string() if flat.dtype == object else None)
    if flat.dtype == object and array.nbytes < LARGE:
        array = array.cast(pa.string())
    for axis in reversed(range(shapes.shape[1])):
        lists = np.prod(shapes[:, :axis], axis=1, dtype=np.int64)
        ends = np.concatenate([[0], np.cumsum(np.repeat(shapes[:, axis], lists))])
        small = ends[-1] < LARGE
        kind, offsets = (pa.ListArray, pa.int32()) if small else (pa.LargeListArray, pa.int64())
        array = kind.from_arrays(pa.array(ends, offsets), array)
    return array
