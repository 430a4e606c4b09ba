"""The random numbers of artifacts, and the choice of a class with them, in each engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from plain_sampling import chosen, draw, kept_shares, philox
from scipy import stats

from dlc.compiler.diagnostics.source import Site, Source, Span
from dlc.compiler.ir.graph import Graph, GraphInput, Node, Value
from dlc.compiler.lower import onnx as to_onnx
from dlc.compiler.lower.torch import Model
from dlc.compiler.operators import sampling
from dlc.compiler.operators.decoding import FINISHED
from dlc.compiler.types import Tensor

SITE = Site(Span(Source("sampling.dl", ""), 0, 0))
# Random123, tests/kat_vectors: the counter, the key, and the words.
KNOWN = [
    ((0, 0), 0, (0xFF1DAE59, 0x6CD10DF2)),
    ((0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF, (0x2C3F628B, 0xAB4FD7AD)),
    ((0x243F6A88, 0x85A308D3), 0x13198A2E, (0xDD7CE038, 0xF62A4C12)),
]
SEEDS = (0, 1, 2**31 + 7, 2**32 - 1, 5 * 2**32 + 3, 2**63 - 1, -1, -(2**63))
Arrays = dict[str, np.ndarray]


def in_each_engine(operator: Any, types: dict[str, Tensor], given: Arrays) -> dict[str, list[np.ndarray]]:
    """The results of an operator in ONNX Runtime, `onnx.reference` and PyTorch."""
    inputs = tuple(GraphInput(name, type, SITE, "input", name) for name, type in types.items())
    bound = operator.bind(*types.values())
    results = tuple(Value(f"y{i}", type, SITE) for i, type in enumerate(bound.results))
    node = Node(bound, inputs, {}, results, "y", SITE)
    graph = Graph(inputs, (), (node,), {value.name: value for value in results})
    model = to_onnx.model(graph, {}, opset=20, ml_opset=3, ir_version=9, name="sampling")
    proto = onnx.load_model_from_string(to_onnx.serialize(model))
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    made = Model(graph, (), {})({name: torch.from_numpy(array) for name, array in given.items()})
    return {
        "ONNX Runtime": session.run(None, given),
        "onnx.reference": ReferenceEvaluator(proto).run(None, given),
        "PyTorch": [tensor.numpy() for tensor in made.values()],
    }


# --- random numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_the_generator_gives_the_published_words(counter, key, words):
    assert philox(*counter, key) == words
    assert sampling.philox(*counter, key) == words[0]


def draws(rows: int, most: int, seed: int) -> np.ndarray:
    """The numbers of rows and steps, which are equal in each engine."""
    types = {"x": Tensor("int64"), "seed": sampling.SEED}
    given = {"x": np.zeros(rows, np.int64), "seed": np.array(seed)}
    found = in_each_engine(sampling.Draws(most=most), types, given)
    (numbers,) = found["ONNX Runtime"]
    assert numbers.dtype == np.float32
    for other in ("onnx.reference", "PyTorch"):
        np.testing.assert_array_equal(found[other][0], numbers)
    return numbers


@pytest.mark.parametrize("seed", SEEDS)
def test_a_number_depends_on_seed_row_and_step_alone(seed):
    numbers = draws(9, 6, seed)
    assert numbers.tolist() == [[draw(seed, row, step) for step in range(6)] for row in range(9)]
    np.testing.assert_array_equal(draws(4, 11, seed)[:, :6], numbers[:4])
    if seed + 5 * 2**32 < 2**63:  # the upper half of a seed is the number of the first row
        np.testing.assert_array_equal(draws(4, 6, seed + 5 * 2**32), numbers[5:])


def test_the_numbers_are_uniform_and_independent():
    numbers = draws(600, 100, 3)
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 0.01
    assert stats.chisquare(np.bincount((numbers.ravel() * 256).astype(int), minlength=256)).pvalue > 0.01
    pairs = {"steps": (numbers[:, :-1], numbers[:, 1:]), "rows": (numbers[:-1], numbers[1:]),
             "seeds": (numbers, draws(600, 100, 4))}  # fmt: skip
    for one, other in pairs.values():
        table = np.histogram2d(one.ravel(), other.ravel(), bins=16, range=[(0, 1), (0, 1)])[0]
        assert stats.chi2_contingency(table).pvalue > 0.01


# --- the choice -------------------------------------------------------------------------------------------

SETTINGS = [
    {},
    {"temperature": 0.5},
    {"top_k": 3},
    {"top_p": 0.7},
    {"top_k": 4, "top_p": 0.9, "temperature": 1.7},
]


def choices(scores: np.ndarray, numbers: np.ndarray, **settings: Any) -> np.ndarray:
    """The classes that are chosen for scores `[rows, classes]`, equal in each engine."""
    operator = sampling.SampledChoice(symbols=scores.shape[1], **settings)
    types = {"scores": Tensor("float", (1, scores.shape[1])), "finished": FINISHED, "drawn": Tensor("float")}
    given = {"scores": scores[:, None], "finished": np.zeros(len(scores), bool), "drawn": numbers}
    found = in_each_engine(operator, types, given)
    for results in found.values():
        np.testing.assert_array_equal(results[0][:, 0], results[1])
        np.testing.assert_array_equal(results[1], found["ONNX Runtime"][1])
    return found["ONNX Runtime"][1]


def near(scores: np.ndarray, numbers: np.ndarray, **settings: Any) -> np.ndarray:
    """The choices that rounding may change."""
    operator = sampling.SampledChoice(symbols=scores.shape[1], **settings)
    finished = np.zeros((len(scores), 1), bool)
    return np.isinf(operator.tolerance(np)(scores[:, None, None], finished, numbers[:, None]))[:, 0]


def drawn_scores(rows: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = (2 * rng.standard_normal((rows, classes))).astype(np.float32)
    return scores, (rng.integers(0, 2**24, rows) / 2**24).astype(np.float32)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("classes", [2, 7, 40])
def test_a_choice_is_that_of_a_plain_loop(settings, classes):
    if settings.get("top_k", 0) > classes:
        settings = settings | {"top_k": classes}
    scores, numbers = drawn_scores(400, classes, classes)
    shares = [kept_shares(row, **settings) for row in scores.tolist()]
    wanted = np.array([chosen(of, number) for of, number in zip(shares, numbers.tolist(), strict=True)])
    close = near(scores, numbers, **settings)
    assert close.mean() < 0.02
    assert (choices(scores, numbers, **settings) == wanted)[~close].all()


def test_a_row_that_has_ended_stays_ended():
    operator = sampling.SampledChoice(symbols=4, end=3)
    types = {"scores": Tensor("float", (1, 4)), "finished": FINISHED, "drawn": Tensor("float")}
    scores = np.array([[[9, 0, 0, 0]], [[9, 0, 0, 0]], [[0, 0, 0, 9]]], np.float32)
    given = {
        "scores": scores,
        "finished": np.array([True, False, False]),
        "drawn": np.full(3, 0.5, np.float32),
    }
    for symbol, answer, finished in in_each_engine(operator, types, given).values():
        assert symbol.ravel().tolist() == answer.tolist() == [3, 0, 3]
        assert finished.tolist() == [True, False, True]


def test_of_equal_scores_the_first_are_kept():
    numbers = np.linspace(0, 0.999, 64, dtype=np.float32)
    equal = np.tile(np.array([[0, 1, 1, 1, 0]], np.float32), (64, 1))
    assert {*choices(equal, numbers, top_k=2).tolist()} == {1, 2}
    assert {*choices(equal, numbers, top_k=1).tolist()} == {1}
    assert {*choices(np.zeros_like(equal), numbers, top_p=0.55).tolist()} == {0, 1, 2}
    assert near(equal, numbers, top_k=2).all()


def test_the_greatest_and_the_least_number_choose_the_last_and_the_first_class_that_are_kept():
    scores = np.array([[-200, 3, 1, 2, -200]] * 2, np.float32)
    assert choices(scores, np.array([0, 1 - 2**-24], np.float32)).tolist() == [1, 3]
    assert choices(scores, np.array([0, 1 - 2**-24], np.float32), top_k=2).tolist() == [1, 3]
    endless = np.array([[-np.inf, 0, -np.inf]] * 2, np.float32)
    assert choices(endless, np.array([0, 1 - 2**-24], np.float32)).tolist() == [1, 1]


def test_the_least_temperature_chooses_the_best_class():
    scores, numbers = drawn_scores(400, 30, 1)
    assert (choices(scores * 1000, numbers, temperature=1e-6) == scores.argmax(1)).all()
    assert near(scores * 1000, numbers, temperature=1e-6).mean() < 0.02


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_choice_that_is_not_near_another_one_does_not_change_with_rounding(settings):
    scores, numbers = drawn_scores(3000, 12, 2)
    rng, before = np.random.default_rng(3), choices(scores, numbers, **settings)
    scale = 5e-6 * np.maximum(1, np.abs(scores).max(1, keepdims=True))
    changed = np.zeros(len(scores), bool)
    for _ in range(4):
        moved = (scores + scale * rng.choice([-1, 1], scores.shape)).astype(np.float32)
        changed |= choices(moved, numbers, **settings) != before
    assert not (changed & ~near(scores, numbers, **settings)).any()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_number_at_an_edge_is_near(settings):
    scores, _ = drawn_scores(50, 6, 4)
    shares = [kept_shares(row, **settings) for row in scores.tolist()]
    scores = scores[[len(of) > 1 for of in shares]]
    edges = np.array([next(iter(of.values())) for of in shares if len(of) > 1])
    assert len(edges) > 20
    assert near(scores, edges.astype(np.float32), **settings).all()
    wide = edges > 0.001
    assert not near(scores[wide], (edges[wide] / 2).astype(np.float32), **settings).any()


def test_a_class_at_the_border_of_top_p_is_near():
    scores, numbers = np.log(np.array([[0.5, 0.25, 0.15, 0.1]], np.float32)), np.array([0.3], np.float32)
    assert near(scores, numbers, top_p=0.75).all()
    assert near(scores, numbers, top_p=0.9).all()
    assert not near(scores, numbers, top_p=0.8).any()
