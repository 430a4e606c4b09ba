"""Precision of large numbers: inputs are cast to float32 after the last subtraction of an offset.

float32 has steps of 128 near 1,700,000,000, so the offset of a time in seconds has to be subtracted first.
Where an operator that subtracts reads an input of a wider element, possibly through operators that only move
or scale numbers, all of these are computed in float64, and the result is cast to float32.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Node, Value
from dlc.compiler.ir.names import UniqueNames
from dlc.compiler.operators.arithmetic import Cast, Constant
from dlc.compiler.passes.liveness import live_out

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Graph, Weight
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.program import CompiledProgram

EXACT = ("int32", "int64", "float64")  # elements with numbers that float32 cannot represent


def subtract_in_float64(program: CompiledProgram) -> CompiledProgram:
    """The program with offsets subtracted in float64."""
    wide = wide_nodes(program.graph)
    if not wide:
        return program
    graph = Widening(program.graph, wide).graph
    named = (value for value in program.bindings.values() if isinstance(value, Value))
    read = {*(v for node in graph.nodes for v in node.reads), *live_out(program), *named}
    nodes = tuple(n for n in graph.nodes if not n.operator.converts or n.results[0] in read)
    weights = tuple(w for w in graph.weights if w.role != "constant" or w.value in read)
    return replace(program, graph=replace(graph, nodes=nodes, weights=weights))


# --- which nodes compute in float64 -----------------------------------------------------------------------


def wide_nodes(graph: Graph) -> set[Node]:
    """The nodes that subtract from numbers of a wider element, the nodes that pass these numbers on to them,
    and the nodes that share fitted weights with them."""
    producers, exact = graph.producers(), exact_values(graph)
    worklist = [n for n in graph.nodes if n.operator.offset == "subtracts" and reads_exact(n, exact)]
    uses: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        for value in node.weights.values() if node.operator.is_fitted() else ():
            uses.setdefault(value, []).append(node)
    wide: set[Node] = set()
    while worklist:
        node = worklist.pop()
        if node in wide:
            continue
        wide.add(node)
        before = (producers.get(value) for value in numbers(node))
        worklist += [n for n in before if n and n.operator.offset and reads_exact(n, exact)]
        worklist += [use for value in node.weights.values() for use in uses.get(value, ())]
    return wide


def exact_values(graph: Graph) -> set[Value]:
    """The values with more digits than float32 has, now or if they are computed in float64."""
    exact = {v for v in graph.values() if v.type.element in EXACT}
    for node in graph.nodes:
        if (node.operator.converts or node.operator.offset) and not exact.isdisjoint(numbers(node)):
            exact.update(v for v in node.results if v.type.is_float)
    return exact


def reads_exact(node: Node, exact: set[Value]) -> bool:
    """Whether it computes in floats from such values. Integer arithmetic is exact anyway."""
    floats = any(v.type.is_float for v in (*numbers(node), *node.results))
    return floats and not exact.isdisjoint(numbers(node))


def numbers(node: Node) -> list[Value]:
    """The operands without indices."""
    return [v for position, v in enumerate(node.operands) if position not in node.operator.index_operands]


# --- the rewrite ------------------------------------------------------------------------------------------


class Widening:
    """A copy of a graph in which some nodes compute in float64, each followed by a `Cast` to float32."""

    def __init__(self, graph: Graph, wide: set[Node]) -> None:
        self.nodes: list[Node] = []
        self.producers = graph.producers()
        self.names = UniqueNames(x.name for x in (*graph.values(), *graph.nodes))
        self.wide: dict[Value, Value] = {}  # the float64 value of each value
        self.weights: dict[Value, Value] = {}
        self.constants = {w.value: w for w in graph.weights if w.role == "constant"}
        self.added: list[Weight] = []  # loaded constants in float64
        for node in graph.nodes:
            if node in wide:
                self.widen(node)
            else:
                self.nodes.append(node)
        weights = (replace(w, value=self.weights.get(w.value, w.value)) for w in graph.weights)
        self.graph = replace(graph, nodes=tuple(self.nodes), weights=(*weights, *self.added))

    def widen(self, node: Node) -> None:
        indices = node.operator.index_operands
        operands = tuple(v if n in indices else self.float64(v) for n, v in enumerate(node.operands))
        operator = node.operator.bind(*(v.type for v in operands))
        weights = {leaf: self.weight(value) for leaf, value in node.weights.items()}
        results = tuple(
            value
            if value.type == type
            else Value(self.names.claim(f"{value.name}_float64"), type, value.site)
            for value, type in zip(node.results, operator.results, strict=True)
        )
        self.nodes.append(
            replace(node, operator=operator, operands=operands, weights=weights, results=results)
        )
        for value, wide in zip(node.results, results, strict=True):
            if wide is not value:
                self.wide[value] = wide
                self.add(Cast(to=value.type.element), (wide,), value)

    def float64(self, value: Value) -> Value:
        """The value in float64; if it is a cast to float32, the operand of the cast."""
        if value.type.element == "float64":
            return value
        if value not in self.wide:
            producer = self.producers.get(value)
            constant = producer.operator.constant() if producer is not None else None
            if producer is not None and producer.operator.converts and value.type.is_float:
                self.wide[value] = self.float64(producer.operands[0])
            elif constant is not None:
                self.wide[value] = self.add(Constant(value=constant, to="float64"), ())
            elif value in self.constants:
                self.wide[value] = self.load(self.constants[value])
            else:
                self.wide[value] = self.add(Cast(to="float64"), (value,))
        return self.wide[value]

    def add(self, operator: Operator, operands: tuple[Value, ...], result: Value | None = None) -> Value:
        """Add a node with this result, or with a new one."""
        bound = operator.bind(*(v.type for v in operands))
        site = (result or operands[0]).site if result or operands else self.nodes[-1].site
        name = self.names.claim(operator.name)
        result = result or Value(name, bound.results[0], site)
        self.nodes.append(Node(bound, operands, {}, (result,), name, site))
        return result

    def load(self, constant: Weight) -> Value:
        """A loaded constant in float64."""
        value = constant.value
        name = self.names.claim(f"{value.name}_float64")
        wide = Value(name, replace(value.type, element="float64"), value.site)
        self.added.append(replace(constant, value=wide))
        return wide

    def weight(self, value: Value) -> Value:
        """A weight that is fitted to float64 values, in float64."""
        if value not in self.weights:
            self.weights[value] = replace(value, type=replace(value.type, element="float64"))
        return self.weights[value]
