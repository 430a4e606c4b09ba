"""Losses of rows of several lengths in one padded batch: the mean over what each row has alone, and its
gradients."""

from __future__ import annotations

import numpy as np
import pytest
from gradients import LOSSES
from test_examples import label
from varying import Arrays, Case, Rows, cases, check_gradients, compiled, run, weights_of

from dlc.compiler import Source, compile
from dlc.compiler.ir.graph import Graph
from dlc.compiler.operators.base import Example
from dlc.compiler.passes import specialize
from dlc.compiler.passes.loss_means import cut_at_means
from dlc.compiler.program import Facts

OTHERS = {"ctc", "dice"}  # of texts, and of a whole batch
WRITTEN = (
    ("sum(mae(a, b, reduce=none) * a.mask)", ("float[T]", "float[T]")),
    ("mean(mse(a, b, reduce=none) * reshape(a.mask, -1, 1))", ("float[T, 3]", "float[T, 3]")),
    ("sum(abs(a - b), axis=0) / a.length", ("float[T]", "float[T]")),
    ("mean(a ** 2) + mean(abs(b))", ("float[T, 3]", "float[T]")),
    ("cross_entropy(a, b)", ("float[T, 3]", "int64[T]")),
    ("cross_entropy(a, b, weight=[1, 2, 0.5])", ("float[T, 3]", "class(3)[T]")),
    ("mse(a, b)", ("float[T]", "int64[T]")),
    ("mae(a, 0)", ("float[T, 3]",)),
    ("mse(gradient(sum(a ** 3), a), b)", ("float[T, 3]", "float[T, 3]")),
)


def statement(name: str, row: Example) -> str:
    names = "abcdefgh"[: len(row.operands)]
    wrt = getattr(LOSSES[name], "wrt", None)
    operands = [
        n if wrt is None or k == wrt else f"{n} * sum({names[wrt]} ** 3)" for k, n in enumerate(names)
    ]
    settings = row.call.partition("(")[2].removesuffix(")")
    call = f"{name}({', '.join(filter(None, (*operands, settings)))})"
    return f"train {{ loss = {call if row.gives == 'float' else f'mean({call})'} }}"


CASES = [
    pytest.param(case, id=f"{name}: {label(row)} along {case.dim}")
    for name, loss in sorted(LOSSES.items())
    for row in loss.examples
    if not row.rejects and name not in OTHERS
    for case in cases(name, row, statement(name, row))
] + [
    pytest.param(case, id=call)
    for call, types in WRITTEN
    for case in cases("loss", Example(call, types, "", low=0, high=2), f"train {{ loss = {call} }}")
]


@pytest.mark.parametrize("case", CASES)
def test_a_padded_batch_has_the_mean_of_its_rows(case: Case) -> None:
    program, plain = compiled(case), compile(Source("alone.dl", case.text))
    padded, alone = (specialize.training(p, p.objective) for p in (program, plain))
    rows, weights = Rows(alone, case), weights_of(alone)
    batch = rows.batch(padded, garbage=False)
    (sums, totals), (found_sum, found_total) = (
        parts(alone, weights, rows.rows),
        parts(padded, weights, [batch]),
    )
    np.testing.assert_allclose(found_sum, sums.sum(0, keepdims=True), 1e-5, 1e-5)
    np.testing.assert_allclose(found_total, totals.sum(0, keepdims=True), 1e-6)
    if totals.shape[1] == 1:
        np.testing.assert_allclose(run(padded, weights, batch)["loss"], sums.sum() / totals.sum(), 1e-5)
        share = totals[:, 0] / totals.sum()
        one = {"objective": np.ones(())}
        check_gradients(rows, padded, alone, one, [{"objective": np.array(s, np.float64)} for s in share])


def parts(graph: Graph, weights: Arrays, batches: list[Arrays]) -> tuple[np.ndarray, np.ndarray]:
    """The sums and the total weights of the means in an objective, of each batch."""
    cut = cut_at_means(graph, ["objective"])
    both = cut.parts((*cut.sums, *cut.weights))
    count, made = len(cut.sums), [run(both, weights, batch) for batch in batches]
    values = np.array([[float(one[str(k)]) for k in range(2 * count)] for one in made])
    return values[:, :count], values[:, count:]


@pytest.mark.parametrize("types", [("float[3, H, 2]", "class(3)[H, 2]"), ("float[1, H, 2]", "bool[1, H, 2]")])
def test_dice_is_that_of_all_valid_steps(types):
    (case,) = cases("dice", Example("dice", types, "float"), "train { loss = dice(a, b) }")
    program, plain = compiled(case), compile(Source("alone.dl", case.text))
    padded, alone = (specialize.training(p, p.objective) for p in (program, plain))
    rows = Rows(alone, case)
    joined = {
        v.name: np.concatenate([row[v.name] for row in rows.rows], v.type.rank - 1) for v in rows.values
    }
    wanted = run(alone, {}, joined)["loss"]
    assert run(padded, {}, rows.batch(padded, garbage=False))["loss"] == pytest.approx(wanted, rel=1e-6)


IGNORED = """
input  x: float[T, 3]
output kind: class(3, ignore=1)[T]
output size: float(ignore=missing)[T, 2]

x -> dense(3) -> kind
x -> dense(2) -> size

train {
  loss       = cross_entropy(kind) + mse(size)
  regularize = l2(0.5, on=x)
}
"""


def test_ignored_targets_and_padding_are_both_left_out():
    plain = compile(Source("ignored.dl", IGNORED))
    program = compile(Source("ignored.dl", IGNORED), facts=Facts(lengths=frozenset("T")))
    padded, alone = (specialize.training(p, p.objective) for p in (program, plain))
    rng, weights, lengths = np.random.default_rng(0), weights_of(padded), (3, 5)
    rows = [ignored_row(rng, length) for length in lengths]
    batch = {name: np.concatenate([lengthened(row[name], max(lengths)) for row in rows]) for name in rows[0]}
    sums, totals = parts(alone, weights, rows)
    found_sums, found_totals = parts(padded, weights, [batch | {"x_length": np.array(lengths)}])
    assert totals.sum(0).tolist() == found_totals[0].tolist()
    np.testing.assert_allclose(found_sums[0], sums.sum(0), 1e-6)


def ignored_row(rng: np.random.Generator, length: int) -> Arrays:
    """A row with an ignored class at the first step, and an ignored number at the second."""
    size, kind = rng.standard_normal((1, length, 2), np.float32), rng.integers(0, 3, (1, length))
    size[0, 1, 0], kind[0, 0] = np.nan, -1
    return {"x": rng.standard_normal((1, length, 3), np.float32), "kind": kind, "size": size}


def lengthened(row: np.ndarray, length: int) -> np.ndarray:
    return row.take(np.minimum(np.arange(length), row.shape[1] - 1), 1)
