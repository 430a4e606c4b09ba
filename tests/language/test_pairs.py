"""Hand-written losses that broadcast to every pair of a prediction and a target give a warning, and its help
removes it. Intended matrices of pairs give none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from specs import codes, spec

from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import specialize

ROW = "input x: float[10, 4]\noutput y: float[10]\nx -> flatten -> dense(10) -> y\n"
COLUMN = ROW + "column = x -> dense(1)\n"
FREE = "input x: float[T, 4]\noutput y: float[T]\ncolumn = x -> dense(1)\nx -> dense(1) -> reshape(T) -> y\n"
HEADS = (
    "input x: float[10, 4]\noutput y: float[10]\nm, v = x -> dense(2) -> split(2, axis=-1)\nm[..., 0] -> y\n"
)
CALLED = "block error(a, t) {\n  return mean((a - t) ** 2)\n}\n"
WITHIN = (
    "block nll(s, t, v) { return (s - t) ** 2 / v }\nblock f(s, t, v) { return mean(nll(s, t, exp(v))) }\n"
)


def train(loss: str) -> str:
    return f"train {{ loss = {loss} }}\n"


# Each with the wrong text, and the text that the help suggests.
SUSPICIOUS = {
    "a difference": (COLUMN + train("mean((column - y.target) ** 2)"), "column -", "reshape(column, 10) -"),
    "the other way round": (
        COLUMN + train("mean(abs(y.target - column))"), "- column", "- reshape(column, 10)"),
    "a comparison": (
        COLUMN + train("mse(y) + mean(where(y.target > column, 1.0, 0.0) * y)"),
        "> column", "> reshape(column, 10)"),
    "a product": (
        COLUMN + train("mse(y) - mean(column * y.target)"), "column *", "reshape(column, 10) *"),
    "a power": (COLUMN + train("mse(y) - mean(y.target ** column)"), "** column", "** reshape(column, 10)"),
    "the greater of both": (
        COLUMN + train("mse(y) + mean(maximum(column, y.target))"), "(column,", "(reshape(column, 10),"),
    "a choice by the target": (
        COLUMN + train("mse(y) + mean(where(y.target > 1, column, 0.0))"),
        ", column", ", reshape(column, 10)"),
    "a choice by a class": (
        COLUMN + "output c: class(3)[10]\nx -> dense(3) -> c\n"
        + train("mse(y) + mean(where(c.target != 0, column, 0.0))"), ", column", ", reshape(column, 10)"),
    "a target that is computed with": (
        COLUMN + train("mean((column - (y.target - 1) / 2) ** 2)"), "column -", "reshape(column, 10) -"),
    "a free length": (FREE + train("mean((column - y.target) ** 2)"), "column -", "reshape(column, T) -"),
    "two heads": (HEADS + train("mean((m - y.target) ** 2)"), "(m -", "(reshape(m, 10) -"),
    "a variance": (
        HEADS + train("mean((y - y.target) ** 2 / exp(v) + v[..., 0])"), "exp(v)", "reshape(exp(v), 10)"),
    "a block": (COLUMN + CALLED + train("error(column, y.target)"), "a - t", "reshape(a, 10) - t"),
    "a block within a block": (
        HEADS + WITHIN + train("f(y, y.target, v)"), "/ v }", "/ reshape(v, 10) }"),
    "a weight of each row": (
        "input w: float[10, 1]\n" + ROW + train("mean(w * (y - y.target) ** 2)"),
        "w * (", "reshape(w, 10) * ("),
    "a loss of each place": (
        COLUMN + train("mean(mse(y, reduce=none) * exp(column))"), "exp(column)", "reshape(exp(column), 10)"),
    "another length": (
        ROW + "other = x -> transpose -> dense(1)\n" + train("mse(y) + mean((other - y.target) ** 2)"),
        "other -", "reshape(other, 4, 1) -"),
}  # fmt: skip

INTENDED = {
    "pairs of answers": COLUMN + train("mse(y) + 0.1 * mean(column * y)"),
    "pairs of targets": ROW + train("mse(y) + mean((y.target > 0) * reshape(y.target, 10, 1))"),
    "which targets are alike": (
        "input x: float[10, 4]\noutput c: class(3)[10]\nh = x -> dense(2)\nx -> dense(3) -> c\n"
        "block same(a, b) { return a == reshape(b, 10, 1) }\n"
        + train("cross_entropy(c) + mean(where(same(c.target, c.target), 1.0, -1.0) * (h @ transpose(h)))")),
    "a kernel of answers and targets": (
        ROW + "block kernel(a, b) { return exp(-1 * (reshape(a, 10, 1) - reshape(b, 1, 10)) ** 2) }\n"
        + train("mean(kernel(y, y)) - 2 * mean(kernel(y, y.target))")),
    "a kernel with one axis written": (
        ROW + "block kernel(a, b) { return abs(reshape(a, 10, 1) - b) }\n"
        + train("mean(kernel(y, y.target)) - 0.5 * mean(kernel(y, y))")),
    "differences of errors": (
        ROW + "block pairs(d) { return mean((d - reshape(d, 10, 1)) ** 2) }\n"
        + train("pairs(y - y.target) + mse(y)")),
    "masks of rows and of columns": (
        "input x: float[6, 5]\ninput r: float[6, 1]\ninput c: float[1, 5]\noutput y: float[6, 5]\n"
        "x -> dense(5) -> y\n" + train("mean(r * c * (y - y.target) ** 2)")),
    "a mask that is an input": "input m: float[10, 1]\n" + ROW + train("mse(y) + mean(m * y.target)"),
    "a weight without a batch": (
        ROW + "weight w: float[10, 1] = ones\n" + train("mse(y) + mean(w * (y - y.target) ** 2)")),
    "a sum of terms": COLUMN + train("mean((y - y.target) ** 2 + abs(column))"),
    "quantiles of one value": (
        "input x: float[4]\noutput y: float\nq = x -> dense(3)\nq[1] -> y\n"
        + train("mean(abs(q - y.target))")),
    "several guesses of a row": (
        ROW + "guesses = x -> flatten -> dense(30) -> reshape(3, 10)\n"
        + train("mse(y) + mean((guesses - y.target) ** 2)")),
    "one value for a row": (
        ROW + "one = x -> flatten -> dense(1)\n" + train("mse(y) + mean((one - y.target) ** 2)")),
    "a column of a column": (
        "input x: float[10, 4]\noutput y: float[10, 1]\nx -> dense(1) -> y\n"
        + train("mean((y - y.target) ** 2)")),
    "attention within the network": (
        "input x: float[10, 4]\noutput y: float[10]\na = x -> dense(1)\nb = x -> dense(1) -> reshape(10)\n"
        "sum(a * b, axis=1) -> y\n" + train("mse(y)")),
}  # fmt: skip


@pytest.mark.parametrize("name", SUSPICIOUS)
def test_it_warns_once_and_the_help_silences_it(name: str) -> None:
    text, old, new = SUSPICIOUS[name]
    assert codes(text) == ["W0413"]
    assert text.count(old) == 1
    assert codes(text.replace(old, new)) == []


@pytest.mark.parametrize("name", SUSPICIOUS)
def test_it_is_allowed_on_its_line(name: str) -> None:
    text = SUSPICIOUS[name][0]
    lines = text.splitlines()
    lines[(spec(text).warnings[0].line or 0) - 1] += "  # allow W0413: every pair is meant"
    assert codes("\n".join(lines)) == []


@pytest.mark.parametrize("name", INTENDED)
def test_it_is_silent(name: str) -> None:
    assert codes(INTENDED[name]) == []


def test_the_help_has_the_name_and_the_shape() -> None:
    (found,) = spec(SUSPICIOUS["a block"][0]).warnings
    assert found.message == "`-` combines every pair of values: float[10, 1] and float[10] give float[10, 10]"
    assert found.help == "`reshape(a, 10)` has the shape of `t`"
    (found,) = spec(SUSPICIOUS["a variance"][0]).warnings
    assert found.help == "`reshape(10)` after the float[10, 1] gives it the shape of the float[10]"
    (found,) = spec(SUSPICIOUS["another length"][0]).warnings
    assert found.help == (
        "give `other` the shape of `y.target`; `reshape(other, 4, 1)` says that every pair is intended"
    )


def test_the_fixed_loss_is_that_of_numpy() -> None:
    text, old, new = SUSPICIOUS["a difference"]
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 10, 4), np.float32), rng.standard_normal((5, 10), np.float32)
    losses = {}
    for name, own in (("pairs", text), ("fixed", text.replace(old, new))):
        program = spec(own)
        weights = draw(program.graph, seed=0)
        module = Model(specialize.validation(program), program.graph.weights, weights)
        losses[name] = module({"x": torch.from_numpy(x), "y": torch.from_numpy(y)})[specialize.LOSS].item()
    column = x @ weights["dense_2.weight"].T + weights["dense_2.bias"]
    assert losses["fixed"] == pytest.approx(np.mean((column[..., 0] - y) ** 2), rel=1e-5)
    assert losses["pairs"] == pytest.approx(np.mean((column - y[:, None]) ** 2), rel=1e-5)
