"""The rows of a run that show how good its model is: test rows, else validation rows, evaluated by output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import names
from dlc.compiler.types import Tensor
from dlc.runtime import data as rows_of
from dlc.runtime.artifact import load
from dlc.runtime.class_labels import raw_rows
from dlc.runtime.data.data_errors import counted
from dlc.runtime.errors import ArtifactError
from dlc.runtime.loaded_tensors import fingerprint, tensors_of
from dlc.runtime.report.evaluations import evaluation_of
from dlc.runtime.report.predicted import chosen, predicted
from dlc.runtime.training.meter import class_indices

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.artifact.opened import OpenArtifact
    from dlc.runtime.data import Dataset, Rows
    from dlc.runtime.report.evaluations import AnswerEvaluation

WORST = 20  # rows that are shown, of all outputs together
LEAST_WORST = 4  # of one output
OUTPUTS = 12  # maximum number of outputs that are evaluated
CONTINUED = 6  # beginnings that a model continues


class Unavailable(Exception):
    """Why rows are not there or cannot be predicted. `of_source` is the error if the source is at fault."""

    def __init__(self, why: str, of_source: CompileError | OSError | None = None) -> None:
        super().__init__(why)
        self.of_source = of_source


@dataclass(frozen=True)
class Continued:
    """A beginning, how the model goes on, and how the text does, as class indices."""

    output: str
    prompt: Tensor
    answer: Tensor
    unit: str
    rows: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]  # of each row its number too


@dataclass(frozen=True)
class EvaluatedRows:
    """The evaluations of all outputs that are compared with a target. `part` is `test` or `validation`,
    `count` the number of its rows, and `evaluated` how many of them were predicted. `notes` are told to the
    reader, and `changed` says that the data is not what the run was trained on."""

    part: str
    rows: Rows
    evaluated: int
    evaluations: list[AnswerEvaluation]
    inputs: Mapping[str, Tensor]  # that are shown
    dataset: Dataset
    continued: list[Continued] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    changed: bool = False

    @property
    def count(self) -> int:
        return self.rows.count or 0


def evaluated_rows(
    program: CompiledProgram, model: Path, source: Any, folder: Path, most: int, trained_on: str = ""
) -> EvaluatedRows:
    """Predict at most `most` rows of a run, and evaluate the answers. `source` replaces the source that the
    spec names, whose paths are relative to `folder`. `trained_on` is the fingerprint of the data of the run.
    `Unavailable` says why that is not possible."""
    try:
        artifact = load(model)
        if not has_targets(artifact):
            raise Unavailable("no output is compared with a target, so no answer is right or wrong")
        dataset = rows_of.load(program, folder, source=source)
        return evaluated(program, artifact, dataset, folder, most, trained_on)
    except CompileError as error:
        raise Unavailable(error.diagnostics[0].message, error) from None
    except OSError as error:
        why = f"{error.filename or 'the data'}: {(error.strerror or str(error)).lower()}"
        raise Unavailable(why, error) from None
    except MemoryError:
        raise Unavailable("the rows do not fit into memory") from None
    except ArtifactError as error:
        raise Unavailable(str(error)) from None


def has_targets(artifact: OpenArtifact) -> bool:
    return any(isinstance(of.get("target"), str) for of in artifact.metadata.outputs.values())


def evaluated(
    program: CompiledProgram, artifact: OpenArtifact, dataset: Dataset, folder: Path, most: int,
    trained_on: str,
) -> EvaluatedRows:  # fmt: skip
    part, rows = part_of(dataset)
    order = chosen(rows.count or 0, most)
    targets = {
        name: str(of["target"])
        for name, of in artifact.metadata.outputs.items()
        if of.get("target") in rows.types and name in artifact.outputs
    }
    beyond = [name for name in targets if continues(program, name)]
    compared = {name: target for name, target in targets.items() if name not in beyond}
    share = max(WORST // max(len(compared), 1), LEAST_WORST)
    found = (
        evaluation_of(name, artifact.outputs[name], target, dataset.units.get(target, ""),
                 dataset.columns.get(target, ()), share)
        for name, target in [*compared.items()][:OUTPUTS]
    )  # fmt: skip
    evaluations = [evaluation for evaluation in found if evaluation is not None]
    tokenizers = artifact.metadata.tokenizers
    texts = {str(of["text"]): Tensor("string") for of in tokenizers.values() if of["text"] in rows.types}
    if evaluations:
        read = {evaluation.target: evaluation.type for evaluation in evaluations} | texts
        for group in predicted(artifact, rows, read, order):
            for evaluation in evaluations:
                evaluation.add(artifact, group)
    elif not beyond:
        raise Unavailable(f"the {part} rows have no targets of the outputs of the model")
    continued = [continuing(artifact, rows, name, targets[name], dataset.units) for name in beyond]
    notes = tuple(left_out_outputs(compared)) + tuple(dataset.notes)
    changed = bool(trained_on) and fingerprint_of(program, dataset, folder) != trained_on
    inputs = texts | {name: type for name, type in artifact.fields.items() if name not in tokenizers}
    predicted_rows = (rows.count or 0) if order is None else len(order)
    return EvaluatedRows(part, rows, predicted_rows if evaluations else 0, evaluations, inputs, dataset,
                      [some for some in continued if some], notes, changed)  # fmt: skip


def part_of(dataset: Dataset) -> tuple[str, Rows]:
    """The test rows, or else the validation rows. `Unavailable` if there are none."""
    for part in ("test", "validation"):
        rows = getattr(dataset, part)
        if rows is not None and rows.count:
            return part, rows
    raise Unavailable("`data` keeps no rows for a test or for validation, and training rows tell little")


def left_out_outputs(compared: Mapping[str, str]) -> list[str]:
    more = len(compared) - OUTPUTS
    return [f"{counted(more, 'more output')} of the model {'is' if more == 1 else 'are'} not shown"] \
        if more > 0 else []  # fmt: skip


def fingerprint_of(program: CompiledProgram, dataset: Dataset, folder: Path) -> str:
    """The fingerprint of rows and of the tensors that the spec loads, as a run keeps it."""
    try:
        return fingerprint(dataset.fingerprint, tensors_of(program, folder))
    except (CompileError, OSError):
        return ""


# --- models that continue what they are given -------------------------------------------------------------


def continues(program: CompiledProgram, output: str) -> bool:
    """Whether answers of an output continue an input, beyond the target."""
    found = next((o for o in program.outputs if o.name == output), None)
    if found is None or found.decoder is None:
        return False
    return found.target_value not in program.graph.needed_by([found.scores])


def continuing(
    artifact: OpenArtifact, rows: Rows, output: str, target: str, units: Mapping[str, str]
) -> Continued | None:
    """The first halves of some rows, and what the model and the rows have after them."""
    answered = artifact.outputs[output]
    prompt = next((n for n, t in artifact.fields.items() if t.element == "class" and t.rank == 1), None)
    if prompt is None or any(name not in rows.types for name in (*artifact.fields, target)):
        return None
    count = min(CONTINUED, rows.count or 0)
    order = np.arange(count) * (rows.count or 0) // max(count, 1)
    free = {*map(str, artifact.fields[prompt].shape)}
    found = []
    for number in order.tolist():
        [batch] = rows.batches([1], [*artifact.fields, target], np.array([number]))
        steps = batch[prompt].shape[1] // 2
        if not steps:
            continue
        feed = {name: cut(type, batch[name], free, steps) for name, type in artifact.fields.items()}
        [answer] = artifact.run_rows({n: raw_rows(artifact.fields[n], of) for n, of in feed.items()})[output]
        indices = class_indices(np.asarray(answer), answered)
        found.append((number, feed[prompt][0], indices, batch[prompt][0, steps:]))
    return Continued(
        output, artifact.fields[prompt], answered, units.get(prompt, units.get(target, "")), found
    )


def cut(type: Tensor, values: np.ndarray, free: set[str], steps: int) -> np.ndarray:
    """The first steps of a field that has the axis of the prompt."""
    axis = type.free_axis
    if axis is None or not {str(n) for n in names(type.shape[axis])} & free:
        return values
    return values[(slice(None), *[slice(None)] * axis, slice(steps))]
