"""Using an artifact on files of rows: its answers, and the metrics that it was trained
for. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.definitions.definition import Definition, Reject
from dlc.compiler.definitions.sections import ColumnField, Columns
from dlc.compiler.diagnostics.quoting import listed, shorten
from dlc.compiler.output_kinds import class_axis, kind_of
from dlc.compiler.training.figures import titles
from dlc.runtime import memory
from dlc.runtime.artifact.metadata import type_from_json
from dlc.runtime.data import Wanted, read_rows
from dlc.runtime.data.rows import cut
from dlc.runtime.errors import ArtifactError
from dlc.runtime.training.meter import Meter, OutputMetric

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.training.metrics import CountTable
    from dlc.compiler.types import Tensor
    from dlc.runtime.artifact.opened import OpenArtifact
    from dlc.runtime.data import Rows
    from dlc.runtime.data.rows import Batch
    from dlc.runtime.data.unknown_classes import Outside
    from dlc.runtime.training.history import Figures

CHUNK = 1024
OF_COUNT = 64  # bytes that a count takes at most


def inputs_of(artifact: OpenArtifact) -> list[Wanted]:
    return [wanted(artifact, name, type) for name, type in artifact.inputs.items()]


def wanted(artifact: OpenArtifact, name: str, type: Tensor, role: str = "input") -> Wanted:
    """A field, under the columns that training had it under."""
    columns = artifact.metadata.columns.get(name, [])
    source = (
        Columns(columns=tuple(columns))
        if len(columns) > 1
        else ColumnField(column=columns[0])
        if columns
        else None
    )
    return Wanted(name, type, role, source)


def answered(artifact: OpenArtifact, rows: Rows) -> Iterator[tuple[int, Batch, Batch]]:
    """Some rows at a time, how many, and the answers to them; once none, whose answers have a shape too."""
    sizes = cut(rows.count or 0, CHUNK) or [0]
    for size, batch in zip(sizes, rows.batches(sizes), strict=True):
        answers = artifact.run({name: batch[name] for name in artifact.inputs})
        check_rows(artifact, answers, size)
        yield size, batch, answers


def check_rows(artifact: OpenArtifact, answers: Mapping[str, np.ndarray], rows: int) -> None:
    """Refuse a model whose answers are not one for each row."""
    for name, answer in answers.items():
        if np.shape(answer)[:1] != (rows,):
            raise ArtifactError(f"{artifact.path} does not answer row by row: `{name}` is {np.shape(answer)}")


@dataclass(frozen=True)
class Predicted:
    """Answers to rows, and the class inputs of which some values are none of the classes, or missing."""

    answers: dict[str, np.ndarray]
    outside: list[Outside]


@dataclass(frozen=True)
class Evaluated:
    """The number of rows, the metrics on them (numbers and tables), and the class inputs of which some values
    are none of the classes, or missing."""

    rows: int
    figures: Figures
    tables: dict[str, CountTable]
    outside: list[Outside]


def predict(artifact: OpenArtifact, source: Any) -> Predicted:
    """Answers to every row of a file or data set, of which there may be none."""
    rows = read_rows(source, inputs_of(artifact), artifact.metadata.missing, empty=True)
    parts: list[dict[str, np.ndarray]] = []
    for size, _, answers in answered(artifact, rows):
        if not parts:
            check_size(answers, size, rows.count or 0)
        parts.append(answers)
    return Predicted({name: np.concatenate([p[name] for p in parts]) for name in parts[0]}, rows.outside())


def check_size(answers: Mapping[str, np.ndarray], given: int, rows: int) -> None:
    """Refuse to answer rows whose answers, as large as these to some of them, do not fit in memory."""
    size = sum(np.asarray(a).nbytes for a in answers.values()) * rows // max(given, 1)
    if size > (free := memory.free()):
        said = f"{memory.spell(size)}, and {memory.spell(free)} of memory is free"
        raise ArtifactError(f"the answers to {rows} rows take {said}: give fewer rows at a time")


def evaluate(artifact: OpenArtifact, source: Any) -> Evaluated:
    """The artifact's metrics on the rows of a file or data set."""
    measured = measured_of(artifact)
    targets = {m.target: wanted(artifact, m.target, m.type, "target") for m in measured}
    rows = read_rows(source, [*inputs_of(artifact), *targets.values()], artifact.metadata.missing)
    meter = Meter(measured)
    for _, batch, answers in answered(artifact, rows):
        for m in measured:
            check_answers(artifact, m, answers, batch[m.target])
        meter.add(answers, batch)
    return Evaluated(rows.count or 0, meter.figures(), meter.tables(), rows.outside())


