"""Sums of products of free names and floor divisions, in one normal form: what is under `dims`.

What can be pulled out of a floor division is pulled out, and sums of floor divisions are given one form, so
that equal dimensions are, as far as these rules reach, written with equal terms.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import cached_property
from math import gcd, lcm
from typing import TYPE_CHECKING, Any, Self

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_TERMS = 64
MAX_DEGREE = 16
MAX_DEPTH = 8  # floor divisions within one another
MAX_SIZE = 256  # terms, those within floor divisions too
MAX_INTEGER = 10**18
TOO_LONG = "a dimension is too long an expression of free names to be computed with"


class DimError(ValueError):
    """A dimension that cannot be computed with: too large, or a division that cannot be proved."""


class ClassCount(str):
    """The symbol of a class count, `kind.classes`, which the rows of its field tell. Other symbols are plain
    `str`: names of free dimensions."""

    field: str

    def __new__(cls, field: str) -> Self:
        symbol = super().__new__(cls, f"{field}.classes")
        symbol.field = field
        return symbol

    def __getnewargs__(self) -> tuple[str]:
        return (self.field,)


@record
class Floor:
    """The atom `numerator // divisor`: coefficients from 0 up to the divisor, no common factor."""

    numerator: Sum
    divisor: int

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.numerator, self.divisor))

    @cached_property
    def order(self) -> tuple:
        return (1, self.divisor, tuple((order(m), c) for m, c in self.numerator))

    @cached_property
    def depth(self) -> int:
        return 1 + depth(self.numerator)

    @cached_property
    def size(self) -> int:
        return _size(self.numerator)

    @cached_property
    def lowest(self) -> int | None:
        low = lowest(dict(self.numerator))
        return None if low is None else low // self.divisor

    @cached_property
    def frame(self) -> Sum:
        """The numerator without its constant, or that of the complement: the one of smaller coefficients."""
        plain = tuple((m, c) for m, c in self.numerator if m)
        return min(plain, tuple((m, self.divisor - c) for m, c in plain), key=lambda s: [c for _, c in s])

    @cached_property
    def complement(self) -> Terms:
        """The floor as a sum less another: `T // 2 == T - (T + 1) // 2`, `T // 3 == T - (2 * T + 2) // 3`."""
        other = floor_divide(_opposite(dict(self.numerator), self.divisor), self.divisor)
        return add({m: 1 for m, _ in self.numerator if m}, other, -1)


Atom = str | Floor  # a symbol, or a division of them
Monomial = tuple[tuple[Atom, int], ...]  # atoms with their powers, in order; `()` is 1
Terms = dict[Monomial, int]  # none with coefficient 0
Sum = tuple[tuple[Monomial, int], ...]  # terms as a value, in order


def bounded(number: int) -> int:
    if abs(number) > MAX_INTEGER:
        raise DimError(
            f"a dimension holds a number past {MAX_INTEGER:.0e}, the largest that is computed with"
        )
    return number


def floors(terms: Iterable[tuple[Monomial, int]]) -> list[Floor]:
    return [a for m, _ in terms for a, _ in m if isinstance(a, Floor)]


def names_of(terms: Iterable[Monomial]) -> frozenset[str]:
    """The symbols, those within floor divisions too."""
    atoms = {atom for monomial in terms for atom, _ in monomial}
    inner = (names_of(m for m, _ in a.numerator) for a in atoms if isinstance(a, Floor))
    return frozenset(a for a in atoms if isinstance(a, str)).union(*inner)


def depth(terms: Iterable[tuple[Monomial, int]]) -> int:
    return max((f.depth for f in floors(terms)), default=0)


def _size(terms: Sum) -> int:
    return len(terms) + sum(f.size for f in floors(terms))


def in_order(terms: Terms) -> Sum:
    """The terms as a value, if they are within the bounds."""
    total = tuple(sorted(terms.items(), key=lambda t: order(t[0])))
    degree = max(_degree(m) for m in terms)
    if len(terms) > MAX_TERMS or degree > MAX_DEGREE or depth(total) > MAX_DEPTH or _size(total) > MAX_SIZE:
        raise DimError(TOO_LONG)
    for coefficient in terms.values():
        bounded(coefficient)
    return total


def _degree(monomial: Monomial) -> int:
    return sum(power for _, power in monomial)


def _atom_order(atom: Atom) -> tuple:
    return (0, atom) if isinstance(atom, str) else atom.order


def order(monomial: Monomial) -> tuple:
    return (-_degree(monomial), tuple((_atom_order(atom), -power) for atom, power in monomial))


def add(a: Terms, b: Terms, scale: int = 1) -> Terms:
    total = dict(a)
    for monomial, coefficient in b.items():
        total[monomial] = total.get(monomial, 0) + coefficient * scale
    return {m: c for m, c in total.items() if c}


def times(a: Terms, b: Terms) -> Terms:
    total: Terms = {}
    for m, c in a.items():
        for n, d in b.items():
            key = _join(m, n)
            total[key] = total.get(key, 0) + c * d
        if len(total) > 2 * MAX_TERMS:
            raise DimError(TOO_LONG)
    return {m: c for m, c in total.items() if c}


def _join(m: Monomial, n: Monomial) -> Monomial:
    if not m or not n:
        return m or n
    powers = dict(m)
    for atom, power in n:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda f: _atom_order(f[0])))


# --- division ---------------------------------------------------------------------------------------------


def floor_divide(terms: Terms, divisor: int) -> Terms:
    """`terms // divisor`: multiples pulled out, common factors cancelled, divisions of divisions made one."""
    whole = {m: c // divisor for m, c in terms.items() if c // divisor}
    rest = {m: c % divisor for m, c in terms.items() if c % divisor}
    factor = gcd(divisor, *(c for m, c in rest.items() if m))
    divisor //= factor
    rest = {m: c // factor for m, c in rest.items() if c // factor}
    if divisor == 1:
        return add(whole, rest)
    bounded(divisor)
    for monomial in sorted(rest, key=order):
        floor, cofactor = _single_floor(monomial)
        if not floor or cofactor or rest[monomial] not in (1, divisor - 1):
            continue
        others = {m: c for m, c in rest.items() if m != monomial}
        if rest[monomial] == 1:
            numerator = add(dict(floor.numerator), others, floor.divisor)
            return add(whole, floor_divide(numerator, divisor * floor.divisor))
        rounded_up = add(others, floor.complement, -1)  # divisor - 1 counts as -1
        return add(add(whole, {monomial: 1}), floor_divide(rounded_up, divisor))
    return add(whole, {((Floor(in_order(rest), divisor), 1),): 1})


def divide(a: Terms, b: Terms) -> tuple[Terms, Terms]:
    """Polynomial division by the leading term: quotient and remainder."""
    a = dict(a)
    atoms = sorted({atom for m in (*a, *b) for atom, _ in m}, key=_atom_order)

    def leading(monomial: Monomial) -> tuple:
        powers = dict(monomial)
        return (_degree(monomial), [powers.get(atom, 0) for atom in atoms])

    lead = max(b, key=leading)
    quotient: Terms = {}
    remainder: Terms = {}
    for _ in range(4 * MAX_TERMS):
        if not a:
            return quotient, remainder
        monomial = max(a, key=leading)
        left = dict(monomial)
        for atom, power in lead:
            left[atom] = left.get(atom, 0) - power
        if min(left.values(), default=0) < 0 or a[monomial] % b[lead]:
            remainder[monomial] = a.pop(monomial)
            continue
        step = {tuple((atom, power) for atom, power in left.items() if power): a[monomial] // b[lead]}
        quotient = add(quotient, step)
        a = add(a, times(step, b), -1)
    raise DimError(TOO_LONG)


# --- sums of floor divisions ------------------------------------------------------------------------------


def _single_floor(monomial: Monomial) -> tuple[Floor | None, Monomial]:
    """The one floor division in a product of names, and that product without it."""
    found = [(atom, power) for atom, power in monomial if isinstance(atom, Floor)]
    if len(found) != 1 or found[0][1] != 1:
        return None, monomial
    return found[0][0], tuple(f for f in monomial if f != found[0])


def _opposite(numerator: Terms, k: int) -> Terms:
    flipped = {m: k - c for m, c in numerator.items() if m}
    return add(flipped, {(): k - 1 - numerator.get((), 0)})


def join_floors(terms: Terms) -> Terms:
    """One form for sums of floors, by p // k + (p + 1) // k + ... + (p + k - 1) // k == p and complements.

    Deeper floors go first: what takes their place holds only shallower ones.
    """
    done = set()
    while True:
        groups: dict[tuple, list[Monomial]] = {}
        for monomial in terms:
            floor, cofactor = _single_floor(monomial)
            if floor:
                groups.setdefault((floor.frame, floor.divisor, cofactor), []).append(monomial)
        todo = [g for g in groups if g not in done]
        if not todo:
            return terms
        group = max(todo, key=lambda g: (depth(g[0]), g[1]))
        done.add(group)
        if len(groups[group]) > 1 or terms[groups[group][0]] < 0:
            terms = _join_group(terms, groups[group], *group)


def _join_group(terms: Terms, members: list[Monomial], frame: Sum, k: int, cofactor: Monomial) -> Terms:
    base = dict(frame)
    counts: dict[int, int] = {}  # how often each (base + i) // k stands in the sum
    total = {m: c for m, c in terms.items() if m not in members}
    for monomial in members:
        numerator = next(dict(f.numerator) for f in floors([(monomial, 1)]))
        coefficient, constant = terms[monomial], numerator.get((), 0)
        if all(numerator[m] == c for m, c in frame):
            counts[constant] = counts.get(constant, 0) + coefficient
        else:
            counts[k - 1 - constant] = counts.get(k - 1 - constant, 0) - coefficient
            total = add(total, {_join(m, cofactor): coefficient for m in base})
    often = Counter(counts.values())
    often[0] += k - len(counts)
    common = min(often, key=lambda v: (-often[v], v))
    if common:
        total = add(total, times(base, {cofactor: common}))
        counts = {i: counts.get(i, 0) - common for i in range(k)}
    for i, count in counts.items():
        numerator = add(base, {(): i})
        if count < 0:
            numerator = _opposite(numerator, k)
            total = add(total, {_join(m, cofactor): count for m in base})
        total = add(total, times(floor_divide(numerator, k), {cofactor: abs(count)}))
    return total


def shorten(terms: Terms) -> Terms:
    """The terms as people and machines like them: with a negative floor where that is shorter."""
    best = terms
    for monomial, coefficient in terms.items():
        floor, cofactor = _single_floor(monomial)
        if not floor:
            continue
        with suppress(DimError):  # past the bounds it is not shorter
            flipped = add(times(floor.complement, {cofactor: coefficient}), best)
            best = min(best, add(flipped, {monomial: -coefficient}), key=_length)
    return best


def _length(terms: Terms) -> tuple[int, int]:
    inner = sum(c for f in floors(terms.items()) for _, c in f.numerator)
    return len(terms), inner + sum(abs(c) for c in terms.values())


# --- values and bounds ------------------------------------------------------------------------------------


def value(terms: Terms, values: Mapping[str, Any], memo: dict) -> Any:
    """Takes out the atom that most terms share, again and again; what was computed once is used again."""
    if not any(terms):
        return terms.get((), 0)
    key = frozenset(terms.items())
    if key not in memo:
        shared = Counter(atom for m in terms for atom, _ in m)
        atom = min(shared, key=lambda a: (-shared[a], _atom_order(a)))
        inside = {_lower(m, atom): c for m, c in terms.items() if atom in dict(m)}
        outside = {m: c for m, c in terms.items() if atom not in dict(m)}
        result = _atom_value(atom, values, memo)
        if inside != {(): 1}:
            result = result * value(inside, values, memo)
        memo[key] = result + value(outside, values, memo) if outside else result
    return memo[key]


def _lower(monomial: Monomial, atom: Atom) -> Monomial:
    return tuple((a, p - (a == atom)) for a, p in monomial if a != atom or p > 1)


def _atom_value(atom: Atom, values: Mapping[str, Any], memo: dict) -> Any:
    if isinstance(atom, str):
        return values[atom]
    if atom not in memo:
        memo[atom] = value(shorten(dict(atom.numerator)), values, memo) // atom.divisor
    return memo[atom]


def lowest(terms: Terms) -> int | None:
    """A proved lower bound, every name being at least 1."""
    bounds = [_lowest_shifted(terms), _lowest_relaxed(terms) if floors(terms.items()) else None]
    return max((b for b in bounds if b is not None), default=None)


def _lowest_shifted(terms: Terms) -> int | None:
    """The constant, with every atom written as its lowest value and a rest >= 0, if no term then falls."""
    shift: dict[Any, int] = {}
    for atom in {atom for m in terms for atom, _ in m}:
        low = 1 if isinstance(atom, str) else atom.lowest
        if low is None:
            return None
        shift[atom] = low
    if all(c > 0 for m, c in terms.items() if m) and min(shift.values(), default=0) >= 0:
        return value(terms, shift, dict(shift))
    total: Terms = {}
    for monomial, coefficient in terms.items():
        expanded = {(): coefficient}
        for atom, power in monomial:
            for _ in range(power):
                expanded = times(expanded, add({((atom, 1),): 1}, {(): shift[atom]}))
        total = add(total, expanded)
    return total.get((), 0) if all(c > 0 for m, c in total.items() if m) else None


def _lowest_relaxed(terms: Terms) -> int | None:
    """With `(p - k + 1) / k <= p // k <= p / k` in place of each floor division."""
    scale = lcm(*(f.divisor for f in (_single_floor(m)[0] for m in terms) if f))
    total: Terms = {}
    for monomial, coefficient in terms.items():
        floor, cofactor = _single_floor(monomial)
        if not floor:
            total = add(total, {monomial: coefficient * scale})
            continue
        slack = {(): floor.divisor - 1 if coefficient > 0 else 0}
        edge = add(dict(floor.numerator), slack, -1)
        total = add(total, times(edge, {cofactor: coefficient * (scale // floor.divisor)}))
    low = _lowest_shifted(total)
    return None if low is None else -(-low // scale)
