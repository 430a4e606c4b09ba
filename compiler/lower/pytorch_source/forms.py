"""The PyTorch forms of operators, run to be written down: each call of a function becomes its text."""

from __future__ import annotations

import dis
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import Dim, evaluate, names
from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.dim_bindings import dim_sources
from dlc.compiler.lower.pytorch_source.code import Code, call, literal, number, text
from dlc.compiler.lower.pytorch_source.functional import FUNCTIONAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.lower.dim_bindings import DimSource

# Methods that say a conversion shorter, and the elements that are of these types.
SHORT = {"torch.float32": "float", "torch.int64": "long", "torch.bool": "bool", "torch.float64": "double"}
DTYPES = {
    "float": "torch.float32",
    "float64": "torch.float64",
    "int64": "torch.int64",
    "class": "torch.int64",
    "bool": "torch.bool",
}
CONVOLUTIONS = ("F.conv1d", "F.conv2d", "F.conv3d")
CONVOLVED = ("stride", "padding", "dilation", "groups")  # by position after input, weight and bias
MOST_DERIVATIVES = 4  # that are written one by one
# Functions that take a plain number where others want a tensor.
TAKES_NUMBERS = ("torch.remainder", "torch.where", "torch.div")


class Unwritten(Exception):
    """What cannot be said in plain PyTorch, and why."""


class Written:
    """A tensor, or a part of PyTorch, by its text. `dtype` is its type where that is known,
    `owner` what it is an attribute of."""

    _code: Code
    _dtype: str
    _owner: Any
    _value: Any

    def __init__(self, code: Code, dtype: str = "", owner: Written | None = None):
        self.__dict__.update(_code=code, _dtype=dtype, _owner=owner)

    def __getattr__(self, name: str) -> Written:
        if name.startswith("__"):
            raise AttributeError(name)
        return Written(Code("attribute", name, (self._code,)), owner=self)

    def __call__(self, *given: Any, **named: Any) -> Written:
        function = self._code
        if self._owner is not None and len(given) == 1 and not named:
            changed = converted(self._owner, function.value, given[0])
            if changed is not None:
                return changed
        plain = function.kind == "text" and function.value in TAKES_NUMBERS
        if function.kind == "text" and "_pool" in function.value:
            given = window(given)
        if function.kind == "text" and function.value in CONVOLUTIONS:
            named |= dict(zip(CONVOLVED, map(one, given[3:]), strict=False))
            given = tuple(g for g in given[:3] if g is not None)
        if "scale_factor" in named:
            named["scale_factor"] = one(named["scale_factor"])
        keywords = {key: argument(value, plain) for key, value in named.items()}
        return Written(call(function, *(argument(g, plain) for g in given), **keywords))

    def __getitem__(self, key: Any) -> Written:
        keys = key if isinstance(key, tuple) else (key,)
        while keys and is_whole(keys[-1]):
            keys = keys[:-1]  # what is left out is whole
        return Written(Code("index", None, (self._code, *map(argument, keys))), self._dtype) if keys else self

    def __setattr__(self, name: str, value: Any) -> None:
        raise Unwritten(f"its form sets `{name}`")

    def __iter__(self) -> Any:
        """As many entries as there are names for them, `r, g, b = x`; torch.fx unpacks so too."""
        frame = sys._getframe(1)
        at = next(i for i in dis.get_instructions(frame.f_code) if i.offset == frame.f_lasti)
        if at.opname != "UNPACK_SEQUENCE":
            raise Unwritten("its form looks at the entries of a tensor")
        return (self[place] for place in range(at.argval))

    def __bool__(self) -> bool:
        raise Unwritten("its form depends on the numbers of a tensor")

    __len__ = __bool__
    __hash__ = object.__hash__


def is_whole(key: Any) -> bool:
    return isinstance(key, slice) and all(part is None for part in (key.start, key.stop, key.step))


