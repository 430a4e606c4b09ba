"""`expect { mean(test.accuracy, seeds=5) >= 0.95 }`: what `dlc check` accepts, and what it reports."""

from __future__ import annotations

import pytest

import dlc
from dlc.compiler import CompileError

SPEC = """input  x: float[4]
output y: class(3)
param n = 4
h = x -> dense(3)
h -> y
data {{
  source = builtin("iris")
  test   = 0.2
}}
train {{
  {0}
}}
expect {{ {1} }}
"""


def problems(expected: str, train: str = "epochs = 1") -> list[tuple[str, str, str, str]]:
    """The errors of a spec: code, message, the place, and the help."""
    with pytest.raises(CompileError) as caught:
        dlc.compile(text=SPEC.format(train, expected))
    found = caught.value.diagnostics
    return [(d.code, d.message, d.span.text if d.span else "", d.help) for d in found]


@pytest.mark.parametrize(("written", "measures"), [
    ("mean(test.accuracy, seeds=5) >= 0.95", [("test.accuracy", 5)]),
    ("0.95 <= mean(test.accuracy, seeds=n + 1)", [("test.accuracy", 5)]),
    ("mean(train.loss, seeds=2) < mean(test.loss, seeds=3)", [("train.loss", 2), ("test.loss", 3)]),
    ("mean(test.loss, seeds=2) < test.loss", [("test.loss", 2), ("test.loss", 1)]),
])  # fmt: skip
def test_a_mean_of_a_figure_is_compared(written: str, measures: list[tuple[str, int]]) -> None:
    (expectation,) = dlc.compile(text=SPEC.format("epochs = 1", written)).compiled.expectations
    assert [(m.path, m.seeds) for m in expectation.measures] == measures
    assert expectation.seeds == max(seeds for _, seeds in measures)
    assert expectation.text == written


@pytest.mark.parametrize(("written", "place", "message", "help"), [
    ("mean(test.acuracy, seeds=5) >= 0.9", "test.acuracy", "training does not measure `acuracy`",
     "write `test.accuracy`"),
    ("mean(validation.accuracy, seeds=5) >= 0.9", "validation.accuracy",
     "`data` has no validation rows to measure this on", "write `validation = 0.2` into `data`"),
    ("mean(parameters, seeds=5) == 15", "parameters", "`parameters` is the same with every seed",
     "write `parameters` without `mean`"),
    ("mean(shape(h), seeds=5) == [3]", "shape(h)", "`shape(h)` is the same with every seed",
     "write `shape(h)` without `mean`"),
    ("mean(n, seeds=5) == 4", "n", "`n` is the same with every seed", "write `n` without `mean`"),
    ("mean(test.accuracy) >= 0.9", "mean(test.accuracy)",
     "`mean` takes one figure and the number of trainings", "write `mean(test.accuracy, seeds=5)`"),
    ("mean(test.accuracy, 3) >= 0.9", "mean(test.accuracy, 3)",
     "`mean` takes one figure and the number of trainings", "write `mean(test.accuracy, seeds=5)`"),
    ("mean >= 0.9", "mean", "`mean` needs a figure and the number of trainings",
     "write `mean(test.loss, seeds=5)`"),
    ("mean(mean(test.loss, seeds=2), seeds=3) < 1", "mean(mean(test.loss, seeds=2), seeds=3)",
     "this is the mean of a mean", "write `mean(test.loss, seeds=2)`"),
    ("std(test.accuracy, seeds=5) <= 0.1", "std(test.accuracy, seeds=5)", "`std` of a figure is not known",
     "`mean(test.accuracy, seeds=5)` is its mean over five trainings"),
])  # fmt: skip
def test_a_mean_that_cannot_be_is_an_error_with_a_fix(written, place, message, help) -> None:
    assert problems(written) == [("E0606", message, place, help)]


@pytest.mark.parametrize(("count", "code", "message", "help"), [
    ("1", "E0403", "`seeds` of `mean`: a mean needs at least 2 trainings, found 1",
     "write the figure alone for one training, or `seeds=5`"),
    ("0", "E0403", "`seeds` of `mean`: a mean needs at least 2 trainings, found 0",
     "write the figure alone for one training, or `seeds=5`"),
    ("2.5", "E0403", "`seeds` of `mean`: expected a whole number of at least 2, found `2.5`", ""),
])  # fmt: skip
def test_a_number_of_seeds_is_whole_and_at_least_two(count, code, message, help) -> None:
    assert problems(f"mean(test.accuracy, seeds={count}) >= 0.9") == [(code, message, count, help)]


def test_a_misspelt_setting_has_its_right_name() -> None:
    assert problems("mean(test.accuracy, seed=5) >= 0.9") == [
        ("E0402", "`mean` has no setting `seed`", "seed", "did you mean `seeds`?")]  # fmt: skip


def test_the_last_seed_has_to_exist() -> None:
    largest = 2**31 - 1
    text = SPEC.format(f"seed = {largest - 2}", "mean(test.loss, seeds=3) < 9")
    assert dlc.compile(text=text).compiled.expectations
    assert problems("mean(test.loss, seeds=4) < 9", f"seed = {largest - 2}") == [
        ("E0403", f"the last seed would be {largest + 1}, and the largest one is {largest}", "4",
         "write a smaller `seed` into `train`")]  # fmt: skip


def test_one_training_cannot_end_by_a_mean() -> None:
    assert problems("parameters == 15", "until = mean(train.loss, seeds=2) < 1") == [
        ("E0606", "this condition ends one training, which has one seed", "mean(train.loss, seeds=2) < 1",
         "compare the figure without `mean`; `expect` compares means")]  # fmt: skip
