"""Data frames of pandas, polars, Arrow and others as sources of rows. Of their libraries only Arrow is
imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import data_errors
from dlc.runtime.data.source import numbers
from dlc.runtime.data.sources.arrays import ArraySource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.runtime.data.source import Column, Opened

FILE = "the frame given"


class PandasFrame(ArraySource):
    """A pandas DataFrame. Its index is not a column."""

    no_rows, what, is_table = "has no rows", "column", True

    def __init__(self, frame: Any) -> None:
        self.file = FILE
        self._index = tuple(map(str, getattr(getattr(frame, "index", None), "names", ())))
        self._take((str(name), column) for name, column in frame.items())

    def _column(self, name: str, given: Any) -> Column:
        if hasattr(given.dtype, "pyarrow_dtype"):
            return self._of_arrow(name, given)
        if self.sorted_by is None or name != self.names[self.sorted_by] or not is_temporal(given):
            return super()._column(name, given)
        import pyarrow as pa

        from dlc.runtime.data.sources.arrow import moments

        values = moments(pa.array(given, from_pandas=True))
        return numbers(values.fill_null(0).to_numpy(), nulls=np.asarray(values.is_null()))

    def _of_arrow(self, name: str, given: Any) -> Column:
        """A column that pandas holds in Arrow."""
        import pyarrow as pa

        from dlc.runtime.data.sources.arrow import ArrowTable

        alone = ArrowTable(pa.table({name: pa.chunked_array([pa.array(given)])}), FILE)
        by_this = self.sorted_by is not None and name == self.names[self.sorted_by]
        alone.sorted_by = 0 if by_this else None
        return alone.read([0])[0]

    def absent_help(self, name: str) -> str:
        return "it is the index of the frame: `frame.reset_index()`" if name in self._index else ""


def is_temporal(given: Any) -> bool:
    """Whether a column of pandas has dates or times."""
    return getattr(given.dtype, "kind", "") in "Mm"


def is_frame(given: Any) -> bool:
    """Whether it is a pandas DataFrame, or exports an Arrow table."""
    if hasattr(given, "iloc"):  # pandas: a Series exports an Arrow stream too
        return is_of_pandas(given)
    return hasattr(given, "__arrow_c_stream__") or hasattr(given, "__arrow_c_array__")


def is_of_pandas(given: Any) -> bool:
    return hasattr(given, "iloc") and hasattr(given, "columns")


def frame_help(given: Any, inputs: Iterable[str] = ()) -> str:
    """The fix for an object that is not a frame, to append to its name: a LazyFrame, and a Series that is a
    row with the `inputs` of a model or a column of one of them."""
    if type(given).__name__ == "LazyFrame":
        return ": `.collect()` makes a frame of it"
    if not (hasattr(given, "iloc") and hasattr(given, "to_frame")):
        return ""
    if any(name in given.index for name in inputs):
        return ": `.to_frame().T` makes a frame of a row"
    return ": `.to_frame()` makes a frame of a column" if given.name in inputs else ""


def open_frame(given: Any) -> Opened:
    """The rows of a frame. `CompileError` if its columns cannot be read."""
    if is_of_pandas(given):
        return PandasFrame(given)
    import pyarrow as pa

    from dlc.runtime.data.sources.arrow import ArrowTable

    try:
        return ArrowTable(pa.table(given), FILE)
    except (pa.ArrowException, TypeError, ValueError) as error:
        what = f"a {type(given).__name__} cannot be read as a frame: {shorten(error, 200)}"
        raise data_errors.fail(data_errors.BROKEN, what) from None
