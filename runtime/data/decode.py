"""Read a source and decode its columns to the arrays of the fields."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.definitions.series import Ahead
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims import dim
from dlc.compiler.dims.dim import number
from dlc.compiler.passes.lengths import length_name
from dlc.compiler.types import spell
from dlc.runtime.data import bounds, data_errors
from dlc.runtime.data.columns import text_units, unknown_classes
from dlc.runtime.data.columns.column_match import Match, columns_help, match
from dlc.runtime.data.columns.conversion import as_numbers, refusal
from dlc.runtime.data.columns.encode import encode, missing_help
from dlc.runtime.data.columns.field_columns import FieldColumns, refusal_error
from dlc.runtime.data.columns.float32_precision import precision_loss
from dlc.runtime.data.columns.ignored import without_ignored
from dlc.runtime.data.data_errors import Refused, error
from dlc.runtime.data.files.contents import with_contents
from dlc.runtime.data.requirements import Purpose
from dlc.runtime.data.rows.dataset import InMemoryRows
from dlc.runtime.data.sequences import sequence_shapes
from dlc.runtime.data.sequences.ragged import Ragged, with_end
from dlc.runtime.data.sequences.sequence_shapes import check_lengths, sequence_axis, step_shape
from dlc.runtime.data.sequences.table_series import KEYS, FieldRows, columns_of, sequences_of
from dlc.runtime.data.source import texts

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from dlc.compiler.definitions.sections import Field
    from dlc.compiler.types import Classes, Tensor
    from dlc.runtime.data.requirements import RequiredField
    from dlc.runtime.data.sequences.sequence_shapes import Lengths
    from dlc.runtime.data.sequences.table_series import Sequences
    from dlc.runtime.data.source import Column, Opened


def read_columns(
    opened: Opened,
    wanted: Sequence[RequiredField],
    names: Container[str] | None = None,
    *,
    empty: bool = False,
) -> FieldColumns:
    """Read the columns of the fields, or only of those with these names, and check their shapes. A source
    without rows is an error unless `empty` is true."""
    wanted = [*wanted, *columns_of(opened)]
    matches = match(opened, wanted, names)
    opened.sorted_by = next((m.indices[0] for m in matches if m.wanted.role == "order"), None)
    indices = sorted({index for m in matches for index in m.indices})
    read = dict(zip(indices, opened.read(indices), strict=True))
    if not (opened.count or empty):
        raise data_errors.fail(
            data_errors.NO_ROWS, f"{opened.file} {opened.no_rows}", (opened.definition, "read here")
        )
    columns = {m.wanted.name: _cut(opened, m, [read[index] for index in m.indices]) for m in matches}
    sizes: Lengths = {}
    filled = _in_sequences(FieldColumns(opened, wanted, matches, columns, lengths=sizes, notes=opened.notes))
    problems = with_contents(filled)
    problems += [p for m in filled.fields if not problems and (p := _shape_problem(filled, m, sizes))]
    problems += _without_ignored(filled)
    if problems:
        raise CompileError(problems)
    return filled


def _cut(opened: Opened, m: Match, columns: list[Column]) -> list[Column]:
    """The columns of a field; a column of texts that fills a sequence of classes is cut into units."""
    [first, *others] = columns
    single = not others and not first.shape and first.lengths is None
    first = first if first.count else texts([])  # without rows, a column of Python has no type
    if not (single and first.is_text and m.wanted.unit) or opened.joins_rows:
        return columns
    what = f"{opened.file}, {opened.name(m.indices[0])}"
    bounds.check(text_units.UNIT_BYTES * first.values.nbytes, bounds.memory_limit(), what, opened.definition)
    return [text_units.cut(first, m.wanted.unit)]


def _in_sequences(filled: FieldColumns) -> FieldColumns:
    """The rows as the steps of sequences, or sorted, as the settings of the source say."""
    found = {m.wanted.role: _keys(filled, m) for m in filled.matches if m.wanted.role in KEYS}
    sequences = sequences_of(filled.opened, filled.wanted, found.get("series"), found.get("order"))
    if sequences is None:
        return filled
    if sequences.window is None and "series" not in found:
        return replace(filled.take(sequences.order), notes=sequences.notes)
    return replace(filled, sequences=sequences, notes=sequences.notes)


def _keys(filled: FieldColumns, m: Match) -> np.ndarray:
    """The number of the series of each row, or of its place in the order."""
    try:
        return KEYS[m.wanted.role](filled.columns[m.wanted.name][0])
    except Refused as refused:
        raise CompileError([refusal_error(filled, m.wanted, m.indices[0], refused)]) from None


def _without_ignored(filled: FieldColumns) -> list[Diagnostic]:
    """Replace the ignored values of targets by missing values; the errors of other missing values."""
    problems = []
    for m in filled.matches:
        columns = filled.columns[m.wanted.name]
        for place, column in enumerate(columns) if m.wanted.ignores else ():
            try:
                found = without_ignored(column.steps, m.wanted.declared, filled.layout(m).rows)
                columns[place] = replace(found, lengths=column.lengths)
            except Refused as refused:
                problems.append(refusal_error(filled, m.wanted, m.indices[place], refused))
    return problems


def decode(filled: FieldColumns, classes: Mapping[str, Classes] = MappingProxyType({}), *,
           strict: bool = False, raw: bool = False) -> InMemoryRows:  # fmt: skip
    """Every field as an array. The errors of all columns are raised together. `strict` refuses input values
    that are not one of the classes that the spec names; `raw` arrays are inputs of the artifact."""
    problems: list[Diagnostic] = []
    made, indices, examples, fine = {}, {}, {}, {}
    for m in filled.fields:
        wanted, pieces, layout = m.wanted, [], filled.layout(m)
        known = wanted.classes_among(classes)
        purpose = Purpose(wanted.is_target, strict and not (known and known.found_in), raw, wanted.ignores)
        columns = [(index, layout.of(column)) for index, column in filled.sources(m)]
        for index, column in columns:
            try:
                _refuse_empty_texts(column, wanted, purpose)
                pieces.append(encode(column.steps, wanted.declared, known, purpose))
            except Refused as refused:
                if refused.text and filled.opened.marks is not None:
                    filled.opened.undeclared_marks = filled.opened.undeclared_marks or undeclared_marks_in(
                        filled
                    )
                problem = refusal_error(filled, wanted, index, refused, layout.rows)
                problems += [problem] if problem not in problems else []
        if problems:
            continue
        joined, shaped = _joined(pieces), partial(_shaped, filled, m, layout)
        made[wanted.name] = shaped(joined)
        if wanted.has_end and known is not None:
            made[wanted.name] = with_end(made[wanted.name], number(known.count))
        if wanted.declared.element == "float" and not raw:
            named = ((as_numbers(column.steps), filled.opened.name(index)) for index, column in columns)
            losses = (precision_loss(values, name) for values, name in named)
            fine[wanted.name] = tuple(loss for loss in losses if loss is not None)
        if wanted.declared.element != "class" or wanted.is_target or known is None:
            continue
        made[wanted.name] = shaped(unknown_classes.with_unknown(joined, known if raw else None))
        if (lost := unknown_classes.without_imputed(joined, wanted.declared)).min(initial=0) < 0:
            indices[wanted.name] = shaped(lost)
            examples[wanted.name] = unknown_classes.examples([c.steps for _, c in columns], pieces)
    if problems:
        raise CompileError(problems)
    fields, lengths = drawn(filled.wanted), lengths_in(filled.wanted, made)
    numbers = filled.rows if filled.sequences is None else filled.sequences.named_rows
    return InMemoryRows(made, filled.count, filled.opened, numbers, fields, indices, examples, fine, lengths)


def _refuse_empty_texts(column: Column, wanted: RequiredField, purpose: Purpose) -> None:
    """Refuse missing texts where every text needs the same number of units."""
    if column.cut and isinstance(wanted.declared.shape[0], int) and column.missing_rows.any():
        bad, help = column.missing_rows, missing_help(purpose)
        refused = refusal(data_errors.MISSING_VALUE, "the text is missing", bad, help)
        refused.of_rows = True
        raise refused


def lengths_in(
    wanted: Sequence[RequiredField], made: Mapping[str, np.ndarray | Ragged]
) -> dict[str, np.ndarray]:
    """The lengths of all rows along the free axis of each field that has one, by their names."""
    found = {}
    for w in (w for w in wanted if w.name in made):
        axis, values = w.declared.free_axis, made[w.name]
        if isinstance(values, Ragged):
            found[length_name(w.name)] = values.lengths
        elif axis is not None:
            found[length_name(w.name)] = np.full(len(values), values.shape[axis + 1], np.int64)
    return found


def undeclared_marks_in(filled: FieldColumns) -> tuple[str, ...]:
    """The undeclared marks of missing values in all columns of numbers: one setting (`missing`) declares all
    of them."""
    import pyarrow as pa

    from dlc.runtime.data.columns.arrow_compute import pc
    from dlc.runtime.data.columns.numerals import MARKS

    found: dict[str, None] = {}
    for m in filled.fields:
        numeric = m.wanted.declared.element not in ("class", "binary", "bool", "string")
        for _, column in filled.sources(m) if numeric else ():
            if column.is_text:
                cells = pc.utf8_lower(column.trimmed)
                marked = pc.is_in(cells, value_set=pa.array(sorted(MARKS - {"nan"}), pa.large_string()))
                found |= dict.fromkeys(pc.unique(column.trimmed.filter(marked)).to_pylist())
    return tuple(found)


def drawn(wanted: Sequence[RequiredField]) -> dict[str, Field]:
    """The fields that are drawn from a distribution for every batch."""
    return {w.name: w.source for w in wanted if w.drawn and w.source is not None}


def _joined(pieces: list[np.ndarray]) -> np.ndarray:
    """The columns of a field as one array."""
    return pieces[0] if len(pieces) == 1 else np.stack(pieces, axis=1)


def _shaped(filled: FieldColumns, m: Match, layout: FieldRows, values: np.ndarray) -> np.ndarray | Ragged:
    """The values of a field in its shape; free dimensions have the sizes of the data."""
    columns, declared = filled.columns[m.wanted.name], m.wanted.declared
    if not filled.count:
        return _without_rows(values, declared)
    if layout.starts is not None:
        return layout.in_samples(values, declared.shape)
    if (lengths := columns[0].lengths) is not None:
        return sequence_shapes.joined(values, lengths, sequence_axis(declared, columns) or 0)
    if all(isinstance(size, int) for size in declared.shape):
        return values.reshape(filled.count, *declared.shape)
    return values


def _without_rows(values: np.ndarray, declared: Tensor) -> np.ndarray:
    """No rows of a field: those of a column of lists have no sizes, and a column of Python has no axes."""
    sizes = values.shape[1:] if values.ndim == declared.rank + 1 else (0,) * declared.rank
    shape = (size if isinstance(size, int) else n for size, n in zip(declared.shape, sizes, strict=True))
    return np.zeros((0, *shape), values.dtype)


def _shape_problem(filled: FieldColumns, m: Match, sizes: Lengths) -> Diagnostic | None:
    """The error if the columns of a field do not have its shape. `sizes` collects the free dimensions."""
    opened, columns = filled.opened, filled.columns[m.wanted.name]
    if filled.sequences is not None:
        return _series_problem(filled, filled.sequences, m, sizes)
    if any(column.lengths is not None for column in columns):
        return _sequence_problem(filled, m, columns, sizes)
    shape = columns[0].values.shape[1:] if not columns[0].is_text else columns[0].shape
    found = shape if len(columns) == 1 else (len(columns), *shape)
    if not opened.count and (0 in found or (opened.typeless and not found)):
        return None  # without rows the length of lists is unknown
    declared = m.wanted.declared.shape
    if any(not isinstance(size, int) for size in declared):
        return _free_problem(opened, m, found, sizes)
    flat = prod(found) == prod(size for size in declared if isinstance(size, int))
    squeezed = [size for size in found if size != 1] == [size for size in declared if size != 1]
    one_line = len([size for size in found if size != 1]) <= 1 or len(declared) == 1
    if flat and (squeezed or one_line or opened.free_layout):
        return None
    return _shape_error(opened, m, found, _layout_help(opened, m, found, flat))


def _sequence_problem(
    filled: FieldColumns, m: Match, columns: Sequence[Column], sizes: Lengths
) -> Diagnostic | None:
    """The error if sequences that differ in length do not have the shape of their field."""
    axis = sequence_axis(m.wanted.declared, columns)
    if axis is None or any(column.lengths is None for column in columns):
        steps: Any = "..."
        return _shape_error(filled.opened, m, (steps, *step_shape(columns)), "")
    try:
        longer = [replace(column, lengths=column.lengths + m.wanted.has_end)
                  for column in columns if column.lengths is not None]  # fmt: skip
        check_lengths(m.wanted.declared, longer, axis, sizes, has_end=m.wanted.has_end)
    except Refused as refused:
        refused.of_rows = True
        return refusal_error(filled, m.wanted, m.indices[0], refused)
    return None


def _series_problem(
    filled: FieldColumns, sequences: Sequences, m: Match, sizes: Lengths
) -> Diagnostic | None:
    """The error if rows that are steps of sequences do not have the shape of their field."""
    columns, declared = filled.columns[m.wanted.name], m.wanted.declared
    row, steps = step_shape(columns), filled.steps(m)
    if not steps.fit(declared.shape, row) or any(column.lengths is not None for column in columns):
        found: Any = row if steps.axis is None else ("T" if steps.whole else steps.count, *row)
        behind = not (steps.whole or isinstance(m.wanted.source, Ahead) or filled.opened.for_model)
        help = f"`{m.wanted.name} = ahead(...)` takes rows behind the window" if behind else ""
        return _shape_error(filled.opened, m, found, help)
    if steps.axis is None:
        return None
    lengths = sequences.lengths if steps.whole else np.full(sequences.count, steps.count)
    try:
        check_lengths(declared, [replace(columns[0], lengths=lengths)], steps.axis, sizes)
    except Refused as refused:
        return refusal_error(filled, m.wanted, m.indices[0], refused, sequences.first_rows)
    return None


def _free_problem(opened: Opened, m: Match, found: tuple[int, ...], sizes: Lengths) -> Diagnostic | None:
    declared = m.wanted.declared.shape
    if len(found) != len(declared):
        return _shape_error(opened, m, found, "")
    for size, here in zip(declared, found, strict=True):
        if not isinstance(size, int) and dim.is_free(size):
            known = sizes.setdefault(str(size), here)
            if np.any(known != here):
                other = int(np.asarray(known)[np.asarray(known) != here].flat[0])
                return _shape_error(opened, m, found, f"`{size}` is {other} in the fields before it")
    for size, here in zip(declared, found, strict=True):
        if isinstance(size, int):
            if size != here:
                return _shape_error(opened, m, found, "")
        elif dim.names(size) <= sizes.keys() and np.any(dim.evaluate(size, sizes) != here):
            return _shape_error(opened, m, found, f"`{size}` is {dim.evaluate(size, sizes)} here")
    return None


def _layout_help(opened: Opened, m: Match, found: tuple[int, ...], flat: bool) -> str:
    if flat and len(found) == 3:
        return "the axes are in another order; images have their channels first"
    size = m.wanted.declared.shape[0] if len(m.wanted.declared.shape) == 1 else None
    if len(found) == 0 and isinstance(size, int):
        return columns_help(m.wanted, size, in_spec=not opened.for_model)
    return ""


def _shape_error(opened: Opened, m: Match, found: tuple[int, ...], help: str) -> Diagnostic:
    declared = m.wanted.declared
    named = opened.name(m.indices[0]) if len(m.indices) == 1 else f"{len(m.indices)} columns"
    have = f"values of shape [{', '.join(map(str, found))}]" if found else "single values"
    if len(m.indices) > 1:
        have = f"[{', '.join(map(str, found))}]"
    message = (
        f"{opened.file}, {named}: found {have}, and {m.wanted} is {spell(declared.element, declared.shape)}"
    )
    at = ((m.wanted.source or m.wanted.span, "wanted here"), (opened.definition, "read here"))
    return error(data_errors.SHAPE, message, *at, help=help)
