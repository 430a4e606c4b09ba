"""Unique names by numbering: `conv`, `conv_2`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class UniqueNames:
    """The set of names in use; it gives the next free name: `conv`, `conv_2`, ..."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._numbers: dict[str, int] = {}  # by base name: all smaller numbers are in use

    def __bool__(self) -> bool:
        return bool(self._taken)

    def take(self, name: str) -> None:
        self._taken.add(name)

    def next(self, base: str) -> str:
        number = self._numbers.get(base, 1)
        while (name := base if number == 1 else f"{base}_{number}") in self._taken:
            number += 1
        self._numbers[base] = number
        return name

    def claim(self, base: str) -> str:
        """The next free name, marked as in use."""
        name = self.next(base)
        self.take(name)
        return name


def stored_name(weight: str, name: str) -> str:
    """The name of a stored form of a weight. A `name` with a leading dot is appended to that of the weight
    (`.T`: `dense.weight.T`); another one replaces its last part (`W_l0`: `lstm.W_l0`)."""
    if name.startswith("."):
        return weight + name
    return ".".join([*weight.split(".")[:-1], name])
