"""Using an artifact on files of rows: its answers, and the metrics that it was trained
for. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.definition import Definition, Reject
from dlc.compiler.sections import Column, Columns
from dlc.compiler.training.figures import titles
from dlc.runtime.artifact.metadata import type_from_json
from dlc.runtime.data import Wanted, read_rows
from dlc.runtime.errors import ArtifactError
from dlc.runtime.meter import Measured, Meter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.training.metrics import Table
    from dlc.compiler.types import Tensor
    from dlc.runtime.artifact import Artifact
    from dlc.runtime.data import Rows
    from dlc.runtime.data.outside import Outside
    from dlc.runtime.history import Figures

CHUNK = 1024


def inputs_of(artifact: Artifact) -> list[Wanted]:
    return [wanted(artifact, name, type) for name, type in artifact.inputs.items()]


def wanted(artifact: Artifact, name: str, type: Tensor, role: str = "input") -> Wanted:
    """A field, under the columns that training had it under."""
    columns = artifact.metadata.columns.get(name, [])
    source = (
        Columns(columns=tuple(columns))
        if len(columns) > 1
        else Column(column=columns[0])
        if columns
        else None
    )
    return Wanted(name, type, role, source)


def chunks(artifact: Artifact, rows: Rows) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
    """Answers to the rows, some rows at a time."""
    for start in range(0, rows.count, CHUNK):
        part = slice(start, min(start + CHUNK, rows.count))
        yield part, artifact.run({name: rows[name][part] for name in artifact.inputs})


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
    tables: dict[str, Table]
    outside: list[Outside]


def predict(artifact: Artifact, source: Any) -> Predicted:
    """Answers to every row of a file or data set."""
    rows = read_rows(source, inputs_of(artifact), artifact.metadata.missing)
    parts = [answers for _, answers in chunks(artifact, rows)]
    return Predicted({name: np.concatenate([p[name] for p in parts]) for name in parts[0]}, rows.outside())


def evaluate(artifact: Artifact, source: Any) -> Evaluated:
    """The artifact's metrics on the rows of a file or data set."""
    measured = measured_of(artifact)
    targets = {m.target: wanted(artifact, m.target, m.type, "target") for m in measured}
    rows = read_rows(source, [*inputs_of(artifact), *targets.values()], artifact.metadata.missing)
    meter = Meter(measured)
    for part, answers in chunks(artifact, rows):
        meter.add(answers, {t: rows[t][part] for t in targets}, part.stop - part.start)
    return Evaluated(rows.count, meter.figures(), meter.tables(), rows.outside())


def measured_of(artifact: Artifact) -> list[Measured]:
    """The metrics recorded in the artifact. `ArtifactError` if there are none or if they are not known."""
    outputs = artifact.metadata.outputs
    pairs = [
        (name, metric_of(written))
        for name, metrics in artifact.metadata.metrics.items()
        if name in outputs
        for written in metrics
    ]
    if not pairs:
        raise ArtifactError(
            f"{artifact.path} has no output that can be measured: training held none against a target; "
            "name what to measure in `train { metrics = [...] }`, and train anew"
        )
    names = titles(tuple(pairs))
    return [
        Measured(name, output, type_from_json(outputs[output]), target_of(artifact, output), metric)
        for name, (output, metric) in zip(names, pairs, strict=True)
    ]


def metric_of(written: dict[str, Any]) -> Any:
    import dlc.compiler.training  # noqa: F401  defines the metrics

    known = Definition.families["metric"]
    settings = dict(written)
    name = settings.pop("name", None)
    try:
        definition = known[name]
        return definition(**{key: definition.settings[key].kind.accept(v) for key, v in settings.items()})
    except (KeyError, TypeError, Reject):
        raise ArtifactError(f"this version of dlc does not know the metric {str(written)[:80]}") from None


def target_of(artifact: Artifact, output: str) -> str:
    target = artifact.metadata.outputs[output].get("target")
    if not isinstance(target, str):
        raise ArtifactError(f"{artifact.path} does not say what `{output}` is held against")
    return target
