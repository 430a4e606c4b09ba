"""All graphs of the shipped specs are legal after each pass; a broken graph is rejected."""

from __future__ import annotations

from dataclasses import replace

import pytest
from legal import legal, passed
from shipped import SPECS, compiled

from dlc.compiler import Source, compile
from dlc.compiler.ir.graph import Value
from dlc.compiler.passes import specialize
from dlc.compiler.passes.verify import Illegal, verify, verify_program
from dlc.compiler.training.objective import Penalty
from dlc.compiler.types import Tensor

TEXT = "input x: float[4]\noutput y: class(3)\nx -> dense(8) -> relu -> dense(3) -> y\ntrain { epochs = 1 }\n"


@pytest.mark.parametrize("spec", sorted(SPECS.glob("*.dl")), ids=lambda path: path.stem)
def test_shipped_specs_are_legal(spec):
    legal(compiled(spec))


NAMES = {
    "a weight like a node of the answer": (
        "weight y_number: float[3] = zeros\n(x -> dense(3)) + y_number -> y"
    ),
    "an input like a cast": "input y_name: float[3]\n(x -> dense(3)) + y_name -> y",
    "a layer without a bias before a norm": "x -> dense(3, bias=false) -> batchnorm -> y",
    "a layer that is dropped": "x -> dense(3) -> dropout(0.5) -> y",
    "a norm that is trained with others": (
        "x -> dense(5) -> batchnorm -> relu -> residual(dense(5)) -> dense(3) -> y"
    ),
}


@pytest.mark.parametrize("case", NAMES)
def test_passes_keep_names_and_weights_distinct(case):
    text = f"input x: float[4]\noutput y: class(a, b, c)\n{NAMES[case]}\ntrain {{ regularize = l2(0.1) }}\n"
    assert len(list(passed(legal(compile(Source("model.dl", text)))))) == 5


# --- broken graphs ----------------------------------------------------------------------------------------


@pytest.fixture
def program():
    return compile(Source("model.dl", TEXT))


@pytest.fixture
def graph(program):
    return program.graph


def violations(graph) -> str:
    with pytest.raises(Illegal) as found:
        verify(graph)
    return str(found.value)


def with_node(graph, place, **changes):
    nodes = list(graph.nodes)
    nodes[place] = replace(nodes[place], **changes)
    return replace(graph, nodes=tuple(nodes))


def test_values_are_defined_before_use(graph):
    assert "which is not defined before it" in violations(replace(graph, nodes=graph.nodes[::-1]))
    assert "which is not defined before it" in violations(replace(graph, inputs=()))
    assert "`dense` reads %dense.weight" in violations(replace(graph, weights=graph.weights[1:]))


def test_values_are_defined_once(graph):
    again = replace(graph.nodes[0], name="again")
    assert "`again` defines %dense: float[8], which is already defined" in violations(
        replace(graph, nodes=(*graph.nodes, again))
    )
    assert "is defined twice" in violations(replace(graph, inputs=graph.inputs * 2))


def test_outputs_are_defined(graph):
    nowhere = Value("nowhere", Tensor("float"), graph.nodes[0].site)
    assert "the output `loss` is %nowhere: float, which is not defined" in violations(
        replace(graph, outputs={"loss": nowhere})
    )


def test_names_are_unique(graph):
    same = replace(graph.nodes[1].results[0], name=graph.weights[0].name)
    assert "2 values have the name `dense.weight`" in violations(with_node(graph, 1, results=(same,)))
    assert "2 nodes have the name `dense`" in violations(with_node(graph, 1, name="dense"))


def test_types_are_those_of_the_operator(graph):
    x = graph.inputs[0]
    assert "`dense_2` is bound to (float[8]) and reads (float[4])" in violations(
        with_node(graph, 2, operands=(x,))
    )
    wrong = Value("relu", Tensor("float", (9,)), x.site)
    assert "`relu` has results (float[9]), and its operator (float[8])" in violations(
        with_node(graph, 1, results=(wrong,))
    )
    unbound = type(graph.nodes[1].operator)()
    assert "the operator of `relu` is not bound" in violations(with_node(graph, 1, operator=unbound))


def test_weights_are_those_that_the_operator_declares(graph):
    weights = graph.nodes[0].weights
    alone = {"weight": weights["weight"]}
    assert "has the weights `weight`, and its operator declares `weight`, `bias`" in violations(
        with_node(graph, 0, weights=alone)
    )
    other = graph.nodes[2].weights["weight"]
    found = violations(with_node(graph, 0, weights=weights | {"weight": other}))
    assert "`dense` is %dense_2.weight: float[3, 8], and its operator declares float[8, 4]" in found
    assert "which is not a weight" in violations(
        with_node(graph, 0, weights=weights | {"bias": graph.inputs[0]})
    )


def test_settings_hold_no_values(graph):
    x, dense = graph.inputs[0], graph.nodes[0].operator
    stale = dense.with_settings(weight=graph.weights[0].value).bind(x.type)
    assert "a setting of `dense` holds %dense.weight: float[8, 4], and only" in violations(
        with_node(graph, 0, operator=stale)
    )
    listed = dense.with_settings(weight=(1, (x,))).bind(x.type)
    assert "a setting of `dense` holds %x: float[4]" in violations(with_node(graph, 0, operator=listed))


def test_a_regularizer_of_a_tensor_has_no_value_in_its_settings():
    text = TEXT.replace("x ->", "h = x ->").replace(" -> relu", " -> relu\nh", 1)
    program = compile(Source("model.dl", text.replace("epochs = 1", "regularize = l1(0.1, on=h)")))
    training = legal(program) and specialize.training(program, program.objective)
    place, penalty = next((i, n) for i, n in enumerate(training.nodes) if n.operator.name == "penalty")
    (kept,) = program.train.regularize
    stale = Penalty(regularizer=kept).bind(*penalty.operator.operands)
    assert f"a setting of `{penalty.name}` holds {kept.on}" in violations(
        with_node(training, place, operator=stale)
    )


def test_all_violations_are_listed(graph):
    assert len(violations(replace(graph, inputs=(), weights=())).splitlines()) > 4


def test_values_of_a_program_are_in_its_graph(program):
    nowhere = Value("nowhere", Tensor("float"), program.graph.nodes[0].site)
    phase = program.phase
    for broken in (
        replace(program, phases=(replace(phase, objectives=(replace(program.objective, loss=nowhere),)),)),
        replace(program, exports=(("y", nowhere),)),
        replace(program, outputs=(replace(program.outputs[0], scores=nowhere),)),
    ):
        with pytest.raises(Illegal, match="nowhere: float, which is not in the graph"):
            verify_program(broken)
