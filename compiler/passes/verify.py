"""Verifier of graphs. Tests run it after elaboration and after each pass."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Definition
from dlc.compiler.ir.graph import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dlc.compiler.ir.graph import Graph, Node
    from dlc.compiler.program import CompiledProgram


class Illegal(Exception):
    """The rules that a graph violates, one sentence each. It is an error of the compiler, never of a spec."""

    def __init__(self, violations: Iterable[str]):
        self.violations = tuple(violations)
        super().__init__("\n".join(self.violations))


def verify(graph: Graph) -> None:
    """Check a graph; `Illegal` lists all violations."""
    check(
        [
            *order(graph),
            *names(graph),
            *(v for inner in nested(graph) for node in inner.nodes for v in of_node(node)),
        ]
    )


def verify_program(program: CompiledProgram) -> None:
    """Check the graph of a program, and the values that the program refers to."""
    verify(program.graph)
    known = set(program.graph.values())
    check(f"{what} is {value}, which is not in the graph"
          for what, value in named_values(program) if value not in known)  # fmt: skip


def check(violations: Iterable[str]) -> None:
    found = tuple(violations)
    if found:
        raise Illegal(found)


# --- the rules --------------------------------------------------------------------------------------------


def nested(graph: Graph) -> Iterator[Graph]:
    """A graph and all graphs within its nodes."""
    yield graph
    for node in graph.nodes:
        for inner in node.graphs.values():
            yield from nested(inner)


def order(graph: Graph, around: Iterable[Value] = ()) -> Iterator[str]:
    """Each value is defined once, and before it is read. A graph within a node reads the values `around`
    it, those that are defined before the node."""
    known = set(around)
    for value in (*graph.inputs, *(w.value for w in graph.weights)):
        if value in known:
            yield f"{value} is defined twice"
        known.add(value)
    for node in graph.nodes:
        yield from (
            f"`{node.name}` reads {v}, which is not defined before it" for v in node.reads if v not in known
        )
        for inner in node.graphs.values():
            yield from order(inner, known)
        for value in node.results:
            if value in known:
                yield f"`{node.name}` defines {value}, which is already defined"
            known.add(value)
    for name, value in graph.outputs.items():
        if value not in known:
            yield f"the output `{name}` is {value}, which is not defined"


def names(graph: Graph) -> Iterator[str]:
    """Names of values are unique, and so are names of nodes, also among those of graphs within nodes."""
    graphs = [*nested(graph)]
    values = Counter(v.name for v in {v for inner in graphs for v in inner.values()})
    nodes = Counter(n.name for inner in graphs for n in inner.nodes)
    yield from (f"{count} values have the name `{name}`" for name, count in values.items() if count > 1)
    yield from (f"{count} nodes have the name `{name}`" for name, count in nodes.items() if count > 1)


def of_node(node: Node) -> Iterator[str]:
    """Types are those that the operator is bound to, weights are those that it declares, and settings hold no
    values of the graph."""
    operator = node.operator
    yield from (f"a setting of `{node.name}` holds {value}, and only operands and weights hold values"
                for value in values_in(operator))  # fmt: skip
    operands, results = tuple(v.type for v in node.operands), tuple(v.type for v in node.results)
    if not hasattr(operator, "operands"):
        yield f"the operator of `{node.name}` is not bound"
        return
    if operands != operator.operands:
        yield f"`{node.name}` is bound to {spelled(operator.operands)} and reads {spelled(operands)}"
    if results != operator.results:
        yield f"`{node.name}` has results {spelled(results)}, and its operator {spelled(operator.results)}"
    yield from graphs_of(node)
    declared = {spec.leaf: spec.shape for spec in operator.weights(*operator.positional)}
    if set(declared) != set(node.weights):
        read = listed(node.weights)
        yield f"`{node.name}` has the weights {read}, and its operator declares {listed(declared)}"
    for leaf, value in node.weights.items():
        if value.type.batched or value.type.element not in ("float", "float64"):
            yield f"the weight `{leaf}` of `{node.name}` is {value}, which is not a weight"
        if leaf in declared and value.type.shape != declared[leaf]:
            wanted = value.type.with_shape(*declared[leaf])
            yield f"the weight `{leaf}` of `{node.name}` is {value}, and its operator declares {wanted}"


def graphs_of(node: Node) -> Iterator[str]:
    """The graphs within a node are those that its operator runs: a loop has a body with its states."""
    wanted = [*node.operator.runs]
    if [*node.graphs] != wanted:
        yield f"`{node.name}` has the graphs {listed(node.graphs)}, and its operator takes {listed(wanted)}"
    elif wanted:
        body = node.graphs["body"]
        inputs, outputs = [v.type for v in body.inputs], [v.type for v in body.outputs.values()]
        if body.weights:
            yield f"the body of `{node.name}` has weights, which belong to the graph around it"
        yield from (
            f"the body of `{node.name}` {what}" for what in node.operator.body_faults(inputs, outputs)
        )


def values_in(setting: Any) -> Iterator[Value]:
    """The values in a setting, including those in its lists and definitions."""
    if isinstance(setting, Value):
        yield setting
    elif isinstance(setting, Definition):
        yield from values_in(tuple(setting.values().values()))
    elif isinstance(setting, (list, tuple)):
        yield from (value for part in setting for value in values_in(part))


# --- the program ------------------------------------------------------------------------------------------


def named_values(program: CompiledProgram) -> Iterator[tuple[str, Value]]:
    """The values that a program refers to, each with a description."""
    for input in program.inputs:
        yield f"the input `{input.name}`", input.value
    for output in program.outputs:
        yield f"the value of `{output.name}`", output.flowed
        yield f"the scores of `{output.name}`", output.scores
        if output.target_value is not None:
            yield f"the target of `{output.name}`", output.target_value
    for name, exported in program.exports:
        if isinstance(exported, Value):
            yield f"the export `{name}`", exported
    for objective in program.objectives:
        yield "the loss", objective.loss
        for figure, terms in objective.losses.items():
            yield from ((f"a term of `{figure}`", term) for term in terms)


def spelled(types: Iterable[object]) -> str:
    return f"({', '.join(map(str, types))})"


def listed(leaves: Iterable[str]) -> str:
    return ", ".join(f"`{leaf}`" for leaf in leaves) or "none"
