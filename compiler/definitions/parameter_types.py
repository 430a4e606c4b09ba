"""Parameter types: which values a setting accepts, and how messages describe them."""

from __future__ import annotations

from math import isnan
from typing import Any

from dlc.compiler import syntax, urls
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.dims.dim import Dim
from dlc.compiler.record import record
from dlc.compiler.types import Typed

LARGEST_FLOAT = 3.4028235677973366e38  # from here on float32 rounds to infinity


class Reject(Exception):
    """An operator or a parameter type rejects a value.

    `at` is the operand (by name or index), the setting, or the definition in a list of definitions that
    causes the error; None is the whole call. The elaborator adds the span, the shapes and the chain of block
    uses.
    """

    def __init__(self, message: str, *, at: Any = None, help: str = "", code: str = "E0201"):
        super().__init__(message)
        self.message, self.at, self.help, self.code = message, at, help, code


class ParameterType:
    """The type of a setting's value. `words` are accepted as bare words: `padding=same`."""

    words: tuple[str, ...] = ()

    def describe(self) -> str:
        raise NotImplementedError

    def accept(self, value: Any) -> Any:
        """The checked and converted value; `Reject` if it does not have this type."""
        raise self.mismatch(value)

    def families(self) -> tuple[str, ...]:
        """Families of definitions whose members are accepted by name: `init=zeros`, `optimizer=adam(...)`."""
        return ()

    def of_outputs(self) -> tuple[str, ...]:
        """Families whose members are accepted if they are called with an output: `loss=mse(y)`."""
        return ()

    def item(self) -> ParameterType | None:
        """The type of the entries, if lists are accepted."""
        return None

    def read(self, expr: syntax.Expr) -> Any:
        """The value of the syntax itself, for bare names (`stratify = label`); None to evaluate it."""
        return None

    def mismatch(self, value: Any, help: str = "") -> Reject:
        return Reject(f"expected {self.describe()}, found {describe(value)}", help=help, code="E0403")


@record
class Integer(ParameterType):
    """An integer. `symbolic` also accepts expressions of free dimensions and unknown class counts."""

    minimum: int | None = None
    maximum: int | None = 10**9
    symbolic: bool = False

    def describe(self) -> str:
        return "a whole number" + bounds(self.minimum, self.maximum if self.maximum != 10**9 else None)

    def accept(self, value: Any) -> Any:
        if self.symbolic and isinstance(value, Dim):
            return value
        if isinstance(value, Dim):
            raise Reject(f"expected {self.describe()}, found the free dimension `{value}`", code="E0403")
        if isinstance(value, float) and value.is_integer():  # as of `8 / 2`
            raise self.mismatch(value, help="`round`, `floor` and `ceil` make whole numbers")
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.mismatch(value)
        if self.minimum is not None and value < self.minimum:
            raise self.mismatch(value)
        if self.maximum is not None and value > self.maximum:
            raise Reject(f"expected at most {self.maximum:_}, found {value}", code="E0403")
        return value


