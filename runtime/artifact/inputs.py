"""Convert the arguments of `predict`, lists or arrays, to the input arrays of an artifact. Values have the
same meaning as in a file of rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from dlc.compiler.diagnostics.quoting import listed, shorten
from dlc.runtime.data.columns import text_units, unknown_classes
from dlc.runtime.data.columns.encode import encode
from dlc.runtime.data.columns.field_columns import in_rows
from dlc.runtime.data.columns.numerals import help_for
from dlc.runtime.data.columns.python_columns import as_array, column_of, column_of_sequences
from dlc.runtime.data.data_errors import Refused
from dlc.runtime.data.requirements import Purpose
from dlc.runtime.data.sequences.ragged import Ragged
from dlc.runtime.data.sequences.sequence_shapes import joined, sequence_axis
from dlc.runtime.data.source import numbers, texts
from dlc.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.types import Tensor
    from dlc.runtime.data.columns.unknown_classes import UnknownValues
    from dlc.runtime.data.source import Column

BFLOAT16 = "tensor(bfloat16)"


def arrays(
    types: Mapping[str, Tensor],
    wanted: Sequence[Any],
    given: Mapping[str, Any],
    units: Mapping[str, str],
    lengths: Mapping[str, str],
) -> tuple[dict[str, np.ndarray | Ragged], list[UnknownValues]]:
    """An array with the dtype and shape of each input, ragged if its rows differ in length, and the class
    inputs with missing or unknown values. `units` are what the texts of an input are cut into; `lengths` are
    the inputs of lengths, each with its dimension, which may be left out. `ArtifactError` for invalid values.
    """
    unknown = next((name for name in given if name not in types), None)
    if unknown is not None:
        raise ArtifactError(f"the model has no input `{shorten(unknown)}`: it takes {listed(types, '{}')}")
    missing = next((name for name in types if name not in given and name not in lengths), None)
    if missing is not None:
        raise ArtifactError(f"the input `{missing}` is missing: the model takes {listed(types, '{}')}")
    found: list[UnknownValues] = []
    wanted = [w for w in wanted if w.name in given]
    made = {w.name: array(w, types[w.name], given[w.name], found, units.get(w.name, "")) for w in wanted}
    check_lengths(made, lengths, check_sizes(wanted, made))
    return made, found


def array(
    wanted: Any, type: Tensor, given: Any, found: list[UnknownValues], unit: str
) -> np.ndarray | Ragged:
    try:
        column = column_given(wanted, type, given, unit)
    except ValueError as error:
        raise ArtifactError(f"`{wanted.name}` takes {type}: {shorten(error, 200)}") from None
    try:
        made = encode(column.steps, type, type.classes, Purpose(raw=True))
    except Refused as refused:
        row = in_rows(refused, column).rows[0]
        raise ArtifactError(f"`{wanted.name}`, row {row + 1}: {explain(refused, type)}") from None
    if type.element == "class" and type.classes is not None:
        lost = unknown_classes.without_imputed(made, type)
        some = unknown_classes.count(wanted.name, lost, unknown_classes.examples([column], [made]))
        found += [some] if some and not isinstance(given, Ragged) else []
        made = unknown_classes.with_unknown(made, type.classes)
    made = made.astype(ml_dtypes.bfloat16) if wanted.type == BFLOAT16 else made
    return (
        made if column.lengths is None else joined(made, column.lengths, sequence_axis(type, [column]) or 0)
    )


def column_given(wanted: Any, type: Tensor, given: Any, unit: str) -> Column:
    """The values of an input as a column. Texts that fill a sequence of classes are cut into units."""
    if isinstance(given, Ragged):
        return replace(numbers(given.values), lengths=given.lengths)
    if (column := column_of_sequences(given)) is not None:
        if sequence_axis(type, [column]) is None:
            raise ValueError("its rows are not all of one shape")
        return column
    values = as_array(given)
    is_cut = unit and type.takes_text and values.ndim == 1
    if values.ndim != len(wanted.shape) and not is_cut:
        raise shape_error(wanted, values.shape)
    column = column_of(values) if len(values) else empty(values.shape[1:], type)
    if is_cut and not column.is_text:
        raise shape_error(wanted, values.shape)
    return text_units.cut(column, unit) if is_cut else column


def explain(refused: Refused, type: Tensor) -> str:
    """The message for a refused value, with its fix."""
    help = refused.help
    if refused.text:
        help = help_for(refused.text, None, in_spec=False, lacks=type.missing)
    return f"{refused.what}; {help}" if help else refused.what


def empty(shape: tuple[int, ...], type: Tensor) -> Column:
    """An empty column with the shape of a row."""
    return texts([], shape) if type.element == "string" else numbers(np.zeros((0, *shape)))


def shape_error(wanted: Any, found: Sequence[int]) -> ArtifactError:
    shape = ", ".join(map(str, wanted.shape))
    return ArtifactError(f"`{wanted.name}` takes [{shape}], found {list(found)}; the batch is the first axis")


def length_error(wanted: Any, size: int, lengths: np.ndarray) -> ArtifactError:
    row = int(np.argmax(lengths != size))
    return ArtifactError(
        f"`{wanted.name}`, row {row + 1}: its length is {lengths[row]}, and {size} is wanted"
    )


def check_sizes(
    wanted: Sequence[Any], made: Mapping[str, np.ndarray | Ragged]
) -> Mapping[str, tuple[Any, str]]:
    """Check the sizes of all inputs: a free dimension has the same size in all of them, in each row. Returns
    the size of each, or its sizes in the rows, and the first input that has it."""
    known: dict[str, tuple[Any, str]] = {}
    for w in wanted:
        for size, found in zip(w.shape, sizes_of(made[w.name]), strict=True):
            if isinstance(size, int) and np.any(size != found):
                raise length_error(w, size, found) if np.ndim(found) else shape_error(w, made[w.name].shape)
            other, owner = known.setdefault(size, (found, w.name)) if isinstance(size, str) else (found, "")
            if np.any(other != found):
                a, b = np.broadcast_arrays(other, found)
                at = int(np.argmax(a != b))
                sizes = f"{a.flat[at]} in `{owner}` and {b.flat[at]} in `{w.name}`"
                raise ArtifactError(f"`{size}` is {sizes}{f', row {at + 1}' if a.ndim else ''}")
    return known


def check_lengths(
    made: Mapping[str, np.ndarray | Ragged], lengths: Mapping[str, str], sizes: Mapping[str, tuple[Any, str]]
) -> None:
    """Check that no row is said to be longer than its array. `sizes` are those of dimensions."""
    for name, dim in lengths.items():
        given, (steps, owner) = made.get(name), sizes.get(dim, (0, ""))
        if not isinstance(given, np.ndarray) or not owner:
            continue
        steps = np.broadcast_to(steps, given.shape)
        if (bad := (given < 0) | (given > steps)).any():
            row = int(np.argmax(bad))
            between = f"between 0 and {steps[row]}, the steps of `{owner}`"
            raise ArtifactError(f"`{name}`, row {row + 1}: {given[row]} is not {between}")


def sizes_of(values: np.ndarray | Ragged) -> list[Any]:
    """The size of each axis; of the axis along which rows differ, that of each row."""
    sizes: list[Any] = [*values.shape]
    if isinstance(values, Ragged):
        sizes[values.axis + 1] = values.lengths
    return sizes
