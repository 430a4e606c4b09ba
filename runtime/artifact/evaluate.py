"""Predict and evaluate: the outputs of an artifact on files of rows, and its metrics. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dlc.compiler.definitions.file_sources import FILE
from dlc.compiler.definitions.sections import ColumnField, Columns
from dlc.compiler.definitions.series import Ahead
from dlc.compiler.dims.dim import number
from dlc.compiler.output_kinds import class_axis, kind_of
from dlc.runtime import memory
from dlc.runtime.artifact import kept_columns, tokens
from dlc.runtime.artifact.equal_lengths import in_order
from dlc.runtime.artifact.file_settings import files_from_json
from dlc.runtime.artifact.measured import measured_of
from dlc.runtime.artifact.metadata import source_like
from dlc.runtime.artifact.row_pieces import RowPieces
from dlc.runtime.artifact.texts import as_texts
from dlc.runtime.data import RequiredField, open_rows
from dlc.runtime.errors import ArtifactError
from dlc.runtime.training.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.definitions.data_families import Field
    from dlc.compiler.training.metrics import CountTable
    from dlc.compiler.types import Tensor
    from dlc.runtime.artifact.opened import OpenArtifact
    from dlc.runtime.artifact.row_pieces import Chunk
    from dlc.runtime.data.columns.unknown_classes import UnknownValues
    from dlc.runtime.data.rows.dataset import Batch
    from dlc.runtime.training.history import Figures

    Rows = np.ndarray | list[np.ndarray]  # of an output; a list if they differ in shape

CHUNK = 1024
PART_ROWS, PART_BYTES = 1 << 15, 1 << 24  # of answers that are given together


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
    elif name in artifact.metadata.files:
        how = artifact.metadata.files[name]
        source = files_from_json(columns[0] if columns else name, how)
    elif columns:
        source = Columns(columns=tuple(columns)) if len(columns) > 1 else ColumnField(column=columns[0])
    unit = artifact.metadata.units.get(name, "") if type.takes_text else ""
    return RequiredField(name, type, role, source, unit=unit)


def run_chunks(
    artifact: OpenArtifact, chunks: Iterable[Chunk], fields: Iterable[RequiredField], seed: int | None = None
) -> Iterator[tuple[Chunk, np.ndarray, Batch, Batch]]:
    """For the rows of each chunk whose inputs are equally long: the chunk, their numbers in it, their fields
    and the outputs."""
    types = {field.name: field.declared for field in fields}
    for chunk in chunks:
        rows, size = chunk.rows, chunk.rows.count or 0
        [batch] = rows.batches([size], [*rows.types, *rows.length_names.values()])
        lengths = {name: batch[name] for name in rows.length_names.values()}
        for some in artifact.groups(lengths, size):
            taken, first = some.of(types, batch), chunk.first + int(some.rows[0]) if size else 0
            feed = {name: taken[name] if size else no_rows(artifact, name, taken) for name in artifact.inputs}
            answers = artifact.run(feed, seed, first)
            check_rows(artifact, answers, len(some.rows))
            yield chunk, some.rows, taken, answers


def no_rows(artifact: OpenArtifact, name: str, taken: Batch) -> np.ndarray:
    """An empty batch of an input. Files or texts that are not there have no length, and operators may need
    one."""
    return artifact.no_rows(name).astype(taken[name].dtype)


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
    unknown values; the columns of the rows that are kept beside the outputs; the numbers of the rows in the
    source, None for all; and notes that count the rows that were left out."""

    answers: dict[str, np.ndarray | list[np.ndarray]]
    unknown_values: list[UnknownValues]
    kept: dict[str, Rows]
    numbers: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluated:
    """The metrics of a model on rows, as `dlc eval` prints them.

    `rows` is the number of rows, and `what` is what a row is: `row`, `window` or `series`. `figures` are
    numbers by name, as `accuracy`, or `species.accuracy` if several outputs are measured; a figure that is
    not defined for the rows is NaN. `tables` are those of `confusion_matrix`: `labels`, and `counts` with a
    row for each true class and a column for each answer. `unknown_values` count the values of class inputs
    that are missing or not one of the classes. `notes` say what was left out of metrics and rows.
    """

    rows: int
    what: str  # what the rows are: rows of a table, windows or series
    figures: Figures
    tables: dict[str, CountTable]
    unknown_values: list[UnknownValues]
    notes: tuple[str, ...] = ()


class Part(NamedTuple):
    """Outputs for some rows, and the columns that are kept of these rows."""

    answers: dict[str, Rows]
    kept: dict[str, Rows]


