"""The state of the emitter: the graph with its frames, and the body of each method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.python_code import Code
from dlc.compiler.lower.pytorch_source.statements import ValueNumbers, local
from dlc.compiler.lower.symbolic import DTYPES, BodyRecorder, Local, Symbol
from dlc.compiler.lower.weight_code import parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from dlc.compiler.ir.graph import Graph, Node, Weight
    from dlc.compiler.lower.pytorch_source.frames import BlockFrame
    from dlc.compiler.program import CompiledProgram


class EmitterState:
    """The state that all writers of a graph share."""

    def __init__(self, program: CompiledProgram, graph: Graph, roots: Iterable[Value]):
        self.weights: dict[Value, Weight] = {w.value: w for w in program.graph.weights}
        self.source_nodes = {node.results[0]: node for node in program.graph.nodes}
        self.readers = graph.readers()
        self.roots = {*roots, *graph.outputs.values()}
        self.tracked = {n.operands[n.operator.wrt] for n in graph.nodes if n.operator.wrt is not None}
        self.nets: dict[str, BlockFrame] = {}  # by name, the first use of each net
        self.frames: list[BlockFrame] = []  # the written frames, inner frames first
        self.identities: dict[Any, int] = {}  # a number for each distinct frame key
        self.identity: dict[BlockFrame, int] = {}

    def is_read_outside(self, value: Value, inside: Container[Node]) -> bool:
        return value in self.roots or any(node not in inside for node in self.readers.get(value, ()))

    def live_out(self, nodes: Iterable[Node]) -> list[Value]:
        """The values that nodes compute and others read."""
        inside = dict.fromkeys(nodes)
        return [v for n in inside for v in n.results if self.is_read_outside(v, inside)]

    def source_operator(self, node: Node) -> Any:
        """The operator as in the spec, before target augmentation replaced it."""
        return self.source_nodes.get(node.results[0], node).operator

    def add(self, frame: BlockFrame) -> None:
        self.frames.append(frame)
        key = (frame.kind, frame.name, frame_key(frame, self.key))
        self.identity[frame] = self.identities.setdefault(key, len(self.identities))

    def key(self, code: Code) -> Any:
        """The key of a constructed module; modules with equal code, including numbers, share it."""
        return ("make", self.identity[code.value]) if code.kind == "make" else None


def frame_key(frame: BlockFrame, of: Callable[[Code], Any]) -> Any:
    """A key that frames with equal code share. `of` may give another key for a part of an expression."""
    seen = ValueNumbers(tuple(frame.params), of)
    members = tuple((attr, code.key(of)) for attr, code in frame.members.items())
    lists = tuple(sorted(frame.lists))
    return members, lists, len(frame.params), seen.keys(frame.body), seen.codes(frame.returns)


class Body:
    """The body of one method of a frame, or of one copy of a loop, while it is written."""

    def __init__(self, shared: EmitterState, frame: BlockFrame, members: dict[str, Code] | None = None):
        self.shared, self.frame = shared, frame
        self.env: dict[Any, Symbol] = {}
        self.F = BodyRecorder(self.env)
        self.params: dict[Any, Local] = {}
        self.members = {} if members is None else members
        self.hints = frame.names()

    @property
    def body(self) -> list[Any]:
        return self.F.statements

    def value(self, key: Any) -> Symbol:
        """The symbol of a value or a net: computed in the body, a member, or else a new parameter."""
        if key not in self.env:
            weight = self.shared.weights.get(key)
            if isinstance(key, tuple) and self.frame.kind == "model":
                self.members.setdefault(key[1], Code("make", self.shared.nets[key[1]]))
                self.env[key] = Symbol(self.F, Code("member", key[1]))
            elif weight is not None and self.owns(weight.name):
                attr = weight.name[len(self.frame.prefix) :]
                self.members.setdefault(attr, parameter(weight))
                dtype = DTYPES.get(weight.value.type.element, "")
                self.env[key] = Symbol(self.F, Code("member", attr), dtype)
            else:
                self.params[key] = Local()
                self.bind(key, local(self.params[key]))
        return self.env[key]

    def code(self, key: Any) -> Code:
        return self.value(key)._code

    def bind(self, key: Any, code: Code) -> None:
        """Bind a value to an expression."""
        element = key.type.element if isinstance(key, Value) else ""
        self.env[key] = Symbol(self.F, code, DTYPES.get(element, ""))

    def owns(self, weight: str) -> bool:
        return weight.startswith(self.frame.prefix) and "." not in weight[len(self.frame.prefix) :]
