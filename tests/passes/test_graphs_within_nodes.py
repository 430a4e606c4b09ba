"""Graphs within nodes, the bodies of loops: what the verifier finds in them, and what passes do with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from legal import legal

from dlc.compiler import Source, compile
from dlc.compiler.dims.dim import evaluate
from dlc.compiler.format.printer import print_graph
from dlc.compiler.ir.graph import Value
from dlc.compiler.passes import cost, specialize
from dlc.compiler.passes.graph_rewrite import prune, rewired
from dlc.compiler.passes.verify import Illegal, verify
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.compiler.ir.graph import Graph, Node

TEXT = """input  spelling: class(8)[S]
output sounds: class(6)[T]
memory = spelling -> embedding(4) -> gru(5)
heard = shift(sounds.target) -> embedding(4) -> gru(4) -> attention(2, causal=true)
heard -> attention(memory, heads=2) -> dense(sounds.classes) -> sounds
train { clip = norm(1) }
export { decode = greedy(sounds, max=12) }
"""
PROMPT = """input  text: class(9)[T]
output next: class(9)[T]
text -> embedding(8) -> position_embedding(40) -> attention(2, causal=true) -> gru(8) -> dense(9) -> next
train { clip = norm(1) }
data { source = text("some.txt", window=8) }
export { decode = greedy(next, max=12)
  lengths = LENGTHS }
