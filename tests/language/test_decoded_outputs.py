"""Outputs that `ctc` decodes: their scores have a class more than they, the blank."""

from __future__ import annotations

import pytest
from specs import codes, spec

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.dims.dim import free
from dlc.compiler.passes import specialize
from dlc.compiler.types import Tensor

FRAMES = "input x: float[T, 8]\n"


def compiled(text: str):
    return compile(Source("model.dl", FRAMES + text))


def answer(program, name: str = "y") -> Tensor:
    return specialize.inference(program).outputs[name].type


@pytest.mark.parametrize("type", ["class(3)[U]", "class(3)[6]", "class(3)[T]"])
def test_the_target_has_a_length_of_its_own(type):
    program = compiled(f"output y: {type}\nx -> dense(y.classes + 1) -> y\ntrain {{ loss = ctc(y) }}\n")
    (target,) = [v for v in program.graph.inputs if v.is_target]
    assert (str(target.type), target.type.blank) == (type.replace("(3)", ""), False)
    assert answer(program).shape == (free("T"),)
    assert specialize.inference(program).outputs["y_probabilities"].type.shape == (free("T"), 4)
    assert [(output, metric.name) for output, metric in program.metrics] == [("y", "edit_distance")]


USES = {
    "the output alone": "train { loss = ctc(y) }",
    "the output and its target": "train { loss = ctc(y, y.target) }",
    "in a block": "block own(s, t; w = 1) { return w * ctc(s, t) }\ntrain { loss = own(y, y.target, w=2) }",
    "a term of several": "train { loss = 0.3 * ctc(y, reduce=sum) + 0.1 * mean(y ** 2) }",
    "under a name": "train {\n  aligned = ctc(y)\n  loss = aligned + 0.1 * mae(y, 0)\n}",
    "of scores that are computed from its own": "train { loss = ctc(y / 2, y.target) }",
    "with an unreduced loss": "train { loss = 2 * ctc(y, reduce=none) }",
}


@pytest.mark.parametrize("use", USES)
def test_the_loss_decides_how_an_output_is_decoded(use):
    program = compiled(f"output y: class(auto)[U]\nx -> dense(y.classes + 1) -> y\n{USES[use]}\n")
    assert program.output("y").declared.blank
    assert answer(program).element == "class"


def test_probabilities_before_the_output_are_exported_as_written():
    program = compiled("output y: class(3)[U]\nx -> dense(4) -> softmax -> y\ntrain { loss = ctc(y) }\n")
    graph = specialize.inference(program)
    assert [n.operator.name for n in graph.nodes] == ["dense", "softmax", "best_path"]


def test_a_tagger_beside_a_decoder_of_the_same_target():
    flow = "h = x -> dense(8) -> relu\nh -> dense(3) -> y\nh -> dense(4) -> z\n"
    train = "train {\n  loss = cross_entropy(y) + ctc(z)\n  metrics = [accuracy, edit_distance]\n}\n"
    program = compiled(f"output y: class(3)[T]\noutput z: class(3)[T] = y\n{flow}{train}")
    assert [o.declared.blank for o in program.outputs] == [False, True]
    assert [(output, metric.name) for output, metric in program.metrics] == [
        ("y", "accuracy"), ("y", "edit_distance"), ("z", "edit_distance")]  # fmt: skip


@pytest.mark.parametrize(("type", "units", "train", "code", "help"), [
    ("class(5)[T]", 6, "epochs = 1", "E0507", "one for each class; a unit more, the blank, is for"),
    ("class(5)[6]", 6, "epochs = 1", "E0507", "is for `train { loss = ctc(y) }`"),
    ("class(5)[6]", 6, "loss = mean(y)", "E0507", "give the layer before it 5 units"),
    ("class(5)[6]", 5, "loss = ctc(y)", "E0507", "takes y.classes + 1 units, the blank first"),
    ("class(auto)[U]", 9, "loss = ctc(y)", "E0507", "takes y.classes + 1 units, the blank first"),
    ("class(5)[U]", 5, "loss = ctc(y)", "E0203", "give the layer before it 6 units"),
    ("class(5)[6]", 6, "loss = cross_entropy(y)", "E0203", "`ctc` is the loss with one more, the blank"),
    ("class(5)[U]", 6, "loss = focal(y) + ctc(y)", "E0203", "`ctc` is the loss with one more, the blank"),
    ("class(5)[6]", 6, "loss = ctc(y)\nmetrics = [accuracy, f1]", "E0604", "`sequence_accuracy`"),
])  # fmt: skip
def test_what_cannot_be_meant_is_an_error_with_its_fix(type, units, train, code, help):
    with pytest.raises(CompileError) as caught:
        compiled(f"output y: {type}\nx -> dense({units}) -> y\ntrain {{ {train} }}\n")
    assert {d.code for d in caught.value.diagnostics} == {code}
    assert all(help in d.help for d in caught.value.diagnostics)


def test_an_off_by_one_output_is_one_error():
    """Its metrics are not reported too."""
    train = "train { metrics = [accuracy] }\nexpect { train.accuracy > 0 }\n"
    assert codes(f"{FRAMES}output y: class(5)[T]\nx -> dense(6) -> y\n{train}") == ["E0507"]
    assert codes(f"{FRAMES}output y: class(5)\nx -> mean(axis=0) -> dense(6) -> y\n{train}") == ["E0507"]


def test_a_spec_without_training_is_a_decoder_where_it_names_the_loss():
    program = spec(f"{FRAMES}output y: class(a, b)[U]\nx -> dense(3) -> y\ntrain {{ loss = ctc(y) }}\n")
    names = specialize.inference(program).outputs
    assert (str(names["y"].type), list(names)) == ("string[T]", ["y", "y_probabilities"])
