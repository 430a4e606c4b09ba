"""Constant tensors of a spec: numbers, or nested tuples of numbers with one length per axis."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import Reject

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NUMBERS = 100_000  # of the result of arithmetic
MAX_PRODUCTS = 1_000_000  # of one `@`


def numbers(value: Any) -> list[Any]:
    """The numbers of nested tuples as a flat list."""
    return [n for v in value for n in numbers(v)] if isinstance(value, tuple) else [value]


def nested_list(value: Any) -> Any:
    return [nested_list(v) for v in value] if isinstance(value, tuple) else value


def nested_tuple(value: Any) -> Any:
    return tuple(map(nested_tuple, value)) if isinstance(value, list) else value


def nested_shape(value: Any) -> tuple[int, ...]:
    """The lengths of nested lists or tuples; `Reject` for an empty list, or different lengths on an axis."""
    if not isinstance(value, (list, tuple)):
        return ()
    shapes = sorted({nested_shape(v) for v in value})
    if len(shapes) == 1:
        return (len(value), *shapes[0])
    found = "an empty list"
    if shapes:
        found = " and ".join(f"lists of {shape[0]}" if shape else "a number" for shape in shapes[:2])
        if len({shape[:1] for shape in shapes[:2]}) == 1:
            found = "lists of different lengths"
    raise Reject(f"a constant needs the same number of entries in every list, found {found}", at="value")


# --- arithmetic -------------------------------------------------------------------------------------------


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """`function` of each number, in lists of the same lengths."""
    return [mapped(function, v) for v in value] if isinstance(value, list) else function(value)


def combined(function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """`function` of each pair of numbers of two nested lists or numbers, with NumPy broadcasting."""
    shapes = nested_shape(a), nested_shape(b)
    sizes = [(1,) * (max(map(len, shapes)) - len(shape)) + shape for shape in shapes]
    if any(n != m and 1 not in (n, m) for n, m in zip(*sizes, strict=True)):
        found = " and ".join(map(str, map(list, shapes)))
        raise Reject(f"the shapes of these constants do not match: {found}", code="E0203",
                     help="sizes are equal from the last axis on, or one of them is 1")  # fmt: skip
    if prod(max(pair) for pair in zip(*sizes, strict=True)) > MAX_NUMBERS:
        raise Reject(f"a constant of more than {MAX_NUMBERS:_} numbers", code="E0904")
    return _paired(function, a, b, *map(len, shapes))


def _paired(function: Callable[[Any, Any], Any], a: Any, b: Any, rank_a: int, rank_b: int) -> Any:
    if not rank_a and not rank_b:
        return function(a, b)
    if rank_a != rank_b:
        lower = min(rank_a, rank_b)
        a, b = ([x] if rank == lower else x for x, rank in ((a, rank_a), (b, rank_b)))
    length = max(len(a), len(b))
    a, b = (x * length if len(x) == 1 else x for x in (a, b))
    inner = max(rank_a, rank_b) - 1
    return [_paired(function, x, y, min(rank_a, inner), min(rank_b, inner))
            for x, y in zip(a, b, strict=True)]  # fmt: skip


def multiplied(a: Any, b: Any) -> Any:
    """The matrix product of two lists with one or two axes."""
    shapes = nested_shape(a), nested_shape(b)
    rows = a if len(shapes[0]) == 2 else [a]
    matrix = b if len(shapes[1]) == 2 else [[x] for x in b] if isinstance(b, list) else []
    if not all(1 <= len(shape) <= 2 for shape in shapes) or len(rows[0]) != len(matrix):
        found = " and ".join(map(str, map(list, shapes)))
        raise Reject(f"these constants cannot be multiplied as matrices: {found}", code="E0203",
                     help="`@` takes lists with one or two axes; the last axis of the first is as long as "
                          "the first axis of the second")  # fmt: skip
    size = len(rows) * len(matrix[0])
    if size > MAX_NUMBERS or size * len(matrix) > MAX_PRODUCTS:
        message = f"`@` of constants with more than {MAX_NUMBERS:_} numbers or {MAX_PRODUCTS:_} products"
        raise Reject(message, code="E0904")
    columns = list(zip(*matrix, strict=True))
    product = [[sum(x * y for x, y in zip(row, column, strict=True)) for column in columns] for row in rows]
    product = product if len(shapes[1]) == 2 else [row[0] for row in product]
    return product if len(shapes[0]) == 2 else product[0]
