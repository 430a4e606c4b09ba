"""Symbolic tracing of the PyTorch or ONNX form of an operator: each call is recorded as a statement.

Nothing is computed, and neither torch nor ONNX is imported. Emitted files and the pages of `dlc doc` are
written from the recorded statements.
"""

from __future__ import annotations

import dis
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import BATCH, Dim, evaluate, names
from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.dim_bindings import dim_sources
from dlc.compiler.lower.python_code import Code, attribute, call, literal, number, text
from dlc.compiler.lower.torch_names import FUNCTIONAL
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.lower.dim_bindings import DimSource

DTYPES = {
    "float": "torch.float32", "float64": "torch.float64", "int64": "torch.int64", "class": "torch.int64",
    "bool": "torch.bool",
}  # fmt: skip
# By dtype: the tensor method that converts to it, and the Python type that converts a number.
CONVERSIONS: dict[str, tuple[str, Any]] = {
    "torch.float32": ("float", float), "torch.int64": ("long", int), "torch.bool": ("bool", bool),
    "torch.float64": ("double", float),
}  # fmt: skip
LITERAL_DTYPES = {float: "torch.float32", int: "torch.int64", bool: "torch.bool"}
MAX_DERIVATIVES = 4  # per operator
WRITTEN_OUT = 8  # numbers of a list; longer ones that count from 0 are `torch.arange`
# Functions that accept a Python number in place of a tensor.
TAKES_NUMBERS = ("torch.remainder", "torch.where", "torch.div")


class Untraceable(Exception):
    """The form of an operator needs values or dimensions that symbols do not have."""


class Local:
    """A tensor that a statement computes. `hint` is its name in the spec, `function` the called function."""

    def __init__(self, function: str = "", hint: str = ""):
        self.function, self.hint = function, hint


@record(eq=False)
class Let:
    """The statement `a, b = code`. `is_result`: it computes the result of an operator of the spec, not an
    intermediate value. `inlines`: results of other operators may be inlined into it."""

    targets: tuple[Local, ...]
    code: Code
    is_result: bool = False
    inlines: bool = False


class Symbol:
    """The expression of a tensor, or of a function or attribute of PyTorch or ONNX. `dtype` is empty if it is
    not known, `owner` is the object of an attribute, `constant` the Python number of a constant."""

    _recorder: Recorder
    _code: Code
    _dtype: str
    _owner: Symbol | None
    _constant: Any

    def __init__(
        self, recorder: Recorder, code: Code, dtype: str = "", owner: Any = None, constant: Any = None
    ):
        known = {
            "_recorder": recorder,
            "_code": code,
            "_dtype": dtype,
            "_owner": owner,
            "_constant": constant,
        }
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Symbol:
        if name.startswith("__"):
            raise AttributeError(name)
        return Symbol(self._recorder, attribute(self._code, name), owner=self)

    def __call__(self, *given: Any, outputs: int = 1, **named: Any) -> Any:
        if self._owner is not None and len(given) == 1 and not named:
            converted = self._owner._converted(self._code.value, given[0])
            if converted is not None:
                return converted
        while given and given[-1] is None:
            given = given[:-1]
        function = self._code.value if self._code.kind == "text" else ""
        if "_pool" in function:
            given = pooling(given)
        plain = function in TAKES_NUMBERS
        keywords = {key: argument(value, plain) for key, value in named.items() if value is not None}
        code = call(self._code, *(argument(g, plain) for g in given), **keywords)
        return self._recorder.record(code, self._code.value, outputs=outputs)

    def __getitem__(self, key: Any) -> Symbol:
        keys = key if isinstance(key, tuple) else (key,)
        while (
            keys
            and isinstance(keys[-1], slice)
            and all(part is None for part in (keys[-1].start, keys[-1].stop, keys[-1].step))
        ):
            keys = keys[:-1]
        code = Code("index", None, (self._code, *map(argument, keys)))
        return Symbol(self._recorder, code, self._dtype) if keys else self

    def __setattr__(self, name: str, value: Any) -> None:
        raise Untraceable(f"its form sets `{name}`")

    def __iter__(self) -> Any:
        """Unpacking as `r, g, b = x`. The byte code gives the number of targets, as in torch.fx."""
        frame = sys._getframe(1)
        at = next(i for i in dis.get_instructions(frame.f_code) if i.offset == frame.f_lasti)
        if at.opname != "UNPACK_SEQUENCE":
            raise Untraceable("its form iterates over a tensor")
        return (self[index] for index in range(at.argval))

    def __bool__(self) -> bool:
        raise Untraceable("its form depends on the values of a tensor")

    __len__ = __index__ = __int__ = __float__ = __bool__
    __hash__ = object.__hash__

    def _converted(self, method: str, given: Any) -> Symbol | None:
        """`x.to(dtype)` and `x.type_as(y)` as a shorter method, or unchanged if `x` has that dtype."""
        if not isinstance(given, Symbol) or method not in ("to", "type_as"):
            return None
        wanted = given._dtype if method == "type_as" else given._code.value
        if wanted not in CONVERSIONS:
            return None
        short, convert = CONVERSIONS[wanted]
        if self._constant is not None:
            return self._recorder.constant_of(convert(self._constant))
        if self._dtype == wanted:
            return self
        return (
            self._recorder.record(call(attribute(self._code, short)), short, wanted)
            if method == "to"
            else None
        )

    def _operand(self, other: Any) -> Code:
        """The symbol as an operand of an infix operator, where a constant is a plain number."""
        if self._constant is None or (isinstance(other, Symbol) and other._constant is not None):
            return self._code
        value = self._constant
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
        return argument(int(value) if whole else value)


