"""Constant tensors of a spec: numbers, or nested tuples of numbers with one length per axis."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.parameter_types import Reject


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
