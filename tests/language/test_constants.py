"""Lists of numbers as constant tensors, `eye`, and functions of static numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from specs import bound, codes, operators, spec, types

import dlc
from dlc.compiler.elaborate.scope import UNRESERVED

IMAGE = "input image: uint8[3, 4, 4]\noutput y: float[3, 4, 4]\n"
VECTOR = "input x: float[3]\noutput y: float[3]\n"


def answers(text: str, **inputs: np.ndarray) -> np.ndarray:
    """The output `y`, after torch, ONNX Runtime and the reference implementation agree on it."""
    program = dlc.compile(text=text)
    model = program.onnx()
    made = program.torch()({name: torch.from_numpy(array) for name, array in inputs.items()})["y"]
    ran = onnxruntime.InferenceSession(model.SerializeToString()).run(["y"], inputs)[0]
    referred = ReferenceEvaluator(model).run(["y"], inputs)[0]
    np.testing.assert_allclose(made.detach().numpy(), ran, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(referred, ran, rtol=1e-5, atol=1e-6)
    return ran


def vectors(low: float = -2) -> np.ndarray:
    return np.random.default_rng(0).uniform(low, 2, (5, 3)).astype(np.float32)


# --- lists as tensors -------------------------------------------------------------------------------------


def test_an_image_is_normalized_per_channel() -> None:
    text = "(image / 255 - [[[0.485]], [[0.456]], [[0.406]]]) / [[[0.229]], [[0.224]], [[0.225]]] -> y"
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 4)).astype(np.uint8)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    wanted = (pixels / 255 - mean[:, None, None]) / std[:, None, None]
    np.testing.assert_allclose(answers(IMAGE + text, image=pixels), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("flow", "wanted"),
    [
        ("x - [1, 2, 3]", lambda x: x - [1, 2, 3]),
        ("[1, 2, 3] * x", lambda x: x * [1, 2, 3]),
        ("2 ** [0, 1, 2] + x", lambda x: np.add(x, [1, 2, 4])),
        ("x @ [[1, 2, 3], [4, 5, 6], [7, 8, 9]]", lambda x: x @ np.arange(1, 10).reshape(3, 3)),
        ("maximum(x, [0, 1, 0.5])", lambda x: np.maximum(x, [0, 1, 0.5])),
        ("where(x > [0, 1, -1], [1, 2, 3], 0)", lambda x: np.where(x > [0, 1, -1], [1, 2, 3], 0)),
        ("([1, 4, 9] -> sqrt) + x", lambda x: np.add(x, [1, 2, 3])),
        ("sqrt([1, 4, 9]) + x", lambda x: np.add(x, [1, 2, 3])),
        ("(x, [1.5, 2.5, 0]) -> stack -> sum(0)", lambda x: np.add(x, [1.5, 2.5, 0])),
        ("[x, [1.5, 2.5, 0]] -> stack -> sum(0)", lambda x: np.add(x, [1.5, 2.5, 0])),
        ("x * (2 * eye(3))[1]", lambda x: x * [0, 2, 0]),
        ("x @ (eye(3) + eye(3))", lambda x: 2 * x),
        ("x -> dense(3, weight=[[1, 2, 3], [0, 1, 0], [0, 0, 1]] / 2, bias=[1, 2, 3])",
         lambda x: x @ (np.array([[1, 2, 3], [0, 1, 0], [0, 0, 1]]) / 2).T + [1, 2, 3]),
        ("x -> dense(3, weight=eye(3), bias=false)", lambda x: x),
        ("(x + [3, 1, 2] -> sort(axis=0))[0]", lambda x: np.sort(np.add(x, [3, 1, 2]), axis=1)),
        ("x + ([3, 1, 2] -> sort(axis=0))[1]", lambda x: np.add(x, [1, 2, 0])),
        ("x -> gather([2, 0, 1], axis=0)", lambda x: x[:, [2, 0, 1]]),
        ("x * pad([1, 2], 1, 0, axis=0, mode=reflect)", lambda x: x * [2, 1, 2]),
        ("((x, [4]) -> concat -> pad(0, 2, axis=0, mode=edge))[3:6] + x", lambda x: x + 4),
        ("x + resize([[[1, 3]]], 1, 3, align_corners=true)[0, 0]", lambda x: np.add(x, [1, 2, 3])),
        ("x + grid_sample([[[1, 2], [3, 4]]], [[[-0.5, -0.5], [0, 0], [0.5, 0.5]]])[0, 0]",
         lambda x: np.add(x, [1, 2.5, 4])),
        ("x + cumsum([1, 2, 3], axis=0)", lambda x: np.add(x, [1, 3, 6])),
        ("twice([1, 2, 3]) + x", lambda x: np.add(x, [2, 4, 6])),
        ("x + constant_of(x)", lambda x: np.add(x, [3, 2, 1])),
        ("(x -> constant_of -> sqrt) + x", lambda x: x + np.sqrt([3, 2, 1])),
    ],
)  # fmt: skip
def test_a_list_is_a_tensor_where_one_is_expected(flow: str, wanted: Any) -> None:
    blocks = "block twice(a) { return 2 * a }\nblock constant_of(a) { return [3, 2, 1] }\n"
    made = answers(f"{blocks}{VECTOR}{flow} -> y\n", x=vectors())
    np.testing.assert_allclose(made, wanted(vectors()), rtol=1e-4, atol=1e-5)


def test_integers_alone_are_int64_and_booleans_are_bool() -> None:
    text = "input n: uint8[2]\noutput a, b, c: float[2]\n"
    made = types(text + "n + [1, 2] -> a\nn + [1, 2.5] -> b\n(n > 1) and [true, false] -> c\n")
    assert made == {"a": "int64[2]", "b": "float[2]", "c": "bool[2]"}


def test_a_list_is_the_initial_value_of_a_weight() -> None:
    text = f"{VECTOR}rows = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]\nweight a: float[3, 3] = {{}}\nx @ a -> y\n"
    for written, wanted in (
        ("rows", np.arange(1, 10).reshape(3, 3)),
        ("-rows / 2", -np.arange(1, 10).reshape(3, 3) / 2),
        ("rows @ rows", np.linalg.matrix_power(np.arange(1, 10).reshape(3, 3), 2)),
        ("eye(3)", np.eye(3)),
        ("full([[1, 0, 1]] + [[0, 0, 2]] + [[3, 0, 0]])", [[1, 0, 1], [0, 0, 2], [3, 0, 0]]),
    ):
        program = dlc.compile(text=text.format(written))
        assert np.array_equal(program.weights()["a"], wanted)
        assert [name for name, _ in program.torch().named_parameters()] == ["a"]
    layer = f"{VECTOR}x -> dense(3, init=eye(3), bias=false) -> y\n"
    assert np.array_equal(answers(layer, x=vectors()), vectors())


def test_only_loose_constants_are_nodes_of_the_graph() -> None:
    """Arithmetic of lists and functions of numbers are computed at compile time."""
    found = operators(f"{VECTOR}x * ([1, 2, 3] * 2 - [[3]] @ [1]) * sqrt(4) -> y\n")
    assert found == ["constant", "multiply", "constant", "multiply"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[1, 2] + [3]", [1, 2, 3]),
        ("[1, 2] * 2", [2, 4]),
        ("[1, 2] / [2, 4]", [0.5, 0.5]),
        ("[[1], [2]] - [10, 20]", [[-9, -19], [-8, -18]]),
        ("7 // [2, 3]", [3, 2]),
        ("[7, 8] % 3", [1, 2]),
        ("-[1, [2]]", [-1, [-2]]),
        ("[1, 2] @ [3, 4]", 11),
        ("[[1, 2], [3, 4]] @ [1, 1]", [3, 7]),
        ("[1, 1] @ [[1, 2], [3, 4]]", [4, 6]),
        ("[1, 2] == [1, 2]", True),
        ("1 / sqrt(64)", 0.125),
        ("round(1.5 * 7)", 10),
        ("round(-2.5)", -2),
        ("floor(-1.5)", -2),
        ("ceil(1.2)", 2),
        ("abs(-3)", 3),
        ("max(2, 1.5, 7)", 7),
        ("min(4, 3)", 3),
        ("exp(1) + log(2) + sin(3) + cos(4)", math.exp(1) + math.log(2) + math.sin(3) + math.cos(4)),
    ],
)
def test_arithmetic_of_lists_and_numbers_is_static(text: str, wanted: Any) -> None:
    found = bound(f"a = {text}")
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    "flow",
    [
        "x -> sum([0])",
        "x -> max(0)",
        "x -> reshape([1])",
        "x -> dense(max(3, 1))",
        "x -> dense(round(2.5 * 2))",
        "x -> gaussian_noise(1 / sqrt(64)) -> sum",
    ],
)
def test_a_setting_takes_a_list_or_a_number_first(flow: str) -> None:
    assert codes(f"input x: float[1]\noutput y: float\n{flow} -> dense(1) -> y\n") == []


def test_words_that_are_not_reserved_name_other_things() -> None:
    for word in UNRESERVED:
        assert codes(f"input {word}: float[4]\noutput y: float\n{word} -> dense(1) -> y\n") == []
    assert bound("eye = 3\nload = 4\na = eye + load") == 7
    block = "block eye(x) { return 2 * x }\ninput x: float[3]\noutput y: float[3]\neye(x) -> y\n"
    assert np.array_equal(answers(block, x=vectors()), 2 * vectors())


@pytest.mark.parametrize(
    ("flow", "code"),
    [
        ("x - [[1, 2, 3], [1, 2]]", "E0201"),
        ("x - [1, [2]]", "E0201"),
        ("x - [1, 2]", "E0203"),
        ("x - [1e39, 0, 0]", "E0201"),
        ("x - [1, 2, 3] / 0", "E0206"),
        ("x - [1, 2, 3] * [1, 2]", "E0203"),
        ("x - [1, 2, 3] @ [1, 2]", "E0203"),
        ("x - [1, 2, 3] * [\"a\"]", "E0205"),
        ("x * sqrt(-1)", "E0206"),
        ("x * exp(1000)", "E0206"),
        ("x @ eye(0)", "E0403"),
        ("x @ eye(5000)", "E0403"),
        ("x @ eye", "E0302"),
        ("x -> dense([3])", "E0405"),
        ("x -> dense(3, init=[1])", "E0403"),
        ("x -> dense(4, init=eye(3))", "E0406"),
    ],
)  # fmt: skip
def test_what_is_no_constant_is_an_error(flow: str, code: str) -> None:
    assert codes(f"{VECTOR}{flow} -> y\n")[0] == code


@pytest.mark.parametrize(
    ("flow", "at", "help"),
    [
        ("x / sqrt(T)", "T", "give that size a number in the type"),
        ("x / T", "T", "give that size a number in the type"),
        ("x / max(T, 3)", "T", "give that size a number in the type"),
        ("x + max([1, 2])", "max([1, 2])", "write `([1, 2] -> max)`"),
        ("k = [1, 2]\nx + max(k)", "max(k)", "write `(k -> max)`"),
        ("m = 2 * eye(3)\nweight w: float[3, 3] = m\nx @ w", "m", "initial values are written here"),
        ("x + sum(x.shape)", "sum(x.shape)", "write `(x.shape -> sum)`"),
        ("x -> dense(8 / 2)", "8 / 2", "`round`, `floor` and `ceil` make whole numbers"),
        ("x -> dense(int(7.5))", "int", "`round`, `floor` and `ceil` make whole numbers"),
        ("x @ torch.zeros(3)", "torch.zeros", "a number has any shape"),
        ("x * ramp(0, 1, 9)", "ramp", "the `decay` of an average net may be one"),
        ("x * ramp", "ramp", "the `decay` of an average net may be one"),
    ],
)
def test_the_fix_of_what_is_no_constant_is_told(flow: str, at: str, help: str) -> None:
    with pytest.raises(dlc.CompileError) as caught:
        spec(f"input t: float[T]\n{VECTOR}{flow} -> sum -> y\n")
    (problem,) = (d for d in caught.value.diagnostics if d.code != "E0203")
    assert (problem.span.text, help in problem.help) == (at, True)


def test_settings_that_take_members_take_functions_of_numbers() -> None:
    data = 'data {\nsource = builtin("iris")\nvalidation = min(0.1, 0.2)\ntest = round(10.2)\n}\n'
    train = "train {\nschedule = step(every=round(2.5), by=sqrt(0.01))\nclip = norm(max(1, 2))\n}\n"
    nets = "net f(a) { return a -> dense(3) }\nnet g = average(f, decay=max(0.5, 0.9))\n"
    assert codes(f"{nets}{VECTOR}x -> f -> g -> y\n{data}{train}") == []


def test_the_root_of_the_batch_size_is_a_number_of_the_loss() -> None:
    loss = "train { loss = mse(y) + mean(batch(y) ** 2) / sqrt(B) }"
    assert codes(f"{VECTOR}x -> dense(3) -> y\n{loss}\n") == []


def test_the_shape_of_initial_values_is_that_of_the_weight() -> None:
    with pytest.raises(dlc.CompileError, match=r"the numbers of float\[2\], and the weight is float\[3\]"):
        spec(f"{VECTOR}weight a: float[3] = [1, 2]\nx * a -> y\n")


@pytest.mark.parametrize("text", ["row * column", "column @ [row]"])
def test_the_work_of_static_arithmetic_is_bounded(text: str) -> None:
    row = f"[{', '.join(['1'] * 400)}]"
    column = f"[{', '.join(['[1]'] * 400)}]"
    assert codes(f"{VECTOR}row = {row}\ncolumn = {column}\na = {text}\nx -> y\n") == ["E0904"]


def test_the_numbers_of_constants_in_a_loop_are_bounded() -> None:
    row = f"[{', '.join(['1'] * 300)}]"
    column = f"[{', '.join(['[1]'] * 300)}]"
    loop = "z = x\nfor i in range(20) { z = z + row * column }\nz -> y\n"
    declared = "input x: float[300, 300]\noutput y: float[300, 300]\n"
    assert codes(f"{declared}row = {row}\ncolumn = {column}\n{loop}") == ["E0902"]


@pytest.mark.parametrize("number", ["10000000000", "1e30"])
def test_the_numbers_of_matrix_products_are_bounded(number: str) -> None:
    loop = f"a = [[{number}]]\nfor i in range(40) {{ a = a @ a }}\n"
    assert codes(f"{VECTOR}{loop}x -> y\n") == ["E0206"]


def test_the_numbers_of_unit_matrices_are_bounded() -> None:
    loop = "z = x\nfor i in range(600) { z = z @ eye(4096) }\nz -> y\n"
    assert codes(f"input x: float[4096]\noutput y: float[4096]\n{loop}") == ["E0904"]


def test_a_long_list_is_shown_as_its_shape() -> None:
    numbers = f"[{', '.join(map(str, range(100)))}]"
    program = spec(
        f"input x: float[100]\noutput y: float[100]\nweight a: float[100] = {numbers}\nx * a -> y\n"
    )
    assert repr(program.graph.weights[0].initial) == "full(value=constant[100])"
