"""Losses and gradients of several uneven batches are those of one batch.

`test_metrics.py` has uneven batches for metrics.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from trainings import classifier, points, program, run

from dlc.compiler import Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.dims.dim import Dim, evaluate, names
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.torch import trace
from dlc.compiler.passes import specialize
from dlc.compiler.passes.loss_means import cut_at_means
from dlc.compiler.training.losses import Loss
from dlc.runtime.data import InMemoryRows
from dlc.runtime.training.learner import Learner
from dlc.runtime.training.torch_forms import Forms

sys.path.insert(0, str(Path(__file__).parents[1] / "operators"))
from engines import Bounds, draw_input

ROWS, FIRST = 7, 5  # of both batches together, and of the first batch
FREE = {"T": 3, "U": 2, "H": 2, "W": 4}
DOCS = Path(__file__).parents[2] / "docs"

LOSSES = [loss for loss in family("loss").values() if issubclass(loss, Loss)]
OF_BATCH = {loss.name for loss in LOSSES if loss.of_batch}
EXAMPLES = [(loss.name, row) for loss in LOSSES for row in loss.examples if not row.rejects]
MEANS = [pytest.param(name, row, id=row.call + " " + ", ".join(row.operands))
         for name, row in EXAMPLES if name not in OF_BATCH]  # fmt: skip


def loss_of_row(row, around: str = "{}"):
    """The training graph of an example, and rows for it."""
    inputs = "\n".join(f"input {n}: {t}" for n, t in zip("ptn", row.operands, strict=False))
    given = ", ".join("ptn"[: len(row.operands)])
    call = row.call.replace("(", f"({given}, ", 1) if "(" in row.call else f"{row.call}({given})"
    text = f"{inputs}\noutput y: float\np -> flatten -> mean -> y\ntrain {{ loss = {around.format(call)} }}\n"
    p = compile(Source("row.dl", text))
    graph = specialize.training(p, p.objective)
    rng, rows = np.random.default_rng(0), {}
    for value in graph.inputs:
        shape = (ROWS, *(evaluate(s, FREE) if isinstance(s, Dim) else s for s in value.type.shape))
        assert all(names(s) <= FREE.keys() for s in value.type.shape)
        rows[value] = torch.from_numpy(draw_input(rng, value.type, shape, Bounds(row.low, row.high)))
    return graph, rows


def call(graph, rows, part=slice(None)):
    return trace(graph).forward(*(rows[value][part] for value in graph.inputs))


def of_batches(graph, rows, *parts):
    """The loss of several batches together."""
    cut = cut_at_means(graph, ["loss"])
    found = []
    for values in (cut.sums, cut.weights):
        made = [call(cut.parts(values), rows, part) for part in parts]
        found.append([sum(float(m[str(place)]) for m in made) for place in range(len(values))])
    means = [torch.tensor(s / w, dtype=torch.float64) for s, w in zip(*found, strict=True)]
    return float(trace(cut.after).forward(*means)["loss"])


PARTS = slice(0, FIRST), slice(FIRST, None)


@pytest.mark.parametrize(("name", "row"), MEANS)
def test_two_uneven_batches_have_the_loss_of_one(name, row):
    graph, rows = loss_of_row(row)
    whole = float(call(graph, rows)["loss"])
    assert of_batches(graph, rows, *PARTS) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("around", ["sqrt({0} + 1)", "exp(0.1 * {0}) - 2 * {0} / 3", "{0} * {0}"])
def test_functions_of_means_are_computed_once(around):
    (row,) = [row for _, row in EXAMPLES if "label_smoothing=0.1, weight=[1, 2, 0.5]" in row.call]
    graph, rows = loss_of_row(row, around)
    whole = float(call(graph, rows)["loss"])
    assert of_batches(graph, rows, *PARTS) == pytest.approx(whole, rel=1e-5)


def test_losses_of_whole_batches_are_known():
    assert {"dice", "info_nce"} == OF_BATCH
    listed = (DOCS / "training.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in listed.partition("of each batch as a whole")[0] for name in OF_BATCH)


@pytest.mark.parametrize("name", sorted(OF_BATCH))
def test_a_loss_of_whole_batches_is_the_mean_over_the_rows_of_those_of_its_batches(name):
    row = next(row for of, row in EXAMPLES if of == name and row.operands[0] in ("float[3]", "float[4]"))
    graph, rows = loss_of_row(row)
    apart = [float(call(graph, rows, part)["loss"]) for part in PARTS]
    wanted = (FIRST * apart[0] + (ROWS - FIRST) * apart[1]) / ROWS
    assert of_batches(graph, rows, *PARTS) == pytest.approx(wanted, rel=1e-6)


# --- steps ------------------------------------------------------------------------------------------------

SGD = "optimizer = sgd(lr=0.1)\nseed = 5\nepochs = 2\n"
LOSSES_OF_A_STEP = {
    "weights of classes": "loss = cross_entropy(y, weight=[0.2, 3])",
    "a root": "loss = sqrt(cross_entropy(y, weight=[0.2, 3]))",
    "a sum of several means": "loss = 2 * cross_entropy(y, weight=[0.2, 3]) + cross_entropy(y) / 4",
    "what is left of the axes": "loss = cross_entropy(y, reduce=none) + 0.1 * mean(square(y))",
    "a regularizer": "loss = cross_entropy(y, weight=[0.2, 3])\nregularize = l2(0.01)",
    "a trainable factor": "loss = cross_entropy(y, weight=[0.2, 3]) * exp(-s) + s",
    "a trainable divisor": "loss = mse(y, 0) / (1 + s * s) + cross_entropy(y)",
    "a product": "loss = cross_entropy(y, weight=[0.2, 3]) * cross_entropy(y)",
}  # fmt: skip


S = "weight s: float = ones"


@pytest.mark.parametrize("loss", LOSSES_OF_A_STEP.values(), ids=LOSSES_OF_A_STEP)
def test_accumulated_batches_equal_one_batch_for_any_loss(loss):
    """29 rows in batches of 8, 8, 8 and 5."""
    rows = points(29)
    large = run(classifier(f"{SGD}batch = all\n{loss}", more=S), rows)
    small = run(classifier(f"{SGD}batch = 8\naccumulate = 4\n{loss}", more=S), rows)
    assert [e.step for e in small.history] == [1, 2]
    for name, array in large.weights.items():
        np.testing.assert_allclose(small.weights[name], array, rtol=1e-4, atol=1e-6, err_msg=name)
    for ours, theirs in zip(small.history, large.history, strict=True):
        assert ours.train["loss"] == pytest.approx(theirs.train["loss"], rel=1e-5)


def test_the_weighted_loss_of_all_rows_equals_torch():
    """The shares of classes differ between batches, in training and validation rows."""
    text = classifier(f"{SGD}batch = 4\nloss = cross_entropy(y, weight=[0.2, 3])")
    rows = points(4100, seed=3)
    order = np.argsort(rows["y"], kind="stable")  # batches of one class first, then of the other
    rows = InMemoryRows({name: array[order] for name, array in rows.items()}, 4100)
    trained = run(text, points(40), rows)
    w, b, w2, b2 = map(torch.from_numpy, trained.weights.values())
    scores = functional.linear(functional.linear(torch.from_numpy(rows["x"]), w, b).tanh(), w2, b2)
    target, weight = torch.from_numpy(rows["y"]), torch.tensor([0.2, 3.0])
    wanted = functional.cross_entropy(scores, target, weight)
    assert trained.figures["validation"]["loss"] == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize(
    "settings", ["precision = float64", "precision = bf16", "optimizer = lbfgs(max_iter=3)"]
)
def test_all_precisions_and_optimizers_support_several_batches(settings):
    own = "" if "optimizer" in settings else "optimizer = sgd(lr=0.1)\n"
    text = classifier(f"{own}{settings}\nseed = 5\nbatch = 8\naccumulate = 4\nepochs = 3\n"
                      "loss = sqrt(cross_entropy(y, weight=[0.2, 3]))")  # fmt: skip
    history = run(text, points(29)).history
    assert history[-1].train["loss"] < history[0].train["loss"]


def test_several_batches_in_float64_have_the_gradients_of_one_to_its_last_digits():
    text = classifier("precision = float64\nloss = 0.21 * cross_entropy(y, weight=[0.2, 3]) + mse(y, 0) / 3")
    p, rows = program(text), points(23)
    found = []
    for sizes in ([23], [8, 8, 7]):
        forms = Forms(p, draw(p.graph, 0), torch.device("cpu"))
        trainer = Learner(forms, p.phase, 1).trainers[0]
        given = [torch.from_numpy(rows[name]).split(sizes) for name in forms.fields]
        trainer.gradients([list(batch) for batch in zip(*given, strict=True)])
        found.append([weight.grad for weight in forms.trained])
    for one, several in zip(*found, strict=True):
        torch.testing.assert_close(several, one, rtol=1e-13, atol=1e-15)


def test_a_step_evaluates_batches_first_if_factors_depend_on_means():
    """Both evaluations have the same draws; running statistics are updated once."""
    layers, rows = "dense(8) -> batchnorm -> tanh -> dropout(0.5) -> dense(2)", points(24)
    settings = f"{SGD}batch = 12\naccumulate = 2\nloss = cross_entropy(y)"
    known, looked = (run(classifier(settings + more, layers), rows).weights for more in ("", " ** 1"))
    for name, array in known.items():
        np.testing.assert_allclose(looked[name], array, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(("loss", "enough"), [
    ("cross_entropy(y, weight=[0.2, 3])", True), ("2 * cross_entropy(y) + dice(y)", True),
    ("sqrt(cross_entropy(y))", False), ("cross_entropy(y, 1, weight=[0.2, 3])", False),
])  # fmt: skip
def test_total_weights_are_computed_from_targets_only(loss, enough):
    """The model is not computed twice for them, except where it determines the number of values."""
    p = program(classifier(f"loss = {loss}", "batchnorm -> dense(8) -> dropout(0.5) -> dense(2)"))
    (form,) = Forms(p, draw(p.graph, 0), torch.device("cpu")).training
    assert form.means.weights_are_enough is enough
    if enough:
        rows = points(9)
        given = {"x": torch.full((9, 2), torch.nan), "y": torch.from_numpy(rows["y"])}
        weights = form.means.weigh([given[name] for name in form.fields])
        wanted = {9.0, float(torch.tensor([0.2, 3.0])[given["y"]].sum())}
        assert all(float(weight) in wanted for weight in weights)


def test_terms_without_a_batch_are_trained_too():
    text = ("input x: float[2]\noutput y: float\nweight w: float[3] = ones\nx -> dense(1) -> y\n"
            "train {{ loss = {}\noptimizer = sgd(lr=0.1)\nepochs = 1\nbatch = 5\n"
            "accumulate = 2 }}\n")  # fmt: skip
    rows = InMemoryRows({"x": points(10)["x"], "y": np.ones(10, np.float32)}, 10)
    np.testing.assert_allclose(run(text.format("sum(square(w))"), rows).weights["w"], 0.8, rtol=1e-6)
    both = run(text.format("sum(square(w)) + mse(y)"), rows).weights
    np.testing.assert_allclose(both["w"], 0.8, rtol=1e-6)
    alone = run(text.format("mse(y)"), rows).weights
    np.testing.assert_allclose(both["dense.weight"], alone["dense.weight"], rtol=1e-6)


def test_cuts_know_whether_gradients_depend_on_means():
    for loss, linear in (
        ("cross_entropy(y)", True),
        ("2 * cross_entropy(y) - mean(y) / 3", True),
        ("sqrt(cross_entropy(y))", False),
        ("cross_entropy(y) * mse(y, 0)", False),
    ):
        p = program(classifier(f"loss = {loss}"))
        assert cut_at_means(specialize.training(p, p.objective), ["loss"]).is_linear is linear, loss
