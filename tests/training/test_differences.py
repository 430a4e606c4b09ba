"""The check of derivatives by finite differences: right, wrong, or one of the derivatives at a kink."""

from __future__ import annotations

from math import cos, exp, sin, sqrt

import numpy as np
import pytest

from dlc.runtime.training.finite_differences import DerivativeCheck, compare


def found(function, derivative: float, at: float = 0.0) -> DerivativeCheck:
    return compare(lambda t: function(at + t), derivative, abs(derivative))


@pytest.mark.parametrize(("function", "derivative"), [
    (lambda x: sin(3 * x), 3.0), (lambda x: exp(-x), -1.0), (lambda x: (x - 2) ** 3, 12.0),
    (lambda x: 1e6 + x, 1.0), (lambda x: 5.0, 0.0), (lambda x: 1e-9 * cos(x + 1), -1e-9 * sin(1)),
])  # fmt: skip
def test_a_smooth_function_agrees_at_the_first_step(function, derivative):
    result = found(function, derivative)
    assert result.error < 1e-7
    assert not result.wrong and not result.kink


@pytest.mark.parametrize("off", [1.5, 1.0, 0.1, 1e-3, 1e-5, -1.0])
def test_a_wrong_derivative_of_a_smooth_function_stays_wrong(off):
    result = found(lambda x: sin(3 * x + 0.5), 3 * cos(0.5) * (1 + off))
    assert result.wrong
    assert result.error == pytest.approx(abs(off) / max(1, 1 + off), rel=0.1)
    assert result.numeric == pytest.approx(3 * cos(0.5))


KINKS = {
    "relu": (lambda x: max(x, 0.0), 0.0, 1.0),
    "abs": (abs, -1.0, 1.0),
    "clip": (lambda x: min(max(x, 0.0), 1.0) + 2 * x, 2.0, 3.0),
    "maxpool with a tie": (lambda x: max(2 * x, -3 * x), -3.0, 2.0),
    "hinge": (lambda x: max(0.0, -x) + x**2, -1.0, 0.0),
    "leaky, curved": (lambda x: sin(x) if x > 0 else 0.1 * sin(x), 0.1, 1.0),
}


@pytest.mark.parametrize("name", KINKS)
def test_at_a_kink_all_derivatives_between_both_sides_are_right(name):
    function, low, high = KINKS[name]
    for derivative in (low, high, 0.7 * low + 0.3 * high):
        result = found(function, derivative)
        assert result.kink and not result.wrong, derivative
    for derivative in (low - 0.1 * (high - low), high + 0.1 * (high - low), 3 * high + 1):
        assert found(function, derivative).wrong, derivative


@pytest.mark.parametrize("away", [1e-3, 2e-4, 1e-5])
def test_next_to_a_kink_the_step_shrinks_until_it_is_past(away):
    result = found(lambda x: max(x, 0.0) + sin(x), 1 + cos(away), at=away)
    assert result.kink and not result.wrong
    assert result.error < 1e-6
    assert found(lambda x: max(x, 0.0) + sin(x), cos(away), at=away).wrong


def test_kinks_within_the_smallest_step_allow_an_approximate_check():
    """A hundred thousand `relu`s, five of them within the smallest step, as in deep networks."""
    rng = np.random.default_rng(0)
    bends, slopes = rng.uniform(-2e-3, 2e-3, 10**5), rng.standard_normal(10**5)
    derivative = 300 + float(slopes[bends < 0].sum())
    dense = lambda x: 300 * x + float(np.maximum(x - bends, 0) @ slopes)
    result = found(dense, derivative)
    assert result.kink and not result.wrong
    assert result.error < 1e-2
    assert found(dense, 1.1 * derivative).wrong


def test_a_discontinuity_is_not_a_slope():
    result = found(lambda x: float(x >= 0) + 2 * x, 2.0, at=3e-5)
    assert result.kink and not result.wrong


def test_a_sharp_bend_is_not_a_kink():
    result = found(lambda x: sqrt(x * x + 1e-3), 0.0, at=0.0)
    assert not result.wrong
    bend = found(lambda x: exp(30 * x), 30.0)
    assert not bend.wrong and not bend.kink
