"""The graph: values, nodes, inputs, weights, outputs. Immutable and typed; the batch axis is implicit."""

from __future__ import annotations

from dataclasses import field, replace
from functools import cached_property, reduce
from operator import or_
from typing import TYPE_CHECKING, Literal

from dlc.compiler.dims.dim import free
from dlc.compiler.record import record
from dlc.compiler.types import Typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dlc.compiler.definitions.decoders import Decoder
    from dlc.compiler.definitions.initializers import Initializer
    from dlc.compiler.diagnostics.source import Site
    from dlc.compiler.dims.dim import Dim
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.types import Tensor

InputKind = Literal["input", "target", "length", "state", "seed"]


@record(eq=False)
class Value(Typed):
    """One tensor of the graph. Compared by identity."""

    name: str
    type: Tensor
    site: Site

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


@record(eq=False)
class GraphInput(Value):
    """An input tensor of a graph.

    `kind` is its role: an `input` of the model; a `target`, with which the loss compares an output; a
    `length`, the number of steps of a sequence dimension in each sample; a `state`, which a step of the model
    passes to the next; the `seed` of random draws. `field` is the field of the data that provides the values.
    `default` is the value of an input that may be left out.
    """

    kind: InputKind
    field: str
    default: int | None = None

    __repr__ = Value.__repr__

    @property
    def is_target(self) -> bool:
        return self.kind == "target"


@record(eq=False)
class Weight:
    """A stored tensor: a trainable weight, or a buffer.

    `role` is `weight` (regularizers act on it), `bias`, `norm` (scale and offset of a normalization),
    `statistic` (running statistics), `fitted` (fitted to the training rows before training) or `constant`
    (loaded from a file, never changed).
    `fans` is (fan_in, fan_out). In an average net it `follows` the weight of that name: it is the moving
    average of its values, or a copy of the buffer.
    """

    value: Value
    initial: Initializer
    role: str
    fans: tuple[int, int] = (1, 1)
    net: str | None = None  # the net that owns it
    follows: str = ""

    @property
    def name(self) -> str:
        return self.value.name

    @property
    def is_buffer(self) -> bool:
        return self.role in ("statistic", "fitted", "constant")

    @property
    def is_fixed(self) -> bool:
        """Whether training never changes it."""
        return self.role in ("fitted", "constant")

    @property
    def trainable(self) -> bool:
        return not self.is_buffer and not self.follows

    @property
    def start(self) -> str:
        """Its initial values in words."""
        if self.follows:
            return f"as `{self.follows}`"
        return "from the rows" if self.role == "fitted" else str(self.initial)


@record(eq=False)
class Node:
    """A call of an operator. `operator` has the settings and the operand types. Operands that are given in
    settings follow those of the flow (`Operator.split`). `graphs` are the graphs that the operator runs, such
    as the `body` of a loop; they also read values of the graph around them (`Graph.captured`)."""

    operator: Operator
    operands: tuple[Value, ...]
    weights: Mapping[str, Value]  # by leaf name: "weight", "bias"
    results: tuple[Value, ...]
    name: str
    site: Site
    net: str | None = None
    graphs: Mapping[str, Graph] = field(default_factory=dict)

    @property
    def reads(self) -> tuple[Value, ...]:
        captured = (value for graph in self.graphs.values() for value in graph.captured)
        return (*self.operands, *self.weights.values(), *captured)


def union(marks: Iterable[int]) -> int:
    """The bitwise or of all marks."""
    return reduce(or_, marks, 0)


@record(eq=False)
class Graph:
    """Nodes in topological order, with inputs, weights and outputs."""

    inputs: tuple[GraphInput, ...]
    weights: tuple[Weight, ...]
    nodes: tuple[Node, ...]
    outputs: Mapping[str, Value]

    def values(self) -> Iterator[Value]:
        """All values: inputs, weights, and results in the order of the nodes."""
        yield from self.inputs
        yield from (w.value for w in self.weights)
        yield from (result for node in self.nodes for result in node.results)

    @cached_property
    def captured(self) -> tuple[Value, ...]:
        """The values of the graph around it that it reads, weights included; none for a whole graph."""
        own = set(self.values())
        read = (*(value for node in self.nodes for value in node.reads), *self.outputs.values())
        return tuple(dict.fromkeys(value for value in read if value not in own))

    def producers(self) -> dict[Value, Node]:
        return {result: node for node in self.nodes for result in node.results}

    def readers(self) -> dict[Value, list[Node]]:
        readers: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in node.reads:
                readers.setdefault(value, []).append(node)
        return readers

    def depends(
        self, marks: Mapping[Value, int], held: Mapping[Value, int] | None = None
    ) -> dict[Value, int]:
        """Forward propagation of marks: for each value the marks of all values that it depends on, and its
        own. Marks are bits, so one pass propagates many of them. Marks in `held` of a value stop there."""
        found, held = dict(marks), held or {}
        for node in self.nodes if found else ():
            mark = union(found.get(v, 0) for v in node.reads)
            for value in node.results if mark else ():
                found[value] = (found.get(value, 0) | mark) & ~held.get(value, 0)
        return found

    def affects(self, marks: Mapping[Value, int]) -> dict[Value, int]:
        """Backward propagation of marks: for each value the marks of all values that depend on it, and its
        own."""
        found = dict(marks)
        for node in reversed(self.nodes):
            mark = union(found.get(v, 0) for v in node.results)
            for value in node.reads if mark else ():
                found[value] = found.get(value, 0) | mark
        return found

    def needed_by(self, values: Iterable[Value]) -> set[Value]:
        """These values and all values that they depend on (the live values)."""
        needed = set(values)
        for node in reversed(self.nodes):
            if not needed.isdisjoint(node.results):
                needed.update(node.reads)
        return needed


def producer_through_index(value: Value, producers: Mapping[Value, Node]) -> Node | None:
    """The node that computes a value; for an index into the shape [1], or for filled padding, the node that
    computes its operand."""
    node = producers.get(value)
    while node is not None and (node.operator.indexes_one or node.operator.fills_padding):
        node = producers.get(node.operands[0])
    return node


@record(eq=False)
class Input:
    """A declared input. `declared` is its type as written; `value` is its tensor (`bool` for `binary`)."""

    name: str
    declared: Tensor
    value: GraphInput
    site: Site


@record(eq=False)
class Output:
    """A declared output with its value.

    `flowed` is the value that flows into the output. `scores` is the value for the loss: the same, or the
    operand of a matching activation. `target` is the name of the target field, and `target_value` that field
    in the training graph; None if nothing reads it. `decoder` makes its answers step by step in the artifact.
    """

    name: str
    declared: Tensor
    flowed: Value
    scores: Value
    target: str
    target_value: GraphInput | None
    site: Site
    decoder: Decoder | None = None

    @property
    def answered(self) -> Tensor:
        """The type of its answer in the artifact. An answer that is made step by step has its own length."""
        if self.decoder is None:
            return self.declared
        return replace(self.declared, shape=(answer_steps(self.name),), decoded=True)


def answer_steps(output: str) -> Dim:
    """The dimension of an answer that is made step by step."""
    return free(f"{output}_steps")
