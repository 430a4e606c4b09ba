"""Inputs that may have missing values (NaN), found when a spec is checked."""

from __future__ import annotations

import pytest
from specs import spec

HEAD = "input a: float\ninput v: float[3]\ninput t: float[T, 3]\ninput n: int64\noutput y: float\n"
FILLED = {
    "at once": ("a", "a -> impute(0) -> dense(1) -> y"),
    "a vector": ("v", "v -> impute(mean) -> dense(1) -> y"),
    "joined first": ("av", "concat(a, v, n) -> impute(median) -> dense(1) -> y"),
    "scaled first": ("v", "v -> standardize -> minmax -> impute(0) -> dense(1) -> y"),
    "moved first": ("t", "t -> transpose(1, 0) -> transpose -> impute(mean) -> mean -> y"),
    "a part of it": ("v", "v[0:2] -> impute(mean) -> dense(1) -> y"),
    "computed with": ("av", "(-(v - 1) / 2) * a + n -> square -> sqrt -> impute(0) -> dense(1) -> y"),
    "stacked and cut apart": (
        "v",
        "p, q = split(stack(v, v), 2, axis=0)\n(p + q) -> flatten -> impute(0) -> dense(1) -> y",
    ),
    "chosen": ("av", "where(n > 0, v, a) -> impute(0) -> dense(1) -> y"),
    "twice": ("v", "x = v -> impute(0)\nz = v -> impute(1)\nx + z -> dense(1) -> y"),
    "in a block": ("v", "block clean(x) { return x -> impute(0) }\nv -> clean -> dense(1) -> y"),
    "in each": ("a", "(a, n) -> each(impute(mean)) -> concat -> dense(1) -> y"),
    "left aside too": ("a", "a -> impute(0) -> dense(1) -> y\nleft = relu(a)"),
}
LOST = {
    "never": "v -> dense(1) -> y",
    "too late": "v -> relu -> impute(0) -> dense(1) -> y",
    "a sum": "sum(v) -> impute(0) -> y",
    "compared": "x = where(v > 0, 1.0, 2.0)\nx -> impute(0) -> dense(1) -> y",
    "in a condition too": "where(v > 0, v, 0) -> impute(0) -> dense(1) -> y",
    "a power": "v ** 2 -> impute(0) -> dense(1) -> y",
    "clipped": "v -> clip(0, 1) -> impute(0) -> dense(1) -> y",
    "binned": "v -> bucketize(3) -> one_hot -> flatten -> dense(1) -> y",
    "by one way of two": "concat(impute(v, 0), v) -> dense(1) -> y",
    "out as it is": "a -> y",
    "in a loss": "v -> impute(0) -> dense(1) -> y\ntrain { loss = mse(y) + mse(sum(v), 0) }",
    "exported too": "b = v * 2\nb -> impute(0) -> dense(1) -> y\nexport { outputs = [y, b] }",
    "penalized too": "b = v * 2\nb -> impute(0) -> dense(1) -> y\ntrain { regularize = l2(1, on=b) }",
}


def missing(text: str) -> set[str]:
    """The inputs of the flow that may have missing values."""
    program = spec(HEAD + text + "\n")
    return {i.name for i in program.inputs if i.declared.missing}


@pytest.mark.parametrize("flow", FILLED)
def test_imputed_inputs_may_have_missing_values(flow):
    read, text = FILLED[flow]
    assert missing(text) == set(read)


@pytest.mark.parametrize("flow", LOST)
def test_inputs_whose_missing_values_would_spread_may_not(flow):
    assert missing(LOST[flow]) == set()


def test_each_input_is_judged_by_itself():
    assert missing("concat(impute(a, 0), v) -> dense(1) -> y") == {"a"}
    assert missing("concat(a, v * 2) -> impute(mean) -> dense(1) -> y") == {"a", "v"}
    assert missing("v -> impute(0) -> dense(1) -> y\nunused = relu(t)") == {"v"}
