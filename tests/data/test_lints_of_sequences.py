"""Warnings that depend on the lengths of sequences in the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import dlc
from dlc.runtime import lints
from dlc.runtime.data import load

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """input  x: float[T, 2]
output y: class(3)
%s -> dense(3) -> y
data { source = parquet("rows.parquet") }
"""
ALIKE, APART = [60] * 20, [2] * 5 + [100] * 15
LAST = "rnn(4, final=true)"


def warned(text: str, lengths: list[int], folder: Path) -> list[tuple[str, str]]:
    rng = np.random.default_rng(0)
    rows = {
        "x": [rng.standard_normal((n, 2)).tolist() for n in lengths],
        "y": rng.integers(0, 3, len(lengths)),
    }
    pd.DataFrame(rows).to_parquet(folder / "rows.parquet")
    (folder / "m.dl").write_text(text, "utf-8")
    program = dlc.compile(folder / "m.dl").fit()
    data = load(program.compiled, folder)
    return [(d.code, d.message) for d in lints.run_lints(program.compiled, data, program.weights())]


@pytest.mark.parametrize(
    ("flow", "lengths", "steps"),
    [
        (f"x -> {LAST}", ALIKE, 60),
        (f"x -> {LAST}", APART, 100),
        (f"x -> rnn(4, bidirectional=true) -> {LAST}", ALIKE, 60),
        (f"x -> transpose -> pad(1, 2, axis=1) -> transpose -> {LAST}", ALIKE, 63),
    ],
)
def test_a_long_recurrence(flow: str, lengths: list[int], steps: int, tmp_path: Path) -> None:
    [(code, message)] = warned(SPEC % flow, lengths, tmp_path)
    assert (code, f"over {steps} steps (the median of the rows)" in message) == ("W0713", True)


@pytest.mark.parametrize(
    ("flow", "lengths"),
    [
        (f"x -> {LAST}", [50] * 20),
        (f"x -> {LAST}", [2] * 15 + [100] * 5),
        ("x -> rnn(4, activation=relu, final=true)", ALIKE),
        ("x -> gru(4, final=true)", ALIKE),
        (f"x -> transpose -> conv(4, 4, stride=4) -> relu -> transpose -> {LAST}", ALIKE),
    ],
)
def test_short_rows_gates_and_other_activations(flow: str, lengths: list[int], tmp_path: Path) -> None:
    assert warned(SPEC % flow, lengths, tmp_path) == []


SUMS = {
    "mean": "averages 2 to 100 steps: one step counts 50 times as much in a short row as in a long one",
    "sum": "adds up 2 to 100 steps: the sums of long rows are 50 times as large as those of short ones",
}


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_or_mean_over_rows_of_very_different_length(name: str, tmp_path: Path) -> None:
    found = warned(SPEC % f"x -> dense(4) -> tanh -> {name}(axis=0)", APART, tmp_path)
    assert found == [("W0714", f"`{name}` {SUMS[name]}")]


INTENDED = {
    "lengths that differ less": ("x -> dense(4) -> mean(axis=0)", [6] * 10 + [100] * 10),
    "a few short rows": ("x -> dense(4) -> mean(axis=0)", [2] * 3 + [100] * 97),
    "rows of one length": ("x -> dense(4) -> sum(axis=0)", ALIKE),
    "a mean over features": ("x -> mean(axis=1, keepdims=true) -> gru(4, final=true)", APART),
    "a sum that is divided": ("sum(x, axis=0) / x.length", APART),
    "the last state": ("x -> gru(4, final=true)", APART),
}


def test_a_sum_with_another_sign(tmp_path: Path) -> None:
    assert [code for code, _ in warned(SPEC % "(-sum(x, axis=0))", APART, tmp_path)] == ["W0714"]


@pytest.mark.parametrize("name", INTENDED)
def test_other_rows_and_reductions(name: str, tmp_path: Path) -> None:
    flow, lengths = INTENDED[name]
    assert warned(SPEC % flow, lengths, tmp_path) == []


def test_a_sum_with_weights_of_a_softmax(tmp_path: Path) -> None:
    text = SPEC.replace("%s", "h = x -> dense(4) -> tanh\nsum(softmax(dense(h, 1), axis=0) * h, axis=0)")
    assert warned(text, APART, tmp_path) == []


def test_figures_beside_the_answers_are_left_alone(tmp_path: Path) -> None:
    loss = "cross_entropy(y) + 0.01 * mean(x -> dense(1) -> sum(axis=0))"
    text = SPEC % "x -> gru(4, final=true)" + f"train {{\n  loss = {loss}\n  clip = norm(1)\n}}\n"
    assert warned(text, APART, tmp_path) == []


def test_an_allowed_one_is_silent(tmp_path: Path) -> None:
    text = SPEC % "x -> dense(4) -> mean(axis=0)"
    allowed = text.replace("-> y\n", "-> y  # allow W0714: all steps measure the same\n")
    assert len(warned(text, APART, tmp_path)) == 1
    assert warned(allowed, APART, tmp_path) == []
