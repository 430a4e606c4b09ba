"""Declarations, outputs, params, imports and sections."""

from __future__ import annotations

import pytest
from specs import VECTOR, bound, codes, files, operators, spec, types

from dlc.compiler import CompileError

CLASSES = "input x: float[4]\noutput y: class(3)\n"


def test_params_are_overridden():
    text = 'param n = 4\nparam m = n * 2\nparam rate = 0.5\nparam deep = true\nparam name = "a"\n' + VECTOR
    text += "x -> dense(m) -> dropout(rate) -> dense(4) -> y"
    assert spec(text).params == {"n": 4, "m": 8, "rate": 0.5, "deep": True, "name": "a"}
    given = spec(text, params={"n": 5, "rate": 0, "deep": False, "name": "b"}).params
    assert given == {"n": 5, "m": 10, "rate": 0.0, "deep": False, "name": "b"}
    assert spec(text, params={"m": 3}).params["m"] == 3
    for wrong in ({"n": 0.5}, {"deep": 1}, {"name": 3}, {"nn": 3}, {"rate": "x"}):
        assert codes(text, params=wrong) == ["E0301" if "nn" in wrong else "E0403"]


def test_params_of_an_imported_file_keep_their_values():
    other = "param n = 4\nblock f(a) { return a -> dense(n) }"
    text = f'import f from "other.dl"\nparam n = 9\n{VECTOR}x -> f -> y'
    assert types_of(spec(text, params={"n": 7}, read=files(other=other))) == {"y": "float[4]"}


def types_of(program) -> dict[str, str]:
    return {o.name: str(o.flowed.type) for o in program.outputs}


def test_imports_see_their_own_file():
    other = "block f(a) { return a -> g -> g }\nblock g(a) { return a * scale }\nparam scale = 3"
    assert (
        operators_of(f'import f from "other.dl"\n{VECTOR}x -> f -> y', other) == ["constant", "multiply"] * 2
    )
    assert codes(f'import f from "other.dl"\n{VECTOR}x -> g -> y', read=files(other=other)) == ["E0301"]


def operators_of(text: str, other: str) -> list[str]:
    nodes = spec(text, read=files(other=other)).graph.nodes
    return [n.operator.name for n in nodes if n.operator.name in ("constant", "multiply", "relu")]


def test_imports_of_imports():
    texts = {
        "one": 'import g from "two.dl"\nblock f(a) { return a -> g }',
        "two": "block g(a) { return a -> relu }",
    }
    program = spec(
        f'import f from "one.dl"\nimport g from "two.dl"\n{VECTOR}x -> f -> g -> y', read=files(**texts)
    )
    assert [s.name for s in program.sources] == ["model.dl", "one.dl", "two.dl"]


def test_names_may_be_bound_again():
    assert bound("a = 1\na = a + 1") == 2
    assert operators(VECTOR + "h = x\nh = h -> relu\nh -> y") == ["relu"]


def test_several_values_are_unpacked():
    assert bound("a, b = [1, 2]") == 1
    assert operators(VECTOR + "p, q = split(x, 2)\nconcat(p, q) -> y") == ["split", "concat"]


def test_inputs_of_one_declaration_share_a_type():
    program = spec("input a, b, c: float[2] as all\noutput y: float[6]\nall -> concat -> y")
    assert [(i.name, str(i.declared)) for i in program.inputs] == [(n, "float[2]") for n in "abc"]


# --- outputs ------------------------------------------------------------------------------------------------


def test_attributes_of_an_output():
    text = CLASSES + "x -> dense(3) -> y\na = y.logits\nb = y.probabilities\nc = y.target\nd = y"
    found = spec(text).bindings
    assert str(found["a"].type) == "float[3]"
    assert str(found["b"].type) == "float[3]"
    assert found["c"].type.element == "class"
    assert found["d"].name == "y"


def test_probabilities_are_those_of_the_written_activation():
    text = CLASSES + "h = x -> dense(3) -> softmax\nh -> y\na = y.probabilities"
    program = spec(text)
    assert program.bindings["a"] is program.bindings["h"]
    assert program.output("y").scores is not program.bindings["h"]


def test_the_name_of_an_output_is_its_scores():
    program = spec(CLASSES + "output z: float[3]\nx -> dense(3) -> softmax -> y\ny * 2 -> z")
    (node,) = (n for n in program.graph.nodes if n.operator.name == "multiply")
    assert node.operands[0] is program.output("y").scores


@pytest.mark.parametrize("loss", ["cross_entropy(y)", "cross_entropy(y, y.target)",
                                  "cross_entropy(y.logits, y.target)",
                                  "cross_entropy(y.probabilities, y.target)"])  # fmt: skip
def test_an_output_alone_in_a_loss_is_compared_with_its_target(loss):
    program = spec(f"{CLASSES}x -> dense(3) -> softmax -> y\ntrain {{ loss = {loss} }}")
    (node,) = (n for n in program.graph.nodes if n.operator.name == "cross_entropy")
    output = program.output("y")
    assert node.operands == (output.scores, output.target_value)


