"""Arithmetic on static values: numbers, dimensions, strings and lists. Sizes are limited."""

from __future__ import annotations

import math
import operator
import os
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.constants import nested_shape
from dlc.compiler.definitions.parameter_types import Reject, describe
from dlc.compiler.dims.dim import Dim, DimError, minimum

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LIST = 10_000
MAX_ENTRIES = 100_000  # of a list, including those of nested lists
MAX_PRODUCTS = 1_000_000  # of one `@`
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
            return multiplied(left, right)
        if all(is_numbers(v) or isinstance(v, (int, float)) for v in (left, right)):
            return combined(lambda a, b: compute(symbol, a, b), left, right)
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
    if isinstance(result, complex) or is_too_large(result):
        raise Reject(f"`{left} {symbol} {right}` is too large or not a real number", code="E0206")
    return result


def is_too_large(number: float) -> bool:
    """Whether it is an integer outside of int64, or no finite number."""
    return not abs(number) <= MAX_INTEGER and (isinstance(number, int) or not isfinite(number))


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


# --- lists of numbers -------------------------------------------------------------------------------------


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
    if prod(max(pair) for pair in zip(*sizes, strict=True)) > MAX_ENTRIES:
        raise Reject(f"a constant of more than {MAX_ENTRIES:_} numbers", code="E0904")
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
    if size > MAX_ENTRIES or size * len(matrix) > MAX_PRODUCTS:
        message = f"`@` of constants with more than {MAX_ENTRIES:_} numbers or {MAX_PRODUCTS:_} products"
        raise Reject(message, code="E0904")
    columns = list(zip(*matrix, strict=True))
    product = [[sum(x * y for x, y in zip(row, column, strict=True)) for column in columns] for row in rows]
    if any(is_too_large(number) for row in product for number in row):
        raise Reject("`@` of these constants has numbers that are too large", code="E0206")
    product = product if len(shapes[1]) == 2 else [row[0] for row in product]
    return product if len(shapes[0]) == 2 else product[0]


# --- limits and conversions -------------------------------------------------------------------------------


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
