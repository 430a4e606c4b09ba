"""Series as data: the settings of sources that make sequences of rows, and the values behind a window."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.data_families import DataSource, Field
from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import Integer, Nothing, OneOf, Path, Text
from dlc.compiler.record import record
from dlc.compiler.urls import is_pattern, is_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.dims.dim import Size


class TableFile(DataSource, abstract=True):
    """A file of rows with columns, or several. The rows are samples of their own, or the steps of series: a
    sample is then a whole series, or a window of one."""

    path: str = setting("the file or folder, relative to the spec, or a pattern such as `logs/*.csv.gz`, or "
                        "a URL such as `s3://bucket/rows`", Path())  # fmt: skip
    series: str | None = setting("the column whose values tell series apart", OneOf(Text(), Nothing()), None,
                                 keyword=True,
                                 shown="rows are samples, or with `window` one series")  # fmt: skip
    order: str | None = setting("the column by which rows (of each series) are sorted: numbers, dates, times",
                                OneOf(Text(), Nothing()), None, keyword=True,
                                shown="as they stand")  # fmt: skip
    window: int | None = setting("the number of successive rows of a series that are one sample",
                                 OneOf(Integer(1), Nothing()), None, keyword=True,
                                 shown="no windows")  # fmt: skip
    step: int = setting(
        "the rows from the beginning of a window to that of the next", Integer(1), 1, keyword=True
    )

    @property
    def is_one_file(self) -> bool:
        """Whether the path is that of a file of this machine, as far as it shows that."""
        return bool(PurePath(self.path).suffix) and not (is_url(self.path) or is_pattern(self.path))

    @property
    def sequences(self) -> dict[str, Any]:
        """The settings that make sequences of the rows."""
        return {key: getattr(self, key) for key in TableFile.settings if key != "path"}


class Ahead(Field):
    """The values of one or several columns in the rows behind a window: `float[n]` for one column, `float[n,
    k]` for `k` columns, or one value for `n` = 1."""

    usage = """
    input  past: float[24, 2]
    output load: float[6]

    past -> standardize -> flatten -> dense(6) -> load

    data {
      source = csv("load.csv", window=24)
      past   = columns("load", "temperature")
      load   = ahead("load", 6)
    }
    """

    columns: tuple[str, ...] = setting("their names in the source", Text(), rest=True)
    n: int = setting("the number of rows behind the window", Integer(1))


@record
class Steps:
    """The rows of a sequence that fill a field, from `start` on: `count` rows, or all rows of a `whole`
    series, along its `axis`; without an axis, the row `start` alone."""

    start: int = 0
    count: int = 1
    axis: int | None = None
    whole: bool = False

    def fit(self, shape: Sequence[Size], row: Sequence[int]) -> bool:
        """Whether they fill a field of the declared `shape`, if one row has the shape `row`."""
        if self.axis is None:
            return fits(shape, row)
        sized = self.whole or fits(shape[self.axis : self.axis + 1], (self.count,))
        return bool(shape) and sized and fits(self.without_axis(shape), row)

    def without_axis(self, shape: Sequence[Size]) -> tuple[Size, ...]:
        """The part of a shape that one row fills."""
        return tuple(size for axis, size in enumerate(shape) if axis != self.axis)


def steps_of(source: Field | None, shape: Sequence[Size], row: Sequence[int], window: int | None) -> Steps:
    """The rows of a window, or of a whole series (`window` is None), that fill a field with the declared
    `shape`, if one row has the shape `row`. A field without an axis for the rows has the last row of a
    window, and the first row of a series."""
    if isinstance(source, Ahead):
        assert window is not None, "`ahead` stands behind a window"
        one = source.n == 1 and fits(shape, row)
        return Steps(window, source.n, None if one else axis_of(shape, row, source.n) or 0)
    if window is None:
        return Steps() if fits(shape, row) else Steps(axis=axis_of(shape, row, None) or 0, whole=True)
    axis = axis_of(shape, row, window)
    return Steps(window - 1) if axis is None and fits(shape, row) else Steps(0, window, axis or 0)


def axis_of(shape: Sequence[Size], row: Sequence[int], count: int | None) -> int | None:
    """The axis of a field that `count` rows fill, None for any number: the second one if that alone is free,
    as in `[channels, T]`, else the first one. None if the shape does not fit."""
    free = [axis for axis, size in enumerate(shape[:2]) if not isinstance(size, int)]
    if free == [1] and fits((shape[0], *shape[2:]), row):
        return 1
    sized = shape and (not isinstance(shape[0], int) or count in (None, shape[0]))
    return 0 if sized and fits(shape[1:], row) else None


def fits(shape: Sequence[Size], found: Sequence[int]) -> bool:
    """Whether values of the shape `found` fill the declared `shape`: axes of size 1 do not count, and a free
    dimension has any size."""
    if all(isinstance(size, int) for size in shape):
        return [size for size in shape if size != 1] == [size for size in found if size != 1]
    pairs = zip(shape, found, strict=False)
    return len(shape) == len(found) and all(not isinstance(s, int) or s == f for s, f in pairs)
