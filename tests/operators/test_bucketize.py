"""`bucketize` compared exactly with NumPy's quantiles and scikit-learn's bins, also at edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from forms import bind, run_onnx, run_torch
from sklearn.preprocessing import KBinsDiscretizer

from dlc.compiler.operators.bucketize import Bucketize


def fit(n, rows):
    operator = bind(Bucketize(n=n), rows.shape[1:])
    parts = np.split(rows, [7, 8])
    return operator, operator.fit(np, lambda: iter(parts))


@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("seed", range(3))
def test_bins_equal_scikit_learn(n, seed):
    rng = np.random.default_rng(seed)
    rows = (rng.standard_normal((97, 4)) * [1, 1e-4, 1e6, 1] + [0, 0, 0, 0.1]).astype(np.float32)
    operator, fitted = fit(n, rows)
    bins = KBinsDiscretizer(n, encode="ordinal", strategy="quantile", quantile_method="linear",
                            subsample=None).fit(rows.astype(np.float64))  # fmt: skip
    others = np.concatenate([rows, rng.standard_normal((200, 4)).astype(np.float32) * 2])
    made = run_torch(operator, others, **fitted)
    assert made.dtype is torch.int64
    assert np.array_equal(made, bins.transform(others.astype(np.float64)))
    assert np.array_equal(run_onnx(operator, others, **fitted), made)


def test_an_edge_belongs_to_the_upper_bin_as_in_numpy():
    """Integers are equal to their quantiles; thirds are between two float32 numbers."""
    for rows in (np.arange(13, dtype=np.float32), np.float32(0.1) * np.arange(14, dtype=np.float32)):
        operator, fitted = fit(6, rows)
        edges = np.quantile(rows.astype(np.float64), np.arange(1, 6) / 6)
        near = np.concatenate([np.nextafter(fitted["edges"], np.float32(end)) for end in (-99, 99)])
        others = np.concatenate([rows, fitted["edges"], near])
        wanted = np.searchsorted(edges, others.astype(np.float64), side="right")
        made = run_torch(operator, others, **fitted).numpy()
        assert np.array_equal(made, wanted) and np.array_equal(run_onnx(operator, others, **fitted), wanted)


def test_bucketize_equals_torch():
    rows = np.random.default_rng(0).standard_normal((50,)).astype(np.float32)
    operator, fitted = fit(4, rows)
    wanted = torch.bucketize(torch.from_numpy(rows), torch.from_numpy(fitted["edges"]), right=True)
    assert torch.equal(run_torch(operator, rows, **fitted), wanted)


def test_bins_between_equal_quantiles_are_empty():
    rows = np.array([0, 0, 0, 0, 0, 1, 2, 3], np.float32)
    operator, fitted = fit(4, rows)
    assert fitted["edges"].tolist() == np.quantile(rows, [0.25, 0.5, 0.75]).tolist() == [0, 0, 1.25]
    assert run_torch(operator, rows, **fitted).tolist() == [2, 2, 2, 2, 2, 2, 3, 3]
    assert run_torch(operator, np.float32([-1]), **fitted).tolist() == [0]


@pytest.mark.parametrize(("shape", "axes"), [((6, 4), (0, 1)), ((3, 5, 6), (0, 2, 3))], ids=str)
def test_features_are_last_and_channels_first(shape, axes):
    rows = np.random.default_rng(0).standard_normal((40, *shape)).astype(np.float32)
    operator, fitted = fit(4, rows)
    wanted = np.quantile(rows.astype(np.float64), [0.25, 0.5, 0.75], axis=axes)
    np.testing.assert_allclose(fitted["edges"], wanted.T, rtol=1e-6)
    made = run_torch(operator, rows, **fitted).numpy()
    counts = np.stack([(made == bin).mean(axes) for bin in range(4)])
    np.testing.assert_allclose(counts, 0.25, atol=0.01)
    assert np.array_equal(run_onnx(operator, rows, **fitted), made)


def test_only_values_at_an_edge_have_a_tolerance():
    operator = bind(Bucketize(n=3), (2,))
    edges = np.array([[-1, 1], [0, 0]], np.float32)
    slack = operator.tolerance(np)
    x = np.array([[1 + 1e-6, 0.5], [0.9, 0], [-1, 1e-6]], np.float32)
    assert slack(x, edges).tolist() == [[np.inf, 0], [0, np.inf], [np.inf, 0]]
