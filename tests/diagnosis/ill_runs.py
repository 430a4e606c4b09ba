"""Trainings that are made ill, and the kind of illness of each: a spec, and rows that are made for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Rows = dict[str, Any]


@dataclass(frozen=True)
class Ill:
    """A training with one illness. Without `rows` the spec names its source."""

    kind: str
    name: str
    spec: str
    rows: Callable[[], Rows] | None = None


DIGITS = """
input  image: float[64]
output digit: class(10)
image / 16 -> {layers} -> digit
data {{
  source = builtin("digits")
  {data}
}}
train {{
  {train}
}}
"""


def digits(layers: str, train: str, data: str = "validation = 0.2") -> str:
    return DIGITS.format(layers=layers, train=train.replace("; ", "\n  "), data=data)


def on(kind: str, layers: str, train: str, features: int = 8, split: str = "validation = 0.2",
       more: str = "") -> str:  # fmt: skip
    """A spec with `features` inputs and an output of this kind."""
    train = train.replace("; ", "\n  ")
    return f"input  x: float[{features}]\n{more}output y: {kind}\nx -> {layers} -> y\n" \
           f"data {{ {split} }}\ntrain {{\n  {train}\n}}\n"  # fmt: skip


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def inputs(rows: int, features: int = 8, seed: int = 0) -> np.ndarray:
    return generator(seed).normal(size=(rows, features)).astype(np.float32)


def noise(rows: int = 200) -> Rows:
    """Classes that have nothing to do with the inputs."""
    return {"x": inputs(rows), "y": generator(1).integers(0, 2, rows)}


def smooth(rows: int = 60, noise: float = 0.5) -> Rows:
    x = inputs(rows)
    y = np.sin(x[:, 0]) + 0.5 * x[:, 1] + noise * generator(2).normal(size=rows)
    return {"x": x, "y": y.astype(np.float32)}


def linear(rows: int = 800, scale: float = 1.0) -> Rows:
    x = inputs(rows)
    y = x @ np.linspace(-1, 1, 8) + 0.1 * generator(2).normal(size=rows)
    return {"x": x * np.float32(scale), "y": y.astype(np.float32)}


def far(rows: int = 800) -> Rows:
    """Numbers whose mean is far from 0, compared with how they differ."""
    made = linear(rows)
    return made | {"y": (300 + 20 * made["y"]).astype(np.float32)}


def product(rows: int = 600) -> Rows:
    """The class is the sign of a product, which no line parts."""
    x = inputs(rows)
    return {"x": x, "y": (x[:, 0] * x[:, 1] > 0).astype(np.int64)}


def ring(rows: int = 600) -> Rows:
    x = inputs(rows)
    return {"x": x, "y": (np.hypot(x[:, 0], x[:, 1]) > 1.18).astype(np.int64)}


def sides(rows: int = 600, classes: int = 2, scale: float = 1.0, shift: float = 0.0) -> Rows:
    """The class is the place of a sum between its quantiles."""
    x = inputs(rows)
    total = x[:, 0] + x[:, 1] - x[:, 2]
    y = np.searchsorted(np.quantile(total, np.linspace(0, 1, classes + 1)[1:-1]), total)
    return {"x": (x * scale + shift).astype(np.float32), "y": y.astype(np.int64)}


def rare(rows: int = 1500, share: float = 0.03, classes: int = 2) -> Rows:
    """The last class is rare, and overlaps with the others."""
    x, rng = inputs(rows), generator(3)
    y = (x[:, 0] > 0).astype(np.int64) if classes > 2 else np.zeros(rows, np.int64)
    few = rng.random(rows) < share
    y[few] = classes - 1
    x[few, 3] += 1.0
    return {"x": x, "y": y}


def told(rows: int = 600) -> Rows:
    """One column is the target in other units."""
    made = smooth(rows, 1.0)
    made["x"][:, 5] = made["y"] * 3.7 + 12
    return made


def numbered(rows: int = 600) -> Rows:
    """One column numbers the rows class by class."""
    made = sides(rows)
    order = np.argsort(made["y"], kind="stable")
    made["x"][order, 7] = np.arange(rows)
    return made


def repeated(rows: int = 300) -> Rows:
    """Each row stands there several times."""
    made = noise(rows)
    return {name: np.concatenate([values] * 3) for name, values in made.items()}


def deep(layer: str, count: int, last: str) -> str:
    return " -> ".join([layer] * count + [last])


ILL = (
    Ill("overfitting", "few_digits", digits("dense(128) -> relu -> dense(10)",
        "optimizer = adam(lr=3e-3); epochs = 25; batch = 8", "validation = 0.98")),
    Ill("overfitting", "noise_is_learnt", on("binary", "dense(128) -> relu -> dense(64) -> relu -> dense(1)",
        "optimizer = adam(lr=3e-3); epochs = 60; batch = 32"), noise),
    Ill("overfitting", "few_rows_of_a_curve", on("float",
        "dense(128) -> relu -> dense(128) -> relu -> dense(1)",
        "optimizer = adam(lr=3e-3); epochs = 150; batch = 16",
        split="validation = 0.4"), smooth),
    Ill("underfitting", "a_line_for_a_product", on("binary", "dense(1)",
        "optimizer = adam(lr=0.02); epochs = 60; batch = 32"), product),
    Ill("underfitting", "a_line_for_a_ring", on("class(2)", "dense(2)",
        "optimizer = adam(lr=0.02); epochs = 60; batch = 32"), ring),
    Ill("underfitting", "a_penalty_that_wins", on("float", "dense(16) -> relu -> dense(1)",
        "optimizer = adam(lr=0.01); epochs = 40; batch = 32; regularize = l2(3)"), linear),
    Ill("underfitting", "one_unit_for_ten_digits", digits("dense(1) -> tanh -> dense(10)",
        "optimizer = adam(lr=0.01); epochs = 40; batch = 64")),
    Ill("rate_too_high", "sgd_diverges", on("float", "dense(16) -> relu -> dense(1)",
        "optimizer = sgd(lr=3); epochs = 20; batch = 32"), linear),
    Ill("rate_too_high", "adam_jumps", digits("dense(64) -> relu -> dense(10)",
        "optimizer = adam(lr=1); epochs = 20; batch = 64")),
    Ill("rate_too_high", "momentum_swings", on("float", "dense(16) -> tanh -> dense(1)",
        "optimizer = sgd(lr=0.5, momentum=0.98); epochs = 40; batch = 32"), linear),
    Ill("rate_too_high", "rmsprop_jumps", on("float", "dense(32) -> tanh -> dense(1)",
        "optimizer = rmsprop(lr=0.5); epochs = 30; batch = 32"), linear),
    Ill("rate_too_high", "a_step_that_kills", digits("dense(64) -> relu -> dense(64) -> relu -> dense(10)",
        "optimizer = sgd(lr=1, momentum=0.9); epochs = 15; batch = 64")),
    Ill("rate_too_low", "a_mean_far_away", on("float", "dense(16) -> relu -> dense(1)",
        "optimizer = adam(lr=1e-3); epochs = 40; batch = 32"), far),
    Ill("underfitting", "always_the_same_class", on("binary",
        "dense(4, init=normal(0.0001)) -> sigmoid -> dropout(0.99) -> dense(1)",
        "optimizer = sgd(lr=0.1); epochs = 30; batch = 32"), lambda: rare(share=0.38)),
    Ill("rate_too_low", "adam_crawls", digits("dense(64) -> relu -> dense(10)",
        "optimizer = adam(lr=3e-6); epochs = 20; batch = 64")),
    Ill("rate_too_low", "sgd_crawls", digits("dense(32) -> tanh -> dense(10)",
        "optimizer = sgd(lr=1e-4); epochs = 20; batch = 64")),
    Ill("rate_too_low", "a_number_is_not_reached", on("float", "dense(16) -> relu -> dense(1)",
        "optimizer = sgd(lr=1e-5); epochs = 40; batch = 32"), linear),
    Ill("vanishing_gradients", "ten_sigmoids", on("class(3)", deep("dense(16) -> sigmoid", 10, "dense(3)"),
        "optimizer = sgd(lr=0.1); epochs = 20; batch = 32"), lambda: sides(classes=3)),
    Ill("vanishing_gradients", "small_weights", on("class(2)",
        deep("dense(16, init=normal(0.03)) -> tanh", 8, "dense(2)"),
        "optimizer = sgd(lr=0.1); epochs = 20; batch = 32"), sides),
    Ill("vanishing_gradients", "eight_sigmoids_on_digits", digits(
        deep("dense(24) -> sigmoid", 8, "dense(10)"), "optimizer = sgd(lr=0.05); epochs = 15; batch = 64")),
    Ill("exploding_gradients", "large_weights", on("class(2)",
        deep("dense(32, init=normal(1)) -> relu", 8, "dense(2)"),
        "optimizer = sgd(lr=0.01); epochs = 20; batch = 32"), sides),
    Ill("exploding_gradients", "large_weights_and_adam", on("float",
        deep("dense(32, init=normal(0.8)) -> relu", 8, "dense(1)"),
        "optimizer = adam(lr=1e-3); epochs = 20; batch = 32"), linear),
    Ill("exploding_gradients", "a_deep_line", on("float",
        deep("dense(32, init=normal(0.7)) -> leaky_relu", 12, "dense(1)"),
        "optimizer = sgd(lr=1e-3); epochs = 20; batch = 32"), linear),
    Ill("dead_units", "a_shift_before_relu", on("class(2)",
        "dense(32, bias=false) -> shifted -> relu -> dense(32) -> relu -> dense(2)",
        "optimizer = sgd(lr=0.01); epochs = 40; batch = 32",
        more="block shifted(x) { return x - 6 }\n"), sides),
    Ill("dead_units", "a_step_too_far", on("class(2)", "dense(32) -> relu -> dense(32) -> relu -> dense(2)",
        "optimizer = sgd(lr=1); epochs = 20; batch = 32"), lambda: sides(scale=8)),
    Ill("dead_units", "a_large_negative_bias", on("float", "dense(32) -> with_bias -> relu -> dense(1)",
        "optimizer = sgd(lr=1e-3); epochs = 40; batch = 32",
        more="block with_bias(x) {\n  weight bias: float[32] = full(-9)\n  return x + bias\n}\n"), linear),
    Ill("saturated_units", "large_inputs", on("class(2)", "dense(32) -> tanh -> dense(2)",
        "optimizer = sgd(lr=0.01); epochs = 60; batch = 16"), lambda: sides(scale=3000)),
    Ill("saturated_units", "large_weights_before_sigmoid", on("class(2)",
        "dense(32, init=normal(40)) -> sigmoid -> dense(2)",
        "optimizer = sgd(lr=0.01); epochs = 60; batch = 16"), sides),
    Ill("saturated_units", "a_factor_before_tanh", on("float",
        "dense(24) -> tanh -> dense(24, init=normal(60)) -> tanh -> dense(1)",
        "optimizer = sgd(lr=0.01); epochs = 20; batch = 32"), linear),
    Ill("neglected_classes", "three_percent", on("class(2)", "dense(16) -> relu -> dense(2)",
        "optimizer = adam(lr=3e-3); epochs = 20; batch = 32"), rare),
    Ill("neglected_classes", "a_third_class", on("class(3)", "dense(16) -> relu -> dense(3)",
        "optimizer = adam(lr=3e-3); epochs = 20; batch = 32"), lambda: rare(classes=3)),
    Ill("neglected_classes", "a_rare_yes", on("binary", "dense(16) -> relu -> dense(1)",
        "optimizer = adam(lr=3e-3); epochs = 20; batch = 32"), rare),
    Ill("leak", "the_target_in_other_units", on("float", "standardize -> dense(16) -> relu -> dense(1)",
        "optimizer = adam(lr=0.01); epochs = 20; batch = 32"), told),
    Ill("leak", "rows_numbered_by_class", on("class(2)", "standardize -> dense(16) -> relu -> dense(2)",
        "optimizer = adam(lr=0.01); epochs = 20; batch = 32"), numbered),
    Ill("leak", "rows_in_both_parts", on("binary", "dense(64) -> relu -> dense(1)",
        "optimizer = adam(lr=0.01); epochs = 40; batch = 32"), repeated),
)  # fmt: skip
