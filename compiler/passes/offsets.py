"""Large numbers keep their differences: inputs are made float32 behind the last offset that is subtracted.

float32 goes in steps of 128 near 1,700,000,000, so a time in seconds has to lose its offset first. Where an
operator that subtracts reads an input of a wider element, through operators that only move or scale its
numbers, all of these compute in float64, and what is left is made float32.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Node, Value
from dlc.compiler.ir.names import UniqueNames
from dlc.compiler.operators.arithmetic import Cast, Constant
from dlc.compiler.passes.liveness import ends

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.program import CompiledProgram

EXACT = ("int32", "int64", "float64")  # elements with numbers that float32 does not hold


def keep(program: CompiledProgram) -> CompiledProgram:
    """The program with offsets subtracted in float64."""
    wide = wide_nodes(program.graph)
    if not wide:
        return program
    graph = Widening(program.graph, wide).graph
    named = (value for value in program.bindings.values() if isinstance(value, Value))
    read = {*(v for node in graph.nodes for v in node.reads), *ends(program), *named}
    nodes = tuple(n for n in graph.nodes if not n.operator.converts or n.results[0] in read)
    return replace(program, graph=replace(graph, nodes=nodes))


# --- which nodes compute in float64 -----------------------------------------------------------------------


def wide_nodes(graph: Graph) -> set[Node]:
    """The nodes that subtract from numbers of a wider element, those that bring these numbers to them, and
    those that share what these learn from rows."""
    producers, exact = graph.producers(), exact_values(graph)
    waiting = [n for n in graph.nodes if n.operator.offset == "subtracts" and meets(n, exact)]
    uses: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        for value in node.weights.values() if node.operator.learns() else ():
            uses.setdefault(value, []).append(node)
    wide: set[Node] = set()
    while waiting:
        node = waiting.pop()
        if node in wide:
            continue
        wide.add(node)
        brought = (producers.get(value) for value in node.operands)
        waiting += [n for n in brought if n and n.operator.offset and meets(n, exact)]
        waiting += [use for value in node.weights.values() for use in uses.get(value, ())]
    return wide


def exact_values(graph: Graph) -> set[Value]:
    """The values that have digits which float32 does not hold, or would have them in float64."""
    exact = {v for v in graph.values() if v.type.element in EXACT}
    for node in graph.nodes:
        if (node.operator.converts or node.operator.offset) and not exact.isdisjoint(node.operands):
            exact.update(v for v in node.results if v.type.is_float)
    return exact


def meets(node: Node, exact: set[Value]) -> bool:
    """Whether it computes in floats with such values. Whole numbers among themselves are exact anyway."""
    floats = any(v.type.is_float for v in (*node.operands, *node.results))
    return floats and not exact.isdisjoint(node.operands)


# --- in float64 -------------------------------------------------------------------------------------------


class Widening:
    """The same graph, some of whose nodes compute in float64 and are followed by a `Cast` to float32."""

    def __init__(self, graph: Graph, wide: set[Node]) -> None:
        self.nodes: list[Node] = []
        self.producers = graph.producers()
        self.names = UniqueNames(x.name for x in (*graph.values(), *graph.nodes))
        self.wide: dict[Value, Value] = {}  # float64 values by what they stand for
        self.weights: dict[Value, Value] = {}
        for node in graph.nodes:
            if node in wide:
                self.widen(node)
            else:
                self.nodes.append(node)
        weights = tuple(replace(w, value=self.weights.get(w.value, w.value)) for w in graph.weights)
        self.graph = replace(graph, nodes=tuple(self.nodes), weights=weights)

    def widen(self, node: Node) -> None:
        operands = tuple(self.float64(value) for value in node.operands)
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
        for value, made in zip(node.results, results, strict=True):
            if made is not value:
                self.wide[value] = made
                self.add(Cast(to=value.type.element), (made,), value)

    def float64(self, value: Value) -> Value:
        """The value in float64: before it was made float32, if it was."""
        if value.type.element == "float64":
            return value
        if value not in self.wide:
            producer = self.producers.get(value)
            constant = producer.operator.constant() if producer is not None else None
            if producer is not None and producer.operator.converts and value.type.is_float:
                self.wide[value] = self.float64(producer.operands[0])
            elif constant is not None:
                self.wide[value] = self.add(Constant(value=constant, to="float64"), ())
            else:
                self.wide[value] = self.add(Cast(to="float64"), (value,))
        return self.wide[value]

    def add(self, operator: Operator, operands: tuple[Value, ...], made: Value | None = None) -> Value:
        """A node that makes this value, or a new one."""
        bound = operator.bind(*(v.type for v in operands))
        site = (made or operands[0]).site if made or operands else self.nodes[-1].site
        name = self.names.claim(operator.name)
        result = made or Value(name, bound.results[0], site)
        self.nodes.append(Node(bound, operands, {}, (result,), name, site))
        return result

    def weight(self, value: Value) -> Value:
        """What is learnt from float64 values, in float64."""
        if value not in self.weights:
            self.weights[value] = replace(value, type=replace(value.type, element="float64"))
        return self.weights[value]
