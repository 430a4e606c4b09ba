"""The base class of metrics, for training and `dlc eval`. A metric is updated with the answers of each batch.
Each entry of an output with several axes (images, sequences) counts as a sample."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definitions.definition import Definition
from dlc.compiler.record import record
from dlc.compiler.training.class_texts import ClassTexts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.types import Tensor


@record
class Prediction:
    """The answers of the artifact for one output and one batch, as arrays: the values (class indices,
    booleans or numbers), and the probabilities of all classes, or of the positive class of a binary."""

    value: Any
    probability: Any = None


@record
class CountTable:
    """A table of counts: a row for each true class, a column for each answer."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass
class State:
    """The counts of a metric of one output so far. `unit` is what texts were cut into to make its targets;
    empty if none were."""

    type: Tensor
    unit: str = ""
    counts: dict[str, Any] = field(default_factory=dict)

    def add(self, **amounts: Any) -> None:
        for name, amount in amounts.items():
            self.counts[name] = self.counts.get(name, 0) + amount

    def mean(self) -> float:
        """`sum` divided by `all`; NaN if nothing was counted."""
        return self.counts["sum"] / self.counts["all"] if self.counts.get("all") else float("nan")

    @cached_property
    def texts(self) -> ClassTexts:
        """The texts of a sequence of classes."""
        assert self.type.classes is not None, "only sequences of classes are texts"
        return ClassTexts.of(self.type.classes, self.unit)

    @property
    def per_label(self) -> bool:
        """True for vectors of known length, whose entries are measured separately."""
        return self.type.rank == 1 and isinstance(self.type.shape[0], int) and self.type.shape[0] > 1


class Metric(Definition, family="metric", what="a metric"):
    """A metric: `start`, `update` with each batch, `value` at the end; `np` is NumPy."""

    for_elements: ClassVar[tuple[str, ...]] = ()
    # Another condition on outputs of these elements, as the end of a message.
    restriction: ClassVar[str] | property = ""
    better: ClassVar[str] = "higher"
    # True if it measures the entries of a vector separately (`State.per_label`). Its targets may then be NaN
    # where they do not count; all other metrics get the entries that count, each as a row.
    separates: ClassVar[bool] = False
    # True if it compares whole rows. Its targets are then -1 where they do not count.
    whole_rows: ClassVar[bool] = False
    # The package that computes it, which an extra of dlc installs; empty if it needs none.
    package: ClassVar[str] = ""
    # True if it is computed from probabilities, not from answers.
    of_probabilities: ClassVar[bool] = False
    # True if it is a table, which expectations and early stopping cannot compare with a number.
    tabular: ClassVar[bool] = False
    without_tensor = "leave it out: a metric is computed for every output that it supports"

    @property
    def title(self) -> str:
        """The name of its figures."""
        return self.name

    def parts(self, type: Tensor) -> tuple[str, ...] | None:
        """The suffixes of the names of its figures; none if they are known only from the data."""
        return ("",)

    def figures(self, np: Any, state: State) -> Sequence[float]:
        """Its figures, in the order of `parts`."""
        return (self.value(np, state),)

    def counts(self, type: Tensor) -> int:
        """The number of numbers that its state holds, for any number of rows."""
        return 1

    def fits(self, type: Tensor) -> bool:
        """True if it supports outputs of this type. The answers of `ctc` have no entry for each of the
        target."""
        return type.element in self.for_elements and not type.blank

    def import_package(self) -> None:
        """Import `package`; ImportError if that is not possible."""

    def start(self, type: Tensor, unit: str = "") -> State:
        return State(type, unit)

    @abstractmethod
    def update(self, np: Any, state: State, answer: Prediction, target: Any) -> None:
        raise NotImplementedError

    @abstractmethod
    def value(self, np: Any, state: State) -> Any:
        """The metric over all batches so far; NaN where it is undefined."""
        raise NotImplementedError
