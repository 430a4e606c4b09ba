"""The two forms of an operator as text: they are run on names, and each call that they make is written down.

Nothing is computed, and neither torch nor ONNX is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import Dim
from dlc.compiler.ir.names import stored_name
from dlc.compiler.lower.pytorch_source.functional import FUNCTIONAL
from dlc.compiler.lower.random_draws import Draws
from dlc.compiler.passes.specialize import node_at_inference, training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dlc.compiler.ir.graph import Node
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.program import CompiledProgram

SIGNS = {
    "add": ("+", 2), "sub": ("-", 2), "mul": ("*", 3), "truediv": ("/", 3), "floordiv": ("//", 3),
    "mod": ("%", 3), "matmul": ("@", 3), "pow": ("**", 4), "and": ("&", 1), "or": ("|", 1),
}  # fmt: skip
COMPARED = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
NAME = 5  # binds tighter than every sign


class Unsaid(Exception):
    """What a form does that a name cannot answer."""


class Said:
    """A value by its text. A call of it is a line of its own, and gives the name of what comes out."""

    def __init__(self, form: Form, text: str, strength: int = NAME, maker: str = ""):
        self.form, self.text, self.strength, self.maker = form, text, strength, maker

    def __getattr__(self, name: str) -> Said:
        if name.startswith("__"):
            raise AttributeError(name)
        return Said(self.form, f"{self.within(NAME)}.{name}", maker=name)

    def __call__(self, *given: Any, outputs: int = 1, **named: Any) -> Any:
        return self.form.call(self, given, named, outputs)

    def __getitem__(self, key: Any) -> Said:
        keys = key if isinstance(key, tuple) else (key,)
        return Said(self.form, f"{self.within(NAME)}[{', '.join(map(written, keys))}]")

    def within(self, strength: int) -> str:
        """Its text beside a sign that binds so strongly."""
        return self.text if self.strength >= strength else f"({self.text})"

    def __neg__(self) -> Said:
        return Said(self.form, f"-{self.within(NAME)}", 3)

    def __invert__(self) -> Said:
        return Said(self.form, f"~{self.within(NAME)}", 3)

    def unsaid(self, *_: Any) -> Any:
        raise Unsaid(f"what `{self.text}` is, nobody knows before it runs")

    __iter__ = __len__ = __bool__ = __index__ = __int__ = __float__ = unsaid
    __hash__ = object.__hash__


def sign(text: str, strength: int, turned: bool = False) -> Callable[[Said, Any], Said]:
    def method(self: Said, other: Any) -> Said:
        other = other if isinstance(other, Said) else Said(self.form, written(other))
        left, right = (other, self) if turned else (self, other)
        return Said(self.form, f"{left.within(strength)} {text} {right.within(strength + 1)}", strength)

    return method


for _name, (_text, _strength) in SIGNS.items():
    setattr(Said, f"__{_name}__", sign(_text, _strength))
    setattr(Said, f"__r{_name}__", sign(_text, _strength, turned=True))
for _name, _text in COMPARED.items():
    setattr(Said, f"__{_name}__", sign(_text, 0))


def written(value: Any) -> str:
    """An argument as Python writes it."""
    if isinstance(value, Said):
        return value.text
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(written, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(value) == 1)})"
    if isinstance(value, slice):
        start, stop, step = ("" if v is None else written(v) for v in (value.start, value.stop, value.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return "..." if value is Ellipsis else str(value) if isinstance(value, Dim) else repr(value)


class Form:
    """What a form is given as `F` or `op`; it collects the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.used: dict[str, int] = {}

    def __getattr__(self, name: str) -> Said:
        return Said(self, self.spelled(name), maker=name)

    def spelled(self, name: str) -> str:
        """The function of this name as it is called."""
        return name

    def call(self, function: Said, given: tuple[Any, ...], named: dict[str, Any], outputs: int) -> Any:
        while given and given[-1] is None:
            given = given[:-1]
        arguments = [*map(written, given), *(f"{k}={written(v)}" for k, v in named.items() if v is not None)]
        results = [self.name(function.maker) for _ in range(outputs)]
        self.lines.append(f"{', '.join(results)} = {function.text}({', '.join(arguments)})")
        made = tuple(Said(self, result) for result in results)
        return made if outputs > 1 else made[0]

    def name(self, maker: str) -> str:
        """`conv2d`, and `conv2d_2` where that is taken."""
        name = maker.strip("_").lower()
        self.used[name] = self.used.get(name, 0) + 1
        return name if self.used[name] == 1 else f"{name}_{self.used[name]}"

    def take(self, name: str) -> Said:
        """A value that the form is given."""
        self.used[name] = 1
        return Said(self, name)

    def ended(self, made: Any) -> list[str]:
        """The lines, the last one what comes out."""
        text = written(made)
        name, _, last = self.lines[-1].partition(" = ") if self.lines else ("", "", "")
        return [*self.lines[:-1], last] if name == text else [*self.lines, text]


