"""Symbolic dimensions: whole numbers that hold free names, such as `T + 1` or `(T + 1) // 2`, in one normal form.

A dimension is a polynomial with integer coefficients. Its atoms are free names, each a whole number of at
least 1, and floor divisions by a positive integer. What can be pulled out of a floor division is pulled out,
so that equal dimensions are, as far as these rules reach, written with equal terms.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import gcd, lcm
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_TERMS = 64
MAX_DEGREE = 16
MAX_DEPTH = 8  # floor divisions within one another
MAX_SIZE = 256  # terms, those within floor divisions too
MAX_INTEGER = 10**18
TOO_LONG = "a dimension is too long an expression of free names to be computed with"

X = TypeVar("X")


class DimError(ValueError):
    """A dimension that cannot be computed with: too large, or a division that cannot be proved."""


@dataclass(frozen=True)
class Floor:
    """The atom `numerator // divisor`: coefficients from 0 up to the divisor, no common factor."""

    numerator: Dim
    divisor: int

    @cached_property
    def order(self) -> tuple:
        return (1, self.divisor, tuple((_order(m), c) for m, c in self.numerator.terms))


Atom = str | Floor
Monomial = tuple[tuple[Atom, int], ...]  # atoms with their powers, in order; `()` is 1
Terms = dict[Monomial, int]


@dataclass(frozen=True)
class Dim:
    """A dimension with at least one free name. Made by `free` and arithmetic, never by hand."""

    terms: tuple[tuple[Monomial, int], ...]

    @cached_property
    def depth(self) -> int:
        return max((1 + f.numerator.depth for f in self.floors), default=0)

    @cached_property
    def size(self) -> int:
        return len(self.terms) + sum(f.numerator.size for f in self.floors)

    @property
    def floors(self) -> list[Floor]:
        return [a for m, _ in self.terms for a, _ in m if isinstance(a, Floor)]

    @cached_property
    def shown(self) -> Terms:
        """The terms as people and machines like them: with a negative floor where that is shorter."""
        best = dict(self.terms)
        for monomial, coefficient in self.terms:
            floor, cofactor = _single_floor(monomial)
            if floor:
                flipped = _add(_times(_complement(floor), {cofactor: coefficient}), best)
                flipped = _add(flipped, {monomial: -coefficient})
                best = min(best, flipped, key=_length)
        return best

    def __add__(self, other: Size) -> Size:
        return _dim(_add(_terms(self), _terms(other))) if _is_size(other) else NotImplemented

    def __mul__(self, other: Size) -> Size:
        return _dim(_times(_terms(self), _terms(other))) if _is_size(other) else NotImplemented

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
        terms = sorted(self.shown.items(), key=lambda t: _order(t[0]))
        first = next((i for i, (_, c) in enumerate(terms) if c > 0), 0)
        (monomial, coefficient), *rest = [terms[first], *terms[:first], *terms[first + 1 :]]
        text = _term_text(monomial, coefficient, signed=True)
        for monomial, coefficient in rest:
            text += f" {'-' if coefficient < 0 else '+'} {_term_text(monomial, abs(coefficient))}"
        return text


Size = int | Dim


def free(name: str) -> Dim:
    """The free dimension of that name."""
    return Dim(((((name, 1),), 1),))


def is_free(size: Size) -> bool:
    """Whether it is a free name and nothing else."""
    return isinstance(size, Dim) and size == free(next(iter(names(size))))


def same(a: Size, b: Size) -> bool:
    """Whether the two are proved equal."""
    return isinstance(a, Dim) == isinstance(b, Dim) and a == b


def product(sizes: Iterable[Size]) -> Size:
    """All of them multiplied; 1 for none."""
    result: Size = 1
    for size in sizes:
        result = _bounded(result * size)
    return result


def ceil_div(a: Size, b: int) -> Size:
    """`a / b` rounded up."""
    return _quotient(a + (b - 1), b)


def names(size: Size) -> frozenset[str]:
    """The free names in it."""
    if isinstance(size, int):
        return frozenset()
    own = {a for m, _ in size.terms for a, _ in m if isinstance(a, str)}
    return frozenset(own).union(*(names(f.numerator) for f in size.floors))


def substitute(size: Size, values: Mapping[str, Size]) -> Size:
    """The size with some of its names replaced, all at once."""
    if isinstance(size, int):
        return size
    total: Size = 0
    for monomial, coefficient in size.terms:
        factors = [_substitute_atom(atom, values) ** power for atom, power in monomial]
        total = _bounded(total + product([coefficient, *factors]))
    return total


def evaluate(size: Size, values: Mapping[str, X]) -> X | int:
    """The size for these values: integers, or anything that has `+`, `*` and `//`."""
    known = {n: v for n, v in values.items() if isinstance(v, int) and n in names(size)}
    if known and len(known) < len(names(size)):
        size = substitute(size, known)
    return _horner(size.shown, values, {}) if isinstance(size, Dim) else size


def minimum(size: Size) -> int | None:
    """A number that the size is proved never to be below, every name being at least 1; None if none is known."""
    if isinstance(size, int):
        return size
    try:
        bounds = [_lowest(_terms(size)), _lowest_relaxed(_terms(size)) if size.floors else None]
    except DimError:
        return None
    return max((b for b in bounds if b is not None), default=None)


# --- terms ------------------------------------------------------------------------------------------------


def _is_size(value: object) -> bool:
    return isinstance(value, int | Dim)


def _terms(size: Size) -> Terms:
    if isinstance(size, Dim):
        return dict(size.terms)
    return {(): int(size)} if size else {}


def _dim(terms: Terms) -> Size:
    """The normal form of a sum of terms."""
    terms = _join_floors(terms)
    return _make(terms) if any(terms) else _bounded(terms.get((), 0))


def _make(terms: Terms) -> Dim:
    dim = Dim(tuple(sorted(terms.items(), key=lambda t: _order(t[0]))))
    degree = max(_degree(m) for m in terms)
    if len(terms) > MAX_TERMS or degree > MAX_DEGREE or dim.depth > MAX_DEPTH or dim.size > MAX_SIZE:
        raise DimError(TOO_LONG)
    for coefficient in terms.values():
        _bounded(coefficient)
    return dim


def _bounded(size: Size) -> Size:
    if isinstance(size, int) and abs(size) > MAX_INTEGER:
        raise DimError(
            f"a dimension holds a number past {MAX_INTEGER:.0e}, the largest that is computed with"
        )
    return size


def _degree(monomial: Monomial) -> int:
    return sum(power for _, power in monomial)


def _atom_order(atom: Atom) -> tuple:
    return (0, atom) if isinstance(atom, str) else atom.order


def _order(monomial: Monomial) -> tuple:
    return (-_degree(monomial), tuple((_atom_order(atom), -power) for atom, power in monomial))


def _add(a: Terms, b: Terms, scale: int = 1) -> Terms:
    total = dict(a)
    for monomial, coefficient in b.items():
        total[monomial] = total.get(monomial, 0) + coefficient * scale
    return {m: c for m, c in total.items() if c}


def _times(a: Terms, b: Terms) -> Terms:
    total: Terms = {}
    for m, c in a.items():
        for n, d in b.items():
            key = _join(m, n)
            total[key] = total.get(key, 0) + c * d
        if len(total) > 4 * MAX_TERMS:
            raise DimError(TOO_LONG)
    return {m: c for m, c in total.items() if c}


def _join(m: Monomial, n: Monomial) -> Monomial:
    if not m or not n:
        return m or n
    powers = dict(m)
    for atom, power in n:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda f: _atom_order(f[0])))


def _length(terms: Terms) -> tuple[int, int]:
    floors = [a for m in terms for a, _ in m if isinstance(a, Floor)]
    inner = sum(c for f in floors for _, c in f.numerator.terms)
    return len(terms), inner + sum(abs(c) for c in terms.values())


# --- division ---------------------------------------------------------------------------------------------


def _quotient(a: Size, b: Size) -> Size:
    if isinstance(b, Dim):
        return _symbolic_quotient(a, b)
    if b <= 0:
        raise DimError(f"`{a}` cannot be divided by {b}: the divisor must be a positive whole number")
    return _dim(_floor(_terms(a), b))


def _floor(terms: Terms, divisor: int) -> Terms:
    """`terms // divisor`: multiples pulled out, common factors cancelled, divisions of divisions made one."""
    whole = {m: c // divisor for m, c in terms.items() if c // divisor}
    rest = {m: c % divisor for m, c in terms.items() if c % divisor}
    factor = gcd(divisor, *(c for m, c in rest.items() if m))
    divisor //= factor
    rest = {m: c // factor for m, c in rest.items() if c // factor}
    if divisor == 1:
        return _add(whole, rest)
    _bounded(divisor)
    for monomial in sorted(rest, key=_order):
        floor, cofactor = _single_floor(monomial)
        if not floor or cofactor or rest[monomial] not in (1, divisor - 1):
            continue
        others = {m: c for m, c in rest.items() if m != monomial}
        if rest[monomial] == 1:
            numerator = _add(_terms(floor.numerator), others, floor.divisor)
            return _add(whole, _floor(numerator, divisor * floor.divisor))
        rounded_up = _add(others, _complement(floor), -1)  # divisor - 1 counts as -1
        return _add(_add(whole, {monomial: 1}), _floor(rounded_up, divisor))
    return _add(whole, {((Floor(_make(rest), divisor), 1),): 1})


def _symbolic_quotient(a: Size, b: Dim) -> Size:
    """`a // b` where `a == q * b + r` with 0 <= r < b can be proved; a size that divides is taken not to be 0."""
    quotient, rest = _divide(_terms(a), _terms(b))
    remainder = _dim(rest)
    if remainder != 0 and not (_at_least(remainder, 0) and _at_least(b - remainder, 1)):
        raise DimError(
            f"`{a}` cannot be divided by `{b}`: the result is not a known expression of free names"
        )
    return _dim(quotient)


def _at_least(size: Size, bound: int) -> bool:
    low = minimum(size)
    return low is not None and low >= bound


def _divide(a: Terms, b: Terms) -> tuple[Terms, Terms]:
    """Polynomial division by the leading term: quotient and remainder."""
    atoms = sorted({atom for m in (*a, *b) for atom, _ in m}, key=_atom_order)

    def leading(monomial: Monomial) -> tuple:
        powers = dict(monomial)
        return (_degree(monomial), [powers.get(atom, 0) for atom in atoms])

    lead = max(b, key=leading)
    quotient: Terms = {}
    remainder: Terms = {}
    while a:
        monomial = max(a, key=leading)
        left = dict(monomial)
        for atom, power in lead:
            left[atom] = left.get(atom, 0) - power
        if min(left.values(), default=0) < 0 or a[monomial] % b[lead]:
            remainder[monomial] = a.pop(monomial)
            continue
        step = {tuple((atom, power) for atom, power in left.items() if power): a[monomial] // b[lead]}
        quotient = _add(quotient, step)
        a = _add(a, _times(step, b), -1)
        if max(len(a), len(quotient)) > MAX_TERMS:
            return {}, {**a, **remainder}
    return quotient, remainder


# --- sums of floor divisions ------------------------------------------------------------------------------


def _single_floor(monomial: Monomial) -> tuple[Floor | None, Monomial]:
    """The one floor division in a product of names, and that product without it."""
    floors = [(atom, power) for atom, power in monomial if isinstance(atom, Floor)]
    if len(floors) != 1 or floors[0][1] != 1:
        return None, monomial
    return floors[0][0], tuple(f for f in monomial if f != floors[0])


def _complement(floor: Floor) -> Terms:
    """The floor as a sum less another: `T // 2 == T - (T + 1) // 2`, `T // 3 == T - (2 * T + 2) // 3`."""
    k, numerator = floor.divisor, _terms(floor.numerator)
    return _add({m: 1 for m in numerator if m}, _floor(_opposite(numerator, k), k), -1)


def _opposite(numerator: Terms, k: int) -> Terms:
    flipped = {m: k - c for m, c in numerator.items() if m}
    return _add(flipped, {(): k - 1 - numerator.get((), 0)})


def _join_floors(terms: Terms) -> Terms:
    """Gives sums of floors one form, by p // k + (p + 1) // k + ... + (p + k - 1) // k == p and by `_complement`.

    Deeper floors go first: what takes their place holds only shallower ones.
    """
    done = set()
    while True:
        groups: dict[tuple, list[Monomial]] = {}
        for monomial in terms:
            floor, cofactor = _single_floor(monomial)
            if floor:
                groups.setdefault((_frame(floor), floor.divisor, cofactor), []).append(monomial)
        todo = [g for g in groups if g not in done]
        if not todo:
            return terms
        group = max(todo, key=lambda g: (max(_depth(m) for m, _ in g[0]), g[1]))
        done.add(group)
        if len(groups[group]) > 1 or terms[groups[group][0]] < 0:
            terms = _join_group(terms, groups[group], *group)


def _depth(monomial: Monomial) -> int:
    return max((1 + a.numerator.depth for a, _ in monomial if isinstance(a, Floor)), default=0)


def _frame(floor: Floor) -> tuple[tuple[Monomial, int], ...]:
    """The numerator without its constant, or that of the complement: the one whose coefficients are smaller."""
    numerator = _terms(floor.numerator)
    both = [_add(n, {(): -n.get((), 0)}) for n in (numerator, _opposite(numerator, floor.divisor))]
    return min(
        (tuple(sorted(n.items(), key=lambda t: _order(t[0]))) for n in both), key=lambda t: [c for _, c in t]
    )


def _join_group(terms: Terms, members: list[Monomial], frame: tuple, k: int, cofactor: Monomial) -> Terms:
    base = dict(frame)
    counts: dict[int, int] = {}  # how often each (base + i) // k stands in the sum
    total = {m: c for m, c in terms.items() if m not in members}
    for monomial in members:
        floor, coefficient = _single_floor(monomial)[0], terms[monomial]
        constant = dict(floor.numerator.terms).get((), 0)
        if all(item in floor.numerator.terms for item in frame):
            counts[constant] = counts.get(constant, 0) + coefficient
        else:
            counts[k - 1 - constant] = counts.get(k - 1 - constant, 0) - coefficient
            total = _add(total, {_join(m, cofactor): coefficient for m in base})
    often = Counter(counts.values())
    often[0] += k - len(counts)
    common = min(often, key=lambda v: (-often[v], v))
    if common:
        total = _add(total, _times(base, {cofactor: common}))
        counts = {i: counts.get(i, 0) - common for i in range(k)}
    for i, count in counts.items():
        floor = _floor(_add(base, {(): i}), k) if count >= 0 else _floor(_opposite(_add(base, {(): i}), k), k)
        total = _add(total, _times(floor, {cofactor: abs(count)}))
        if count < 0:
            total = _add(total, {_join(m, cofactor): count for m in base})
    return total


# --- values and bounds ------------------------------------------------------------------------------------


def _substitute_atom(atom: Atom, values: Mapping[str, Size]) -> Size:
    if isinstance(atom, str):
        return values.get(atom, free(atom))
    return _quotient(substitute(atom.numerator, values), atom.divisor)


def _horner(terms: Terms, values: Mapping[str, Any], memo: dict) -> Any:
    """Takes out the atom that most terms share, again and again; what was computed once is used again."""
    if not any(terms):
        return terms.get((), 0)
    key = frozenset(terms.items())
    if key not in memo:
        shared = Counter(atom for m in terms for atom, _ in m)
        atom = min(shared, key=lambda a: (-shared[a], _atom_order(a)))
        inside = {_lower(m, atom): c for m, c in terms.items() if atom in dict(m)}
        outside = {m: c for m, c in terms.items() if atom not in dict(m)}
        value = _atom_value(atom, values, memo)
        factor, rest = _horner(inside, values, memo), _horner(outside, values, memo)
        value = value if inside == {(): 1} else value * factor
        memo[key] = value + rest if outside else value
    return memo[key]


def _lower(monomial: Monomial, atom: Atom) -> Monomial:
    return tuple((a, p - (a == atom)) for a, p in monomial if a != atom or p > 1)


def _atom_value(atom: Atom, values: Mapping[str, Any], memo: dict) -> Any:
    if isinstance(atom, str):
        return values[atom]
    if atom not in memo:
        memo[atom] = _horner(atom.numerator.shown, values, memo) // atom.divisor
    return memo[atom]


def _lowest(terms: Terms) -> int | None:
    """Every atom written as its lowest value and a rest of at least 0: the constant, if no term then falls."""
    atoms = {atom for m in terms for atom, _ in m}
    lows = {a: 1 if isinstance(a, str) else minimum(a.numerator) for a in atoms}
    if any(low is None for low in lows.values()):
        return None
    shift = {a: low if isinstance(a, str) else low // a.divisor for a, low in lows.items()}
    if all(c > 0 for m, c in terms.items() if m) and min(shift.values(), default=0) >= 0:
        return _horner(terms, shift, dict(shift))
    total: Terms = {}
    for monomial, coefficient in terms.items():
        expanded = {(): coefficient}
        for atom, power in monomial:
            for _ in range(power):
                expanded = _times(expanded, _add({((atom, 1),): 1}, {(): shift[atom]}))
        total = _add(total, expanded)
    return total.get((), 0) if all(c > 0 for m, c in total.items() if m) else None


def _lowest_relaxed(terms: Terms) -> int | None:
    """With `(p - k + 1) / k <= p // k <= p / k` in place of each floor division."""
    scale = lcm(*(f.divisor for f in (_single_floor(m)[0] for m in terms) if f))
    total: Terms = {}
    for monomial, coefficient in terms.items():
        floor, cofactor = _single_floor(monomial)
        if not floor:
            total = _add(total, {monomial: coefficient * scale})
            continue
        slack = {(): floor.divisor - 1 if coefficient > 0 else 0}
        edge = _add(_terms(floor.numerator), slack, -1)
        total = _add(total, _times(edge, {cofactor: coefficient * (scale // floor.divisor)}))
    low = _lowest(total)
    return None if low is None else -(-low // scale)


# --- text -------------------------------------------------------------------------------------------------


def _term_text(monomial: Monomial, coefficient: int, signed: bool = False) -> str:
    factors = [str(abs(coefficient))] if abs(coefficient) != 1 or not monomial else []
    alone = len(monomial) == 1 and not factors and not (signed and coefficient < 0)
    factors += [_factor_text(atom, power, alone) for atom, power in monomial]
    return ("-" if coefficient < 0 else "") + " * ".join(factors)


def _factor_text(atom: Atom, power: int, alone: bool) -> str:
    text = atom if isinstance(atom, str) else _floor_text(atom)
    if isinstance(atom, Floor) and not (alone and power == 1):
        text = f"({text})"
    return text if power == 1 else f"{text} ** {power}"


def _floor_text(floor: Floor) -> str:
    text = str(floor.numerator)
    return f"{text} // {floor.divisor}" if is_free(floor.numerator) else f"({text}) // {floor.divisor}"
