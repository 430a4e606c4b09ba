"""`impute` compared with scikit-learn, in PyTorch and ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from forms import bind, run_onnx, run_torch
from sklearn.impute import SimpleImputer

from dlc.compiler.operators.impute import Impute

LEARNT = ("mean", "median", "most_frequent")


def gaps(*shape, missing=0.2, seed=0):
    """Rows with few distinct values, several of them equally frequent, and with missing values."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-3, 4, shape).astype(np.float32) / 2
    rows[rng.random(shape) < missing] = np.nan
    return rows


def fit(fill, rows):
    operator = bind(Impute(fill=fill), rows.shape[1:])
    parts = np.split(rows, [7, 8])
    return operator, operator.fit(np, lambda: iter(parts))


def oracle(fill, rows):
    """A feature that is missing in all rows is kept and becomes 0."""
    more = {"strategy": fill} if fill in LEARNT else {"strategy": "constant", "fill_value": fill}
    return SimpleImputer(**more, keep_empty_features=True).fit(rows.astype(np.float64))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fill", LEARNT)
def test_impute_equals_scikit_learn_including_ties_and_missing_features(fill, seed):
    rows = gaps(41, 6, seed=seed)
    rows[:, 2] = np.nan  # missing in all rows
    rows[:, 3] = 0.1
    rows[1:, 4] = np.nan  # present in one row
    operator, fitted = fit(fill, rows)
    wanted = oracle(fill, rows)
    np.testing.assert_allclose(fitted["value"], wanted.statistics_, rtol=1e-6, atol=1e-7)
    others = gaps(50, 6, missing=0.5, seed=9)
    made = run_torch(operator, others, **fitted).numpy()
    np.testing.assert_allclose(made, wanted.transform(others), rtol=1e-6, atol=1e-7)
    assert np.array_equal(run_onnx(operator, others, **fitted), made)


def test_the_smallest_of_equally_frequent_values_is_taken():
    rows = np.array([[5], [2], [np.nan], [2], [5], [9]], np.float32)
    assert fit("most_frequent", rows)[1]["value"].tolist() == [2]
    assert fit("median", rows)[1]["value"].tolist() == [5]
    assert fit("median", rows[1:])[1]["value"].tolist() == [3.5]


@pytest.mark.parametrize("fill", LEARNT)
@pytest.mark.parametrize(
    ("shape", "order"), [((), ...), ((6, 4), ...), ((3, 5, 6), (0, 2, 3, 1)), ((3, 2, 2, 2), (0, 2, 3, 4, 1))]
)
def test_features_are_last_and_channels_first(fill, shape, order):
    rows = gaps(30, *shape)
    operator, fitted = fit(fill, rows)
    flat = (rows if order is ... else rows.transpose(order)).reshape(-1, fitted["value"].size)
    np.testing.assert_allclose(fitted["value"].ravel(), oracle(fill, flat).statistics_, rtol=1e-6, atol=1e-7)
    made = run_torch(operator, rows, **fitted).numpy()
    assert np.array_equal(made[~np.isnan(rows)], rows[~np.isnan(rows)])
    assert np.isfinite(made).all() and np.array_equal(run_onnx(operator, rows, **fitted), made)


@pytest.mark.parametrize("fill", [0, -1.5])
def test_a_given_number_needs_no_rows(fill):
    rows = gaps(20, 3)
    operator = bind(Impute(fill=fill), (3,))
    assert not operator.is_fitted() and not list(operator.weights(*operator.operands))
    made = run_torch(operator, rows).numpy()
    assert np.array_equal(made, oracle(fill, rows).transform(rows))
    assert np.array_equal(run_onnx(operator, rows), made)


def test_infinite_numbers_are_not_missing():
    rows = np.array([[np.inf, -np.inf, np.nan]], np.float32)
    operator = bind(Impute(fill=0), (3,))
    assert run_torch(operator, rows).tolist() == run_onnx(operator, rows).tolist() == [[np.inf, -np.inf, 0]]