"""
TEXTS = [TEXT, PROMPT.replace("LENGTHS", "false"), PROMPT.replace("LENGTHS", "true")]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return specialize.inference(compile(Source("model.dl", TEXT)))


def loop_of(graph: Graph) -> Node:
    return next(node for node in graph.nodes if node.graphs)


def body_of(graph: Graph) -> Graph:
    return loop_of(graph).graphs["body"]


def with_loop(graph: Graph, loop: Node) -> Graph:
    was = loop_of(graph)
    return replace(graph, nodes=tuple(loop if node is was else node for node in graph.nodes))


def with_body(graph: Graph, **changes: Any) -> Graph:
    loop = loop_of(graph)
    return with_loop(graph, replace(loop, graphs={"body": replace(loop.graphs["body"], **changes)}))


def violations(graph: Graph) -> str:
    with pytest.raises(Illegal) as caught:
        verify(graph)
    return str(caught.value)


@pytest.mark.parametrize("text", TEXTS)
def test_decoded_graphs_are_legal_after_every_pass(text: str) -> None:
    assert loop_of(specialize.inference(legal(compile(Source("model.dl", text)))))


# --- broken bodies ----------------------------------------------------------------------------------------


def test_what_a_body_reads_is_defined_before_the_loop(graph: Graph) -> None:
    first, *rest = body_of(graph).nodes
    nowhere = Value("nowhere", first.operands[0].type, first.site)
    lost = replace(first, operands=(nowhere, *first.operands[1:]))
    assert "reads %nowhere" in violations(with_body(graph, nodes=(lost, *rest)))
    later = loop_of(graph).results[-1]
    reading = replace(first, operands=(later, *first.operands[1:]))
    assert f"reads {later}, which is not defined before it" in violations(
        with_body(graph, nodes=(reading, *rest))
    )


def test_nodes_of_a_body_are_in_order(graph: Graph) -> None:
    assert "which is not defined before it" in violations(with_body(graph, nodes=body_of(graph).nodes[::-1]))


def test_values_of_a_body_are_not_read_outside(graph: Graph) -> None:
    inside = body_of(graph).nodes[0].results[0]
    assert f"the output `sounds` is {inside}, which is not defined" in violations(
        replace(graph, outputs={"sounds": inside})
    )


def test_names_are_unique_inside_and_outside(graph: Graph) -> None:
    first, *rest = body_of(graph).nodes
    taken = graph.nodes[0]
    assert f"2 nodes have the name `{taken.name}`" in violations(
        with_body(graph, nodes=(replace(first, name=taken.name), *rest))
    )
    state, *others = body_of(graph).inputs
    twin = replace(state, name=graph.inputs[0].name)
    assert f"2 values have the name `{twin.name}`" in violations(with_body(graph, inputs=(twin, *others)))


def test_nodes_of_a_body_are_checked_as_others_are(graph: Graph) -> None:
    nodes = [*body_of(graph).nodes]
    place = next(i for i, node in enumerate(nodes) if node.weights)
    nodes[place] = replace(nodes[place], weights={})
    assert "and its operator declares" in violations(with_body(graph, nodes=tuple(nodes)))


def without(name: str) -> Callable[[Graph], dict[str, Any]]:
    return lambda body: {"outputs": {k: v for k, v in body.outputs.items() if k != name}}


def exchanged(body: Graph) -> dict[str, Any]:
    """Two states of different types, in the other order."""
    names = [name for name in body.outputs if name.startswith("state")]
    first = names[0]
    other = next(n for n in names if body.outputs[n].type.rank != body.outputs[first].type.rank)
    swapped = {first: body.outputs[other], other: body.outputs[first]}
    return {"outputs": {**body.outputs, **swapped}}


FAULTS: dict[str, tuple[Callable[[Graph], dict[str, Any]], str]] = {
    "a state is not returned": (without("state 0"), "returns ["),
    "nothing says whether it continues": (without("continues"), "returns ["),
    "the answer is missing": (without("answer"), "returns ["),
    "states are exchanged": (exchanged, "returns ["),
    "a state is not taken": (lambda body: {"inputs": body.inputs[:-1]}, "takes ["),
    "the number of the step is not taken": (lambda body: {"inputs": body.inputs[1:]}, "takes ["),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_body_has_the_types_of_the_states(fault: str, graph: Graph) -> None:
    change, why = FAULTS[fault]
    found = violations(with_body(graph, **change(body_of(graph))))
    assert f"the body of `{loop_of(graph).name}` {why}" in found


def test_only_loops_have_bodies(graph: Graph) -> None:
    loop, first = loop_of(graph), graph.nodes[0]
    assert f"`{loop.name}` has the graphs none" in violations(with_loop(graph, replace(loop, graphs={})))
    carrying = replace(first, graphs={"body": prune(body_of(graph), {})})
    assert f"`{first.name}` has the graphs `body`" in violations(
        replace(graph, nodes=(carrying, *graph.nodes[1:]))
    )


def test_weights_stand_in_the_graph_around_a_body(graph: Graph) -> None:
    found = violations(with_body(graph, weights=graph.weights[:1]))
    assert "has weights, which belong to the graph around it" in found
    assert f"{graph.weights[0].value} is defined twice" in found


# --- passes -----------------------------------------------------------------------------------------------


def test_what_a_body_reads_is_captured_once_in_order(graph: Graph) -> None:
    body = body_of(graph)
    own = {*body.values()}
    read = [v for node in body.nodes for v in node.reads if v not in own]
    assert [*body.captured] == sorted(set(read), key=read.index)
    assert {*body.captured} <= {*loop_of(graph).reads}
    assert all(v.type.batched or v in {w.value for w in graph.weights} for v in body.captured)


def test_what_only_a_body_reads_is_alive(graph: Graph) -> None:
    """Weights, and values before the loop, that nothing but the body reads; what nothing reads goes."""
    assert prune(graph).nodes == graph.nodes
    assert prune(graph).weights == graph.weights
    inside = {v for node in body_of(graph).nodes for v in node.weights.values()}
    outside = {v for node in graph.nodes for v in node.weights.values()}
    assert inside - outside
    without_answers = prune(graph, {"spelling": graph.nodes[0].results[0]})
    assert not any(node.graphs for node in without_answers.nodes)
    assert inside.isdisjoint(w.value for w in without_answers.weights)


def test_replaced_values_are_read_anew_in_bodies(graph: Graph) -> None:
    loop, body = loop_of(graph), body_of(graph)
    old = next(v for v in body.captured if v.type.batched)
    new = Value("new", old.type, old.site)
    changed = rewired(loop, {old: new})
    assert new in changed.graphs["body"].captured
    assert old not in changed.reads
    assert loop.graphs["body"] is body
    assert old in loop.reads
    assert rewired(loop, {Value("other", Tensor("float"), old.site): new}) is loop


def test_values_that_depend_on_an_input_through_a_body_depend_on_it(graph: Graph) -> None:
    """The memory is read by the body alone, not by the operands of the loop."""
    (spelling,) = graph.inputs
    memory = next(v for v in body_of(graph).captured if v.type.batched)
    assert memory not in loop_of(graph).operands
    assert graph.depends({memory: 1})[graph.outputs["sounds"]] == 1
    assert graph.affects({graph.outputs["sounds"]: 1})[spelling] == 1


def test_a_body_is_printed_within_its_loop(graph: Graph) -> None:
    """Each value of the body is defined in one line of it, and is read under the same name."""
    lines = print_graph(graph, "model").splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip() == "body {")
    end = next(i for i, line in enumerate(lines) if i > start and line == f"{' ' * 4}}}")
    body = body_of(graph)
    assert lines[start - 1].split(" = ")[1].startswith("loop(most=12, ")
    assert end - start - 1 == len(body.inputs) + len(body.nodes) + len(body.outputs)
    inside = lines[start + 1 : end]
    assert all(line.startswith(" " * 6) for line in inside)
    for node in body.nodes:
        (line,) = (line for line in inside if f"%{node.results[0].name} = " in line or
                   f"%{node.results[0].name}, " in line.split(" = ")[0])  # fmt: skip
        assert all(f"%{value.name}" in line.split(" = ", 1)[1] for value in node.reads)


# --- cost -------------------------------------------------------------------------------------------------


def test_the_steps_of_a_loop_cost_what_all_steps_of_the_training_form_do() -> None:
    """A step that carries what it computed does no work twice; `S` and `T` are 7 and 5."""
    program = compile(Source("model.dl", TEXT.replace(" -> attention(2, causal=true)", "")))
    whole = cost.multiply_adds(program.graph.nodes)
    decoded = cost.multiply_adds(specialize.inference(program).nodes)
    assert str(decoded).replace("sounds_steps", "T") == str(whole)


def test_attention_to_earlier_steps_is_half_of_all_pairs() -> None:
    text = (
        "\n".join(TEXTS[1].splitlines()).replace("position_embedding(40) -> ", "").replace("-> gru(8) ", "")
    )
    program = compile(Source("model.dl", text))
    body = body_of(specialize.inference(program))
    nodes = {node.operator.name: node.operator.multiply_adds() for node in body.nodes}
    prompt, steps, size = 3, 4, 8
    pairs = sum(2 * size * (prompt + step + 1) for step in range(steps))
    projections, classes = steps * 4 * size * size, steps * size * 9
    first = 4 * size * size * prompt + 2 * size * prompt * prompt + prompt * size * 9
    found = cost.multiply_adds(specialize.inference(program).nodes)
    assert evaluate(found, {"T": prompt, "next_steps": steps}) == first + pairs + projections + classes
    assert nodes["attention_step"]
