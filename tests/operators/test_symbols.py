"""Operator symbols have the meaning of NumPy and Python for each sample, in all engines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engines import agree, inference, models

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.dims.dim import free
from dlc.compiler.ir.graph import Graph
from dlc.compiler.lower import torch as to_torch
from dlc.compiler.operators.arithmetic import Cast, Constant, Matmul
from dlc.compiler.operators.operands import broadcast
from dlc.compiler.types import Tensor


def inference_of(text: str) -> Graph:
    program = compile(Source("signs.dl", text))
    return inference(program.graph, (program.bindings["y"],))


def evaluate(text: str, **feed: np.ndarray) -> np.ndarray:
    """The value of `y` in a small spec, after a comparison of all engines."""
    graph = inference_of(text)
    agree(graph)
    weights = {w.name: feed[w.name] for w in graph.weights}
    module = to_torch.Model(graph, graph.weights, weights)
    with torch.no_grad():
        return module({n: torch.from_numpy(x) for n, x in feed.items()})["y0"].numpy()


def refuse(text: str) -> tuple[str, str, str]:
    with pytest.raises(CompileError) as caught:
        compile(Source("signs.dl", text))
    (found,) = caught.value.diagnostics
    return found.code, found.message, found.help


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# --- remainders -------------------------------------------------------------------------------------------

WHOLE = np.array([[-7, -6, -1, 0, 1, 6, 7]])


def test_integers_divided_by_zero_are_zero_as_in_numpy():
    a, b = np.array([[7, -7, 0, 5, -5]]), np.array([[0, 0, 0, 2, -2]])
    with np.errstate(divide="ignore"):
        wanted = {"%": np.mod(a, b).tolist(), "//": np.floor_divide(a, b).tolist()}
    for sign, quotients in wanted.items():
        text = f"input a: int64[5]\ninput b: int64[5]\ny = a {sign} b\n"
        assert evaluate(text, a=a, b=b).tolist() == quotients


@pytest.mark.parametrize("divisor", [3, -3, 1, -7])
def test_integer_remainders_have_the_sign_of_the_divisor(divisor):
    wanted = [[n % divisor for n in WHOLE[0].tolist()], [n // divisor for n in WHOLE[0].tolist()]]
    assert evaluate(f"input a: int64[7]\ny = a % {divisor}\n", a=WHOLE).tolist() == wanted[:1]
    assert evaluate(f"input a: int64[7]\ny = a // {divisor}\n", a=WHOLE).tolist() == wanted[1:]


@pytest.mark.parametrize("divisor", [0.5, -0.5, 2.0, -3.0])
def test_float_remainders_have_the_sign_of_the_divisor(divisor):
    x = np.concatenate([WHOLE, WHOLE + 0.25], axis=1).astype(np.float32)
    assert evaluate(f"input a: float[14]\ny = a % {divisor}\n", a=x).tolist() == [
        [n % divisor for n in x[0].tolist()]
    ]
    assert evaluate(f"input a: float[14]\ny = a // {divisor}\n", a=x).tolist() == [
        [n // divisor for n in x[0].tolist()]
    ]


def test_float_floor_division_equals_pytorch():
    a, b = normal(50, 9), normal(50, 9, seed=1)
    made = evaluate("input a: float[9]\ninput b: float[9]\ny = a // b\n", a=a, b=b)
    assert (
        made.tolist() == torch.div(torch.from_numpy(a), torch.from_numpy(b), rounding_mode="floor").tolist()
    )


# --- large integers ---------------------------------------------------------------------------------------

LARGE = np.array([[0, 2**31, 2**31 - 1, 2**32 + 5, 255, 2**31 + 7, -1, -(2**31) - 3]])


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("minimum(a, 2147483650)", lambda x: np.minimum(x, 2147483650)),
        ("maximum(a, 255)", lambda x: np.maximum(x, 255)),
        ("a -> clip(-5, 255)", lambda x: x.clip(-5, 255)),
        ("max(a[:2])", lambda x: x[:, :2].max(1)),
        ("min(a[1:5])", lambda x: x[:, 1:5].min(1)),
        ("argmax(a)", lambda x: x.argmax(1)),
        ("a < 2147483650", lambda x: x < 2147483650),
    ],
)
def test_integers_above_32_bits(expression, wanted):
    graph = inference_of(f"input a: int64[8]\ny = {expression}\n")
    for run in models(graph, {}).values():
        assert run({"a": LARGE})["y0"].tolist() == wanted(LARGE).tolist()


# --- elements ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "element"),
    [
        ("a + b", "int64"), ("a * c", "int64"), ("a - 1", "int64"), ("a + 1.0", "float"), ("a / b", "float"),
        ("a // b", "int64"), ("a ** 2", "int64"), ("-c", "int64"), ("a @ b", "int64"), ("a @ x", "float"),
        ("a == x", "bool"), ("a < b", "bool"), ("c and a", "bool"), ("a + x", "float"),
    ],
)  # fmt: skip
def test_elements(expression, element):
    text = f"input a: uint8[3]\ninput b: int32[3]\ninput c: bool[3]\ninput x: float64[3]\ny = {expression}\n"
    assert compile(Source("signs.dl", text)).bindings["y"].type.element == element


def test_class_values_can_only_be_compared_for_equality():
    text = "input a: class(red, green)\ninput b: class(red, blue)\ny = a {} b\n"
    assert refuse(text.format("=="))[1] == "these cannot be compared: class(red, green) and class(red, blue)"
    assert refuse(text.format("+"))[0] == "E0202"
    assert refuse(text.format("<"))[0] == "E0202"
    assert refuse("input a: class(3)\ny = a == 0.5\n")[0] == "E0201"


# --- shapes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"), [((2, 3), (3,)), ((), (2, 3)), ((3, 1), (4,)), ((1, 1, 2), (5, 3, 1)), ((1,), ())]
)
def test_samples_broadcast_as_in_numpy(a, b):
    x, y = normal(7, *a), normal(7, *b, seed=1)
    spell = [f"float[{', '.join(map(str, s))}]" if s else "float" for s in (a, b)]
    made = evaluate(f"input a: {spell[0]}\ninput b: {spell[1]}\ny = a - b\n", a=x, b=y)
    np.testing.assert_array_equal(made, np.stack([p - q for p, q in zip(x, y, strict=True)]))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (5, 2, 3), (5, 1, 3)])
def test_declared_weights_broadcast_over_samples(shape):
    x, w = normal(7, 2, 3), normal(*shape, seed=1)
    spell = f"float[{', '.join(map(str, shape))}]" if shape else "float"
    made = evaluate(f"input x: float[2, 3]\nweight w: {spell} = zeros\ny = x * w\n", x=x, w=w)
    np.testing.assert_array_equal(made, np.stack([p * w for p in x]))


def test_the_error_for_mismatched_shapes_has_both_types_and_a_hint():
    text = "input a: float[64, 28, 28]\ninput b: float[128, 14, 14]\ny = a + b\n"
    assert refuse(text)[:2] == (
        "E0203",
        "these two cannot be added: float[64, 28, 28] and float[128, 14, 14]",
    )
    assert (
        "`reshape(3, 1)` makes float[3] fit"
        in refuse("input a: float[3]\ninput b: float[3, 5]\ny = a * b\n")[2]
    )
    text = "input a: float[T]\ninput b: float[2 * T]\ny = a * b\n"
    assert refuse(text) == (
        "E0204",
        "these two cannot be multiplied: float[T] and float[2 * T]",
        "`T` and `2 * T` cannot be proved equal",
    )


def test_an_axis_of_size_one_broadcasts_to_a_free_one():
    T = free("T")
    assert broadcast((Tensor("float", (T, 1)), Tensor("float", (1, 4)), Tensor("float")), "added") == (T, 4)


# --- the matrix product -----------------------------------------------------------------------------------

SHAPES = [(3,), (2, 3), (4, 2, 3), (5, 1, 2, 3)], [(3,), (3, 2), (4, 3, 2), (5, 4, 3, 6)]
PAIRS = [(a, b) for a in SHAPES[0] for b in SHAPES[1]]


def spelled(shape: tuple[int, ...]) -> str:
    return f"float[{', '.join(map(str, shape))}]"


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_matrix_product_of_samples_equals_numpy(a, b):
    x, y = normal(7, *a), normal(7, *b, seed=1)
    made = evaluate(f"input a: {spelled(a)}\ninput b: {spelled(b)}\ny = a @ b\n", a=x, b=y)
    np.testing.assert_allclose(
        made, np.stack([p @ q for p, q in zip(x, y, strict=True)]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(("a", "b"), PAIRS)
@pytest.mark.parametrize("weight", ["a", "b"])
def test_the_matrix_product_with_declared_weights_equals_numpy(a, b, weight):
    x, y = normal(*a if weight == "a" else (7, *a)), normal(*b if weight == "b" else (7, *b), seed=1)
    heads = [
        f"weight {n}: {spelled(s)} = zeros\n" if n == weight else f"input {n}: {spelled(s)}\n"
        for n, s in (("a", a), ("b", b))
    ]
    made = evaluate(f"{''.join(heads)}y = a @ b\n", a=x, b=y)
    samples = [(x if weight == "a" else x[i]) @ (y if weight == "b" else y[i]) for i in range(7)]
    np.testing.assert_allclose(made, np.stack(samples), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_matrix_product_of_integers_is_exact(a, b):
    rng = np.random.default_rng(0)
    x, y = rng.integers(-(2**30), 2**30, (4, *a)), rng.integers(-9, 9, (4, *b))
    text = f"input a: {spelled(a)}\ninput b: {spelled(b)}\ny = a @ b\n".replace("float", "int64")
    made = evaluate(text, a=x, b=y)
    np.testing.assert_array_equal(made, np.stack([p @ q for p, q in zip(x, y, strict=True)]))


def test_a_weight_is_not_expanded_to_the_batch():
    text = "input x: float[784]\nweight w: float[784, 128] = zeros\ny = x @ w\n"
    assert [n.operator.name for n in compile(Source("signs.dl", text)).graph.nodes] == ["matmul"]


def test_the_error_for_unequal_matrices_suggests_a_transpose():
    code, message, help = refuse("input a: float[2, 3]\ninput b: float[4, 3]\ny = a @ b\n")
    assert (code, message) == (
        "E0203",
        "these two cannot be multiplied as matrices: float[2, 3] and float[4, 3]",
    )
    assert help == (
        "the rows of the first have 3 entries, the columns of the second 4; use the `transpose` of the second"
    )


def test_multiply_adds_of_a_product():
    assert Matmul().bind(Tensor("float", (5, 2, 3)), Tensor("float", (3, 4))).multiply_adds() == 5 * 2 * 4 * 3


# --- constants and casts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "gives"),
    [
        (3, "int64"),
        (0.5, "float"),
        (True, "bool"),
        ((1, 2), "int64[2]"),
        (((1, 2.0, 3),), "float[1, 3]"),
        ((True, 2), "int64[2]"),
    ],
)
def test_constants_have_the_element_of_their_values(value, gives):
    made = Constant(value=value).bind().results[0]
    assert str(made) == gives
    assert not made.batched


@pytest.mark.parametrize("value", [((1, 2), (3,)), (), ((),), 2**63, 1e39, float("inf"), ((1,), 2)])
def test_constants_that_are_not_tensors_are_rejected(value):
    with pytest.raises(Reject) as caught:
        Constant(value=value).bind()
    assert caught.value.at == "value"


def test_constants_that_are_equal_in_python_differ_by_type():
    values = [Constant(value=v) for v in (1, 1.0, True)]
    assert len(set(values)) == 3
    assert Constant(value=(1, 2)) == Constant(value=(1, 2))


@pytest.mark.parametrize("to", ["int64", "uint8", "bool", "float64", "float16"])
def test_casts(to):
    cast = Cast(to=to).bind(Tensor("float", (4,)))
    x = torch.tensor([[0.0, 0.9, 1.5, 200.0]])
    assert cast.torch(torch, x).tolist() == x.numpy().astype({"bool": bool}.get(to, to)).tolist()