class Answers:
    """Outputs for every row of a file or data set, part by part, as they are computed: the outputs of some
    rows, and the columns `keep` of these rows, of a folder its files too. What is told about all rows is
    known at the end.

    A table may have no rows: then one empty part has the shapes of the outputs. An artifact of windows
    answers each window, and keeps values of its last row; one of series keeps values of their first rows; one
    that decodes continues a text file as a whole. `seed` is that of random draws, by default that of the
    artifact. `share` are the bytes of rows that are read at a time, by default half of the free memory.
    """

    def __init__(
        self, artifact: OpenArtifact, source: Any, keep: Sequence[str] = (), seed: int | None = None,
        share: int | None = None,
    ) -> None:  # fmt: skip
        artifact.seed_of(seed)
        opened = open_rows(source, source_like(artifact.metadata))
        if any(type.decoded for type in artifact.outputs.values()):
            opened.as_prompt()
        if opened.of_files and FILE not in (*keep, *artifact.outputs):
            keep = (FILE, *keep)
        self._artifact, self._opened, self._keep, self._seed = artifact, opened, keep, seed
        kept = kept_columns.indices_of(opened, keep)
        self.rows = RowPieces(artifact, opened, inputs_of(artifact), kept,
                               empty=not opened.of_files, share=share)  # fmt: skip

    def __iter__(self) -> Iterator[Part]:
        """Chunks are joined to larger parts, because ONNX Runtime keeps its threads busy after each run."""
        held: list[Part] = []
        count = size = 0
        for part in self._chunks():
            held.append(part)
            count += CHUNK
            size += sum(map(bytes_of, (*part.answers.values(), *part.kept.values())))
            if count >= PART_ROWS or size >= PART_BYTES:
                yield whole(held)
                held, count, size = [], 0, 0
        if held:
            yield whole(held)

    def _chunks(self) -> Iterator[Part]:
        ran = run_chunks(self._artifact, self.rows.chunks(CHUNK), taken_by(self._artifact), self._seed)
        for _, groups in groupby(ran, lambda part: part[0].first):
            (chunk, *_), rows, _, answers = zip(*groups, strict=True)
            found = {name: in_order([*rows], [part[name] for part in answers]) for name in answers[0]}
            kept = dict(zip(self._keep, map(kept_columns.raw_values, chunk.kept), strict=True))
            yield Part(as_texts(self._artifact, found), kept)

    @property
    def notes(self) -> list[str]:
        """Notes that count the rows that were left out."""
        return self.rows.notes if self.rows.count else [f"{self._opened.file} {self._opened.no_rows}"]


def predict(
    artifact: OpenArtifact, source: Any, keep: Sequence[str] = (), seed: int | None = None
) -> Predicted:
    """All `Answers` to the rows of a file or data set."""
    given, parts = Answers(artifact, source, keep, seed), []
    for part in given:
        if not parts:
            check_size(part.answers, given)
        parts.append(part)
    (answers, kept), rows = whole(parts), given.rows
    return Predicted(answers, rows.unknown_values, kept, rows.numbers, tuple(given.notes))


def whole(parts: Sequence[Part]) -> Part:
    """Successive parts as one."""
    answers = {name: joined([part.answers[name] for part in parts]) for name in parts[0].answers}
    return Part(answers, {name: joined([part.kept[name] for part in parts]) for name in parts[0].kept})


def bytes_of(values: Rows) -> int:
    return values.nbytes if isinstance(values, np.ndarray) else sum(row.nbytes for row in values)


def joined(parts: Sequence[Rows]) -> Rows:
    """The values of all parts: one array, or a list if they differ in shape."""
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts) and len({part.shape[1:] for part in arrays}) == 1:
        return np.concatenate(arrays)
    return [row for part in parts for row in part]


def check_size(answers: Mapping[str, Rows], given: Answers) -> None:
    """Refuse rows whose outputs do not fit in memory, estimated from the first part of them."""
    rows, count = given.rows.count, max(map(len, answers.values()))
    size = sum(map(bytes_of, answers.values())) * rows // max(count, 1)
    if size > (free := memory.free()):
        sizes = f"{memory.format_size(size)}, and {memory.format_size(free)} of memory is free"
        raise ArtifactError(f"the answers to {rows} rows take {sizes}: give fewer rows at a time")


def evaluate(
    artifact: OpenArtifact, source: Any, seed: int | None = None, share: int | None = None
) -> Evaluated:
    """The artifact's metrics on the rows of a file or data set. `seed` is that of random draws, by default
    that of the artifact. `share` are the bytes of rows that are read at a time, by default half of the free
    memory."""
    artifact.seed_of(seed)
    measured, left_out = measured_of(artifact)
    targets = {m.target: required_field(artifact, m.target, m.type, "target") for m in measured}
    metadata, fields = artifact.metadata, [*inputs_of(artifact), *targets.values()]
    opened = open_rows(source, source_like(metadata))
    rows = RowPieces(artifact, opened, fields, drop=metadata.drop, share=share)
    meter, taken = Meter(measured), [*taken_by(artifact), *targets.values()]
    for _, _, batch, answers in run_chunks(artifact, rows.chunks(CHUNK), taken, seed):
        for m in measured:
            check_answers(artifact, m.output, m.type, answers, batch[m.target])
        meter.add(answers, batch)
    notes = (*left_out, *rows.notes)
    return Evaluated(rows.count, rows.what, meter.figures(), meter.tables(), rows.unknown_values, notes)


def check_answers(
    artifact: OpenArtifact, output: str, type: Tensor, answers: Batch, target: np.ndarray
) -> None:
    """Refuse answers of an output that do not have its type in the metadata: one value for each target, of a
    known class, and a probability for each class. A text that `ctc` decodes has any length."""
    name, *more = kind_of(type).answer_names(output)
    values, shape = np.asarray(answers[name]), target.shape
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