def test_outputs_may_share_a_target():
    program = spec(
        f"{CLASSES}output z: class(3) = y\nx -> dense(3) -> y\nx -> dense(3) -> z\ntrain {{ epochs = 1 }}"
    )
    assert program.output("z").target == "y"
    assert program.output("z").target_value is program.output("y").target_value


def test_losses_follow_from_types():
    text = "input x: float[4]\noutput a: class(3)\noutput b: binary\noutput c: float\n"
    flows = "x -> dense(3) -> a\nx -> dense(1) -> b\nx -> dense(1) -> c\ntrain { epochs = 1 }"
    found = [n.operator.name for n in spec(text + flows).graph.nodes if n.operator.family == "loss"]
    assert found == ["cross_entropy", "bce", "mse"]


def test_with_a_loss_outputs_need_no_target():
    program = spec(f"{VECTOR}output z: float[4]\nx -> dense(4) -> y\nx * 2 -> z\ntrain {{ loss = mse(y) }}")
    assert program.output("z").target_value is None


# --- sections -----------------------------------------------------------------------------------------------


def test_settings_of_train():
    text = """
param rate = 0.01
x -> dense(4) -> relu -> y
train {
  loss       = mse(y) + 0.1 * mae(y, x)
  optimizer  = sgd(lr=rate * 2, momentum=0.9)
  schedule   = cosine(warmup=5)
  regularize = [l1(1e-4), l2(1e-5, on=x)]
  clip       = norm(1.0)
  batch      = all
  epochs     = 3 if rate < 1 else 4
  early_stop = patience(2, on=train.loss)
  metrics    = [mae, r2]
  seed       = 7
  if rate > 1 { precision = bf16 } else { precision = float32 }
}
"""
    train = spec(VECTOR + text).train
    assert repr(train.optimizer) == "(sgd(lr=0.02, momentum=0.9),)"
    assert (train.batch, train.epochs, train.seed, train.early_stop.on) == ("all", 3, 7, "train.loss")
    assert repr(train.regularize[0]) == "l1(x=0.0001)"
    assert [m.name for m in train.metrics] == ["mae", "r2"]


def test_regularizers_act_on_nets():
    text = "net f(a) { return a -> dense(4) }\nx -> f -> dense(4) -> y\ntrain { regularize = l2(1e-3, on=f) }"
    program = spec(VECTOR + text)
    assert [w.name for w in program.graph.weights if program.train.regularize[0].acts_on(w)] == [
        "f.dense.weight"
    ]


@pytest.mark.parametrize("layers, on, where", [
    ("x -> batchnorm -> sum", "", "here"),
    ("x -> dense(4) -> bare -> sum", ", on=bare", "in the net `bare`"),
    ("x -> dense(4) -> sum", ", on=bare", "in the net `bare`"),
    ("x -> dense(4) -> scaled -> sum", ", on=scaled", "in the net `scaled`"),
])  # fmt: skip
def test_a_regularizer_has_weights_to_act_on(layers, on, where):
    nets = "net bare(a) { return relu(a) }\nnet scaled(a) { return batchnorm(a) }\n"
    text = f"input x: float[4]\noutput y: float\n{nets}{layers} -> y\ntrain {{ regularize = l2(1e-3{on}) }}"
    with pytest.raises(
        CompileError, match=f"no layer {where} has weights that `l2` could penalize"
    ) as caught:
        spec(text)
    assert [d.code for d in caught.value.diagnostics] == ["E0613"]


CHOICES = f"""param fast = true
param more = false
{CLASSES}
x -> dense(3, init=zeros if fast else ones) -> y
train {{
  optimizer  = adam(0.002) if fast else sgd(lr=0.1)
  schedule   = cosine if fast else constant
  regularize = [l2(1e-3)] + ([l1(1e-4)] if more else [])
  clip       = norm(1) if fast else none
  batch      = all if fast else 16
  precision  = float64 if fast else bf16
  metrics    = [accuracy] if fast else [accuracy, f1]
  early_stop = patience(2, on=train.loss if fast else train.accuracy)
}}
"""


def test_conditional_settings_are_chosen_at_compile_time():
    def settings(**params):
        train = spec(CHOICES, params=params).train
        metrics = tuple(m.name for m in train.metrics or ())
        clip = train.clip and train.clip.name
        (optimizer,) = train.optimizer
        return (optimizer.name, train.schedule.name, len(train.regularize), clip, train.batch,
                train.precision, metrics, train.early_stop and train.early_stop.on)  # fmt: skip

    assert settings() == ("adam", "cosine", 1, "norm", "all", "float64", ("accuracy",), "train.loss")
    slow = ("sgd", "constant", 2, None, 16, "bf16", ("accuracy", "f1"), "train.accuracy")
    assert settings(fast=False, more=True) == slow
    initial = [w.initial.name for w in spec(CHOICES, params={"fast": False}).graph.weights]
    assert initial == ["ones", "zeros"]


