"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlc.runtime.written_numbers import LARGE, SMALL, written, written_apart


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 3, "0"), (0.01234, 3, "0.0123"), (261.4844, 4, "261.5"), (1000, 3, "1000"), (999.9, 3, "1000"),
        (1234.56, 5, "1234.6"), (-38912.44, 4, "-38912"), (340410.2, 3, "340410"), (2e-5, 3, "2e-05"),
        (1.5e8, 3, "1.5e+08"), (float("nan"), 3, "nan"), (float("-inf"), 3, "-inf"),
    ],
)  # fmt: skip
def test_a_number_is_written(value: float, digits: int, text: str) -> None:
    assert written(value, digits) == text


@given(st.floats(SMALL, LARGE, exclude_max=True), st.integers(3, 8))
def test_it_is_the_number_in_so_many_digits(value: float, digits: int) -> None:
    assert float(written(value, digits)) == pytest.approx(value, rel=5.01 * 10**-digits)
    assert "e" not in written(value, digits) or float(f"{value:.{digits}g}") >= LARGE


def test_numbers_that_differ_are_told_apart() -> None:
    assert written_apart(1.6, 2.5, 3) == ("1.6", "2.5")
    assert written_apart(1.60012, 1.60045, 3) == ("1.6001", "1.6004")
    assert written_apart(2.0, 2.0, 3) == ("2", "2")
