"""What a metric is: one definition for training and for `dlc eval`, fed with the artifact's answers batch by
batch. The entries of outputs with further axes (images, sequences) count as so many samples."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definitions.definition import Definition
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.types import Tensor


@record
class Prediction:
    """What the artifact says of an output, for a batch, as arrays: the value (class numbers, booleans,
    numbers), and for a class the probabilities of all classes, for a binary that of yes."""

    value: Any
    probability: Any = None


@record
class CountTable:
    """Counts: a row for what was true, a column for what was answered."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass
class State:
    """What a metric has counted of an output so far."""

    type: Tensor
    counts: dict[str, Any] = field(default_factory=dict)

    def add(self, **amounts: Any) -> None:
        for name, amount in amounts.items():
            self.counts[name] = self.counts.get(name, 0) + amount

    def mean(self) -> float:
        """`sum` over `all`; not a number where nothing was counted."""
        return self.counts["sum"] / self.counts["all"] if self.counts.get("all") else float("nan")

    @property
    def per_label(self) -> bool:
        """True for vectors of known length, whose places are measured one by one."""
        return self.type.rank == 1 and isinstance(self.type.shape[0], int) and self.type.shape[0] > 1


class Metric(Definition, family="metric", what="a metric"):
    """`start`, `update` with every batch, `value` at the end; `np` is NumPy."""

    for_elements: ClassVar[tuple[str, ...]] = ()
    # What else an output of these elements must be, as a message says it.
    restriction: ClassVar[str] = ""
    better: ClassVar[str] = "higher"
    # True if it is measured of probabilities, and not of answers.
    of_probabilities: ClassVar[bool] = False
    # True if it gives a table, which no expectation and no early stopping can hold against a number.
    tabular: ClassVar[bool] = False
    without_tensor = "leave it out: a metric is measured of every output that it fits"

    def parts(self, type: Tensor) -> tuple[str, ...] | None:
        """What stands behind its name in the names of its figures; none where only the data can tell."""
        return ("",)

    def figures(self, np: Any, state: State) -> Sequence[float]:
        """Its figures of all that was counted, in the order of `parts`."""
        return (self.value(np, state),)

    def counts(self, type: Tensor) -> int:
        """How many numbers it keeps of an output, however many rows are counted."""
        return 1

    def fits(self, type: Tensor) -> bool:
        """True if an output declared with this type can be measured."""
        return type.element in self.for_elements

    def start(self, type: Tensor) -> State:
        return State(type)

    @abstractmethod
    def update(self, np: Any, state: State, answer: Prediction, target: Any) -> None:
        raise NotImplementedError

    @abstractmethod
    def value(self, np: Any, state: State) -> Any:
        """The metric of all that was counted; not a number where it has no meaning."""
        raise NotImplementedError
