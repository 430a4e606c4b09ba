"""Types: elements, scores of outputs, result types, dimensions."""

from __future__ import annotations

import pytest
from specs import VECTOR, codes, shapes, spec, types

from dlc.compiler.program import Facts
from dlc.compiler.types import Classes


@pytest.mark.parametrize(
    "type", ["float", "float16", "bfloat16", "float64", "uint8", "int8", "int16", "int32", "int64", "bool"]
)
def test_elements(type):
    program = spec(f"input x: {type}[2, 3]\noutput y: float[2, 3]\nx -> y")
    assert str(program.inputs[0].declared) == str(program.inputs[0].value.type) == f"{type}[2, 3]"


# The scores that an output of each type takes.
SCORES = {
    "float": "float",
    "float[4]": "float[4]",
    "binary": "float",
    'binary("no", "yes")[2]': "float[2]",
    "class(3)": "float[3]",
    "class(3)[5]": "float[5, 3]",
    "class(3)[8, 6]": "float[3, 8, 6]",
    'class(a, "b c")': "float[2]",
    "class([a, b, c])": "float[3]",
    "class(kinds)": "float[2]",
    "class(count + 1)": "float[4]",
    "int64[4]": "float[4]",
    "bool": "float",
}


@pytest.mark.parametrize("type", SCORES)
def test_scores(type):
    shape = SCORES[type].removeprefix("float").strip("[]") or "1"
    size = eval_product(shape)
    text = f'param kinds = ["a", "b"]\nparam count = 3\ninput x: float[4]\noutput y: {type}\n'
    program = spec(f"{text}x -> dense({size}) -> reshape({shape}) -> y")
    assert str(program.outputs[0].scores.type) == SCORES[type]


def eval_product(shape: str) -> int:
    result = 1
    for size in shape.split(","):
        result *= int(size)
    return result


def test_names_of_classes():
    text = 'input a: class(x, "y z")\noutput b: class(like=a)\noutput c: binary("n", "y")\nh = (a == 0) * 1\n'
    program = spec(f"{text}h -> dense(2) -> b\nh -> dense(1) -> c")
    assert [o.declared.classes for o in program.outputs] == [Classes(2, ("x", "y z")), Classes(2, ("n", "y"))]


def test_classes_that_are_found_in_the_data():
    text = "input x: float[4]\noutput y: class(auto)\nx -> dense(y.classes) -> y"
    assert [str(s) for s in shapes(text)["dense.weight"]] == ["y.classes", "4"]
    facts = Facts({"y": Classes(7, tuple("abcdefg"))})
    assert shapes(text, facts=facts)["dense.weight"] == (7, 4)
    assert codes(text.replace("y.classes", "5")) == ["E0507"]


def test_outputs_that_share_a_target_share_its_classes():
    text = "input x: float[4]\noutput y: class(auto)\noutput z: class(auto) = y\n"
    assert codes(text + "x -> dense(y.classes) -> y\nx -> dense(z.classes) -> z\ntrain { epochs = 1 }") == []


def test_shape_1_is_accepted_for_a_scalar_output():
    assert types("input x: float[1]\noutput y: float\nx -> y") == {"y": "float"}
    assert types("input x: float[4]\noutput y: binary\nx -> dense(1) -> sigmoid -> y") == {"y": "float"}
    assert codes("input x: float[2]\noutput y: float\nx -> y") == ["E0507"]


# --- scores before a matching activation --------------------------------------------------------------------

MATCHING = [
    ("class(3)", "dense(3) -> softmax", "dense"),
    ("class(3)[2]", "dense(6) -> reshape(2, 3) -> softmax", "reshape"),
    ("class(3)[2, 2]", "dense(12) -> reshape(3, 2, 2) -> softmax(axis=0)", "reshape"),
    ("binary", "dense(1) -> sigmoid", "slice"),
    ("binary[3]", "dense(3) -> sigmoid", "dense"),
    ("binary", "dense(1) -> threshold", "slice"),
]


@pytest.mark.parametrize(("type", "flow", "producer"), MATCHING)
def test_scores_are_the_input_of_a_matching_activation(type, flow, producer):
    program = spec(f"input x: float[4]\noutput y: {type}\nx -> {flow} -> y")
    output = program.outputs[0]
    producers = {r: n.operator.name for n in program.graph.nodes for r in n.results}
    assert output.scores is not output.flowed
    assert producers[output.scores] == producer
    assert program.warnings == ()


