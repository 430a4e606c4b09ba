"""Training on generated rows equals training on rows in memory, and a pass resumes where it stopped."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from trainings import points, program

from dlc.compiler.lower.initial_weights import draw
from dlc.runtime import lints
from dlc.runtime.data import Dataset, InMemoryRows, Rows
from dlc.runtime.data.rows.dataset import ArrayType, batch_sizes
from dlc.runtime.training.batches import Loader, Passes
from dlc.runtime.training.fit import fit
from dlc.runtime.training.loop import train
from dlc.runtime.training.training_plan import TrainingPlan, sizes_of
from dlc.runtime.weights_origin import origin_of

BLOCK = 16
SPEC = """
input x: float[2]
input when: int64
input kind: class(4)
output y: class(3)
h = (x -> standardize, when -> standardize, kind -> one_hot) -> concat
h -> dense(8) -> tanh -> dropout(0.2) -> dense(3) -> y
train {
  optimizer = adam(1e-2)
  batch = 12
  epochs = 3
  accumulate = 2
  metrics = [accuracy]
}
"""


def block(number: int) -> dict[str, np.ndarray]:
    """The rows of a block, which are deterministic."""
    rng = np.random.default_rng(number)
    x = rng.normal((3, -500), (1, 200), (BLOCK, 2)).astype(np.float32)
    when, kind = 1_700_000_000 + rng.integers(0, 60, BLOCK), rng.integers(0, 2, BLOCK)
    return {"x": x, "when": when, "kind": kind, "y": (x[:, 0] > 3).astype(np.int64)}


class Made(Rows):
    """Rows that are generated on demand; `most` is the maximum number of rows at the same time."""

    def __init__(self, count: int, after: int = 0) -> None:
        self.count, self._after, self.most = count, after, 0

    @property
    def types(self):
        return {name: ArrayType(a.dtype, a.shape[1:]) for name, a in block(0).items()}

    def batches(self, sizes, fields=None, order=None, start=0):
        sizes = batch_sizes(self.count, min(sizes, BLOCK)) if isinstance(sizes, int) else sizes
        ends = np.cumsum([0, *sizes])
        for first, end in list(pairwise(ends))[start:]:
            yield self.made(np.arange(first, end) if order is None else order[first:end], fields)

    def made(self, numbers, fields):
        self.most = max(self.most, len(numbers))
        places, within = np.divmod(numbers, BLOCK)
        blocks = {place: block(self._after + place) for place in {0, *places.tolist()}}
        return {
            name: np.array([blocks[p][name][w] for p, w in zip(places, within, strict=True)], type.dtype)
            .reshape(-1, *type.shape)
            for name, type in self.types.items()
            if fields is None or name in fields
        }  # fmt: skip

    def with_fields(self, fields, compute):
        return Beside(self, list(fields), compute)


class Beside(Rows):
    """Generated rows with additional fields that are computed from each batch on demand."""

    def __init__(self, rows, reads, compute):
        self.rows, self.count, self.reads, self.compute = rows, rows.count, reads, compute

    @property
    def types(self):
        raise AssertionError("batches are all that training asks these for")

    def batches(self, sizes, fields=None, order=None, start=0):
        own = set(self.rows.types) & set(fields)
        for batch in self.rows.batches(sizes, {*own, *self.reads}, order, start):
            made = batch | self.compute({name: batch[name] for name in self.reads})
            yield {name: made[name] for name in fields}

    def with_fields(self, fields, compute):
        raise AssertionError("they have all that training computes early")

    def order(self, permutation, batch=1):
        return self.rows.order(permutation, batch)


class BlockByBlock:
    """The order of a source that reads whole blocks."""

    def order(self, permutation, batch=1):
        blocks = permutation(-(-self.count // BLOCK))
        numbers = np.concatenate([place * BLOCK + permutation(BLOCK) for place in blocks])
        return numbers[numbers < self.count]


class MadeBlockByBlock(BlockByBlock, Made):
    pass


class HeldBlockByBlock(BlockByBlock, InMemoryRows):
    def with_fields(self, fields, compute):
        return HeldBlockByBlock(super().with_fields(fields, compute), self.count)


def held(rows: Made, kind: type[InMemoryRows] = InMemoryRows) -> InMemoryRows:
    """The same rows as whole arrays."""
    return kind(rows.made(np.arange(rows.count), None), rows.count)


@pytest.mark.parametrize(("making", "holding"), [(Made, InMemoryRows), (MadeBlockByBlock, HeldBlockByBlock)],
                         ids=["any order", "block by block"])  # fmt: skip
def test_training_on_generated_rows_equals_rows_in_memory(making, holding):
    made, p = [making(150), making(40, after=20)], program(SPEC)
    trained, datasets = [], [Dataset(*(held(r, holding) for r in made)), Dataset(*(making(150), made[1]))]
    for data in datasets:
        begun = fit(p, data.train, draw(p.graph, p.train.seed))
        trained.append(train(p, data, begun, on="cpu"))
    wanted, found = trained
    np.testing.assert_allclose(wanted.weights["standardize.mean"], [3, -500], rtol=0.2)
    for name, weight in wanted.weights.items():
        tolerance = 1e-6 if name.startswith("standardize") else 1e-4  # fitted to batches of other sizes
        np.testing.assert_allclose(found.weights[name], weight, rtol=tolerance, atol=1e-5, err_msg=name)
    assert found.figures["validation"] == pytest.approx(wanted.figures["validation"], rel=1e-4)
    assert wanted.history[-1].train["loss"] < wanted.history[0].train["loss"]


def test_equal_fitted_weights_give_identical_trained_weights():
    rows, p = Made(150), program(SPEC)
    begun = fit(p, rows, draw(p.graph, p.train.seed))
    assert rows.most == BLOCK
    wanted, found = (train(p, Dataset(r), begun, on="cpu").weights for r in (held(Made(150)), rows))
    for name, weight in wanted.items():
        assert np.array_equal(found[name], weight), name


def test_generated_rows_have_the_fingerprint_of_rows_in_memory():
    rows = Made(150)
    made, whole = Dataset(rows, Made(40, after=20)), Dataset(held(Made(150)), held(Made(40, after=20)))
    assert made.fingerprint == whole.fingerprint != Dataset(rows, Made(40)).fingerprint
    assert rows.most == BLOCK


def test_generated_rows_can_be_selected():
    rows = Made(150)
    whole = held(Made(150))
    assert rows.take(np.array([149, 3]))["x"].tolist() == whole["x"][[149, 3]].tolist()
    kept = origin_of(Dataset(rows), {}).rows
    assert kept is not None and kept["when"].tolist() == whole["when"][: len(kept["when"])].tolist()
    assert rows.most < 150


def test_generated_rows_have_the_warnings_of_rows_in_memory():
    p = program(SPEC.replace("x -> standardize", "x").replace("when -> standardize", "when"))
    weights = draw(p.graph, p.train.seed)
    wanted, found = (
        [(d.code, d.message) for d in lints.run_lints(p, Dataset(rows), weights)]
        for rows in (held(Made(150)), Made(150))
    )
    assert {code for code, _ in wanted} >= {"W0701", "W0703"}
    assert found == wanted


# --- resuming a pass --------------------------------------------------------------------------------------


def passes(rows: Rows, count: int, seed: int, together: int = 1) -> Passes:
    sizes = sizes_of(count, 4)
    return Passes(Loader(rows, ["x", "y"], torch.device("cpu"), {}), TrainingPlan(sizes, 10, together), seed)


def taken(steps) -> list[list[list[list[float]]]]:
    return [[[field.tolist() for field in batch] for batch in step] for step in steps]


@pytest.mark.parametrize("make", [lambda: points(37), lambda: Made(37)], ids=["in memory", "made"])
@pytest.mark.parametrize("together", [1, 2])
@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize("steps", [0, 2, None], ids=["at its beginning", "within it", "at its end"])
def test_a_pass_resumes_where_it_stopped(make, together, epoch, steps):
    left = passes(make(), 37, 5, together)
    for _ in range(epoch - 1):
        next(left.steps())  # an epoch may end before its rows do
        left.next_epoch()
    at_hand = left.steps()
    for _ in range(5 if steps is None and together == 2 else 9 if steps is None else steps):
        next(at_hand)
    kept = json.dumps(left.state())

    found = passes(make(), 37, 6, together)
    next(found.steps())
    found.restore(json.loads(kept))
    assert json.dumps(found.state()) == kept
    rest = taken(at_hand)
    assert taken(found.steps()) == rest and bool(rest) == (steps is not None)
    for _ in range(2):
        left.next_epoch()
        found.next_epoch()
        assert taken(found.steps()) == taken(left.steps()) != rest


def test_repeating_an_epoch_repeats_its_order():
    rows = passes(points(37), 37, 5)
    first = taken(rows.steps())
    assert taken(rows.steps()) == [] and taken(rows.again()) == first
    rows.next_epoch()
    assert taken(rows.steps()) != first


def test_the_order_of_an_epoch_equals_torch():
    rows, generator = passes(points(37), 37, 5), torch.Generator().manual_seed(5)
    x = torch.from_numpy(points(37)["x"])
    for _ in range(3):
        found = torch.cat([batch[0] for step in rows.steps() for batch in step])
        assert torch.equal(found, x[torch.randperm(37, generator=generator)])
        rows.next_epoch()
