"""The text of a sequence of classes: the names of its classes, joined.

The names are characters, which are joined as they are, or words, which are joined by a space. If the
sequences were cut from texts, they are what the texts were cut into. Else they are characters if every class
has a name of one character, and words if not. The name of a class without one is its number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.sections import CHARACTER, WORD
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dlc.compiler.types import Classes


@record
class ClassTexts:
    """Makes texts of class indices. `names` are those of the classes, in order; `unit` is what they are,
    `character` or `word`."""

    names: tuple[str, ...]
    unit: str

    @classmethod
    def of(cls, classes: Classes, cut_into: str = "") -> ClassTexts:
        """The texts of classes, of which the count is known. `cut_into` is the unit that texts were cut into,
        empty if none were."""
        names = classes.without_end().texts
        return cls(names, cut_into or unit_of(names))

    def of_rows(self, rows: Any, lengths: Any) -> list[str]:
        """The text of each row of an integer array `[rows, steps]`: of as many class indices at its start as
        `lengths` says."""
        pairs = zip(rows.tolist(), lengths.tolist(), strict=True)
        return [joined((self.names[index] for index in row[:length]), self.unit) for row, length in pairs]


def unit_of(names: Sequence[str]) -> str:
    """What these names of classes are: characters if each is one, else words."""
    return CHARACTER if all(len(name) == 1 for name in names) else WORD


def joined(units: Iterable[Any], unit: str) -> str:
    """The text of these characters or words."""
    return (" " if unit == WORD else "").join(map(str, units))
