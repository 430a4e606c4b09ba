"""The rows of a run, predicted by its artifact. Needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dlc.runtime.artifact.evaluate import check_rows
from dlc.runtime.class_labels import raw_rows
from dlc.runtime.data.rows.dataset import batch_sizes
from dlc.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.types import Tensor
    from dlc.runtime.artifact.opened import OpenArtifact
    from dlc.runtime.data.rows.dataset import Batch, Rows

CHUNK = 1024  # rows of a pass


class PredictedRows(NamedTuple):
    """Rows that ran together: their numbers in the part of the data, their decoded inputs and targets, with
    their lengths, and the outputs of the artifact."""

    numbers: np.ndarray
    fields: Batch
    answers: Batch


def chosen(count: int, most: int) -> np.ndarray | None:
    """The numbers of at most `most` rows of `count`, at equal distances; None for all rows."""
    if count <= most:
        return None
    return np.arange(most) * count // most


def predicted(
    artifact: OpenArtifact, rows: Rows, targets: Mapping[str, Tensor], order: np.ndarray | None = None
) -> Iterator[PredictedRows]:
    """The answers to rows as training decodes them, in the order of the rows, or to those with the numbers
    `order`. `targets` are the types of the fields that answers are compared with. `ArtifactError` if the
    rows have no values for an input."""
    types = {**artifact.fields, **targets}
    if absent := [name for name in types if name not in rows.types]:
        raise ArtifactError(no_values(rows, absent))
    names = [*types, *(rows.length_names[name] for name in types if name in rows.length_names)]
    count, first = (rows.count or 0) if order is None else len(order), 0
    sizes = batch_sizes(count, min(CHUNK, rows.inspected(types)))
    for batch, size in zip(rows.batches(sizes, names, order), sizes, strict=True):
        numbers = np.arange(first, first + size) if order is None else order[first : first + size]
        for some in artifact.groups({n: batch[n] for n in names if n not in types}, size):
            taken = some.of(types, batch)
            feed = {name: raw_rows(type, taken[name]) for name, type in artifact.fields.items()}
            feed |= {name: taken[name] for name in artifact.inputs if name not in feed}
            answers = artifact.run(feed, first=int(numbers[some.rows[0]]))
            check_rows(artifact, answers, len(some.rows))
            yield PredictedRows(numbers[some.rows], taken, answers)
        first += size


def no_values(rows: Rows, absent: Sequence[str]) -> str:
    """Why rows cannot be predicted."""
    name = absent[0]
    if name in rows.drawn:
        return f"the input `{name}` is drawn at random, so its rows have no answers of their own"
    return f"the rows of the run have no values of `{name}`"
