"""What a legal graph is. Tests hold every graph to it, after elaboration and after every pass."""

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
    """What a graph breaks, one sentence each. It is an error of the compiler, never of a spec."""

    def __init__(self, broken: Iterable[str]):
        self.broken = tuple(broken)
        super().__init__("\n".join(self.broken))


def verify(graph: Graph) -> None:
    """Hold a graph to its rules; `Illegal` lists all that it breaks."""
    check([*order(graph), *names(graph), *(b for node in graph.nodes for b in of_node(node))])


def verify_program(program: CompiledProgram) -> None:
    """Hold the graph of a program to its rules, and what the program says of it."""
    verify(program.graph)
    known = set(program.graph.values())
    check(f"{what} is {value}, which the graph does not make"
          for what, value in named_values(program) if value not in known)  # fmt: skip


def check(broken: Iterable[str]) -> None:
    found = tuple(broken)
    if found:
        raise Illegal(found)


# --- the rules --------------------------------------------------------------------------------------------


def order(graph: Graph) -> Iterator[str]:
    """Each value is made once, and before it is read."""
    known: set[Value] = set()
    for value in (*graph.inputs, *(w.value for w in graph.weights)):
        if value in known:
            yield f"{value} is given twice"
        known.add(value)
    for node in graph.nodes:
        yield from (
            f"`{node.name}` reads {v}, which is not made before it" for v in node.reads if v not in known
        )
        for value in node.results:
            if value in known:
                yield f"`{node.name}` makes {value}, which is there already"
            known.add(value)
    for name, value in graph.outputs.items():
        if value not in known:
            yield f"the output `{name}` is {value}, which nothing makes"


def names(graph: Graph) -> Iterator[str]:
    """No two values have one name, and no two nodes."""
    values, nodes = Counter(v.name for v in set(graph.values())), Counter(n.name for n in graph.nodes)
    yield from (f"{count} values are called `{name}`" for name, count in values.items() if count > 1)
    yield from (f"{count} nodes are called `{name}`" for name, count in nodes.items() if count > 1)


def of_node(node: Node) -> Iterator[str]:
    """Types are those that the operator was bound to, weights those that it declares, and tensors that are
    given in settings are among what is read."""
    operator = node.operator
    yield from (f"a setting of `{node.name}` holds {value}: what a node reads are operands and weights"
                for value in held(operator))  # fmt: skip
    operands, results = tuple(v.type for v in node.operands), tuple(v.type for v in node.results)
    if not hasattr(operator, "operands"):
        yield f"the operator of `{node.name}` was never bound"
        return
    if operands != operator.operands:
        yield f"`{node.name}` is bound to {spelled(operator.operands)} and reads {spelled(operands)}"
    if results != operator.results:
        yield f"`{node.name}` makes {spelled(results)}, and its operator {spelled(operator.results)}"
    declared = {spec.leaf: spec.shape for spec in operator.weights(*operator.flowing)}
    if set(declared) != set(node.weights):
        read = listed(node.weights)
        yield f"`{node.name}` has the weights {read}, and its operator declares {listed(declared)}"
    for leaf, value in node.weights.items():
        if value.type.batched or value.type.element not in ("float", "float64"):
            yield f"the weight `{leaf}` of `{node.name}` is {value}, which is no weight"
        if leaf in declared and value.type.shape != declared[leaf]:
            wanted = value.type.with_shape(*declared[leaf])
            yield f"the weight `{leaf}` of `{node.name}` is {value}, and its operator wants {wanted}"


def held(setting: Any) -> Iterator[Value]:
    """The values that a setting holds, in lists and definitions within it as well."""
    if isinstance(setting, Value):
        yield setting
    elif isinstance(setting, Definition):
        yield from held(tuple(setting.values().values()))
    elif isinstance(setting, (list, tuple)):
        yield from (value for part in setting for value in held(part))


# --- the program ------------------------------------------------------------------------------------------


def named_values(program: CompiledProgram) -> Iterator[tuple[str, Value]]:
    """What the program says of its graph: the values that it names, in words."""
    for given in program.inputs:
        yield f"the input `{given.name}`", given.value
    for output in program.outputs:
        yield f"what flows into `{output.name}`", output.flowed
        yield f"the scores of `{output.name}`", output.scores
        if output.target_value is not None:
            yield f"the target of `{output.name}`", output.target_value
    for name, exported in program.exports:
        if isinstance(exported, Value):
            yield f"the export `{name}`", exported
    for objective in (objective for phase in program.phases for objective in phase.objectives):
        yield "the loss", objective.loss
        for output, terms in objective.losses.items():
            yield from ((f"a loss of `{output}`", term) for term in terms)


def spelled(types: Iterable[object]) -> str:
    return f"({', '.join(map(str, types))})"


def listed(leaves: Iterable[str]) -> str:
    return ", ".join(f"`{leaf}`" for leaf in leaves) or "none"