def window(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The settings of a pooling as a person writes them: one number for all axes, what is usual left out."""
    found = [one(g) for g in given]
    if len(found) == 4 and found[3] == 0:
        found = found[:2] if found[1] == found[2] else found[:3]
    return tuple(found)


def one(setting: Any) -> Any:
    """A setting of each axis as one number, where they are equal; a whole one as such."""
    if not isinstance(setting, tuple) or len({*setting}) != 1:
        return setting
    number = setting[0]
    return int(number) if isinstance(number, float) and number.is_integer() else number


def converted(owner: Written, method: str, given: Any) -> Written | None:
    """`x.to(dtype)` and `x.type_as(y)`, shorter where there is less to do."""
    if method == "to" and isinstance(given, Written) and given._code.kind == "text":
        wanted = given._code.value
    elif method == "type_as" and isinstance(given, Written):
        wanted = given._dtype
    else:
        return None
    if isinstance(owner, Literal) and wanted in LITERALS:
        return Literal(LITERALS[wanted](owner._value))
    if wanted and owner._dtype == wanted:
        return owner
    if method == "to" and wanted in SHORT:
        return Written(call(Code("attribute", SHORT[wanted], (owner._code,))), wanted)
    return None


class Literal(Written):
    """A number of the spec: itself beside a sign, else a tensor."""

    def __init__(self, value: Any):
        super().__init__(call(text("torch.tensor"), argument(value)), LITERAL_TYPES[type(value)])
        self.__dict__.update(_value=value)

    def beside(self, other: Any) -> Code:
        """Beside a tensor a whole number says as much as a float."""
        if isinstance(other, Literal):
            return self._code
        value = self._value
        if isinstance(value, bool):
            return text(str(value))
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
        return number(int(value) if whole else value)


LITERALS = {"torch.float32": float, "torch.int64": int, "torch.bool": bool}
LITERAL_TYPES = {float: "torch.float32", int: "torch.int64", bool: "torch.bool"}


def beside(value: Any, other: Any) -> Code:
    return value.beside(other) if isinstance(value, Literal) else argument(value)


def argument(value: Any, plain: bool = False) -> Code:
    if isinstance(value, Literal) and plain:
        return literal(value._value) or value._code
    if isinstance(value, Written):
        return value._code
    if isinstance(value, slice):
        return Code("slice", None, tuple(argument(v) for v in (value.start, value.stop, value.step)))
    if isinstance(value, (tuple, list)):
        return Code("tuple" if isinstance(value, tuple) else "list", None, tuple(map(argument, value)))
    if isinstance(value, range) and value.step == 1:
        return text(f"range({value.stop})" if not value.start else f"range({value.start}, {value.stop})")
    code = literal(value)
    if code is None:
        raise Unwritten(f"its form hands over `{value}`, a {type(value).__name__}, which is no plain value")
    return code


def binary(sign: str, turned: bool = False) -> Callable[[Any, Any], Written]:
    def method(self: Any, other: Any) -> Written:
        codes = beside(self, other), beside(other, self)
        dtype = self._dtype if isinstance(self, Written) and self._dtype == DTYPES["float"] else ""
        return Written(Code("sign", sign, codes[::-1] if turned else codes), dtype)

    return method


def comparison(sign: str) -> Callable[[Any, Any], Written]:
    def method(self: Any, other: Any) -> Written:
        return Written(Code("sign", sign, (beside(self, other), beside(other, self))), DTYPES["bool"])

    return method


def unary(sign: str) -> Callable[[Written], Written]:
    return lambda self: Written(Code("sign", sign, (self._code,)), self._dtype)


for _method, _sign in {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "matmul": "@",
    "pow": "**",
    "and": "&",
    "or": "|",
    "xor": "^",
}.items():
    setattr(Written, f"__{_method}__", binary(_sign))
    setattr(Written, f"__r{_method}__", binary(_sign, turned=True))
for _method, _sign in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}.items():
    setattr(Written, f"__{_method}__", comparison(_sign))
for _method, _sign in {"neg": "neg", "invert": "~"}.items():
    setattr(Written, f"__{_method}__", unary(_sign))


class Sizes:
    """Where sizes are read from among the tensors of a body, which become more."""

    def __init__(self, values: Mapping[Any, Written]):
        self.values, self.seen = values, 0
        self.places: dict[str, DimSource] = {}
        self.batched: Value | None = None  # one with samples

    def look(self) -> None:
        """Look at the tensors that are new."""
        new = [v for v in islice(self.values, self.seen, None) if isinstance(v, Value)]
        self.seen = len(self.values)
        self.places = dim_sources(new, self.places) if new else self.places
        self.batched = self.batched or next((v for v in new if v.type.batched), None)


class Functions:
    """What the forms call `F`; sizes are read from the tensors at hand."""

    def __init__(self, sizes: Sizes | None = None):
        self._sizes = sizes or Sizes({})
        self._derivatives = 0

    def __getattr__(self, name: str) -> Any:
        return Written(text(f"F.{name}" if name in FUNCTIONAL else f"torch.{name}"))

    def pow(self, a: Any, b: Any) -> Written:
        return binary("**")(a, b)

    def uniform(self, x: Written, *shape: int) -> Written:
        sizes = call(text("len"), x._code), *map(number, shape)
        device = Code("attribute", "device", (x._code,))
        return Written(call(text("torch.rand"), *sizes, device=device), DTYPES["float"])

    def beta(self, x: Written, alpha: float) -> Written:
        both = call(text("torch.distributions.Beta"), number(alpha), number(alpha))
        return Written(both).sample().to(x.device)

    def indices(self, x: Written, size: Any) -> Written:
        device = Code("attribute", "device", (x._code,))
        return Written(call(text("torch.arange"), argument(size), device=device), "torch.int64")

    def dot(self, a: Any, b: Any) -> Written:
        """Of a tensor that lies flat and itself: the sum of its squares."""
        function = a._code.parts[0] if a._code.kind == "call" else a._code
        if a is b and function.kind == "attribute" and function.value == "reshape":
            return Written(function.parts[0]).square().sum()
        return Written(call(text("torch.dot"), a._code, b._code))

    def derivative(self, of: Written, wrt: Written) -> Written:
        """Of the sum, as samples are independent of each other."""
        self._derivatives += 1
        if self._derivatives > MOST_DERIVATIVES:
            raise Unwritten("its form takes so many derivatives, one behind the other")
        grad = text("torch.autograd.grad")
        total = Written(of._code).sum()._code
        return Written(call(grad, total, wrt._code, create_graph=text("True")))[0]

    def broadcast_tensors(self, *tensors: Any) -> tuple[Written, ...]:
        if len(tensors) == 2 and isinstance(tensors[1], Literal):
            first, full = tensors[0], text("torch.full_like")
            return first, Written(call(full, first._code, tensors[1].beside(first)))
        both = Written(call(text("torch.broadcast_tensors"), *map(argument, tensors)))
        return tuple(both[place] for place in range(len(tensors)))

    def tensor(self, numbers: Any, dtype: Any = None) -> Written:
        """Its type is that of the numbers."""
        if isinstance(numbers, (bool, int, float)):
            return Literal(numbers)
        if isinstance(numbers, range) and not numbers.start:
            return Written(call(text("torch.arange"), number(numbers.stop)), "torch.int64")
        kind = dtype._code.value if dtype is not None else ""
        return Written(call(text("torch.tensor"), argument(numbers)), kind)

    @property
    def batch(self) -> Any:
        self._sizes.look()
        if self._sizes.batched is None:
            raise Unwritten("its form asks for the number of samples, and nothing of a sample is at hand")
        return self._sizes.values[self._sizes.batched].shape[0]

    def size(self, size: Size) -> Any:
        if not isinstance(size, Dim):
            return size
        return evaluate(size, {name: self._free(name) for name in names(size)})

    def _free(self, name: str) -> Any:
        self._sizes.look()
        if name not in self._sizes.places:
            raise Unwritten(f"its form asks for the size `{name}`, which nothing at hand has")
        value, axis, scale, offset = self._sizes.places[name]
        size: Any = self._sizes.values[value].shape[axis]
        size = size - offset if offset else size
        return size // scale if scale != 1 else size
