"""Numbers as people read them: in few digits, and without an exponent unless they are very large or small."""

from __future__ import annotations

SMALL, LARGE = 1e-3, 1e7  # numbers that are written without an exponent
WHOLE = 1000  # from here on `g` would write an exponent for few digits


def written(value: float, digits: int) -> str:
    """A number in so many significant digits, or in as many as its whole part has: `0.0123`, `341027`,
    `1.5e+08`."""
    short = f"{value:.{digits}g}"
    if not WHOLE <= abs(float(short)) < LARGE:
        return short
    return f"{value:.{max(digits - len(f'{abs(value):.0f}'), 0)}f}"


def written_apart(first: float, second: float, digits: int) -> tuple[str, str]:
    """Two numbers in so many digits, or in as many more as show whether they differ."""
    enough = next((n for n in range(digits, 9) if written(first, n) != written(second, n)), digits)
    return written(first, enough), written(second, enough)
