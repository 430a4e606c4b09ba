"""Arithmetic on static values: numbers, dimensions, strings and lists. Sizes are limited."""

from __future__ import annotations

import math
import operator
import os
from math import isfinite
from typing import Any

from dlc.compiler.definitions import constants
from dlc.compiler.definitions.parameter_types import Reject, describe
from dlc.compiler.dims.dim import Dim, DimError, minimum

MAX_LIST = 10_000
MAX_ENTRIES = 100_000  # of a list, including those of nested lists
MAX_DEPTH = 50  # of nested lists
MAX_INTEGER = 2**63
MAX_NUMBER = 10**30  # maximum literal in a spec
ARRAY_KINDS = ("b", "i", "u", "f", "U")  # dtype kinds of NumPy: booleans, integers, floats, strings

PLAIN = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
COMPARISONS = ("<", "<=", ">", ">=")
# Functions of one static number, and of two or more.
FUNCTIONS = {
    "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "sin": math.sin, "cos": math.cos, "abs": abs,
    "round": round, "floor": math.floor, "ceil": math.ceil,
}  # fmt: skip
FUNCTIONS_OF_SEVERAL = {"min": min, "max": max}
ALL_FUNCTIONS = FUNCTIONS | FUNCTIONS_OF_SEVERAL


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def call(name: str, *given: Any) -> Any:
    """The value of one of the functions for static numbers; `Reject` if it has none."""
    try:
        result = ALL_FUNCTIONS[name](*given)
    except (ValueError, OverflowError):
        result = math.nan
    if not abs(result) <= MAX_NUMBER:
        raise Reject(f"`{name}({', '.join(map(str, given))})` has no value, or is too large", code="E0206")
    return result


def compute(symbol: str, left: Any, right: Any) -> Any:
    """The value of `left symbol right`; `Reject` if it has none."""
    if symbol in ("==", "!="):
        return (equal(left, right)) == (symbol == "==")
    if symbol == "+" and isinstance(left, list) and isinstance(right, list):
        if len(left) + len(right) > MAX_LIST:
            raise Reject(f"a list of more than {MAX_LIST:_} entries", code="E0904")
        return left + right
    if symbol == "+" and isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > MAX_LIST:
            raise Reject(f"a text of more than {MAX_LIST:_} letters", code="E0904")
        return left + right
    lists = [v for v in (left, right) if isinstance(v, list)]
    if all(map(is_numbers, lists)) and lists and symbol not in COMPARISONS:
        if symbol == "@":
            return constants.multiplied(left, right)
        if all(is_numbers(v) or isinstance(v, (int, float)) for v in (left, right)):
            return constants.combined(lambda a, b: compute(symbol, a, b), left, right)
    if not all(isinstance(v, (int, float, Dim)) for v in (left, right)) or symbol == "@":
        raise Reject(f"`{symbol}` does not work between {describe(left)} and {describe(right)}", code="E0205")
    if symbol in COMPARISONS:
        return compare(symbol, left, right)
    if symbol in ("/", "//", "%") and right == 0:
        raise Reject("division by zero", code="E0206")
    return bounded(symbol, left, right)


def bounded(symbol: str, left: Any, right: Any) -> Any:
    if symbol == "**" and not isinstance(left, Dim) and not isinstance(right, Dim) and abs(right) > 64:
        raise Reject(f"the exponent {right} is too large", code="E0206")
    try:
        result = PLAIN[symbol](left, right)
    except DimError as error:
        raise Reject(str(error), code="E0207") from None
    except (OverflowError, ZeroDivisionError, TypeError):
        raise Reject(f"`{left} {symbol} {right}` has no value", code="E0206") from None
    if isinstance(result, Dim):
        return result
    too_large = not isinstance(result, complex) and not abs(result) <= MAX_INTEGER
    if isinstance(result, complex) or (too_large and (isinstance(result, int) or not isfinite(result))):
        raise Reject(f"`{left} {symbol} {right}` is too large or not a real number", code="E0206")
    return result


