"""Weights that are given in Python or in a file, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import number
from dlc.compiler.lower.initial_weights import dtype

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.ir.graph import Graph, Weight

HELP_NAMES = "`dlc show --weights` lists the names and shapes that the spec has"
# The elements that are accepted for constants that are not floats. Integers given as arrays are float64 here.
CONSTANTS = {"int64": ("int64", "float64"), "bool": ("bool",)}
HELP_FINITE = "a training that diverged has such weights: use earlier ones"


class Given(Mapping[str, np.ndarray]):
    """Tensors by name, from any source. `types` holds the element and the shape of each, which are known
    before the numbers are read."""

    types: Mapping[str, tuple[str, tuple[int, ...]]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.types)

    def __len__(self) -> int:
        return len(self.types)


class GivenArrays(Given):
    """Arrays, torch tensors, or lists of numbers. Integers are converted to floats."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._arrays = {str(name): as_array(value) for name, value in given.items()}
        self.types = {name: (element(array), array.shape) for name, array in self._arrays.items()}

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]


def as_array(given: Any) -> np.ndarray:
    """A NumPy array; an empty array of objects if it is not an array of numbers."""
    try:
        if hasattr(given, "detach"):  # a torch tensor
            given = given.detach().cpu()
            given = given.float() if str(given.dtype) == "torch.bfloat16" else given
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):
        return np.empty((), object)
    return array.astype(np.float64) if array.dtype.kind in "iu" else array


def element(array: np.ndarray) -> str:
    """The element of an array as messages name it."""
    words = {"U": "text", "S": "text", "O": "objects", "f": f"float{8 * array.itemsize}"}
    return words.get(array.dtype.kind, array.dtype.name)


def weights_of(graph: Graph) -> dict[str, Weight]:
    """The weights of a graph by name."""
    return {weight.name: weight for weight in graph.weights}


def accept(wanted: Mapping[str, Weight], given: Mapping[str, Any], *,
           what: str = "these are not the weights of this spec", whose: str = "the spec",
           span: Span | None = None, help: str = "") -> dict[str, np.ndarray]:  # fmt: skip
    """The given weights as arrays in the dtypes of the weights of the graph.

    Raises `CompileError` (E0803) for weights that are missing or unknown, that have another shape or are not
    floats, and for numbers that are not finite or too large for the dtype.
    """
    given = given if isinstance(given, Given) else GivenArrays(given)
    if problems := differences(wanted, given.types, whose):
        raise rejected(what, problems, span, help or HELP_NAMES)
    arrays: dict[str, np.ndarray] = {}
    for name, weight in wanted.items():
        try:
            arrays[name] = rounded(given[name], dtype(weight))
        except ValueError as error:
            problems.append(f"`{name}` {error}")
    if problems:
        raise rejected(what, problems, span, help or HELP_FINITE)
    return arrays


def differences(
    wanted: Mapping[str, Weight], given: Mapping[str, tuple[str, tuple[int, ...]]], whose: str
) -> list[str]:
    """The differences of given weights, as elements and shapes, from the weights of the graph."""
    return [
        *(f"`{n}` is missing" for n in wanted if n not in given),
        *(f"`{n}` is not a weight of {whose}" for n in given if n not in wanted),
        *(d for n, weight in wanted.items() if n in given and (d := difference(n, weight, *given[n]))),
    ]


def difference(name: str, weight: Weight, element: str, shape: tuple[int, ...]) -> str:
    own = weight.value.type.element
    if own in CONSTANTS and element not in CONSTANTS[own]:
        return f"`{name}` holds {element} instead of {own}"
    if own not in CONSTANTS and "float" not in element:
        return f"`{name}` holds {element} instead of floats"
    wanted = tuple(map(number, weight.value.type.shape))
    return "" if shape == wanted else f"`{name}` has the shape {[*shape]} instead of {[*wanted]}"


def rounded(values: np.ndarray, dtype: Any) -> np.ndarray:
    """The numbers in a dtype. Raises ValueError with the first one that is not finite or too large."""
    with np.errstate(over="ignore", invalid="ignore"):
        array = np.asarray(values, dtype, order="C")
    if array.dtype.kind != "f":
        if not np.array_equal(array, values):
            raise ValueError("holds numbers that are not integers of 64 bits")
        return array
    bad = ~np.isfinite(array)
    if not bad.any():
        return array
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    found, where = float(values[first]), f" at {[*first]}" if first else ""
    if np.isfinite(found):
        raise ValueError(f"holds {found:g}{where}, and the maximum of float32 is {np.finfo(dtype).max:.2g}")
    raise ValueError(f"is not finite: it holds {found:g}{where}")


def rejected(what: str, problems: Sequence[str], span: Span | None, help: str) -> CompileError:
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return CompileError.of("E0803", f"{what}: {'; '.join(problems[:5])}{more}", span, help=help)
