"""Comparisons and logical operators."""

from __future__ import annotations

from dlc.compiler.operators.arithmetic import BinaryOperator
from dlc.compiler.operators.base import Example, Operator, Reject
from dlc.compiler.operators.operands import close, onnx_cast, promote_types, spell_classes, torch_cast
from dlc.compiler.types import Tensor


class ComparisonOperator(BinaryOperator, abstract=True):
    verb = "compared"
    offset = "subtracts"

    def type(self, a: Tensor, b: Tensor) -> Tensor:
        return super().type(a, b).with_element("bool")

    def tolerance(self, np):
        """Either result is accepted where two floats are close."""
        if not any(x.is_float for x in self.operands):
            return None
        return lambda a, b: np.where(close(np, a, b), np.inf, 0)


class Less(ComparisonOperator):
    """`a < b` (torch `lt`, ONNX `Less`)."""

    symbol = "<"

    def torch(self, F, a, b):
        return a < b

    def onnx(self, op, a, b):
        return op.Less(a, b)

    examples = (
        Example("a < b", ("float[3]", "float[2, 3]"), "bool[2, 3]"),
        Example("a < 1", "int64[3]", "bool[3]"),
        Example("a < 0.5", "int64[3]", "bool[3]"),
    )


class LessEqual(ComparisonOperator):
    """`a <= b` (torch `le`, ONNX `LessOrEqual`)."""

    symbol = "<="

    def torch(self, F, a, b):
        return a <= b

    def onnx(self, op, a, b):
        return op.LessOrEqual(a, b)

    examples = (Example("a <= b", ("int64[9]", "int64[9]"), "bool[9]"),)


class Greater(ComparisonOperator):
    """`a > b` (torch `gt`, ONNX `Greater`)."""

    symbol = ">"

    def torch(self, F, a, b):
        return a > b

    def onnx(self, op, a, b):
        return op.Greater(a, b)

    examples = (
        Example("a > b", ("float[3]", "float"), "bool[3]"),
        Example("a > b", ("float[3]", "float[4]"), rejects="E0203"),
    )


class GreaterEqual(ComparisonOperator):
    """`a >= b` (torch `ge`, ONNX `GreaterOrEqual`)."""

    symbol = ">="

    def torch(self, F, a, b):
        return a >= b

    def onnx(self, op, a, b):
        return op.GreaterOrEqual(a, b)

    examples = (Example("a >= b", ("int64[9]", "int64[9]"), "bool[9]"),)


class Equal(ComparisonOperator):
    """`a == b`, of numbers or of class values (torch `eq`, ONNX `Equal`).

    A class value that is compared with a number is its label, if its classes are integers, else its index.
    """

    symbol = "=="
    takes = "any"

    def type(self, a: Tensor, b: Tensor) -> Tensor:
        for x, other in ((a, b), (b, a)):
            if x.element == "string":
                raise Reject(
                    f"text cannot be compared: {a} and {b}", help="`vocabulary` turns text into classes"
                )
            if x.element == "class" and other.element not in ("class", "int64"):
                raise Reject(f"these two cannot be compared: {spell_classes(a)} and {spell_classes(b)}",
                             help="a class value is compared with one of the same classes, or "
                                  "with a class number")  # fmt: skip
        return super().type(self.plain(a, b), self.plain(b, a))

    @staticmethod
    def plain(x: Tensor, other: Tensor) -> Tensor:
        """A class value that is compared with an integer is an int64."""
        return x if x.element == other.element else x.with_element("int64") if x.element == "class" else x

    def common(self) -> tuple[str, str, str]:
        a, b = self.operands
        return a.element, b.element, promote_types((self.plain(a, b), self.plain(b, a)), self.verb).element

    def labels(self) -> list[tuple[int, ...] | None]:
        """For each operand that is compared with a label: the integer labels of its classes by index, then
        that of class -1. None for the others."""
        a, b = self.operands
        pairs = ((a, b), (b, a))
        return [raw_numbers(x) if x.classes and other.classes is None else None for x, other in pairs]

    def torch(self, F, a, b):
        left, right, both = self.common()
        a, b = (x if n is None else F.tensor(n)[x] for x, n in zip((a, b), self.labels(), strict=True))
        return torch_cast(F, a, left, both) == torch_cast(F, b, right, both)

    def onnx(self, op, a, b):
        left, right, both = self.common()
        wide = "float" if both == "bfloat16" else both
        a, b = (
            x if n is None else op.Gather(op.constant(n, "int64"), x, axis=0)
            for x, n in zip((a, b), self.labels(), strict=True)
        )
        return op.Equal(onnx_cast(op, a, left, wide), onnx_cast(op, b, right, wide))

    examples = (
        Example("a == b", ("int64[9]", "uint8[9]"), "bool[9]", low=0, high=3),
        Example("a == 1", "float[3]", "bool[3]"),
        Example("a == b", ("bool[9]", "bool[9]"), "bool[9]"),
        Example("a == 1", "class(3)[9]", "bool[9]"),
        Example("a == b", ("class(3)[9]", "class(3)[9]"), "bool[9]"),
        Example("a == b", ("class(3)", "class(4)"), rejects="E0201"),
        Example("a == b", ("class(3)", "float"), rejects="E0201"),
        Example("a == b", ("string", "string"), rejects="E0201"),
    )


def raw_numbers(x: Tensor) -> tuple[int, ...] | None:
    """The integer labels of classes, if they are not the class indices."""
    classes = x.classes
    if classes is None or classes.names or classes.labels is None:
        return None
    return (*classes.labels, classes.unknown)  # type: ignore[return-value]


class NotEqual(Equal):
    """`a != b`, of numbers or of class values (torch `ne`, ONNX `Equal` and `Not`)."""

    symbol = "!="

    def torch(self, F, a, b):
        return F.logical_not(super().torch(F, a, b))

    def onnx(self, op, a, b):
        return op.Not(super().onnx(op, a, b))

    examples = (
        Example("a != b", ("int64[9]", "int64[9]"), "bool[9]", low=0, high=3),
        Example("1 != a", "class(3)[9]", "bool[9]"),
    )


# --- logic ------------------------------------------------------------------------------------------------


class LogicalAnd(BinaryOperator):
    """`a and b` (torch `logical_and`, ONNX `And`)."""

    symbol = "and"
    takes = "bool"
    verb = "joined by `and`"

    def torch(self, F, a, b):
        return F.logical_and(a, b)

    def onnx(self, op, a, b):
        return op.And(a, b)

    examples = (Example("a and b", ("bool[9]", "bool"), "bool[9]"),)


class LogicalOr(BinaryOperator):
    """`a or b` (torch `logical_or`, ONNX `Or`)."""

    symbol = "or"
    takes = "bool"
    verb = "joined by `or`"

    def torch(self, F, a, b):
        return F.logical_or(a, b)

    def onnx(self, op, a, b):
        return op.Or(a, b)

    examples = (Example("a or b", ("bool[9]", "bool[2, 9]"), "bool[2, 9]"),)


class LogicalNot(Operator):
    """`not x` (torch `logical_not`, ONNX `Not`)."""

    elementwise = True
    symbol = "not"
    public = False
    takes = "bool"
    batchless = True

    def type(self, x: Tensor) -> Tensor:
        return x

    def torch(self, F, x):
        return F.logical_not(x)

    def onnx(self, op, x):
        return op.Not(x)

    examples = (Example("not a", "bool[9]", "bool[9]"),)
