"""Names for the inputs, outputs and values of a first spec, made of the names of columns."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from dlc.compiler import compile
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.format.printer import spell_text

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NAME = 40
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "ł": "l", "đ": "d"})  # that NFKD keeps
# A spec that has names as inputs, in its data and in a flow: the compiler says whether it takes them.
PROBE = """input  {names}: float
output {output}: float
({names}, {names}) -> concat -> dense(1) -> {output}
data {{
  source = csv("rows.csv")
{columns}
}}
"""
OUTPUT = "the_output_of_this_probe"


class Names:
    """Unique names that the language takes."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = {*reserved}

    def of(self, column: str) -> str:
        """The name of a column where the language takes it, else one that is like it."""
        for name in (column, snake(column)):
            if NAME.fullmatch(name) and len(name) <= MAX_NAME and name not in self._taken and is_usable(name):
                return self._take(name)
        return self.new(snake(column))

    def new(self, wanted: str) -> str:
        """A name like this one that nothing has yet."""
        name = wanted if wanted not in self._taken and is_usable(wanted) else f"{wanted}_"
        number = 2
        while name in self._taken or not is_usable(name):
            name, number = f"{wanted}_{number}", number + 1
        return self._take(name)

    def _take(self, name: str) -> str:
        self._taken.add(name)
        return name


def snake(column: str) -> str:
    """A name of ASCII letters, digits and underscores: `Sepal length (cm)` as `sepal_length_cm`."""
    plain = unicodedata.normalize("NFKD", column.translate(LETTERS)).encode("ascii", "ignore").decode()
    plain = re.sub(r"\W+|_+", "_", plain).strip("_").lower()[:MAX_NAME].rstrip("_")
    if not plain:
        return "column"
    return plain if plain[0].isalpha() else f"x_{plain}"


def is_usable(name: str) -> bool:
    """Whether the language takes a name for an input and for a value."""
    columns = f"  {name} = column({spell_text('a')})"
    text = PROBE.format(names=name, output=OUTPUT, columns=columns)
    try:
        compile(Source("probe.dl", text))
    except CompileError:
        return False
    return True
