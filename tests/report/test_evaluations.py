"""How answers are evaluated: in groups of any size, with answers that are no numbers, or nothing to count."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from dlc.runtime.report.class_counts import Calibration, CountsByClass
from dlc.runtime.report.errors_of_numbers import PAIRS, Errors
from dlc.runtime.report.predicted import PredictedRows, chosen
from dlc.runtime.report.worst import Verdict, WorstRows


def test_counts_do_not_depend_on_the_groups() -> None:
    random = np.random.default_rng(0)
    truth, answer = random.integers(0, 4, (2, 500))
    whole, parts = CountsByClass.of("abcd"), CountsByClass.of("abcd")
    whole.add(answer, truth)
    for part in np.array_split(np.arange(500), 7):
        parts.add(answer[part], truth[part])
    assert whole.figures() == parts.figures()
    f1 = f1_score(truth, answer, average=None)
    assert [found.f1 for found in whole.figures()] == pytest.approx(f1.tolist())


def test_an_answer_that_is_no_class_counts_for_none() -> None:
    counts = CountsByClass.of("ab")
    counts.add(np.array([-1, 0, 5, 1]), np.array([0, 0, 1, 1]))
    first, second = counts.figures()
    assert (first.rows, first.answered, first.recall) == (2, 1, 0.5)
    assert (second.rows, second.answered, second.precision) == (2, 1, 1.0)


def test_what_is_not_defined_is_none() -> None:
    counts = CountsByClass.of("abc")
    counts.add(np.array([0, 0]), np.array([0, 1]))
    never, absent = counts.figures()[1:]
    assert (never.precision, never.recall) == (None, 0.0)
    assert (absent.precision, absent.recall, absent.f1) == (None, None, None)
    assert Calibration().error is None


def test_probabilities_that_are_not_numbers_are_left_out_of_the_calibration() -> None:
    found = Calibration()
    found.add(np.array([0.95, np.nan, 0.05]), np.array([True, True, False]))
    assert [(round(p, 2), share, count) for p, share, count in found.points()] == [(0.05, 0, 1), (0.95, 1, 1)]
    assert found.error == pytest.approx(0.05)


def test_errors_far_from_zero_are_exact() -> None:
    random = np.random.default_rng(0)
    truth = 1e9 + random.normal(size=30_000)
    value = truth + random.normal(0, 0.1, 30_000)
    errors = Errors("y")
    for part in np.array_split(np.arange(30_000), 11):
        errors.add(value[part], truth[part])
    expected = 1 - ((value - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert errors.r2 == pytest.approx(expected, rel=1e-6)
    assert errors.rmse == pytest.approx(float(np.sqrt(np.mean((value - truth) ** 2))))
    assert PAIRS / 4 < len(errors.sample) <= PAIRS
    assert {*errors.sample[:, 0]} <= {*truth[:: errors.step]}


def test_answers_that_are_not_finite_are_counted_apart() -> None:
    errors = Errors("y")
    errors.add(np.array([1.0, np.nan, np.inf]), np.array([2.0, 0.0, 0.0]))
    assert (errors.count, errors.endless, errors.mae) == (1, 2, 1.0)


def test_the_worst_rows_of_all_groups_are_held() -> None:
    random = np.random.default_rng(0)
    badness, wrong = random.integers(0, 40, 300).astype(float), random.random(300) < 0.1
    badness[:20] = np.nan  # nothing counts in these
    found = WorstRows(50)
    for numbers in np.array_split(random.permutation(300), 9):
        group = PredictedRows(numbers, {"x": numbers * 10}, {"y": numbers * 100})
        found.add(group, Verdict(wrong[numbers], badness[numbers]))
    order = sorted((n for n in range(20, 300)), key=lambda n: (not wrong[n], -badness[n], n))
    assert [case.number for case in found.cases()] == order[:50]
    assert all(case.fields["x"] == 10 * case.number for case in found.cases())
    assert (found.count, found.wrong) == (280, int(wrong[20:].sum()))


@pytest.mark.parametrize(("count", "most"), [(10, 10), (11, 10), (1000, 7), (3, 10)])
def test_rows_are_chosen_at_equal_distances(count: int, most: int) -> None:
    order = chosen(count, most)
    if count <= most:
        assert order is None
        return
    assert order is not None and len(order) == len({*order}) == most
    assert order[0] == 0 and order[-1] < count
    assert np.ptp(np.diff(order)) <= 1