@pytest.mark.parametrize("fast", [True, False])
def test_names_in_the_side_that_is_not_chosen_are_checked(fast):
    with pytest.raises(CompileError, match="there is no optimizer `sdg`") as caught:
        spec(CHOICES.replace("else sgd", "else adamw if more else sdg"), params={"fast": fast})
    assert [d.help for d in caught.value.diagnostics] == ["did you mean `sgd`?"]


def test_weights_missing_because_of_an_error_are_not_reported():
    with pytest.raises(CompileError) as caught:
        spec("input x: float[4]\noutput y: float\nx -> dense(q) -> y\ntrain { regularize = l2(1e-3) }")
    assert [d.code for d in caught.value.diagnostics] == ["E0301"]


@pytest.mark.parametrize("setting", ["regularize", "freeze", "weights"])
def test_none_is_rejected_where_an_empty_list_is_expected(setting):
    text = f"{CLASSES}x -> dense(3) -> y\ntrain {{ {setting} = %s }}"
    with pytest.raises(CompileError) as caught:
        spec(text % "none")
    assert [d.help for d in caught.value.diagnostics] == ["`[]` is a list without entries"]
    assert getattr(spec(text % "[]").train, setting) == ()


@pytest.mark.parametrize("setting, help", [
    ("loss = cross_entropy",
     "write `cross_entropy(y)`, or leave `loss` out: it follows from the type of the output"),
    ("loss = mse", "write `mse(y)`"),
    ('weights = load("f.safetensors", into=f)',
     "a block creates new weights at each use: declare it as a `net`"),
])  # fmt: skip
def test_the_fix_of_one_of_several_parameter_types_is_shown(setting, help):
    block = "block f(a) { return a -> dense(3) }\n"
    with pytest.raises(CompileError) as caught:
        spec(f"{block}{CLASSES}x -> f -> y\ntrain {{ {setting} }}")
    assert [(d.code, d.help) for d in caught.value.diagnostics] == [("E0403", help)]


def test_several_regularizers_are_a_list_not_a_sum():
    with pytest.raises(CompileError) as caught:
        spec(f"{CLASSES}x -> dense(3) -> y\ntrain {{ regularize = l2(1e-3) + l1(1e-4) }}")
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.message) == ("E0403", "nothing can be computed with `l2(1e-3)`")
    assert problem.help == "write `[l2(1e-3), l1(1e-4)]`"


def test_fields_of_data():
    text = (
        "input a, b: float\ninput v: float[2]\noutput y: class(3)\n((a, b) -> concat) + v -> dense(3) -> y\n"
    )
    text += (
        'data {\n source = csv("f.csv")\n a = column("the a")\n b = normal()\n v = columns("p", "q")\n'
        " stratify = y\n}"
    )
    data = spec(text).data
    assert data.fields["a"].column == "the a"
    assert data.fields["v"].columns == ("p", "q")
    assert data.fields["b"].name == "normal"
    assert data.stratify == "y"


def test_exports():
    text = CLASSES + "h = x -> dense(8)\nh -> dense(3) -> y\nexport { outputs = [y, h, y.logits] }"
    assert [name for name, _ in spec(text).exports] == ["y", "h", "y_logits"]
    assert [name for name, _ in spec(CLASSES + "x -> dense(3) -> y").exports] == ["y"]


def test_expectations():
    text = CLASSES + (
        "h = x -> dense(3)\nh -> y\nexpect {\n parameters == 15\n shape(h) == [3]\n test.accuracy > 0.5\n"
        " flops <= 1e6\n}"
    )
    assert [e.text for e in spec(text).expectations] == [
        "parameters == 15", "shape(h) == [3]", "test.accuracy > 0.5", "flops <= 1e6"]  # fmt: skip


def test_a_spec_may_have_several_outputs_in_expect():
    text = CLASSES + "output z: class(3) = y\nx -> dense(3) -> y\nx -> dense(3) -> z\n"
    assert codes(text + "train { epochs = 1 }\nexpect { test.z.accuracy > 0.5 }") == []
    assert codes(text + "train { epochs = 1 }\nexpect { test.accuracy > 0.5 }") == ["E0606"]


def test_types_of_a_program():
    assert types(VECTOR + "x -> y") == {"y": "float[4]"}


def test_a_metric_uses_the_target_of_its_output():
    """Also if no loss compares the output with its target."""
    text = "input x: float[4]\noutput y: float[4]\nx -> dense(4) -> y\ntrain {\n  loss = mse(y, x)\n%s}\n"
    assert spec(text % "").metrics == ()
    measured = spec(text % "  metrics = [mae]\n")
    assert [(name, metric.name) for name, metric in measured.metrics] == [("y", "mae")]
    assert measured.outputs[0].target_value in measured.graph.inputs
