"""Output kinds: each element type has one definition of its scores, loss, metrics and answers."""

from __future__ import annotations

import pytest
from specs import codes, spec

from dlc.compiler.definitions.definition import family
from dlc.compiler.output_kinds import KINDS, class_axis, kind_of
from dlc.compiler.passes import specialize
from dlc.compiler.types import ELEMENTS, FLOATS, INTEGERS, Classes, Tensor

OUTPUTS = ("class", "binary", "bool", *FLOATS, *INTEGERS)


def test_every_element_has_a_kind():
    assert set(KINDS) == set(ELEMENTS)


@pytest.mark.parametrize("element", OUTPUTS)
def test_implied_losses_and_metrics_exist_and_fit(element):
    kind = KINDS[element]
    assert kind.metrics
    assert all(family("metric")[name]().fits(Tensor(element)) for name in kind.metrics)
    assert not kind.loss or kind.loss in family("loss")
    equivalent = {kind.equivalent_operator} if kind.equivalent_operator else set()
    assert family("operator").keys() >= kind.mismatched | equivalent


@pytest.mark.parametrize(
    ("type", "loss"),
    [("class(3)", "cross_entropy"), ("binary[3]", "bce"), *((f"{e}[3]", "mse") for e in FLOATS)],
)
def test_the_loss_that_a_type_implies(type, loss):
    program = spec(f"input x: float[4]\noutput y: {type}\nx -> dense(3) -> y\ntrain {{ epochs = 1 }}")
    assert loss in [n.operator.name for n in program.graph.nodes]


def test_graph_inputs_have_a_kind_and_a_field():
    text = "input x: float[4]\noutput y: float\noutput z: float = y\nx -> dense(1) -> y\nx -> dense(1) -> z\n"
    program = spec(f"{text}train {{ epochs = 1 }}")
    given = [(v.name, v.kind, v.field) for v in program.graph.inputs]
    assert given == [("x", "input", "x"), ("y.target", "target", "y")]
    assert [(v.kind, v.field) for v in specialize.inference(program).inputs] == [("input", "x")]


@pytest.mark.parametrize("element", FLOATS)
@pytest.mark.parametrize("activation", ["softmax", "log_softmax"])
def test_class_probabilities_are_not_a_float_output(element, activation):
    text = f"input x: float[4]\noutput y: {element}[3]\nx -> dense(3) -> {activation} -> y"
    assert codes(text) == ["W0401"]


@pytest.mark.parametrize(
    ("shape", "scores"),
    [((), (3,)), (("T",), ("T", 3)), ((8, 9), (3, 8, 9)), ((2, 8, 9), (3, 2, 8, 9))],
)
def test_classes_are_the_last_axis_or_the_first_of_images(shape, scores):
    declared = Tensor("class", shape, Classes(3))
    assert kind_of(declared).scores_shape(declared) == scores
    assert scores[class_axis(len(scores))] == 3


@pytest.mark.parametrize("element", OUTPUTS)
@pytest.mark.parametrize("flow", ["y", "relu -> y", "threshold -> y"])
def test_the_artifact_outputs_have_the_declared_element(element, flow):
    type = {"class": "class(3)"}.get(element, f"{element}[3]")
    program = spec(f"input x: float[4]\noutput y: {type}\nx -> dense(3) -> {flow}")
    answers = specialize.inference(program).outputs
    assert tuple(answers) == KINDS[element].answer_names("y")
    assert answers["y"].type.element == ("bool" if element == "binary" else element)


def test_names_of_answers():
    assert KINDS["class"].answer_names("y") == ("y", "y_probabilities")
    assert KINDS["binary"].answer_names("y") == ("y", "y_probability")
    assert KINDS["float64"].answer_names("y") == ("y",)
