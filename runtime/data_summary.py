"""What the rows look like to a program: figures of each field."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.format.printer import print_type
from dlc.runtime.data import required_fields
from dlc.runtime.data_figures import ClassCounts, ColumnMoments, DistinctCount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Classes, Tensor
    from dlc.runtime.data import RequiredField, Rows

MAX_COLUMNS = 4096  # of a vector that are summarized one by one


@dataclass(frozen=True)
class LengthRange:
    """The lengths of sequences in steps, or of texts in characters."""

    least: int
    median: float
    greatest: int


@dataclass(frozen=True)
class Summary:
    """The figures of a field, over all its entries, or of one column of a vector.

    `values` counts the entries, without those in the padding of shorter rows: `missing` are without a value,
    `unknown` are not one of the classes, and `ignored` are those of a target that do not count. `distinct` is
    None for pictures of real numbers, and a lower bound if `many` is true. The deviation is that of the
    values, as `standardize` computes it (divided by their number). `classes` are the numbers of values by
    label.
    """

    name: str
    role: str
    type: str
    values: int = 0
    missing: int = 0
    unknown: int = 0
    ignored: int = 0
    distinct: int | None = None
    many: bool = False
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    deviation: float | None = None
    classes: Mapping[str, int] = field(default_factory=dict)
    lengths: LengthRange | None = None
    drawn: str = ""  # the distribution from which it is drawn
    columns: tuple[Summary, ...] = ()


def summaries(program: CompiledProgram, parts: Sequence[Rows], columns: Mapping[str, Sequence[str]],
              *, each_column: bool = False) -> Iterator[Summary]:  # fmt: skip
    """The figures of each input and target, inputs first, over all rows of these parts. `columns` are the
    names of the columns of each field; `each_column` gives the figures of each column of a vector too."""
    for wanted in required_fields(program):
        kind = print_type(wanted.declared)
        if wanted.drawn and wanted.source is not None:
            yield Summary(wanted.name, wanted.role, kind, drawn=wanted.source.name)
            continue
        rows = [part for part in parts if wanted.name in part.types]
        made = summary(wanted, rows, columns.get(wanted.name, ()), each_column=each_column)
        yield replace(made, missing=0, ignored=made.missing) if wanted.ignores else made
        for node in wanted.readers:
            read = node.results[0]
            yield of_classes(read.name, "tokens", read.type, [p for p in parts if read.name in p.types])


def summary(
    wanted: RequiredField, rows: Sequence[Rows], columns: Sequence[str], *, each_column: bool
) -> Summary:
    declared = wanted.declared
    if declared.element == "class":
        return of_classes(wanted.name, wanted.role, declared, rows)
    if declared.element == "string":
        return of_texts(wanted, rows)
    if declared.element in ("binary", "bool") and not declared.shape:
        labels = declared.classes.names if declared.classes else None
        counts = ClassCounts(2)
        for values in entries(wanted.name, declared, rows):
            counts.add(values)
        if not counts.others:  # else probabilities
            return of_counts(wanted.name, wanted.role, declared, counts, labels or ("0", "1"))
    return of_numbers(wanted, rows, columns, each_column=each_column)


def of_classes(name: str, role: str, declared: Tensor, rows: Sequence[Rows]) -> Summary:
    """A field of classes. The end of a row that is answered step by step is none of its symbols."""
    assert declared.classes is not None
    classes: Classes = declared.classes.without_end()
    labels, counts = classes.texts, ClassCounts(len(classes.texts))
    for values in entries(name, declared, rows):
        counts.add(values)
    end = int(declared.classes.end)
    unknown = sum(some.unknown for part in rows for some in part.unknown_values() if some.name == name)
    return of_counts(name, role, declared, counts, labels, unknown, lengths_of(name, declared, rows, end))


def of_counts(name: str, role: str, declared: Tensor, counts: ClassCounts, labels: Sequence[str],
              unknown: int = 0, lengths: LengthRange | None = None) -> Summary:  # fmt: skip
    there = np.flatnonzero(counts.counts)
    there = there[np.argsort(-counts.counts[there], kind="stable")]
    known = {labels[place]: int(counts.counts[place]) for place in map(int, there)}
    total = sum(known.values()) + counts.missing
    return Summary(name, role, print_type(declared), total, counts.missing - unknown, unknown,
                   distinct=len(known), classes=known, lengths=lengths)  # fmt: skip


def of_texts(wanted: RequiredField, rows: Sequence[Rows]) -> Summary:
    """A field of texts: the lengths of those that are not missing, in characters."""
    found: set[str] = set()
    sizes: list[int] = []
    count = 0
    for values in entries(wanted.name, wanted.declared, rows):
        texts = [text for text in values.ravel().tolist() if text]
        count += values.size
        found.update(texts)
        sizes += map(len, texts)
    return Summary(wanted.name, wanted.role, print_type(wanted.declared), count, count - len(sizes),
                   distinct=len(found), lengths=lengths(np.array(sizes, np.int64)))  # fmt: skip


def of_numbers(wanted: RequiredField, rows: Sequence[Rows], columns: Sequence[str],
               *, each_column: bool) -> Summary:  # fmt: skip
    """A field of numbers: the figures of all its entries together, and those of the columns of a vector."""
    declared = wanted.declared
    [size] = declared.shape if len(declared.shape) == 1 else [1]
    apart = each_column and isinstance(size, int) and 1 < size <= MAX_COLUMNS
    count = size if apart and isinstance(size, int) else 1
    moments, counted = ColumnMoments(count), declared.rank < 2 or not declared.is_float
    distinct = [DistinctCount() for _ in range(count)] if counted else []
    every = DistinctCount() if apart else None
    for values in entries(wanted.name, declared, rows):
        table = values.reshape(-1, count)
        moments.add(table)
        for place, one in enumerate(distinct):
            one.add(table[:, place])
        if every is not None:
            every.add(table)
    kind, total = print_type(declared), moments.together()
    of_all = every or (distinct[0] if distinct else None)
    named = columns if len({*columns}) == count else [f"{wanted.name}[{place}]" for place in range(count)]
    apart_figures = [
        figures(name, wanted.role, declared.element, moments, place, distinct[place])
        for place, name in enumerate(named if apart else ())
    ]
    whole = figures(wanted.name, wanted.role, kind, total, 0, of_all, lengths_of(wanted.name, declared, rows))
    return replace(whole, columns=tuple(apart_figures))


def figures(name: str, role: str, kind: str, moments: ColumnMoments, place: int,
            distinct: DistinctCount | None, lengths: LengthRange | None = None) -> Summary:  # fmt: skip
    count, missing = int(moments.count[place]), int(moments.missing[place])
    known: dict[str, Any] = {}
    if count and moments.low is not None and moments.high is not None:
        known["low"], known["high"] = shortest(moments.low[place]), shortest(moments.high[place])
        known["mean"], known["deviation"] = float(moments.mean[place]), float(moments.deviation[place])
    counts = distinct.count if distinct is not None else None
    many = distinct is not None and distinct.many
    return Summary(name, role, kind, count + missing, missing, distinct=counts, many=many, lengths=lengths,
                   **known)  # fmt: skip


def shortest(value: np.generic) -> float:
    """A number in as few digits as tell it apart in its type: 4.3 for the float32 next to it."""
    return float(str(value)) if value.dtype.kind == "f" else int(value)


def entries(name: str, declared: Tensor, rows: Sequence[Rows]) -> Iterator[np.ndarray]:
    """The values of a field in chunks of rows: whole rows, or of rows that differ in length the valid entries
    alone."""
    axis = declared.free_axis
    for part in rows:
        lengths = part.length_names.get(name) if axis is not None else None
        fields = [name, *([lengths] if lengths else [])]
        for batch in part.batches(part.inspected([name]), fields) if part.count else ():
            values = batch[name]
            if lengths is None or axis is None:
                yield values
                continue
            steps = np.arange(values.shape[axis + 1]) < batch[lengths][:, None]
            yield np.moveaxis(values, axis + 1, 1)[steps]


def lengths_of(name: str, declared: Tensor, rows: Sequence[Rows], end: int = 0) -> LengthRange | None:
    """The lengths of the rows of a field that may differ in length, without the end."""
    if declared.free_axis is None:
        return None
    found = [part.lengths[part.length_names[name]] - end for part in rows if name in part.length_names]
    return lengths(np.concatenate(found)) if found else None


def lengths(found: np.ndarray) -> LengthRange | None:
    if not len(found):
        return None
    return LengthRange(int(found.min()), float(np.median(found)), int(found.max()))
