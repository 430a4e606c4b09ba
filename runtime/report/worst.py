"""The rows that a model gets most wrong."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.runtime.report.predicted import PredictedRows


class Verdict(NamedTuple):
    """For each row of a group: whether its answer is wrong, and how bad it is. A row of which nothing counts
    is not bad: NaN."""

    wrong: np.ndarray
    badness: np.ndarray


@dataclass(frozen=True)
class WorstRow:
    """One row: its number in the part of the data, whether its answer is wrong and how bad it is, its fields,
    and the answers."""

    number: int
    wrong: bool
    badness: float
    fields: Mapping[str, np.ndarray]
    answers: Mapping[str, np.ndarray]


class WorstRows:
    """Holds the worst rows of all groups: wrong ones before right ones, then the worst, then the first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: list[tuple[tuple[bool, float, int], WorstRow]] = []
        self.wrong = self.count = 0  # of all rows

    def add(self, group: PredictedRows, verdict: Verdict) -> None:
        counts = ~np.isnan(verdict.badness)
        self.count += int(counts.sum())
        self.wrong += int(verdict.wrong[counts].sum())
        order = np.lexsort((group.numbers, -verdict.badness, ~verdict.wrong))
        for place in order[counts[order]][: self._most].tolist():
            wrong, bad = bool(verdict.wrong[place]), float(verdict.badness[place])
            number = int(group.numbers[place])
            key = wrong, bad, -number
            if len(self._held) == self._most and key < self._held[0][0]:
                break
            fields, answers = (
                {name: np.asarray(rows)[place] for name, rows in some.items()}
                for some in (group.fields, group.answers)
            )
            case = WorstRow(number, wrong, bad, fields, answers)
            push = heapq.heappush if len(self._held) < self._most else heapq.heappushpop
            push(self._held, (key, case))

    def cases(self) -> list[WorstRow]:
        """The worst rows, the worst first."""
        return [case for _, case in sorted(self._held, key=lambda held: held[0], reverse=True)]
