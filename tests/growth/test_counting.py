"""What the tests of growth count: each round of each loop, also of a loop that is on one line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from counting import faster, steps

if TYPE_CHECKING:
    from collections.abc import Callable


def pairs(size: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(size) for b in range(size)]


def pairs_in_two_loops(size: int) -> list[tuple[int, int]]:
    found = []
    for a in range(size):
        for b in range(size):
            found.append((a, b))
    return found


def pairs_found_by_calls(size: int) -> int:
    return sum(a == b for a in range(size) for b in range(size))


def pairs_of_few_beside_many_steps(size: int) -> int:
    many = 0
    for _ in range(200 * size):
        many += 1
    return many + sum(1 for a in range(size) for b in range(size))


def rounds(size: int) -> list[int]:
    return [a for a in range(8 * size) if a % 3]


def counts(task: Callable[[int], object]) -> list[str]:
    return faster([steps(partial(task, size), __file__) for size in (24, 48, 96)], minimum=20 * 24)


@pytest.mark.parametrize(
    "task", [pairs, pairs_in_two_loops, pairs_found_by_calls, pairs_of_few_beside_many_steps]
)
def test_a_loop_within_a_loop_is_found(task: Callable[[int], object]) -> None:
    found = counts(task)
    assert found and all(task.__qualname__ in name for name in found)


def test_a_single_loop_is_not() -> None:
    assert counts(rounds) == []


def test_steps_are_the_rounds_of_each_line() -> None:
    found = steps(partial(rounds, 10), __file__)
    functions = {name: count for name, count in found.items() if ": line " not in name}
    assert 80 <= sum(functions.values()) <= 90
    assert sum(found.values()) == 2 * sum(functions.values())