class InTorch(Draws, Form):
    def spelled(self, name: str) -> str:
        return f"F.{name}" if name in FUNCTIONAL else f"torch.{name}"

    def size(self, size: Any) -> Any:
        return Said(self, str(size), 2) if isinstance(size, Dim) else size

    @property
    def batch(self) -> Said:
        return Said(self, "batch")

    def broadcast_tensors(self, *tensors: Said) -> Any:
        return self.call(Said(self, "torch.broadcast_tensors", maker="wide"), tensors, {}, len(tensors))

    def derivative(self, of: Said, wrt: Said) -> Said:
        grad = Said(self, "torch.autograd.grad", maker="grad")
        return self.call(grad, (of.sum(), wrt), {"create_graph": True}, 1)[0]


class InOnnx(Form):
    opset = 20

    @property
    def ml(self) -> InOnnx:
        return self

    def constant(self, value: Any, dtype: str) -> Said:
        return Said(self, written(value))

    def stored(self, name: str, function: Callable[..., Any], *weights: Said) -> Said:
        return Said(self, stored_name(weights[0].text, name))

    def scalar(self, value: Any) -> Said:
        return Said(self, written(value))

    def size(self, size: Any) -> Said:
        return Said(self, str(size))

    def batch(self) -> Said:
        return Said(self, "batch")

    def shape(self, type: Any) -> Said:
        return Said(self, written([*(["batch"] if type.batched else []), *type.shape]).replace("'", ""))


def of(program: CompiledProgram, operator: type[Operator]) -> Iterator[tuple[str, list[str]]]:
    """The forms of the first use of an operator in a program, each under its heading."""
    graphs = [program.graph, *(training(program, o) for p in program.phases for o in p.objectives)]
    node = next((n for graph in graphs for n in graph.nodes if type(n.operator) is operator), None)
    written = {"In PyTorch": in_torch} | ({} if operator.training_only else {"In ONNX": in_onnx})
    if node is None:
        return
    for heading, write in written.items():
        try:
            yield heading, write(node)
        except Unsaid:
            continue


def in_torch(node: Node) -> list[str]:
    """The training form of a node in PyTorch."""
    return run(node.operator.torch, InTorch(), node, node.operator)


def in_onnx(node: Node) -> list[str]:
    """What stands in its place at inference, in ONNX."""
    standing = node_at_inference(node)
    return run(standing.operator.onnx, InOnnx(), node, standing.operator)


def run(form: Callable[..., Any], given: Form, node: Node, standing: Operator) -> list[str]:
    names, count = type(node.operator).operand_names(), len(node.operator.positional)
    if len(names) != count:
        names = tuple("abcdefgh"[:count])
    operands = [given.take(name) for name in names][: len(standing.positional)]
    named = {name: given.take(name) for name in (*node.weights, *standing.given)}
    return given.ended(form(given, *operands, **named))
