"""The answers of an artifact as the columns of a table: of csv, and of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.output_kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.runtime.artifact.opened import OpenArtifact

    Values = np.ndarray | list[np.ndarray]  # of all rows; a list if they differ in length


@dataclass(frozen=True)
class AnswerColumns:
    """How answers become columns: one for each value of a row, as `species`, `species_probabilities.setosa`
    and `code.3`.

    `probabilities` has the names of the classes for each output of probabilities of one class a row; they are
    empty if the classes are numbers. A row of one of the `sequences` may have any length: it is one cell.
    """

    probabilities: Mapping[str, tuple[str, ...]]
    sequences: frozenset[str] = frozenset()

    @classmethod
    def of(cls, artifact: OpenArtifact) -> AnswerColumns:
        probabilities, sequences = {}, []
        for output, type in artifact.outputs.items():
            answer, *more = kind_of(type).answer_names(output)
            sequences += [answer, *more] if type.free_axis is not None else []
            if type.element == "class" and not type.rank:
                probabilities |= dict.fromkeys(more, (type.classes and type.classes.names) or ())
        return cls(probabilities, frozenset(sequences))

    def flat(self, answers: Mapping[str, Values]) -> dict[str, Values]:
        """Columns as csv has them: of single values, and of sequences."""
        found: dict[str, Values] = {}
        for name, rows in answers.items():
            found |= {name: rows} if self._is_cell(name, rows) else self._spread(name, np.asarray(rows))
        return found

    def nested(self, answers: Mapping[str, Values]) -> dict[str, Values]:
        """Columns of a table whose cells may be lists: a vector is one cell. The probabilities of the classes
        of a row are single values here too."""
        found: dict[str, Values] = {}
        for name, rows in answers.items():
            of_classes = name in self.probabilities and not self._is_cell(name, rows)
            found |= self._spread(name, np.asarray(rows)) if of_classes else {name: rows}
        return found

    def _is_cell(self, name: str, rows: Values) -> bool:
        """Whether the answer to a row is one cell in csv."""
        return name in self.sequences or isinstance(rows, list) or rows.ndim == 1

    def _spread(self, name: str, rows: np.ndarray) -> dict[str, np.ndarray]:
        """A column for each value of a row."""
        flat = rows.reshape(len(rows), prod(rows.shape[1:]))
        names = self.probabilities.get(name, ())
        labels = names if len(names) == flat.shape[1] else range(flat.shape[1])
        return {f"{name}.{label}": flat[:, i] for i, label in enumerate(labels)}
