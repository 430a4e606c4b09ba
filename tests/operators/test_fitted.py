"""The statistics that `standardize` and `minmax` are fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from forms import bind, run_onnx, run_torch
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from dlc.compiler.operators.fitted import Minmax, Standardize


def fit(shape, rows, sizes=(7, 1, 30), operator=Standardize):
    """The statistics fitted to rows in batches of uneven sizes."""
    parts = np.split(rows, np.cumsum(sizes)[: -(-len(rows) // 38) * 3])
    return bind(operator(), shape).fit(np, lambda: iter(parts))


def test_standardize_equals_scikit_learn_including_missing_values_and_constants():
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((200, 5)) * [1, 100, 1e-3, 1, 0] + [0, 5000, 1, 7, 0.1]).astype(np.float32)
    rows[rng.random((200, 5)) < 0.1] = np.nan
    fitted = fit((5,), rows)
    scaler = StandardScaler().fit(rows.astype(np.float64))
    np.testing.assert_allclose(fitted["mean"], scaler.mean_, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(fitted["std"], scaler.scale_, rtol=1e-6)
    assert fitted["std"][4] == 1 and fitted["mean"][4] == np.float32(0.1)
    assert {a.dtype for a in fitted.values()} == {np.dtype(np.float32)}


def test_statistics_of_large_numbers_are_precise():
    rows = (np.arange(1000, dtype=np.float64)[:, None] + 1e9).repeat(2, 1)
    fitted = fit((2,), rows)
    np.testing.assert_allclose(fitted["std"], rows.std(0), rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((), 0), ((4,), 0), ((6, 4), (0, 1)), ((3, 5, 6), (0, 2, 3)), ((3, 2, 5, 6), (0, 2, 3, 4))],
    ids=str,
)
def test_features_are_last_and_channels_first(shape, axes):
    rng = np.random.default_rng(0)
    rows = rng.uniform(0, 255, (40, *shape)).astype(np.float32)
    fitted = fit(shape, rows)
    np.testing.assert_allclose(fitted["mean"], rows.mean(axes, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(fitted["std"], rows.std(axes, dtype=np.float64), rtol=1e-6)
    operator = bind(Standardize(), shape)
    assert [w.shape for w in operator.weights(*operator.operands)] == [fitted["mean"].shape] * 2
    made = run_torch(operator, rows, **fitted).numpy()
    np.testing.assert_allclose(made.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(made.std(axes), 1, rtol=1e-5)
    assert np.array_equal(run_onnx(operator, rows, **fitted), made)


def test_a_feature_without_values_is_unchanged():
    fitted = fit((2,), np.array([[np.nan, 1], [np.nan, 3]], np.float32))
    assert fitted["mean"].tolist() == [0, 2] and fitted["std"].tolist() == [1, 1]


def test_minmax_equals_scikit_learn_including_missing_values_and_constants():
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((200, 5)) * [1, 100, 1e-3, 1, 0] + [0, 5000, 1, 7, 0.1]).astype(np.float32)
    rows[rng.random((200, 5)) < 0.1] = np.nan
    fitted = fit((5,), rows, operator=Minmax)
    scaler = MinMaxScaler().fit(rows.astype(np.float64))
    np.testing.assert_allclose(fitted["min"], scaler.data_min_, rtol=1e-6)
    operator = bind(Minmax(), (5,))
    others = (rows + 0.5).astype(np.float32)
    made = run_torch(operator, others, **fitted).numpy()
    np.testing.assert_allclose(made, scaler.transform(others.astype(np.float64)), rtol=1e-4, atol=1e-4)
    assert np.array_equal(run_onnx(operator, others, **fitted), made, equal_nan=True)
    own = run_torch(operator, rows, **fitted).numpy()
    assert np.nanmin(own, 0).tolist() == [0] * 5 and np.nanmax(own, 0).tolist() == [1, 1, 1, 1, 0]


def test_the_range_of_each_channel_and_of_a_feature_without_values():
    rows = np.random.default_rng(0).integers(0, 256, (9, 3, 4, 4)).astype(np.float32)
    fitted = fit((3, 4, 4), rows, operator=Minmax)
    made = run_torch(bind(Minmax(), (3, 4, 4)), rows, **fitted).numpy()
    assert made.min((0, 2, 3)).tolist() == [0] * 3 and made.max((0, 2, 3)).tolist() == [1] * 3
    gone = fit((2,), np.array([[np.nan, 1], [np.nan, 3]], np.float32), operator=Minmax)
    assert gone["min"].tolist() == [0, 1] and gone["range"].tolist() == [1, 2]