@record
class Number(ParameterType):
    """A real number, with inclusive (`minimum`, `maximum`) or exclusive (`above`, `below`) bounds. It becomes
    a float; `keeps_whole` keeps an integer as int."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    keeps_whole: bool = False

    def describe(self) -> str:
        return "a number" + bounds(self.minimum, self.maximum, self.above, self.below)

    def accept(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or isnan(value):
            raise self.mismatch(value)
        if abs(value) >= LARGEST_FLOAT:
            raise Reject(f"a number must be below 3.4e38, as float32 is, found {value}", code="E0403")
        too_small = (self.minimum is not None and value < self.minimum) or (
            self.above is not None and value <= self.above
        )
        too_large = (self.maximum is not None and value > self.maximum) or (
            self.below is not None and value >= self.below
        )
        if too_small or too_large:
            raise self.mismatch(value)
        return value if self.keeps_whole else float(value)


@record
class Boolean(ParameterType):
    def describe(self) -> str:
        return "true or false"

    def accept(self, value: Any) -> Any:
        if not isinstance(value, bool):
            raise self.mismatch(value)
        return value


@record
class Text(ParameterType):
    def describe(self) -> str:
        return "a text in quotes"

    def accept(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise self.mismatch(value)
        return value


@record
class Path(Text):
    """The path of a file."""

    def accept(self, value: Any) -> Any:
        path = super().accept(value)
        if "\n" in path or "\t" in path:
            meant = path.replace("\n", "/n").replace("\t", "/t").replace("\\", "/")
            raise Reject("a path is written with `/`; `\\n` and `\\t` are a newline and a tab", code="E0403",
                         help=f'write `"{meant}"`')  # fmt: skip
        if urls.has_secret(path):
            help = "leave it out: it is read from the environment, as AWS_SECRET_ACCESS_KEY is"
            raise Reject(
                "a spec is kept with its models, so a URL in it has no password", help=help, code="E0403"
            )
        return path


@record
class Nothing(ParameterType):
    """`none`."""

    def describe(self) -> str:
        return "none"

    def accept(self, value: Any) -> Any:
        if value is not None:
            raise self.mismatch(value)
        return value


class Keyword(ParameterType):
    """One of a fixed set of bare words."""

    def __init__(self, *words: str):
        self.words = words

    def describe(self) -> str:
        return alternatives([f"`{w}`" for w in self.words])

    def read(self, expr: syntax.Expr) -> str | None:
        return expr.id if isinstance(expr, syntax.Name) and expr.id in self.words else None

    def accept(self, value: Any) -> Any:
        if value not in self.words:
            raise self.mismatch(value)
        return value


class BareWord(ParameterType):
    """A bare name that is resolved later: an input, a column, an output. A string is accepted too."""

    def __init__(self, what: str = "a name"):
        self.what = what

    def describe(self) -> str:
        return self.what

    def read(self, expr: syntax.Expr) -> Any:
        return expr.id if isinstance(expr, syntax.Name) else None

    def accept(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise self.mismatch(value)
        return value


class PerAxis(ParameterType):
    """One value, or a list with one value per axis."""

    def __init__(self, each: ParameterType):
        self.each = each

    def describe(self) -> str:
        return f"{self.each.describe()}, or a list of one per axis"

    def item(self) -> ParameterType:
        return self.each

    def accept(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return tuple(self.each.accept(v) for v in value)
        return self.each.accept(value)


class ListOf(ParameterType):
    """A list; a single value is a list of one."""

    def __init__(self, each: ParameterType):
        self.each = each
        self.words = each.words

    def describe(self) -> str:
        return f"a list, each entry {self.each.describe()}"

    def families(self) -> tuple[str, ...]:
        return self.each.families()

    def item(self) -> ParameterType:
        return self.each

    def read(self, expr: syntax.Expr) -> Any:
        return self.each.read(expr)

    def accept(self, value: Any) -> Any:
        entries = value if isinstance(value, (list, tuple)) else (value,)
        try:
            return tuple(self.each.accept(v) for v in entries)
        except Reject as reject:
            if value is None:
                reject.help = "`[]` is a list without entries"
            raise


class OneOf(ParameterType):
    """A union: the first of several types that accepts the value."""

    def __init__(self, *kinds: ParameterType):
        self.kinds = kinds
        self.words = tuple(w for k in kinds for w in k.words)

    def describe(self) -> str:
        return alternatives([k.describe() for k in self.kinds])

    def families(self) -> tuple[str, ...]:
        return tuple(f for k in self.kinds for f in k.families())

    def of_outputs(self) -> tuple[str, ...]:
        return tuple(f for k in self.kinds for f in k.of_outputs())

    def item(self) -> ParameterType | None:
        return next((k.item() for k in self.kinds if k.item()), None)

    def read(self, expr: syntax.Expr) -> Any:
        return next((r for k in self.kinds if (r := k.read(expr)) is not None), None)

    def accept(self, value: Any) -> Any:
        rejects = {}
        for kind in self.kinds:
            try:
                return kind.accept(value)
            except Reject as reject:
                rejects[kind] = reject
        nearest = [r for k, r in rejects.items() if isinstance(value, (list, tuple)) and k.item()]
        if len(nearest) == 1:
            raise nearest[0]
        reject = self.mismatch(value)
        reject.help = next((r.help for r in rejects.values() if r.help), "")
        raise reject


class MemberOf(ParameterType):
    """A member of a family of definitions, with or without settings: `adam`, `adam(lr=1e-3)`. `called`
    describes it in messages; by default the name of the family."""

    def __init__(self, of: str, called: str = ""):
        self.of, self.called = of, called or f"{article(of)} {of}"

    def describe(self) -> str:
        return self.called

    def families(self) -> tuple[str, ...]:
        return (self.of,)

    def accept(self, value: Any) -> Any:
        if getattr(value, "family", None) != self.of:
            raise self.mismatch(value)
        return value


class ConstantTensor(ParameterType):
    """Constant numbers in the spec: a number, or nested lists."""

    def describe(self) -> str:
        return "a number or lists of numbers"

    def item(self) -> ParameterType:
        return self

    def accept(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return tuple(self.accept(v) for v in value)
        if not isinstance(value, (int, float)):
            raise self.mismatch(value)
        return value


class ConstantTensors(ConstantTensor):
    """Constant numbers in the spec, in nested lists."""

    def describe(self) -> str:
        return "lists of numbers"

    def accept(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise self.mismatch(value)
        return ConstantTensor().accept(value)

    def item(self) -> ParameterType:
        return ConstantTensor()


def bounds(minimum: float | None, maximum: float | None, above: float | None = None,
           below: float | None = None) -> str:  # fmt: skip
    parts = [
        f"{words} {bound}"
        for words, bound in (
            ("of at least", minimum),
            ("above", above),
            ("of at most" if minimum is None and above is None else "at most", maximum),
            ("below", below),
        )
        if bound is not None
    ]
    return f" {' and '.join(parts)}" if parts else ""


def alternatives(parts: list[str]) -> str:
    *before, last = parts
    nested = "," if any(" or " in part for part in before) else ""
    return f"{', '.join(before)}{nested} or {last}" if before else last


def article(noun: str) -> str:
    return "an" if noun[:1] in "aeiou" else "a"


def describe(value: Any) -> str:
    """A static value as messages describe it."""
    if isinstance(value, Typed):
        return f"a tensor {value.type}"
    if value is None or isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (int, float, Dim)):
        return f"`{value}`"
    if isinstance(value, str):
        return f'"{shorten(value, 60)}"'
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}" if value else "an empty list"
    describer = getattr(value, "describe", None)
    return describer() if describer else f"`{value}`"


class FromPasses(ParameterType):
    """What only passes give, such as types of tensors; a list becomes a tuple."""

    def describe(self) -> str:
        return "what a pass gives"

    def accept(self, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value
