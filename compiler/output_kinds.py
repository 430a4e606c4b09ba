"""What an output's element means: what flows in as its scores, its loss and metrics,
what the artifact answers.

There is one kind for classes, one for yes or no, and three for numbers;
all that differs between them stands here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlc.compiler.operators import postprocessing
from dlc.compiler.operators.activations import Sigmoid
from dlc.compiler.operators.arithmetic import Cast
from dlc.compiler.operators.axis_activations import Softmax
from dlc.compiler.types import FLOATS, INTEGERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.types import Tensor

# An answer, or what stands before it: the end of the node's name, and its operator.
Step = tuple[str, "Operator"]


class OutputKind:
    """What an output of some elements means; `declared` is its type as written."""

    elements: ClassVar[tuple[str, ...]]
    word: ClassVar[str]  # what messages call it
    loss: ClassVar[str] = ""  # what it is trained with unless the file says otherwise; empty for none
    metrics: ClassVar[tuple[str, ...]] = ()
    # Activations that cannot be meant before it, and what is.
    wrong: ClassVar[frozenset[str]] = frozenset()
    meant: ClassVar[str] = ""
    # The operator of a spec that decides as the output does by itself, so that no scores are left for it.
    decides: ClassVar[str] = ""
    # The end of the name under which the artifact tells the probabilities; empty where there are none.
    probabilities: ClassVar[str] = ""

    def answer_names(self, name: str) -> tuple[str, ...]:
        """The artifact's names of one output, the answer first."""
        return (name, f"{name}{self.probabilities}") if self.probabilities else (name,)

    def scores_shape(self, declared: Tensor) -> tuple[Size, ...]:
        """The sample shape of what flows into the output."""
        return declared.shape

    def target(self, declared: Tensor) -> str:
        """The element of the field that it is held against."""
        return declared.element

    def activation(self, declared: Tensor) -> Operator | None:
        """What makes probabilities of the scores."""
        return None

    def index(self, declared: Tensor) -> postprocessing.OfNames | postprocessing.NumberIndex | None:
        """What turns the values that an input has in the artifact into what flows; none where they are that.
        `declared` has its classes known."""
        return None

    def steps(self, declared: Tensor, found: Tensor) -> Iterator[Step]:
        """From what flows in, of the type `found`, to the answer."""
        raise NotImplementedError


class ClassKind(OutputKind):
    elements = ("class",)
    word = "class"
    loss = "cross_entropy"
    metrics = ("accuracy",)
    wrong = frozenset({"sigmoid", "hard_sigmoid", "relu", "relu6", "softplus", "tanh", "softsign",
                          "log_softmax", "threshold"})  # fmt: skip
    meant = "leave it out, so that scores flow in, or end in `softmax`"
    decides = "argmax"
    probabilities = "_probabilities"

    def scores_shape(self, declared):
        if declared.classes is None:
            return declared.shape
        shape = list(declared.shape)
        shape.insert(class_axis(declared.rank + 1) % (declared.rank + 1), declared.classes.count)
        return tuple(shape)

    def activation(self, declared):
        return Softmax(axis=class_axis(declared.rank + 1))

    def steps(self, declared, found):
        yield "number", postprocessing.ClassNumber(axis=class_axis(declared.rank + 1))
        if declared.classes and declared.classes.names:
            yield "name", postprocessing.ClassName(names=declared.classes.names)
        elif declared.classes and declared.classes.labels:
            yield "label", postprocessing.ClassLabel(numbers=declared.classes.labels)

    def index(self, declared):
        classes = declared.classes
        if classes is None or not isinstance(classes.count, int):
            return None
        if classes.names:
            return postprocessing.ClassIndex(names=classes.names)
        return postprocessing.NumberIndex(count=classes.count, numbers=classes.labels)


class BinaryKind(OutputKind):
    elements = ("binary",)
    word = "binary"
    loss = "bce"
    metrics = ("accuracy",)
    wrong = frozenset({"hard_sigmoid", "relu", "relu6", "softplus", "tanh", "softsign", "softmax",
                          "log_softmax"})  # fmt: skip
    meant = "leave it out, so that a score flows in, or end in `sigmoid`"
    probabilities = "_probability"

    def target(self, declared):
        return "float"

    def activation(self, declared):
        return Sigmoid()

    def steps(self, declared, found):
        yield "yes", postprocessing.BinaryAnswer()
        if declared.classes and declared.classes.names:
            yield "name", postprocessing.BinaryName(names=declared.classes.names)

    def index(self, declared):
        names = declared.classes and declared.classes.names
        return postprocessing.BinaryIndex(names=names) if names else None


class BoolKind(OutputKind):
    elements = ("bool",)
    word = "bool"
    metrics = ("accuracy",)

    def steps(self, declared, found):
        if found.element != "bool":
            yield "at_least_half", postprocessing.AtLeastHalf()


class RealKind(OutputKind):
    elements = FLOATS
    word = "float"
    loss = "mse"
    metrics = ("mae", "r2")
    wrong = frozenset({"softmax", "log_softmax"})
    meant = "declare the output as `class(...)` for one of several classes, or leave the activation out"

    def target(self, declared):
        return "float"

    def steps(self, declared, found):
        if found.element != declared.element:
            yield "cast", Cast(to=declared.element)


class WholeKind(OutputKind):
    elements = INTEGERS
    word = "int"
    metrics = ("mae", "r2")

    def steps(self, declared, found):
        if found.element != declared.element:
            yield "round_to", postprocessing.RoundTo(element=declared.element)


class TextKind(OutputKind):
    """Text comes in and never out."""

    elements = ("string",)
    word = "string"


KINDS: dict[str, OutputKind] = {
    element: kind
    for kind in (ClassKind(), BinaryKind(), BoolKind(), RealKind(), WholeKind(), TextKind())
    for element in kind.elements
}


def kind_of(declared: Tensor) -> OutputKind:
    """What a declared type means."""
    return KINDS[declared.element]


def class_axis(rank: int) -> int:
    """The axis of the classes in scores of so many axes: the last, or the first of three and more."""
    return 0 if rank >= 3 else -1
