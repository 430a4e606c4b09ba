"""Alignments are longest common subsequences, and stay fast where nothing is common."""

from __future__ import annotations

import time
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlc.compiler.differences.alignment import align, by_number, refine

LETTERS = st.text("abcd", max_size=9)


def longest(a: str, b: str) -> int:
    """The length of a longest common subsequence, by its definition."""

    @cache
    def of(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return 0
        return of(i + 1, j + 1) + 1 if a[i] == b[j] else max(of(i + 1, j), of(i, j + 1))

    return of(0, 0)


def check(pairs: list[tuple[int, int]], a: str, b: str) -> None:
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))


@given(LETTERS, LETTERS)
def test_an_alignment_is_a_longest_common_subsequence(a, b):
    pairs = align(a, b)
    check(pairs, a, b)
    assert len(pairs) == longest(a, b)


@given(LETTERS, LETTERS)
def test_entries_pair_by_their_number_without_crossing(a, b):
    pairs = by_number(a, b)
    check(pairs, a, b)
    assert bool(pairs) == bool(set(a) & set(b))


@given(LETTERS, LETTERS)
def test_a_second_key_adds_pairs_between_those_of_the_first(a, b):
    exact = align(a, b)
    rough = refine(exact, [letter in "ab" for letter in a], [letter in "ab" for letter in b])
    assert set(exact) <= set(rough)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(rough))


@pytest.mark.parametrize("entries", ["different", "reversed"])
def test_ten_thousand_entries_that_differ_take_less_than_some_seconds(entries):
    a = [*range(10_000)]
    b = [-1 - n for n in a] if entries == "different" else a[::-1]
    begun = time.process_time()
    assert len(align(a, b)) == (entries == "reversed")
    assert time.process_time() - begun < 5
