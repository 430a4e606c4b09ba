"""Symbolic dimensions: integer expressions of symbols, such as `T + 1` or `(T + 1) // 2`.

A symbol is an integer of at least 1. It is a free dimension, which can have any size at run time, or a class
count, which is a constant once the rows are read. Arithmetic returns an int if the result is constant.
Two dimensions are equal if they have the same normal form (`dims/terms.py`).
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, TypeVar

from dlc.compiler.dims.terms import (
    BATCH,
    MAX_DEGREE,
    MAX_INTEGER,
    Atom,
    ClassCount,
    DimError,
    Sum,
    Terms,
    add,
    bounded,
    divide,
    floor_divide,
    in_order,
    join_floors,
    lower_bound,
    names_of,
    shortest,
    times,
    value,
)
from dlc.compiler.dims.text import text
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "BATCH",
    "BATCH_SIZE",
    "MAX_INTEGER",
    "Dim",
    "DimError",
    "Size",
    "at_least",
    "ceil_div",
    "class_count",
    "class_counts",
    "divisors",
    "evaluate",
    "fixed",
    "free",
    "has_free",
    "is_free",
    "minimum",
    "names",
    "number",
    "product",
    "same",
    "substitute",
    "total",
]

X = TypeVar("X")


@record
class Dim:
    """A dimension with at least one symbol. It is made by `free`, `class_count` and arithmetic only."""

    terms: Sum

    def __add__(self, other: Size) -> Size:
        return _dim(add(_terms(self), _terms(other))) if _is_size(other) else NotImplemented

    def __mul__(self, other: Size) -> Size:
        return _dim(times(_terms(self), _terms(other))) if _is_size(other) else NotImplemented

    def __sub__(self, other: Size) -> Size:
        return self + other * -1 if _is_size(other) else NotImplemented

    def __rsub__(self, other: Size) -> Size:
        return self * -1 + other if _is_size(other) else NotImplemented

    def __floordiv__(self, other: Size) -> Size:
        return _quotient(self, other) if _is_size(other) else NotImplemented

    def __rfloordiv__(self, other: Size) -> Size:
        return _quotient(other, self) if _is_size(other) else NotImplemented

    def __mod__(self, other: Size) -> Size:
        return self - _quotient(self, other) * other if _is_size(other) else NotImplemented

    def __rmod__(self, other: Size) -> Size:
        return other - _quotient(other, self) * self if _is_size(other) else NotImplemented

    def __pow__(self, other: Size) -> Size:
        if not isinstance(other, int):
            return other.__rpow__(self) if isinstance(other, Dim) else NotImplemented
        if not 0 <= other <= MAX_DEGREE:
            raise DimError(f"`{self}` cannot be raised to {other}: the power must be from 0 to {MAX_DEGREE}")
        return product([self] * other)

    def __rpow__(self, other: Size) -> Size:
        if not _is_size(other):
            return NotImplemented
        raise DimError(f"`{other}` cannot be raised to `{self}`: the power must be a known whole number")

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Size:
        return self * -1

    def __pos__(self) -> Dim:
        return self

    def __str__(self) -> str:
        return text(dict(self.terms))


Size = int | Dim


def free(name: str) -> Dim:
    """The free dimension with this name."""
    return _symbol(name)


def class_count(field: str) -> Dim:
    """The class count of a field whose rows are not read yet."""
    return _symbol(ClassCount(field))


def is_free(size: Size) -> bool:
    """Whether the size is a single free dimension."""
    return isinstance(size, Dim) and has_free(size) and size == _symbol(next(iter(names(size))))


def has_free(size: Size) -> bool:
    """Whether the size contains a free dimension. A weight cannot have such a size."""
    return any(not isinstance(name, ClassCount) for name in names(size))


def class_counts(size: Size) -> list[ClassCount]:
    """The class counts in the size, sorted."""
    return sorted(name for name in names(size) if isinstance(name, ClassCount))


def number(size: Size) -> int:
    """The size as int; DimError if it is symbolic."""
    if isinstance(size, Dim):
        raise DimError(f"`{size}` is not known")
    return size


def fixed(sizes: Iterable[Size]) -> tuple[int, ...] | None:
    """The sizes as ints; None if one is symbolic."""
    every = tuple(sizes)
    known = tuple(size for size in every if isinstance(size, int))
    return known if len(known) == len(every) else None


def same(a: Size, b: Size) -> bool:
    """Whether two sizes are provably equal."""
    return isinstance(a, Dim) == isinstance(b, Dim) and a == b


def product(sizes: Iterable[Size]) -> Size:
    """The product of the sizes."""
    result: Size = 1
    for size in sizes:
        result = _bounded(result * size)
    return result


def total(sizes: Iterable[Size]) -> Size:
    """The sum of the sizes."""
    result: Size = 0
    for size in sizes:
        result = result + size
    return result


def ceil_div(a: Size, b: int) -> Size:
    """`a / b` rounded up."""
    return _quotient(a + (b - 1), b)


def divisors(size: int) -> list[int]:
    """The divisors of a number, sorted. Sizes may be as large as 1e9."""
    small = [n for n in range(1, isqrt(size) + 1) if size % n == 0]
    return sorted({*small, *(size // n for n in small)})


def names(size: Size) -> frozenset[str]:
    """The symbols in the size."""
    return names_of(_terms(size))


def substitute(size: Size, values: Mapping[str, Size]) -> Size:
    """The size with symbols replaced, simultaneously."""
    if isinstance(size, int):
        return size
    total: Size = 0
    for monomial, coefficient in size.terms:
        factors = [_substitute_atom(atom, values) ** power for atom, power in monomial]
        total = total + product([coefficient, *factors])
    return total


def evaluate(size: Size, values: Mapping[str, X]) -> X | int:
    """The size for these values of its symbols: ints, or objects with `+`, `*` and `//`."""
    known = {n: v for n, v in values.items() if isinstance(v, int) and n in names(size)}
    if known and len(known) < len(names(size)):
        size = substitute(size, known)
    return value(shortest(_terms(size)), values, {})


def minimum(size: Size) -> int | None:
    """A proved lower bound of the size, where every symbol is at least 1; None if none is found."""
    try:
        return lower_bound(_terms(size))
    except DimError:
        return None


def at_least(size: Size, bound: int) -> bool:
    """Whether the size is provably at least `bound`."""
    low = minimum(size)
    return low is not None and low >= bound


def _symbol(name: str) -> Dim:
    return Dim(((((name, 1),), 1),))


def _is_size(value: object) -> bool:
    return isinstance(value, int | Dim)


def _terms(size: Size) -> Terms:
    if isinstance(size, Dim):
        return dict(size.terms)
    return {(): int(size)} if size else {}


def _dim(terms: Terms) -> Size:
    """The dimension of a sum of terms, in normal form."""
    terms = join_floors(terms)
    return Dim(in_order(terms)) if any(terms) else bounded(terms.get((), 0))


def _quotient(a: Size, b: Size) -> Size:
    if isinstance(b, Dim):
        return _symbolic_quotient(a, b)
    if b <= 0:
        raise DimError(f"`{a}` cannot be divided by {b}: the divisor must be a positive whole number")
    return _dim(floor_divide(_terms(a), b))


def _symbolic_quotient(a: Size, b: Dim) -> Size:
    """`a // b`, if `a == q * b + r` with 0 <= r < b can be proved. The divisor is assumed not to be 0."""
    quotient, rest = divide(_terms(a), _terms(b))
    remainder = _dim(rest)
    if remainder != 0 and not (at_least(remainder, 0) and at_least(b - remainder, 1)):
        raise DimError(
            f"`{a}` cannot be divided by `{b}`: the result is not a known expression of free dimensions"
        )
    return _dim(quotient)


def _substitute_atom(atom: Atom, values: Mapping[str, Size]) -> Size:
    if isinstance(atom, str):
        return values.get(atom, _symbol(atom))
    return _quotient(substitute(Dim(atom.numerator), values), atom.divisor)


def _bounded(size: Size) -> Size:
    return size if isinstance(size, Dim) else bounded(size)


BATCH_SIZE = _symbol(BATCH)
