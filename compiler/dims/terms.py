"""Normal form of symbolic dimensions: sums of products of symbols and floor divisions.

Multiples of the divisor are moved out of floor divisions, and sums of floor divisions are brought to one
form. So equal dimensions have equal terms, as far as these rules reach.
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
MAX_DEPTH = 8  # nested floor divisions
MAX_SIZE = 256  # terms, including those inside floor divisions
MAX_INTEGER = 10**18
TOO_LONG = "a dimension is too long an expression of free dimensions"


class DimError(ValueError):
    """A dimension that cannot be computed: too large, or a division without a provable result."""


BATCH = "batch"  # the symbol of the batch size, which occurs in losses only; it is written `B`


class ClassCount(str):
    """The symbol of a class count, `kind.classes`, whose value comes from the rows of its field. Other
    symbols are plain `str`: names of free dimensions."""

    field: str

    def __new__(cls, field: str) -> Self:
        symbol = super().__new__(cls, f"{field}.classes")
        symbol.field = field
        return symbol

    def __getnewargs__(self) -> tuple[str]:
        return (self.field,)


@record
class Floor:
    """The atom `numerator // divisor`: coefficients from 0 to `divisor - 1`, without a common factor."""

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
    def lower_bound(self) -> int | None:
        low = lower_bound(dict(self.numerator))
        return None if low is None else low // self.divisor

    @cached_property
    def frame(self) -> Sum:
        """The numerator without its constant, or that of the complement if its coefficients are smaller."""
        plain = tuple((m, c) for m, c in self.numerator if m)
        return min(plain, tuple((m, self.divisor - c) for m, c in plain), key=lambda s: [c for _, c in s])

    @cached_property
    def complement(self) -> Terms:
        """The equivalent terms with another floor division: `T // 2 == T - (T + 1) // 2`,
        `T // 3 == T - (2 * T + 2) // 3`."""
        other = floor_divide(_complement(dict(self.numerator), self.divisor), self.divisor)
        return add({m: 1 for m, _ in self.numerator if m}, other, -1)


Atom = str | Floor  # a symbol, or a floor division
Monomial = tuple[tuple[Atom, int], ...]  # atoms with their powers, sorted; `()` is 1
Terms = dict[Monomial, int]  # coefficients, all nonzero
Sum = tuple[tuple[Monomial, int], ...]  # the same, hashable and sorted


def bounded(number: int) -> int:
    if abs(number) > MAX_INTEGER:
        raise DimError(f"a dimension contains a number above the maximum, {MAX_INTEGER:.0e}")
    return number


def floors(terms: Iterable[tuple[Monomial, int]]) -> list[Floor]:
    return [a for m, _ in terms for a, _ in m if isinstance(a, Floor)]


def names_of(terms: Iterable[Monomial]) -> frozenset[str]:
    """The symbols, including those inside floor divisions."""
    atoms = {atom for monomial in terms for atom, _ in monomial}
    inner = (names_of(m for m, _ in a.numerator) for a in atoms if isinstance(a, Floor))
    return frozenset(a for a in atoms if isinstance(a, str)).union(*inner)


def depth(terms: Iterable[tuple[Monomial, int]]) -> int:
    return max((f.depth for f in floors(terms)), default=0)


def _size(terms: Sum) -> int:
    return len(terms) + sum(f.size for f in floors(terms))


def in_order(terms: Terms) -> Sum:
    """The terms as a `Sum`; DimError if they exceed a bound."""
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
    """`terms // divisor`. Multiples are moved out, common factors cancelled, and nested divisions joined."""
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
        rounded_up = add(others, floor.complement, -1)  # the coefficient divisor - 1 is treated as -1
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
    """The only floor division in a monomial, and the other atoms; None if there is not exactly one."""
    found = [(atom, power) for atom, power in monomial if isinstance(atom, Floor)]
    if len(found) != 1 or found[0][1] != 1:
        return None, monomial
    return found[0][0], tuple(f for f in monomial if f != found[0])


def _complement(numerator: Terms, k: int) -> Terms:
    flipped = {m: k - c for m, c in numerator.items() if m}
    return add(flipped, {(): k - 1 - numerator.get((), 0)})


def join_floors(terms: Terms) -> Terms:
    """Sums of floor divisions in one form, by p // k + (p + 1) // k + ... + (p + k - 1) // k == p, and by
    complements.

    Deeper floor divisions are replaced first, because their replacements contain only shallower ones.
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
    counts: dict[int, int] = {}  # the coefficient of each (base + i) // k in the sum
    total = {m: c for m, c in terms.items() if m not in members}
    for monomial in members:
        numerator = next(dict(f.numerator) for f in floors([(monomial, 1)]))
        coefficient, constant = terms[monomial], numerator.get((), 0)
        if all(numerator[m] == c for m, c in frame):
            counts[constant] = counts.get(constant, 0) + coefficient
        else:
            counts[k - 1 - constant] = counts.get(k - 1 - constant, 0) - coefficient
            total = add(total, {_join(m, cofactor): coefficient for m in base})
    frequencies = Counter(counts.values())
    frequencies[0] += k - len(counts)
    common = min(frequencies, key=lambda v: (-frequencies[v], v))
    if common:
        total = add(total, times(base, {cofactor: common}))
        counts = {i: counts.get(i, 0) - common for i in range(k)}
    for i, count in counts.items():
        numerator = add(base, {(): i})
        if count < 0:
            numerator = _complement(numerator, k)
            total = add(total, {_join(m, cofactor): count for m in base})
        total = add(total, times(floor_divide(numerator, k), {cofactor: abs(count)}))
    return total


