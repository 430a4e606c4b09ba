"""Class values as vectors: trained embeddings and one-hot vectors."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.initializers import NormalInitial
from dlc.compiler.definitions.parameter_types import Integer
from dlc.compiler.dims.dim import Size, number
from dlc.compiler.operators.base import Example, Operator, Reject, WeightSpec, setting
from dlc.compiler.operators.layers import Layer
from dlc.compiler.operators.operands import onnx_cast, torch_cast
from dlc.compiler.operators.sliding_window import need_known
from dlc.compiler.types import Tensor


def count_of(x: Tensor, name: str) -> Size:
    """The number of classes of a class value; `Reject` for anything else."""
    if x.classes is None:
        help = {
            "string": "`vocabulary` turns text into classes",
            "bool": "a boolean is a number already, 0 or 1",
        }.get(x.element, "declare class numbers as `class(...)`; `bucketize` turns numbers into classes")
        raise Reject(f"`{name}` works on class values, found {x}", at="x", code="E0202", help=help)
    return x.classes.count


class Embedding(Layer):
    """A trained vector for each class, a row of the weight (torch `embedding`, ONNX `Gather`).

    Class -1, which stands for unknown and missing values, gives zeros and has no gradient. `auto` initializes
    with `normal(0.02)`.
    """

    elementwise = True
    takes = "any"
    group = "layers"
    auto = NormalInitial(stddev=0.02)
    dim: Size = setting("size of the vectors, the last axis of the result", Integer(1, symbolic=True))

    def type(self, x: Tensor) -> Tensor:
        need_known(self.dim, "dim")
        count_of(x, self.name)
        return x.with_element("float").with_shape(*x.shape, self.dim)

    def weights(self, x: Tensor):
        count = count_of(x, self.name)
        yield WeightSpec("weight", (count, self.dim), initial=self.init, fans=(count, self.dim))

    def features_first(self) -> bool:
        return False

    def module(self, nn):
        return nn.Embedding(count_of(self.operands[0], self.name), self.dim)

    def call(self, F, module, x):
        return F.where(F.unsqueeze(x < 0, -1), 0.0, module(x.clamp(min=0)))

    def torch(self, F, x, weight):
        return self.call(F, lambda known: F.embedding(known, weight), x)

    def of_known(self):
        return KnownEmbedding(**self.values())

    def onnx(self, op, x, weight):
        vectors = op.Gather(weight, x, axis=0)  # index -1 gives the last row
        unknown = op.Unsqueeze(op.Less(x, op.constant(0, "int64")), op.constant([-1], "int64"))
        return op.Where(unknown, op.constant(0.0, "float32"), vectors)

    examples = (
        Example("embedding(4)", "class(5)", "float[4]"),
        Example("embedding(4)", "class(5)[3]", "float[3, 4]"),
        Example("embedding(4)", "class(5)[T]", "float[T, 4]"),
        Example("embedding(4)", "class(5)[H, W]", "float[H, W, 4]"),
        Example("embedding(2, init=uniform(0.1))", "class(5)[T]", "float[T, 2]"),
        Example("embedding(2, weight=[[1, 2], [3, 4], [5, 6]])", "class(3)[T]", "float[T, 2]"),
        Example("embedding(2, weight=[[1, 2], [3, 4]])", "class(3)", rejects="E0406"),
        Example("embedding(T)", "class(3)[T]", rejects="E0403"),
        Example("embedding(4)", "int64[3]", rejects="E0202"),
        Example("embedding(4)", "string", rejects="E0202"),
    )


class KnownEmbedding(Embedding):
    """An embedding of classes that are never missing."""

    public = False
    examples = ()

    def call(self, F, module, x):
        return module(x)

    def onnx(self, op, x, weight):
        return op.Gather(weight, x, axis=0)


class OneHot(Operator):
    """1 at the index of the class and 0 elsewhere, on a new last axis (torch `one_hot`, ONNX `Equal`).

    Class -1, which stands for unknown and missing values, gives zeros.
    """

    elementwise = True
    takes = "any"

    def type(self, x: Tensor) -> Tensor:
        return x.with_element("float").with_shape(*x.shape, count_of(x, self.name))

    def classes(self) -> Any:
        return range(number(self.results[0].shape[-1]))

    def torch(self, F, x):
        return torch_cast(F, F.unsqueeze(x, -1) == F.tensor(self.classes()), "bool", "float")

    def onnx(self, op, x):
        last = op.constant([-1], "int64")
        same = op.Equal(op.Unsqueeze(x, last), op.constant(list(self.classes()), "int64"))
        return onnx_cast(op, same, "bool", "float")

    examples = (
        Example("one_hot", "class(5)", "float[5]"),
        Example("one_hot", "class(a, b, c)[2]", "float[2, 3]"),
        Example("one_hot", "class(5)[T]", "float[T, 5]"),
        Example("one_hot", "class(5)[H, W]", "float[H, W, 5]"),
        Example("one_hot", "float[3]", rejects="E0202"),
        Example("one_hot", "bool", rejects="E0202"),
    )
