"""Kinds of outputs by element type: shape of the scores, default loss and metrics, postprocessing in the
artifact.

There are kinds for classes, for sequences of classes that `ctc` decodes, for binary outputs and for numbers.
All differences between them are in this file.
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

# A step of the postprocessing: the suffix of the node name, and the operator.
Step = tuple[str, "Operator"]


class OutputKind:
    """An output of certain element types; `declared` is its type as written."""

    elements: ClassVar[tuple[str, ...]]
    word: ClassVar[str]  # the name in messages
    loss: ClassVar[str] = ""  # the default loss; empty if there is none
    metrics: ClassVar[tuple[str, ...]] = ()
    # Activations that do not fit before the output, and the help for them.
    mismatched: ClassVar[frozenset[str]] = frozenset()
    mismatch_help: ClassVar[str] = ""
    # The operator that does the same as the postprocessing; after it there are no scores for the output.
    equivalent_operator: ClassVar[str] = ""
    # The suffix of the probabilities' name in the artifact; empty if there are none.
    probabilities: ClassVar[str] = ""

    def answer_names(self, name: str) -> tuple[str, ...]:
        """The names of the output in the artifact; the prediction first."""
        return (name, f"{name}{self.probabilities}") if self.probabilities else (name,)

    def scores_shape(self, declared: Tensor) -> tuple[Size, ...]:
        """The sample shape of the scores."""
        return declared.shape

    def target(self, declared: Tensor) -> str:
        """The element type of the target."""
        return declared.element

    def activation(self, declared: Tensor) -> Operator | None:
        """The activation from scores to probabilities; None if there is none."""
        return None

    def index(self, declared: Tensor) -> postprocessing.OfNames | postprocessing.NumberIndex | None:
        """The operator from input values of the artifact to class indices or booleans; None if they are
        equal. The classes of `declared` have to be known."""
        return None

    def steps(self, declared: Tensor, found: Tensor) -> Iterator[Step]:
        """The postprocessing from the value of the output, of type `found`, to the prediction."""
        raise NotImplementedError


class ClassKind(OutputKind):
    elements = ("class",)
    word = "class"
    loss = "cross_entropy"
    metrics = ("accuracy",)
    mismatched = frozenset({"sigmoid", "hard_sigmoid", "relu", "relu6", "softplus", "tanh", "softsign",
                          "log_softmax", "threshold"})  # fmt: skip
    mismatch_help = "leave it out, so that scores flow in, or end in `softmax`"
    equivalent_operator = "argmax"
    probabilities = "_probabilities"

    def scores_shape(self, declared):
        if declared.classes is None:
            return declared.shape
        shape = list(declared.shape)
        shape.insert(class_axis(declared.rank + 1) % (declared.rank + 1), declared.classes.count)
        return tuple(shape)

    def activation(self, declared):
        return Softmax(axis=class_axis(declared.rank + 1))

    def chosen(self, declared: Tensor) -> Step:
        """The step from scores to class indices."""
        return "number", postprocessing.ClassNumber(axis=class_axis(declared.rank + 1))

    def steps(self, declared, found):
        yield self.chosen(declared)
        yield from self.named(declared)

    def named(self, declared: Tensor) -> Iterator[Step]:
        """The steps from class indices to the labels of the classes."""
        if declared.classes and declared.classes.names:
            yield "name", postprocessing.ClassName(names=declared.labels)
        elif declared.labels:
            yield "label", postprocessing.ClassLabel(numbers=declared.labels)

    def index(self, declared):
        classes = declared.classes
        if classes is None or not isinstance(classes.count, int):
            return None
        if classes.names:
            return postprocessing.ClassIndex(names=classes.names)
        return postprocessing.NumberIndex(count=classes.count, numbers=classes.labels)


class CtcKind(ClassKind):
    """A sequence of classes that is decoded from scores of frames, of which the first class is the blank."""

    elements = ()
    loss = "ctc"
    metrics = ("edit_distance",)

    def chosen(self, declared):
        return "symbols", postprocessing.BestPath()


class DecodedKind(ClassKind):
    """A sequence of classes that the artifact makes step by step."""

    elements = ()
    metrics = ("edit_distance",)
    probabilities = ""


class BinaryKind(OutputKind):
    elements = ("binary",)
    word = "binary"
    loss = "bce"
    metrics = ("accuracy",)
    mismatched = frozenset({"hard_sigmoid", "relu", "relu6", "softplus", "tanh", "softsign", "softmax",
                          "log_softmax"})  # fmt: skip
    mismatch_help = "leave it out, so that a score flows in, or end in `sigmoid`"
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

    def target(self, declared):
        return "float" if declared.ignore else declared.element

    def steps(self, declared, found):
        if found.element != "bool":
            yield "at_least_half", postprocessing.AtLeastHalf()


class FloatKind(OutputKind):
    elements = FLOATS
    word = "float"
    loss = "mse"
    metrics = ("mae", "r2")
    mismatched = frozenset({"softmax", "log_softmax"})
    mismatch_help = (
        "declare the output as `class(...)` for one of several classes, or leave the activation out"
    )

    def target(self, declared):
        return "float"

    def steps(self, declared, found):
        if found.element != declared.element:
            yield "cast", Cast(to=declared.element)


class IntegerKind(OutputKind):
    elements = INTEGERS
    word = "int"
    metrics = ("mae", "r2")

    def target(self, declared):
        return "float" if declared.ignore else declared.element

    def steps(self, declared, found):
        if found.element != declared.element:
            yield "round_to", postprocessing.RoundTo(element=declared.element)


class StringKind(OutputKind):
    """Text, which is an input only."""

    elements = ("string",)
    word = "string"


KINDS: dict[str, OutputKind] = {
    element: kind
    for kind in (ClassKind(), BinaryKind(), BoolKind(), FloatKind(), IntegerKind(), StringKind())
    for element in kind.elements
}


CTC, DECODED = CtcKind(), DecodedKind()


def kind_of(declared: Tensor) -> OutputKind:
    """The kind of a declared type."""
    if declared.decoded:
        return DECODED
    return CTC if declared.blank else KINDS[declared.element]


def class_axis(rank: int) -> int:
    """The class axis of scores with this rank: the first if rank >= 3, else the last."""
    return 0 if rank >= 3 else -1
