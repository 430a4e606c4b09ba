"""What of a program is the model, what its answers, and what its loss."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.pytorch_source.frames import Frame
from dlc.compiler.passes import specialize
from dlc.compiler.passes.graph_rewrite import prune, without_identities
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dlc.compiler.ir.graph import Graph, Node
    from dlc.compiler.program import CompiledProgram


@record(eq=False)
class Parts:
    """`model` is the frame of the network, `roots` what it gives, `late` the nodes of the loss behind it, and
    `led` the nodes that move targets too, as they are without, by what they make."""

    graph: Graph
    model: Frame
    roots: list[Value]
    late: list[Node]
    led: dict[Value, Node]


def parts_of(program: CompiledProgram) -> Parts:
    graph, led = followed(program)
    answered = [
        value for name, value in graph.outputs.items() if name != specialize.LOSS and is_answer(program, name)
    ]
    late = needed_by_the_loss(program, graph, answered, led)
    again = done_twice(graph, late)
    loss = [node for node in graph.nodes if node in late or node in again]
    first, roots = given_by_the_model(graph, late, loss, answered)
    return Parts(graph, Frame("model", program.name, "", first), roots, loss, led)


def followed(program: CompiledProgram) -> tuple[Graph, dict[Value, Node]]:
    """All that the file computes, with targets that follow what moves them; and `led`."""
    graph, outputs, led = program.graph, wanted(program), {}
    if program.phases:
        graph = specialize.with_augmented_targets(
            program, replace(graph, outputs={specialize.LOSS: program.objective.loss})
        )
        outputs |= graph.outputs
        own = {node.results[0]: node for node in program.graph.nodes}
        led = {n.results[0]: own[n.results[0]] for n in graph.nodes
               if n.results[0] in own and len(n.results) > len(own[n.results[0]].results)}  # fmt: skip
    return prune(without_identities(replace(graph, outputs=outputs))), led


def wanted(program: CompiledProgram) -> dict[str, Value]:
    """What the file gives by name, but for the loss."""
    found: dict[str, Value] = {}
    for output in program.outputs:
        found[f"{output.name}.scores"], found[f"{output.name}.flowed"] = output.scores, output.flowed
    found |= {name: value for name, value in program.exports if isinstance(value, Value)}
    weights = {None, *(w.value for w in program.graph.weights)}
    small = enumerate(r.value for r in program.train.regularize)
    return found | {kept_small(place): value for place, value in small if value not in weights}


def needed_by_the_loss(
    program: CompiledProgram, graph: Graph, answered: Collection[Value], led: Mapping[Value, Node]
) -> set[Node]:
    """The nodes of the loss, which stand behind the model."""
    targets: set[Value] = {o.target_value for o in program.outputs if o.target_value is not None}
    for node in graph.nodes:
        if node.results[0] in led:
            targets.update(node.results[len(led[node.results[0]].results) :])
    late = behind(graph, targets | set(unanswered(program, graph, answered)), led)
    if not in_nets(graph, late):
        late = behind(graph, targets, led)
    return of_the_loss(graph, late, answered, led)


def done_twice(graph: Graph, late: Collection[Node]) -> set[Node]:
    """The few cheap nodes that the loss does by itself rather than be given what the model makes."""
    read = dict.fromkeys(value for node in graph.nodes if node in late for value in node.reads)
    producers = graph.producers()
    again = {node for value in read for node in cheap(producers, value)}
    return again - {node for value in differentiated(graph) for node in cheap(producers, value)}


def given_by_the_model(
    graph: Graph, late: set[Node], loss: Sequence[Node], answered: Sequence[Value]
) -> tuple[list[Node], list[Value]]:
    """The nodes of the model, and what it gives: what is answered, and what the loss reads beside."""
    own = {value for node in loss for value in node.results}
    read = [value for node in loss for value in node.reads if value not in own]
    answers = [value for name, value in graph.outputs.items() if name != specialize.LOSS]
    needed = graph.needed_by([*answers, *read])
    first = [node for node in graph.nodes if node not in late and not needed.isdisjoint(node.results)]
    made = {value for node in first for value in node.results}
    return first, list(dict.fromkeys([*answered, *(value for value in read if value in made)]))


def kept_small(place: int) -> str:
    """The name under which the graph has the tensor that the regularizer at this place keeps small."""
    return f"kept small {place}"


def is_answer(program: CompiledProgram, name: str) -> bool:
    """Of an output whose activation is exported as written, both are given."""
    output, dot, what = name.rpartition(".")
    if not dot or what == "scores":
        return True
    exported = program.output(output)
    return exported.flowed is not exported.scores


def of_the_loss(
    graph: Graph, late: set[Node], answered: Collection[Value], led: Collection[Value]
) -> set[Node]:
    """What is computed for the loss alone, without weights, draws or blocks, but for numbers."""
    found, readers, given = set(late), graph.readers(), set(answered)
    for node in reversed(graph.nodes):
        in_block = node.site.entered and node.operator.constant() is None
        plain = not (node.weights or node.operator.random or in_block or node.results[0] in led)
        read = [reader for value in node.results for reader in readers.get(value, ())]
        if plain and given.isdisjoint(node.results) and all(reader in found for reader in read):
            found.add(node)
    return found


def unanswered(program: CompiledProgram, graph: Graph, answered: Collection[Value]) -> list[Value]:
    """The inputs that the loss alone reads, as the pairs that a net learns from."""
    read = sources_of(graph, answered)
    return [i.value for i in program.inputs if i.value not in read]


def in_nets(graph: Graph, late: set[Node]) -> bool:
    """Whether all that has weights among these nodes stands in whole uses of nets that the model has too."""
    uses = {node.site.entered[-1] for node in late if node.weights and node.site.entered}
    if any(node.weights and not node.site.entered for node in late):
        return False
    own = {n.site.entered[-1].what for n in graph.nodes if n not in late and n.site.entered}
    return all(use.what.startswith("net ") and use.what in own for use in uses) and all(
        node in late for node in graph.nodes if node.site.entered and node.site.entered[-1] in uses
    )


def behind(graph: Graph, targets: set[Value], led: Collection[Value]) -> set[Node]:
    """The nodes of the loss: losses, and all that depends on them or on a target, but for what moves one."""
    late: set[Node] = set()
    values = set(targets)
    for node in graph.nodes:
        if node.results[0] in led:
            continue
        if node.operator.training_only or any(value in values for value in node.operands):
            late.add(node)
            values.update(node.results)
    return late


def differentiated(graph: Graph) -> list[Value]:
    """What derivatives are taken with respect to: it cannot be made anew beside the model."""
    return [n.operands[n.operator.wrt] for n in graph.nodes if n.operator.wrt is not None]


def sources_of(graph: Graph, values: Collection[Value]) -> set[Value]:
    """The inputs and weights that these are made of."""
    made = {value for node in graph.nodes for value in node.results}
    return (graph.needed_by(values) - made) | set(values)


def cheap(producers: Mapping[Value, Node], value: Value, most: int = 3) -> list[Node]:
    """The few nodes that make a value of inputs and constants alone, which may be done twice."""
    found: list[Node] = []
    waiting = [value]
    while waiting and len(found) <= most:
        node = producers.get(waiting.pop())
        if node is None:
            continue
        if node.weights or node.operator.random or node.site.uses or node.operator.training_only:
            return []
        found.append(node)
        waiting += node.operands
    return found if len(found) <= most else []