def check_answers(
    artifact: OpenArtifact, measured: OutputMetric, answers: Mapping[str, np.ndarray], target: np.ndarray
) -> None:
    """Refuse answers that are not of the type which the artifact tells: an answer for each target, one of the
    classes that there are, and a probability for each of these."""
    type, shape = measured.type, target.shape
    name, *more = kind_of(type).answer_names(measured.output)
    sound = np.shape(answers[name]) == shape and is_known(type, np.asarray(answers[name]))
    if type.element == "class" and type.classes is not None:
        axis = class_axis(type.rank + 1) % (type.rank + 1) + 1
        shape = (*shape[:axis], type.classes.count, *shape[axis:])
    if not sound or not all(np.shape(answers[n]) == shape and is_numeric(answers[n]) for n in more):
        raise ArtifactError(f"{artifact.path} answers `{name}` otherwise than it says: {type}")


def is_known(type: Tensor, values: np.ndarray) -> bool:
    """Whether these are values that a type knows."""
    if type.element not in ("class", "binary"):
        return is_numeric(values)
    labels = type.classes.labels if type.classes else None
    if labels:
        return values.dtype.kind in "Oiu" and set(values.ravel().tolist()) <= {*labels}
    if type.element == "binary" or type.classes is None:
        return values.dtype.kind == "b"
    return values.dtype.kind in "iu" and bool(((values >= 0) & (values < type.classes.count)).all())


def is_numeric(values: np.ndarray) -> bool:
    return values.dtype.kind in "fiub" or values.dtype.name == "bfloat16"


def measured_of(artifact: OpenArtifact) -> list[OutputMetric]:
    """The metrics recorded in the artifact. `ArtifactError` if there are none or if they are not known."""
    outputs = artifact.metadata.outputs
    pairs = [
        (name, metric_of(written))
        for name, metrics in artifact.metadata.metrics.items()
        if name in outputs
        for written in metrics
    ]
    left_out = [
        name for name, metrics in artifact.metadata.metrics.items() if metrics and name not in outputs
    ]
    if not pairs and left_out:
        raise ArtifactError(not_among(artifact, left_out))
    if not pairs:
        raise ArtifactError(
            f"{artifact.path} has no output that can be measured: training held none against a target; "
            "name what to measure in `train { metrics = [...] }`, and train anew"
        )
    for output, metric in pairs:
        if not metric.fits(type := type_from_json(outputs[output])):
            raise ArtifactError(f"{artifact.path} measures the {metric.name} of `{output}`, which is {type}")
    counts = sum(m.counts(type_from_json(outputs[output])) for output, m in pairs)
    if OF_COUNT * counts > memory.free():
        raise ArtifactError(f"{artifact.path} measures {counts} counts, which takes more memory than is free")
    names = titles(tuple(pairs))
    return [
        OutputMetric(name, output, type_from_json(outputs[output]), target_of(artifact, output), metric)
        for name, (output, metric) in zip(names, pairs, strict=True)
    ]


def not_among(artifact: OpenArtifact, measured: Sequence[str]) -> str:
    """What to say where training measured outputs, and none of them was exported."""
    given = [written_as(name, measured) for name in artifact.metadata.outputs]
    names = shorten(", ".join([*measured, *given]), 200)
    what = f"{artifact.path} has no output that can be measured: {listed(measured)}"
    if len(measured) == 1:
        return f'{what} is not among its outputs: export it too: `--outputs "{names}"`'
    return f'{what} are not among its outputs: export them too: `--outputs "{names}"`'


def written_as(name: str, measured: Iterable[str]) -> str:
    """An output of an artifact as `--outputs` names it: `y.logits` for `y_logits`."""
    owner = next((o for o in measured if name.startswith(f"{o}_")), None)
    return f"{owner}.{name.removeprefix(f'{owner}_')}" if owner else name


def metric_of(written: dict[str, Any]) -> Any:
    import dlc.compiler.training  # noqa: F401  defines the metrics

    known = Definition.families["metric"]
    settings = dict(written)
    name = settings.pop("name", None)
    try:
        definition = known[name]
        return definition(**{key: definition.settings[key].kind.accept(v) for key, v in settings.items()})
    except (KeyError, TypeError, Reject):
        raise ArtifactError(f"this version of dlc does not know the metric {shorten(written, 80)}") from None


def target_of(artifact: OpenArtifact, output: str) -> str:
    target = artifact.metadata.outputs[output].get("target")
    if not isinstance(target, str):
        raise ArtifactError(f"{artifact.path} does not say what `{output}` is held against")
    return target
