"""Predict and evaluate: the outputs of an artifact on files of rows, and its metrics. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.definitions.sections import ColumnField, Columns
from dlc.compiler.definitions.series import Ahead
from dlc.compiler.diagnostics.quoting import VALUES, listed, shorten
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.dims.dim import number
from dlc.compiler.output_kinds import class_axis, kind_of
from dlc.runtime import memory
from dlc.runtime.artifact import tokens
from dlc.runtime.artifact.equal_lengths import in_order
from dlc.runtime.artifact.measured import measured_of
from dlc.runtime.artifact.metadata import source_like
from dlc.runtime.artifact.texts import as_texts
from dlc.runtime.data import RequiredField, open_rows, read_rows
from dlc.runtime.data.data_errors import MISSING_COLUMN, REPEATED, fail
from dlc.runtime.data.rows import batch_sizes
from dlc.runtime.errors import ArtifactError
from dlc.runtime.training.meter import Meter, OutputMetric

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.definitions.data_families import Field
    from dlc.compiler.diagnostics.problems import CompileError
    from dlc.compiler.training.metrics import CountTable
    from dlc.compiler.types import Tensor
    from dlc.runtime.artifact.opened import OpenArtifact
    from dlc.runtime.data import Rows
    from dlc.runtime.data.rows import Batch
    from dlc.runtime.data.source import Column, Opened
    from dlc.runtime.data.unknown_classes import UnknownValues
    from dlc.runtime.training.history import Figures

CHUNK = 1024


def inputs_of(artifact: OpenArtifact) -> list[RequiredField]:
    """The fields that rows fill."""
    return [required_field(artifact, name, type) for name, type in tokens.text_types(artifact).items()]


def taken_by(artifact: OpenArtifact) -> list[RequiredField]:
    """The fields that the artifact takes."""
    return [required_field(artifact, name, type) for name, type in artifact.fields.items()]


def required_field(artifact: OpenArtifact, name: str, type: Tensor, role: str = "input") -> RequiredField:
    """A field, with the columns that it was trained on."""
    columns, ahead = artifact.metadata.columns.get(name, []), artifact.metadata.ahead.get(name)
    source: Field | None = None
    if ahead is not None:
        source = Ahead(columns=tuple(columns) or (name,), n=ahead)
    elif columns:
        source = Columns(columns=tuple(columns)) if len(columns) > 1 else ColumnField(column=columns[0])
    unit = artifact.metadata.units.get(name, "") if type.takes_text else ""
    return RequiredField(name, type, role, source, unit=unit)


def run_chunks(
    artifact: OpenArtifact, rows: Rows, fields: Iterable[RequiredField], seed: int | None = None
) -> Iterator[tuple[np.ndarray, Batch, Batch]]:
    """For each chunk of rows whose inputs are equally long: their numbers, their fields and the outputs.
    Without rows, one empty chunk, which gives the shapes of the outputs."""
    sizes = batch_sizes(rows.count or 0, min(CHUNK, rows.inspected(rows.types))) or [0]
    starts, types = accumulate(sizes, initial=0), {field.name: field.declared for field in fields}
    batches = rows.batches(sizes, [*rows.types, *rows.length_names.values()])
    for start, size, batch in zip(starts, sizes, batches, strict=False):
        lengths = {name: batch[name] for name in rows.length_names.values()}
        for some in artifact.groups(lengths, size):
            taken, first = some.of(types, batch), start + int(some.rows[0]) if size else 0
            answers = artifact.run({name: taken[name] for name in artifact.inputs}, seed, first)
            check_rows(artifact, answers, len(some.rows))
            yield start + some.rows, taken, answers


def check_rows(artifact: OpenArtifact, answers: Mapping[str, np.ndarray], rows: int) -> None:
    """Refuse a model whose outputs do not have one entry for each row."""
    for name, answer in answers.items():
        if np.shape(answer)[:1] != (rows,):
            raise ArtifactError(
                f"{artifact.path} does not return one output for each row: `{name}` is {np.shape(answer)}"
            )


@dataclass(frozen=True)
class Predicted:
    """Outputs for rows, arrays or lists of arrays of other lengths; the class inputs that have missing or
    unknown values; the columns of the rows that are kept beside the outputs; and notes that count the rows
    that were left out."""

    answers: dict[str, np.ndarray | list[np.ndarray]]
    unknown_values: list[UnknownValues]
    kept: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluated:
    """The number of rows, the metrics on them (numbers and tables), the class inputs that have missing or
    unknown values, and notes on the metrics and the number of rows that were left out."""

    rows: int
    what: str  # what the rows are: rows of a table, windows or series
    figures: Figures
    tables: dict[str, CountTable]
    unknown_values: list[UnknownValues]
    notes: tuple[str, ...] = ()


def predict(
    artifact: OpenArtifact, source: Any, keep: Sequence[str] = (), seed: int | None = None
) -> Predicted:
    """Outputs for every row of a file or data set, which may be empty, and the columns `keep` of the rows. An
    artifact of windows answers each window, and keeps values of its last row; one of series keeps values of
    their first rows; one that decodes continues a text file as a whole. `seed` is that of random draws, by
    default that of the artifact."""
    artifact.seed_of(seed)
    opened = open_rows(source, source_like(artifact.metadata))
    if any(type.decoded for type in artifact.outputs.values()):
        opened.as_prompt()
    rows = tokens.in_rows(artifact, read_rows(opened, inputs_of(artifact), empty=True))
    kept = read_kept(opened, keep, rows.numbers)
    numbers: list[np.ndarray] = []
    parts: list[dict[str, np.ndarray]] = []
    for places, _, answers in run_chunks(artifact, rows, taken_by(artifact), seed):
        if not parts:
            check_size(answers, len(places), rows.count or 0)
        numbers.append(places)
        parts.append(answers)
    answers = {name: in_order(numbers, [p[name] for p in parts]) for name in parts[0]}
    notes = rows.notes if opened.count else (*rows.notes, f"{opened.file} {opened.no_rows}")
    return Predicted(as_texts(artifact, answers), rows.unknown_values(), kept, notes)


def read_kept(opened: Opened, names: Sequence[str], rows: np.ndarray | None) -> dict[str, np.ndarray]:
    """Columns of these rows, by default of all, by name, as the source has them; a missing value is None.
    `CompileError` for a name that no column has, or several."""
    for name in names:
        if opened.names.count(name) != 1:
            raise not_one_column(opened, name)
    columns = opened.read([opened.names.index(name) for name in names]) if names else []
    columns = columns if rows is None else [column.take(rows) for column in columns]
    return dict(zip(names, map(raw_values, columns), strict=True))


def raw_values(column: Column) -> np.ndarray:
    """The values of a column, rows along the first axis."""
    values: Any = column.values
    if column.is_text:
        return np.array(values.to_pylist(), object).reshape(-1, *column.shape)
    if column.labels is not None:
        return np.array(column.labels, object)[values]
    if not (missing := column.missing_numbers).any():
        return values
    found = values.astype(object)
    found[missing] = None
    return found


def not_one_column(opened: Opened, name: str) -> CompileError:
    """The error for a column to keep that does not exist, or exists several times."""
    if not opened.names:
        return fail(MISSING_COLUMN, f"{opened.file} has no names, so no column of it can be kept")
    if name in opened.names:
        return fail(REPEATED, f'{opened.file} has several columns named "{shorten(name)}"')
    known = listed(opened.names, VALUES)
    help = did_you_mean(name, opened.names) or f"it has {known}"
    if all(part.strip() in opened.names for part in name.split(",")):
        help = f"give each by itself: {' '.join(f'--keep {part.strip()}' for part in name.split(','))}"
    return fail(
        MISSING_COLUMN, f'{opened.file} has no column "{shorten(name)}", which is to be kept', help=help
    )


def check_size(answers: Mapping[str, np.ndarray], given: int, rows: int) -> None:
    """Refuse rows whose outputs do not fit in memory, estimated from the outputs of `given` rows."""
    size = sum(np.asarray(a).nbytes for a in answers.values()) * rows // max(given, 1)
    if size > (free := memory.free()):
        sizes = f"{memory.format_size(size)}, and {memory.format_size(free)} of memory is free"
        raise ArtifactError(f"the answers to {rows} rows take {sizes}: give fewer rows at a time")


def evaluate(artifact: OpenArtifact, source: Any, seed: int | None = None) -> Evaluated:
    """The artifact's metrics on the rows of a file or data set. `seed` is that of random draws, by default
    that of the artifact."""
    artifact.seed_of(seed)
    measured, left_out = measured_of(artifact)
    targets = {m.target: required_field(artifact, m.target, m.type, "target") for m in measured}
    metadata, fields = artifact.metadata, [*inputs_of(artifact), *targets.values()]
    rows = tokens.in_rows(artifact, read_rows(source, fields, source_like(metadata), drop=metadata.drop))
    meter = Meter(measured)
    for _, batch, answers in run_chunks(artifact, rows, [*taken_by(artifact), *targets.values()], seed):
        for m in measured:
            check_answers(artifact, m, answers, batch)
        meter.add(answers, batch)
    return Evaluated(
        rows.count or 0,
        rows.what,
        meter.figures(),
        meter.tables(),
        rows.unknown_values(),
        (*left_out, *rows.notes),
    )


def check_answers(artifact: OpenArtifact, measured: OutputMetric, answers: Batch, targets: Batch) -> None:
    """Refuse outputs that do not have the type in the metadata: one value for each target, of a known class,
    and a probability for each class. A text that `ctc` decodes has any length."""
    type = measured.type
    name, *more = kind_of(type).answer_names(measured.output)
    values, shape = np.asarray(answers[name]), targets[measured.target].shape
    if (type.blank or type.decoded) and values.ndim == 2:
        shape = (shape[0], values.shape[1])
    sound = values.shape == shape and is_known(type, values)
    if type.element == "class" and type.classes is not None:
        axis = class_axis(type.rank + 1) % (type.rank + 1) + 1
        shape = (*shape[:axis], number(type.classes.count) + type.blank, *shape[axis:])
    if not sound or not all(np.shape(answers[n]) == shape and is_numeric(answers[n]) for n in more):
        raise ArtifactError(f"{artifact.path} returns values of `{name}` that are not of its type: {type}")


def is_known(type: Tensor, values: np.ndarray) -> bool:
    """Whether these are values of a type."""
    if type.element not in ("class", "binary"):
        return is_numeric(values)
    labels = type.classes.labels if type.classes else None
    if labels and type.classes:
        known = {*labels, type.classes.unknown} if type.blank else {*labels}
        return values.dtype.kind in "Oiu" and set(values.ravel().tolist()) <= known
    if type.element == "binary" or type.classes is None:
        return values.dtype.kind == "b"
    least = -1 if type.blank else 0
    return values.dtype.kind in "iu" and bool(((values >= least) & (values < type.classes.count)).all())


def is_numeric(values: np.ndarray) -> bool:
    return values.dtype.kind in "fiub" or values.dtype.name == "bfloat16"
