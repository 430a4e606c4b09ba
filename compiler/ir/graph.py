"""The graph: values, the nodes that make them, and the program around them.
Frozen, fully typed, batch implied."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Literal

from dlc.compiler.record import record
from dlc.compiler.types import Typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dlc.compiler.definitions.initializers import Initializer
    from dlc.compiler.diagnostics.source import Site
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.types import Tensor

InputKind = Literal["input", "target", "length", "state"]


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
    """A tensor that a graph is given.

    `kind` is what it is to the model: an `input`, of which answers are computed; a `target`, which outputs
    are held against in training; a `length`, how many steps of a sequence dimension each sample has; a
    `state`, which one step of a model hands to the next. `field` is the field of the data that feeds it.
    """

    kind: InputKind
    field: str

    __repr__ = Value.__repr__

    @property
    def is_target(self) -> bool:
        return self.kind == "target"


@record(eq=False)
class Weight:
    """A stored tensor: a trainable weight, or a buffer.

    `role` is `weight` (what regularizers act on), `bias`, `norm` (scale and offset of a normalization),
    `statistic` (running statistics) or `learnt` (fitted to the training rows before training).
    `fans` are the numbers of values that one result depends on, and that one operand acts on.
    """

    value: Value
    initial: Initializer
    role: str
    fans: tuple[int, int] = (1, 1)
    net: str | None = None  # the net that owns it

    @property
    def name(self) -> str:
        return self.value.name

    @property
    def trainable(self) -> bool:
        return self.role in ("weight", "bias", "norm")


@record(eq=False)
class Node:
    """One use of an operator. `operator` holds its settings and the types of its operands; those that are
    given in settings stand behind those that flow in (`Operator.split`)."""

    operator: Operator
    operands: tuple[Value, ...]
    weights: Mapping[str, Value]  # by leaf name: "weight", "bias"
    results: tuple[Value, ...]
    name: str
    site: Site
    net: str | None = None

    @property
    def reads(self) -> tuple[Value, ...]:
        return (*self.operands, *self.weights.values())


def union(marks: Iterable[int]) -> int:
    """The bits of several numbers in one."""
    return reduce(or_, marks, 0)


@record(eq=False)
class Graph:
    """Nodes in an order in which each reads only what stands before it."""

    inputs: tuple[GraphInput, ...]
    weights: tuple[Weight, ...]
    nodes: tuple[Node, ...]
    outputs: Mapping[str, Value]

    def values(self) -> Iterator[Value]:
        """All values: inputs, weights and results, in the order in which they come to be."""
        yield from self.inputs
        yield from (w.value for w in self.weights)
        yield from (result for node in self.nodes for result in node.results)

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
        """For each value the marks of all that it depends on, itself included. Marks are bits of one number,
        so that one pass follows many; those that are `held` at a value do not go on from it."""
        found, held = dict(marks), held or {}
        for node in self.nodes if found else ():
            mark = union(found.get(v, 0) for v in node.reads)
            for value in node.results if mark else ():
                found[value] = (found.get(value, 0) | mark) & ~held.get(value, 0)
        return found

    def needed_by(self, values: Iterable[Value]) -> set[Value]:
        """These values and all that they depend on."""
        needed = set(values)
        for node in reversed(self.nodes):
            if not needed.isdisjoint(node.results):
                needed.update(node.reads)
        return needed


def behind_index(value: Value, producers: Mapping[Value, Node]) -> Node | None:
    """The node that made a value, looking behind the index that makes one value of the shape [1]."""
    node = producers.get(value)
    return producers.get(node.operands[0]) if node is not None and node.operator.indexes_one else node


@record(eq=False)
class Input:
    """A declared input. `declared` is its type as written; `value` is what flows (`bool` for `binary`)."""

    name: str
    declared: Tensor
    value: GraphInput
    site: Site


@record(eq=False)
class Output:
    """A declared output with what flows into it.

    `flowed` is the value as written; `scores` what the loss takes: the same, or what stands before a matching
    activation. `target` is the name of the field that it is held against, `target_value` that field in the
    training graph, none where nothing reads it.
    """

    name: str
    declared: Tensor
    flowed: Value
    scores: Value
    target: str
    target_value: GraphInput | None
    site: Site