def argument(value: Any, plain: bool = False) -> Code:
    """An argument of a call. `plain`: a constant is passed as a number instead of a tensor."""
    if isinstance(value, Symbol):
        return argument(value._constant) if plain and value._constant is not None else value._code
    if isinstance(value, slice):
        return Code("slice", None, tuple(map(argument, (value.start, value.stop, value.step))))
    if isinstance(value, (tuple, list)):
        return Code("tuple" if isinstance(value, tuple) else "list", None, tuple(map(argument, value)))
    if isinstance(value, range):
        return argument(list(value))
    code = literal(value)
    if code is None:
        raise Untraceable(f"its form passes `{value}`, a {type(value).__name__}, which is not a literal")
    return code


def pooling(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a pooling: one number if all axes are equal, without those at PyTorch's defaults."""
    found = [g[0] if isinstance(g, tuple) and len({*g}) == 1 else g for g in given]
    if len(found) == 4 and found[3] == 0:
        found = found[:2] if found[1] == found[2] else found[:3]
    return tuple(found)


def infix(operator: str, reflected: bool = False, dtype: str = "") -> Callable[[Any, Any], Symbol]:
    def method(self: Symbol, other: Any) -> Symbol:
        codes = self._operand(other), other._operand(self) if isinstance(other, Symbol) else argument(other)
        known = self._dtype if self._dtype == DTYPES["float"] else ""
        return self._recorder.record(
            Code("operator", operator, codes[::-1] if reflected else codes), "", dtype or known
        )

    return method


def prefix(operator: str) -> Callable[[Symbol], Symbol]:
    return lambda self: self._recorder.record(Code("operator", operator, (self._code,)), "", self._dtype)


for _method, _operator in {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "matmul": "@",
    "pow": "**", "and": "&", "or": "|", "xor": "^",
}.items():  # fmt: skip
    setattr(Symbol, f"__{_method}__", infix(_operator))
    setattr(Symbol, f"__r{_method}__", infix(_operator, reflected=True))
for _method, _operator in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}.items():
    setattr(Symbol, f"__{_method}__", infix(_operator, dtype=DTYPES["bool"]))
for _method, _operator in {"neg": "neg", "invert": "~"}.items():
    setattr(Symbol, f"__{_method}__", prefix(_operator))


