"""Symbolic dimensions as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.dims.terms import BATCH, Floor, order, shortest

if TYPE_CHECKING:
    from dlc.compiler.dims.terms import Atom, Monomial, Terms


def text(terms: Terms) -> str:
    """The terms as the language writes them; a positive term comes first."""
    ordered = sorted(shortest(terms).items(), key=lambda t: order(t[0]))
    first = next((i for i, (_, c) in enumerate(ordered) if c > 0), 0)
    (monomial, coefficient), *rest = [ordered[first], *ordered[:first], *ordered[first + 1 :]]
    written = _term_text(monomial, coefficient, signed=True)
    for monomial, coefficient in rest:
        written += f" {'-' if coefficient < 0 else '+'} {_term_text(monomial, abs(coefficient))}"
    return written


def _term_text(monomial: Monomial, coefficient: int, signed: bool = False) -> str:
    factors = [str(abs(coefficient))] if abs(coefficient) != 1 or not monomial else []
    alone = len(monomial) == 1 and not factors and not (signed and coefficient < 0)
    factors += [_factor_text(atom, power, alone) for atom, power in monomial]
    return ("-" if coefficient < 0 else "") + " * ".join(factors)


def _factor_text(atom: Atom, power: int, alone: bool) -> str:
    written = "B" if atom == BATCH else atom if isinstance(atom, str) else _floor_text(atom)
    if isinstance(atom, Floor) and not (alone and power == 1):
        written = f"({written})"
    return written if power == 1 else f"{written} ** {power}"


def _floor_text(floor: Floor) -> str:
    written = text(dict(floor.numerator))
    return f"{written} // {floor.divisor}" if written.isidentifier() else f"({written}) // {floor.divisor}"
