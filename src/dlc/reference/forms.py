"""The PyTorch and ONNX forms of an operator as text, from symbolic tracing: one line per call."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import Dim
from dlc.compiler.ir.names import UniqueNames, stored_name
from dlc.compiler.lower.python_code import Code, inline, literal, text
from dlc.compiler.lower.symbolic import WRITTEN_OUT, Recorder, Symbol, TorchRecorder, Untraceable
from dlc.compiler.passes.specialize import node_at_inference, training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dlc.compiler.ir.graph import Node
    from dlc.compiler.lower.symbolic import Local
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.program import CompiledProgram


class InTorch(TorchRecorder):
    """Free dimensions are written as their names."""

    def size(self, size: Any) -> Any:
        if not isinstance(size, Dim):
            return size
        name = str(size)
        return Symbol(self, text(name if name.isidentifier() else f"({name})"))

    @property
    def batch(self) -> Symbol:
        return Symbol(self, text("batch"))


class InOnnx(Recorder):
    opset, in_openvino = 20, False

    def __init__(self) -> None:
        super().__init__()
        self._shared: dict[tuple[str, Any], Any] = {}

    def shared(self, name: str, key: Any, add_nodes: Callable[[], Any]) -> Any:
        if (name, key) not in self._shared:
            self._shared[name, key] = add_nodes()
        return self._shared[name, key]

    @property
    def ml(self) -> InOnnx:
        return self

    def constant(self, value: Any, dtype: str) -> Symbol:
        if getattr(value, "size", 0) > WRITTEN_OUT:
            return Symbol(self, text(f"{dtype}[{', '.join(map(str, value.shape))}]"))
        return Symbol(self, literal(value) or text(repr(value)))

    def stored(self, name: str, function: Callable[..., Any], *weights: Symbol) -> Symbol:
        return Symbol(self, text(stored_name(inline(weights[0]._code), name)))

    def scalar(self, value: Any) -> Symbol:
        return self.constant(value, "")

    def size(self, size: Any) -> Symbol:
        return Symbol(self, text(str(size)))

    def batch(self) -> Symbol:
        return Symbol(self, text("batch"))

    def shape(self, type: Any) -> Symbol:
        return Symbol(
            self, text(f"[{', '.join(map(str, (*(['batch'] if type.batched else []), *type.shape)))}]")
        )


def of(program: CompiledProgram, operator: type[Operator]) -> Iterator[tuple[str, list[str]]]:
    """The forms of the first use of an operator in a program, each with its heading."""
    graphs = [program.graph, *(training(program, o) for p in program.phases for o in p.objectives)]
    node = next((n for graph in graphs for n in graph.nodes if type(n.operator) is operator), None)
    written = {"In PyTorch": in_torch} | ({} if operator.training_only else {"In ONNX": in_onnx})
    if node is None or node.operator.reads_text:  # text is no tensor, and ONNX cuts it at each white space
        return
    for heading, write in written.items():
        try:
            yield heading, write(node)
        except Untraceable:
            continue


def in_torch(node: Node) -> list[str]:
    """The training form of a node in PyTorch."""
    return run(node.operator.torch, InTorch(), node, node.operator)


def in_onnx(node: Node) -> list[str]:
    """The inference form of a node in ONNX."""
    at_inference = node_at_inference(node)
    return run(at_inference.operator.onnx, InOnnx(), node, at_inference.operator)


def run(form: Callable[..., Any], recorder: Recorder, node: Node, at_inference: Operator) -> list[str]:
    """The lines of a form. The last one is the result."""
    names, count = type(node.operator).operand_names(), len(node.operator.positional)
    names = names[:count] if len(names) >= count else tuple("abcdefgh"[:count])
    operands = [Symbol(recorder, text(name)) for name in names][: len(at_inference.positional)]
    named = {name: Symbol(recorder, text(name)) for name in (*node.weights, *at_inference.given)}
    made = form(recorder, *operands, **named)
    return lines(recorder, made, UniqueNames((*names, *named)))


def lines(recorder: Recorder, made: Any, taken: UniqueNames) -> list[str]:
    """One line for each call, named after its function if the form gives no name. Infix operators, and calls
    on which a method is called at once, are inlined at their use."""
    known: dict[Local, Code] = {}
    found: list[str] = []
    chained = chained_calls(recorder)

    def change(code: Code) -> Code | None:
        return known[code.value] if code.kind == "local" else None

    for let in recorder.statements:
        code = let.code.mapped(change)
        if (code.kind == "call" or let.targets[0].hint) and let.targets[0] not in chained:
            names = [
                taken.claim(target.hint or target.function.rpartition(".")[2].strip("_").lower())
                for target in let.targets
            ]
            found.append(f"{', '.join(names)} = {inline(code)}")
            known.update(zip(let.targets, map(text, names), strict=True))
        else:
            known[let.targets[0]] = code
    result = inline(as_code(made).mapped(change))
    name, _, last = found[-1].partition(" = ") if found else ("", "", "")
    return [*found[:-1], last] if name == result else [*found, result]


def chained_calls(recorder: Recorder) -> set[Local]:
    """The results that are read once, as the object of a method."""
    codes = [let.code for let in recorder.statements]
    reads = Counter(part.value for code in codes for part in code.walk() if part.kind == "local")
    functions = (code.parts[0] for code in codes if code.kind == "call")
    objects = (function.parts[0] for function in functions if function.kind == "attribute")
    return {of.value for of in objects if of.kind == "local" and reads[of.value] == 1 and not of.value.hint}


def as_code(made: Any) -> Code:
    if isinstance(made, (tuple, list)):
        return Code("unpacked", None, tuple(map(as_code, made)))
    return made._code if isinstance(made, Symbol) else literal(made) or text(repr(made))