def shortest(terms: Terms) -> Terms:
    """The shortest equivalent terms: floor divisions are replaced by their complement if that is shorter."""
    best = terms
    for monomial, coefficient in terms.items():
        floor, cofactor = _single_floor(monomial)
        if not floor:
            continue
        with suppress(DimError):  # terms that exceed a bound are not shorter
            flipped = add(times(floor.complement, {cofactor: coefficient}), best)
            best = min(best, add(flipped, {monomial: -coefficient}), key=_length)
    return best


def _length(terms: Terms) -> tuple[int, int]:
    inner = sum(c for f in floors(terms.items()) for _, c in f.numerator)
    return len(terms), inner + sum(abs(c) for c in terms.values())


# --- values and bounds ------------------------------------------------------------------------------------


def value(terms: Terms, values: Mapping[str, Any], memo: dict) -> Any:
    """The value of the terms. The most frequent atom is factored out repeatedly; common subexpressions are
    computed once (`memo`)."""
    if not any(terms):
        return terms.get((), 0)
    key = frozenset(terms.items())
    if key not in memo:
        shared = Counter(atom for m in terms for atom, _ in m)
        atom = min(shared, key=lambda a: (-shared[a], _atom_order(a)))
        inside = {_reduce_power(m, atom): c for m, c in terms.items() if atom in dict(m)}
        outside = {m: c for m, c in terms.items() if atom not in dict(m)}
        result = _atom_value(atom, values, memo)
        if inside != {(): 1}:
            result = result * value(inside, values, memo)
        memo[key] = result + value(outside, values, memo) if outside else result
    return memo[key]


def _reduce_power(monomial: Monomial, atom: Atom) -> Monomial:
    return tuple((a, p - (a == atom)) for a, p in monomial if a != atom or p > 1)


def _atom_value(atom: Atom, values: Mapping[str, Any], memo: dict) -> Any:
    if isinstance(atom, str):
        return values[atom]
    if atom not in memo:
        memo[atom] = value(shortest(dict(atom.numerator)), values, memo) // atom.divisor
    return memo[atom]


def lower_bound(terms: Terms) -> int | None:
    """A proved lower bound, where every symbol is at least 1; None if none is found."""
    bounds = [_bound_by_substitution(terms), _bound_by_relaxation(terms) if floors(terms.items()) else None]
    return max((b for b in bounds if b is not None), default=None)


def _bound_by_substitution(terms: Terms) -> int | None:
    """The lower bound by substitution of each atom with its lower bound plus a rest >= 0. The constant term
    is the bound if no other coefficient is negative."""
    shift: dict[Any, int] = {}
    for atom in {atom for m in terms for atom, _ in m}:
        low = 1 if isinstance(atom, str) else atom.lower_bound
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


def _bound_by_relaxation(terms: Terms) -> int | None:
    """The lower bound with `(p - k + 1) / k <= p // k <= p / k` in place of each floor division."""
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
    low = _bound_by_substitution(total)
    return None if low is None else -(-low // scale)