class Recorder:
    """Replaces torch or ONNX when a form is traced. It collects the statements in order."""

    def __init__(self) -> None:
        self.statements: list[Let] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Symbol(self, text(name))

    def record(self, code: Code, function: str, dtype: str = "", outputs: int = 1) -> Any:
        """Record a computation. The result is a symbol, or a tuple of them for several outputs."""
        targets = tuple(Local(function) for _ in range(outputs))
        self.statements.append(Let(targets, code))
        made = tuple(Symbol(self, Code("local", target), dtype) for target in targets)
        return made[0] if outputs == 1 else made

    def constant_of(self, value: Any) -> Symbol:
        code = call(text("torch.tensor"), argument(value))
        return Symbol(self, code, LITERAL_DTYPES[type(value)], constant=value)


class TorchRecorder(Recorder):
    """Replaces `F` in PyTorch forms. Subclasses define how sizes are written."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Symbol(self, text(f"F.{name}" if name in FUNCTIONAL else f"torch.{name}"))

    def pow(self, a: Any, b: Any) -> Symbol:
        return a**b if isinstance(a, Symbol) else b.__rpow__(a)

    def uniform(self, x: Symbol, *shape: int) -> Symbol:
        sizes = call(text("len"), x._code), *map(number, shape)
        return self.record(call(text("torch.rand"), *sizes, device=attribute(x._code, "device")), "rand")

    def beta(self, x: Symbol, alpha: float) -> Symbol:
        both = Symbol(self, call(text("torch.distributions.Beta"), number(alpha), number(alpha)))
        return both.sample().to(x.device)

    def of_text(self, *_: Any) -> Any:
        raise Untraceable("it reads text, which is no tensor")

    def named(self, name: str, x: Symbol) -> Symbol:
        """The value, which has this name in the text."""
        x._code.value.hint = name
        return x

    def expand(self, x: Symbol, *sizes: Any) -> Symbol:
        return x.expand(*sizes)

    def indices(self, x: Symbol, size: Any) -> Symbol:
        made = call(text("torch.arange"), argument(size), device=attribute(x._code, "device"))
        return self.record(made, "arange", "torch.int64")

    @property
    def step(self) -> Any:
        raise Untraceable("it changes with the steps of training")

    def derivative(self, of: Symbol, wrt: Symbol) -> Symbol:
        """The gradient of the sum. Samples are independent, so it contains the gradient of each sample."""
        total = call(attribute(of._code, "sum"))
        grad = call(text("torch.autograd.grad"), total, wrt._code, create_graph=text("True"))
        return self.record(self.record(grad, "grad")[0]._code, "")

    def broadcast_tensors(self, *tensors: Any) -> tuple[Symbol, ...]:
        """A number beside one tensor becomes a tensor like that one, so it is on the same device."""
        whole = [t for t in tensors if not isinstance(t._constant, float)]
        if len(whole) == 1:
            return tuple(t if t is whole[0] else self.filled_like(whole[0], t._constant) for t in tensors)
        made = call(text("torch.broadcast_tensors"), *map(argument, tensors))
        return self.record(made, "wide", outputs=len(tensors))

    def filled_like(self, x: Symbol, value: float) -> Symbol:
        name = {0.0: "zeros_like", 1.0: "ones_like"}.get(value, "full_like")
        given = () if name != "full_like" else (argument(value),)
        return self.record(call(text(f"torch.{name}"), x._code, *given), name, x._dtype)

    def tensor(self, numbers: Any, dtype: Any = None) -> Symbol:
        """A constant with the dtype of its numbers."""
        if isinstance(numbers, (bool, int, float)):
            return self.constant_of(numbers)
        kind = dtype._code.value if dtype is not None else ""
        counted = [*range(len(numbers))]
        long = len(counted) > WRITTEN_OUT and kind in ("torch.int64", "torch.float32")
        if (isinstance(numbers, range) or long) and [*numbers] == counted:
            end = argument(float(len(counted))) if kind == "torch.float32" else number(len(counted))
            return Symbol(self, call(text("torch.arange"), end), kind or "torch.int64")
        return Symbol(self, call(text("torch.tensor"), argument(numbers)), kind)


class BodyRecorder(TorchRecorder):
    """Records the statements of a body. Free dimensions are read from the tensors that it has so far."""

    def __init__(self, values: Mapping[Any, Symbol]):
        super().__init__()
        self._values, self._seen = values, 0
        self._dims: dict[str, DimSource] = {}
        self._batched: Value | None = None
        self._derivatives = 0

    def _find_dims(self) -> None:
        """Find the free dimensions of tensors that were added."""
        new = [v for v in islice(self._values, self._seen, None) if isinstance(v, Value)]
        self._seen = len(self._values)
        self._dims = dim_sources(new, self._dims) if new else self._dims
        self._batched = self._batched or next((v for v in new if v.type.batched), None)

    def in_training(self, value: float) -> Symbol:
        """The number in training, 0 otherwise."""
        return Symbol(self, Code("conditional", None, (number(value), text("self.training"), number(0.0))))

    @property
    def batch(self) -> Symbol:
        return self._of_batch.shape[0]

    @property
    def _of_batch(self) -> Symbol:
        self._find_dims()
        if self._batched is None:
            raise Untraceable("its form needs the batch size, and none of its tensors has a batch axis")
        return self._values[self._batched]

    def unit_matrix(self, size: Any) -> Symbol:
        made = call(text("torch.eye"), argument(size), device=attribute(self._of_batch._code, "device"))
        return self.record(made, "eye", DTYPES["float"])

    def size_number(self, size: Any) -> Symbol:
        made = call(text("torch.tensor"), argument(size), dtype=text(DTYPES["float"]))
        return self.record(made, "size", DTYPES["float"])

    def full_rows(self, number: Any) -> Symbol:
        return self._of_batch.new_full((self.batch,), number, dtype=self.int64)

    def tensor(self, numbers: Any, dtype: Any = None) -> Symbol:
        made = super().tensor(numbers, dtype)
        return made if made._constant is not None else self._on_device(made)

    def eye(self, size: int) -> Symbol:
        made = Symbol(self, call(text("torch.eye"), number(size)), DTYPES["float"])
        return self._on_device(made)

    def _on_device(self, made: Symbol) -> Symbol:
        """A constant on the device of the tensors with a batch axis, if there are any so far."""
        self._find_dims()
        if self._batched is None:
            return made
        device = attribute(self._values[self._batched]._code, "device")
        code = call(made._code.parts[0], *made._code.parts[1:], device=device)
        return Symbol(self, code, made._dtype)

    def size(self, size: Size) -> Any:
        if not isinstance(size, Dim):
            return size
        return evaluate(size, {name: self._dim(name) for name in names(size)})

    def _dim(self, name: str) -> Any:
        if name == BATCH:
            return self.batch
        self._find_dims()
        if name not in self._dims:
            raise Untraceable(f"its form needs the size `{name}`, and none of its tensors has it")
        value, axis, scale, offset = self._dims[name]
        size: Any = self._values[value].shape[axis]
        size = size - offset if offset else size
        return size // scale if scale != 1 else size

    def derivative(self, of: Symbol, wrt: Symbol) -> Symbol:
        self._derivatives += 1
        if self._derivatives > MAX_DERIVATIVES:
            raise Untraceable(f"its form takes more than {MAX_DERIVATIVES} derivatives one by one")
        return super().derivative(of, wrt)


def inlined(code: Code, statements: list[Let]) -> Code:
    """The expression with the results of these statements inlined."""
    made = {let.targets[0]: let.code for let in statements if len(let.targets) == 1}
    for let in statements:
        entries = enumerate(let.targets) if len(let.targets) > 1 else ()
        made |= {target: Code("index", None, (let.code, number(index))) for index, target in entries}

    def change(part: Code) -> Code | None:
        return made[part.value].mapped(change) if part.kind == "local" and part.value in made else None

    return code.mapped(change)
