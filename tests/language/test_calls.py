"""Calls, stages, tuples, numbers as tensors."""

from __future__ import annotations

import pytest
from specs import VECTOR, bound, codes, names, operators, spec, types

TWO = "input a, b: float[4]\noutput y: float[4]\n"
BLOCK = "block f(p, q; k = 2, on = true) { return p * k - q if on else q }\n"

# Each pair is equivalent.
SAME = [
    ("f(a, b) -> y", "a -> f(b) -> y"),
    ("f(a, b, 3) -> y", "a -> f(b, 3) -> y"),
    ("f(a, b, k=3) -> y", "(a, b) -> f(3) -> y"),
    ("f(a, b) -> y", "(a, b) -> f -> y"),
    ("f(a, b) -> y", "g = f\ng(a, b) -> y"),
    ("f(a, b) -> y", "g = f(b)\na -> g -> y"),
    ("f(a, b) -> y", "g = f(b)\ng(a) -> y"),
    ("f(a, b) -> y", "f((a, b)) -> y"),
    ("f(a, b) -> y", "pair = (a, b)\npair -> f -> y"),
    ("f(a, b) -> y", "pair = [a, b]\nf(pair) -> y"),
    ("f(a, b, 2, true) -> y", "f(a, b, on=true, k=2) -> y"),
    ("a - b -> y", "h = a - b\nh -> y"),
    ("relu(a) -> y", "a -> relu -> y"),
    ("where(a > b, a, b) -> y", "(a > b) -> where(a, b) -> y"),
    ("where(a > b, a, 0) -> y", "(a > b, a, 0) -> where -> y"),
    ("maximum(a, 0) -> y", "(a, 0) -> maximum -> y"),
    ("concat(a, b) -> dense(4) -> y", "(a, b) -> concat -> dense(4) -> y"),
    ("concat(a, b, 0) -> dense(4) -> y", "(a, b) -> concat(axis=0) -> dense(4) -> y"),
    ("a -> dense(8) -> relu -> dense(4) -> y", "g = dense(8) -> relu\na -> g -> dense(4) -> y"),
    ("a -> dense(8) -> dense(4) -> y", "a -> dense(units=8, bias=true) -> dense(4, true) -> y"),
    ("a -> relu -> relu -> y", "a -> repeat(2, relu) -> y"),
    ("(a -> tanh) + a -> y", "a -> residual(tanh) -> y"),
    ("(a -> tanh) + (a -> relu) -> y", "a -> residual(tanh, skip=relu) -> y"),
    ("p, q = (a -> relu, b -> relu)\nf(p, q) -> y", "(a, b) -> each(relu) -> f -> y"),
    ("p, q = (a -> relu, a -> tanh)\nf(p, q) -> y", "a -> branch(relu, tanh) -> f -> y"),
    ("a -> relu -> y", "a -> (relu if true else tanh) -> y"),
    ("a -> relu -> y", "g = [tanh, relu]\na -> g[1] -> y"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_equivalent_calls(one, other):
    assert operators(TWO + BLOCK + one) == operators(TWO + BLOCK + other)
    assert names(TWO + BLOCK + one) == names(TWO + BLOCK + other)
    assert types(TWO + BLOCK + one) == types(TWO + BLOCK + other)


def operands(text: str, name: str) -> list[str]:
    """The operands of the only node of an operator."""
    (node,) = (n for n in spec(text).graph.nodes if n.operator.name == name)
    return [v.name for v in node.operands]


def test_tensors_that_flow_in_precede_the_tensors_in_parentheses():
    assert operands(TWO + "block f(p, q) { return p - q }\na -> f(b) -> y", "subtract") == ["a", "b"]
    assert operands(TWO + "block f(p, q) { return p - q }\nf(a, b) -> y", "subtract") == ["a", "b"]


def test_operators_of_any_number_of_tensors_are_applied_when_given_one():
    assert operands(TWO + "concat(a) -> y", "concat") == ["a"]
    assert codes(TWO + "a -> concat(b) -> dense(4) -> y") == ["E0501"]


def test_a_number_fills_a_setting_before_it_is_a_tensor():
    assert types(TWO + "h = a -> dense(3)\nh -> dense(4) -> y") == {"y": "float[4]"}
    assert operators(TWO + "maximum(a, 3) -> y") == ["constant", "maximum"]
    assert operators(TWO + "block f(p; k) { return p * k }\nf(a, 3) -> y") == ["constant", "multiply"]
    assert operators(TWO + "block f(p, q) { return p * q }\nf(a, 3) -> y") == ["constant", "multiply"]
    assert codes(TWO + "a + b -> dense(4) -> y\ntrain { loss = mse(y, 3) + huber(y, 1, delta=2) }") == []


def test_a_tuple_flows_as_several_tensors():
    assert types(TWO.replace("y:", "y, z:") + "(a, b) -> (y, z)") == {"y": "float[4]", "z": "float[4]"}
    assert types(TWO.replace("y:", "y, z:") + "(a, b) -> each(dense(4)) -> (y, z)") == {
        "y": "float[4]",
        "z": "float[4]",
    }
    assert types("input a, b: float as both\noutput y: float[2]\nboth -> concat -> y") == {"y": "float[2]"}
    assert types(TWO + "block f(p) { return p, p * 2 }\nh, g = f(a)\nh + g -> y") == {"y": "float[4]"}


def test_lists_hold_tensors_and_stages():
    text = "layers = [dense(8) -> relu, dense(4)]\nh = a\nfor layer in layers { h = h -> layer }\nh -> y"
    assert names(TWO + text) == ["dense", "dense_2"]
    text = "kept = []\nfor i in range(3) { kept = kept + [a * i] }\nkept -> concat -> dense(4) -> y"
    assert operators(TWO + text)[-2:] == ["concat", "dense"]


def test_defaults_see_the_settings_before_them():
    text = "block f(p; n, m = n * 2) { return p -> dense(m) }\na -> f(2) -> y"
    assert types(TWO + text) == {"y": "float[4]"}


def test_blocks_take_stages():
    text = "block twice(p; stage) { return p -> stage -> stage }\na -> twice(dense(4) -> relu) -> y"
    assert names(TWO + text) == ["twice.dense", "twice.dense_2"]


# --- scope --------------------------------------------------------------------------------------------------


def test_blocks_see_the_file_in_any_order():
    text = (
        "a -> f -> y\nblock f(p) { return (p -> g -> dense(width)) * w }\nblock g(p) { return p -> relu }\n"
        "param width = 4\nweight w: float[4] = ones\n"
    )
    assert names(TWO + text) == ["f.dense", "w"]


def test_blocks_see_attributes_of_inputs_and_outputs():
    text = (
        "input k: class(7)\noutput c: class(5)\n"
        "block f(p) { return p -> dense(k.classes + b.features) -> dense(c.classes) }\n"
    )
    assert types(TWO + text + "a -> f -> c\na -> y") == {"c": "float[5]", "y": "float[4]"}
    assert spec(TWO + text + "a -> f -> c\na -> y").output("c").scores.type.shape == (5,)


@pytest.mark.parametrize("use", ["a", "h", "y"])
def test_blocks_do_not_see_tensors_of_the_file(use):
    text = f"h = a * 2\nblock f(p) {{ return p + {use} }}\nb -> f -> y"
    assert codes(TWO + text) == ["E0304"] if use != "y" else ["E0504"]


def test_names_of_a_block_are_its_own():
    assert (
        operators(TWO + "h = 3\nblock f(p) { h = p * 2\n return h }\na -> f -> y\ng = h + 1")[-1]
        == "multiply"
    )
    assert codes(TWO + "block f(p; b) { a = p\n return a * b }\na + b -> f(2) -> y") == []


def test_recursion_ends_with_an_if():
    text = "block f(p; n) { if n == 0 { return p }\n return p -> dense(4) -> f(n - 1) }\na -> f(3) -> y"
    assert names(TWO + text) == ["f.dense", "f.f.dense", "f.f.f.dense"]


# --- static control -----------------------------------------------------------------------------------------


def test_only_the_chosen_side_is_compiled():
    assert names(
        TWO + "if 1 > 2 { h = a -> dense(3) } else if true { h = a -> dense(4) } else { h = b }\nh -> y"
    ) == ["dense"]
    assert codes(TWO + "h = a -> dense(4) if true else a[9]\nh + b -> y") == []


def test_for_iterates_over_lists_and_pairs():
    assert spec(TWO + "s = 0\nfor i in [1, 2, 3] { s = s + i }\na -> y").bindings["s"] == 6
    assert spec(TWO + "s = 0\nfor i, j in zip([1, 2], [3, 4]) { s = s + i * j }\na -> y").bindings["s"] == 11
    assert spec(TWO + "for i in range(3) { }\na -> y").bindings["i"] == 2


def test_early_return():
    text = "block f(p) { for i in range(9) { if i == 2 { return p * i } }\n return p }\na -> f -> y"
    assert operators(TWO + text) == ["constant", "multiply"]


# --- attributes and indexing --------------------------------------------------------------------------------

ATTRIBUTES = {
    "x.shape": [3, 8, 6],
    "x.rank": 3,
    "x.features": 6,
    "x.channels": 3,
    "k.classes": 5,
    "c.classes": 2,
    "x[0].shape": [8, 6],
}


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_attributes_of_tensors(attribute):
    text = (
        "input x: float[3, 8, 6]\ninput k: class(5)\noutput c: class(p, q)\nx -> flatten -> dense(2) -> c\n"
    )
    assert spec(f"{text}a = {attribute}").bindings["a"] == ATTRIBUTES[attribute]


INDEXED = {
    "x[0]": "float[8, 6]", "x[-1]": "float[8, 6]", "x[1:]": "float[2, 8, 6]", "x[:, 1:9:2]": "float[3, 4, 6]",
    "x[..., 0]": "float[3, 8]", "x[0, ..., 1]": "float[8]", "x[0, 1, 2]": "float", "x[:-1]": "float[2, 8, 6]",
    "x[0, :, 1:3]": "float[8, 2]", "x[x.rank - 2]": "float[8, 6]",
}  # fmt: skip


@pytest.mark.parametrize("index", INDEXED)
def test_indexing_leaves_the_batch_alone(index):
    text = "input x: float[3, 8, 6]\noutput y: float[3, 8, 6]\nx -> y\n"
    assert str(spec(f"{text}a = {index}").bindings["a"].type) == INDEXED[index]


def test_broadcasting_is_that_of_numpy_on_samples():
    text = "input x: float[3, 8, 6]\ninput v: float[6]\ninput s: float\noutput y: float[3, 8, 6]\n"
    assert types(text + "x * v + s -> y") == {"y": "float[3, 8, 6]"}
    assert types(text + "x + x[:, :, :1] * x[:1] -> y") == {"y": "float[3, 8, 6]"}
    assert codes(text + "x + x[0, :, 0] -> y") == ["E0203"]


def test_a_weight_is_a_tensor_like_any_other():
    text = "weight w: float[4, 8] = normal(0.1)\nweight c: float[8] = zeros\n"
    assert types(f"{VECTOR.replace('y: float[4]', 'y: float[8]')}{text}x @ w + c -> tanh -> y") == {
        "y": "float[8]"
    }


def test_a_number_given_to_a_block_takes_the_dtype_of_each_use():
    block = "block f(p, q) { return p * (q -> dense(4)), p + q + (q -> dense(4)) }\n"
    text = f"{TWO}{block}h, k = f(a, 2)\nh + k + b -> y\n"
    elements = [
        v.type.element for n in spec(text).graph.nodes if n.operator.name == "dense" for v in n.operands
    ]
    assert elements == ["float", "float"]
    assert "cast" not in operators(text.replace("p + q", "p"))


def test_a_sum_of_many_terms_is_not_nested():
    terms = [f"a * {n}" for n in range(1000)]
    flat = operators(f"{TWO}{' + '.join(terms)} -> y")
    assert (flat.count("add"), flat.count("multiply")) == (999, 1000)
    assert bound(f"a = {' - '.join(map(str, range(1000)))}") == 0 - sum(range(1000))
    assert bound("a = 2 * 3 - 4 * 5 - 6 ** 2 // 5") == 2 * 3 - 4 * 5 - 6**2 // 5


def test_each_term_of_a_sum_is_checked():
    assert codes(f"{TWO}a + nothing + a + nobody + a -> y") == ["E0301", "E0301"]
    assert codes(f"{TWO}h = false and nothing\na -> y") == ["E0301"]
    assert codes(f"{TWO}h = true or nothing or nobody\na -> y") == ["E0301", "E0301"]