def compare(symbol: str, left: Any, right: Any) -> bool:
    if not isinstance(left, Dim) and not isinstance(right, Dim):
        return PLAIN[symbol](left, right)
    if isinstance(left, float) or isinstance(right, float):
        raise Reject(
            f"`{left} {symbol} {right}` cannot be decided: it depends on a free dimension",
            code="E0207",
        )
    difference = left - right
    low, high = minimum(difference), minimum(right - left)
    if not isinstance(difference, Dim):
        return PLAIN[symbol](difference, 0)
    if low is not None and PLAIN[symbol](low, 0) and symbol in (">", ">="):
        return True
    if high is not None and PLAIN[symbol](0, high) and symbol in ("<", "<="):
        return True
    raise Reject(f"`{left} {symbol} {right}` cannot be decided: it depends on a free dimension",
                 code="E0207",
                 help="conditions are decided when the file is compiled; give that "
                      "dimension a number")  # fmt: skip


def equal(left: Any, right: Any) -> bool:
    if isinstance(left, Dim) != isinstance(right, Dim) and all(
        isinstance(v, (int, Dim)) for v in (left, right)
    ):
        difference = left - right
        low, high = minimum(difference), minimum(-difference)
        if (low is not None and low > 0) or (high is not None and high > 0):
            return False
        raise Reject(f"`{left} == {right}` cannot be decided: it depends on a free dimension",
                     code="E0207",
                     help="conditions are decided when the file is compiled; give that "
                          "dimension a number")  # fmt: skip
    if isinstance(left, Dim) and isinstance(right, Dim) and left != right:
        raise Reject(f"`{left} == {right}` cannot be decided: it depends on free dimensions", code="E0207")
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(equal(a, b) for a, b in zip(left, right, strict=True))
    return (
        type(left) in (int, float, bool, Dim) and type(right) in (int, float, bool, Dim) and left == right
    ) or (type(left) is type(right) and left == right)


def is_numbers(value: Any) -> bool:
    """Whether the value is a list of numbers, also nested."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(v, (int, float)) or is_numbers(v) for v in value)
    )


def measure(value: Any, depth: int = 0) -> int:
    """The number of entries of a list, including those of nested lists; `Reject` if it exceeds a limit."""
    if not isinstance(value, (list, tuple)):
        return 1
    if depth > MAX_DEPTH:
        raise Reject(f"lists nested more than {MAX_DEPTH} levels deep", code="E0904")
    entries = len(value) + sum(measure(v, depth + 1) for v in value if isinstance(v, (list, tuple)))
    if entries > MAX_ENTRIES:
        raise Reject(
            f"a list of more than {MAX_ENTRIES:_} entries, including those of nested lists", code="E0904"
        )
    return entries


def truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Reject(f"a condition has to be true or false, found {describe(value)}", code="E0208")


def plain(value: Any, depth: int = 0) -> Any:
    """The static value of a Python object: None, bool, int, float, str or a list of these. Numbers and arrays
    of NumPy and torch are converted to numbers and lists, and paths to str. `Reject` for anything else."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_NUMBER:
            raise not_static("a whole number of more than 30 digits", depth)
        return int(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise not_static(f"`{float(value)}`, which is not a finite number", depth)
        return float(value)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        if not is_text(value):
            raise not_static("text that is not UTF-8", depth)
        if len(value) > MAX_ENTRIES:
            raise not_static(f"a text of more than {MAX_ENTRIES:_} letters", depth)
        return str(value)
    if isinstance(value, (list, tuple)):
        measure(value, depth)
        entries = [plain(entry, depth + 1) for entry in value]
        return tuple(entries) if isinstance(value, tuple) else entries
    if is_array(value):
        if getattr(value, "nbytes", 0) > 8 * MAX_ENTRIES:
            raise not_static(f"an array of more than {MAX_ENTRIES:_} entries", depth)
        return plain(value.tolist(), depth)
    own = type(value).__module__.startswith("dlc.")
    raise not_static(describe(value) if own else f"a `{type(value).__name__}` of Python", depth)


def is_array(value: Any) -> bool:
    """Whether the value is an array or a number of NumPy, or a tensor of torch. Neither library is
    imported."""
    module, dtype = type(value).__module__, getattr(value, "dtype", None)
    return module == "torch" or (module == "numpy" and getattr(dtype, "kind", "") in ARRAY_KINDS)


def is_text(value: str) -> bool:
    """Whether the string can be encoded in UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def not_static(found: str, depth: int) -> Reject:
    return Reject(f"a list that contains {found}" if depth else found, code="E0403")