@pytest.mark.parametrize(
    ("type", "flow"),
    [("class(3)", "dense(3)"), ("class(3)[2, 2]", "dense(12) -> reshape(3, 2, 2) -> softmax"),
     ("float", "dense(1)"), ("float[3]", "dense(3) -> sigmoid"), ("bool", "dense(1) -> sigmoid")],
)  # fmt: skip
def test_scores_of_other_outputs_are_the_value_itself(type, flow):
    output = spec(f"input x: float[4]\noutput y: {type}\nx -> {flow} -> y").outputs[0]
    assert output.scores is output.flowed


def test_activations_that_do_not_match_the_type_are_warned_of():
    for type, activation in [
        ("binary", "relu"),
        ("float[3]", "softmax"),
        ("class(3)", "sigmoid"),
        ("class(3)", "threshold"),
    ]:
        units = 1 if type == "binary" else 3
        assert codes(f"input x: float[4]\noutput y: {type}\nx -> dense({units}) -> {activation} -> y") == [
            "W0401"
        ]


# --- elements of results ------------------------------------------------------------------------------------

ARITHMETIC = {
    "u + u": "int64[4]",
    "u * 2": "int64[4]",
    "u * 2.0": "float[4]",
    "u / u": "float[4]",
    "u // 2": "int64[4]",
    "u % 3": "int64[4]",
    "u > 1": "bool[4]",
    "b + b": "int64[4]",
    "b * f": "float[4]",
    "exp(u)": "float[4]",
    "u + h": "float[4]",
    "k == 1": "bool",
    "k == k": "bool",
    "-u": "int64[4]",
    "not b": "bool[4]",
    "u @ f": "float",
    "sum(u)": "int64",
    "u": "uint8[4]",
}


@pytest.mark.parametrize("expression", ARITHMETIC)
def test_elements_of_arithmetic(expression):
    text = "input u: uint8[4]\ninput b: bool[4]\ninput f: float[4]\ninput h: float16[4]\ninput k: class(3)\n"
    program = spec(f"{text}output y: float[4]\na = {expression}\nf -> y")
    assert str(program.bindings["a"].type) == ARITHMETIC[expression]


def test_classes_support_only_equality():
    text = "input k: class(3)\noutput y: float\n"
    assert codes(text + "k + 1 -> y") == ["E0202"]
    assert codes(text + "k < 1 -> y") == ["E0202"]


# --- dimensions ---------------------------------------------------------------------------------------------

DIMENSIONS = [
    ("input a: float[T, 4]\noutput y: float[T, 8]", "a -> dense(8)"),
    ("input a: float[T + 1, 4]\noutput y: float[T, 4]", "a[1:]"),
    ("input a: float[2 * T]\noutput y: float[T, 2]", "a -> reshape(-1, 2)"),
    ("input a: float[2, T]\noutput y: float[2, (T - 1) // 2 + 1]", "a -> conv(2, 1, stride=2)"),
    ("input a: float[3, H, W]\noutput y: class(5)[H, W]", "a -> conv(5, 3, padding=same)"),
    ("param n = 3\ninput a: float[n * 2, n]\noutput y: float[6, 3]", "a"),
    ("input a: float[T, 4]\noutput y: float[U, 4]", "a"),
    ("input a: float[T, 4]\noutput y: float[4]", "a -> mean(axis=0)"),
]


@pytest.mark.parametrize(("declared", "flow"), DIMENSIONS)
def test_dimensions_that_hold(declared, flow):
    assert codes(f"{declared}\n{flow} -> y") == []


def test_dimensions_that_cannot_be_proved_equal():
    assert codes("input a: float[T]\ninput b: float[U]\noutput y: float[T]\na + b -> y") == ["E0204"]
    assert codes("input a: float[T, 4]\noutput y: float[T, 4]\na[1:] -> y") != []
    assert codes("input a: float[T]\noutput y: float[T]\nif a.shape[0] == 3 { a -> y } else { a -> y }") == [
        "E0207"
    ]


def test_a_param_is_never_free():
    assert types("param T = 3\ninput a: float[T]\noutput y: float[3]\na -> y") == {"y": "float[3]"}


def test_a_free_dimension_of_outputs_alone_is_bound_by_the_value():
    program = spec("input a: float[T, 4]\noutput y: float[N, M]\na -> y")
    assert str(program.outputs[0].declared) == "float[T, 4]"


def test_conditions_that_hold_for_every_size_are_allowed():
    assert (
        codes("input a: float[T, 4]\noutput y: float[4]\nif a.shape[0] >= 1 { a -> mean(axis=0) -> y }") == []
    )
    assert codes(VECTOR + "if x.shape == [4] { x -> y }") == []
