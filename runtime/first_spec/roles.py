"""What each column becomes in a first spec: an input of some kind, or nothing, with the reason."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data.files import paths
from dlc.runtime.first_spec import column_kinds
from dlc.runtime.first_spec.column_kinds import ColumnOfSpec
from dlc.runtime.lints import ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.runtime.first_spec.column_kinds import Inspected

# Roles.
NUMBER, VECTOR, CLASS, TEXT, OUT = "number", "vector", "class", "text", "left out"

RARE = 0.95  # share of missing values from which a column is left out
OWN = 0.5  # share of distinct values from which classes are names of rows
MAX_CLASSES = 10_000  # of an input
HOT = 10  # classes that are told apart by a place each; more of them get learnt vectors
# Whole numbers that are classes have names such as these, and few values.
CODES = {"code", "zip", "zipcode", "postal", "plz", "type", "kind", "class", "category", "cat", "group",
         "region", "district", "month", "weekday", "dayofweek", "dow", "origin", "species", "brand", "store",
         "station"}  # fmt: skip
SAMPLED = 100  # texts that are looked at for names of files
FEW = 30  # values of whole numbers that are classes by their name


@dataclass(frozen=True)
class Role(ColumnOfSpec):
    """The role of a column among the inputs; `why` is the reason for leaving it out, or for an unusual
    role."""

    kind: str
    why: str = ""

    @property
    def is_hot(self) -> bool:
        """Whether each of its classes gets a place of its own."""
        return self.column.distinct <= HOT


def roles_of(columns: Sequence[Inspected]) -> list[Role]:
    names = Counter(column.name for column in columns)
    return [
        Role(column, OUT, "another column has the same name")
        if names[column.name] > 1
        else Role(column, OUT, why)
        if (why := why_left_out(column))
        else role_of(column)
        for column in columns
    ]


def why_left_out(column: Inspected) -> str:
    """Why a network cannot learn from a column, as text; empty if it can."""
    if column.kind == column_kinds.EMPTY:
        return "no row has a value"
    if column.why:
        return column.why
    if column.kind == column_kinds.DATE:
        return "dates and times are no numbers: columns for month, weekday or hour would be"
    if column.kind == column_kinds.ALMOST:
        return f"its numbers are written as {shorten(column.example, 20)}: plain ones can be read"
    if column.kind == column_kinds.VECTOR:
        return ""
    if column.distinct == 1:
        return "all rows have the same value"
    if column.missing >= RARE * column.rows:
        return "almost no row has a value"
    if is_id(column):
        return "a number for each row"
    if column.kind == column_kinds.WHOLE and column.padded:
        if column.distinct > OWN * column.known:
            return "numbers with leading zeros are codes, and almost every row has its own"
        if column.distinct > MAX_CLASSES:
            return f"numbers with leading zeros are codes, and they are more than {MAX_CLASSES:_}"
    if column.kind == column_kinds.CLASS and (
        column.distinct > OWN * column.known or column.distinct > MAX_CLASSES
    ):
        if names_files(column):
            return f'names of files: `files("{shorten(column.name)}", root=...)` in `data` reads them'
        return "almost every row has a value of its own"
    return ""


def names_files(column: Inspected) -> bool:
    """Whether its texts name pictures or recordings."""
    some = [*islice(column.counts, SAMPLED)] or [column.example]
    return all(paths.suffix_of(name) in paths.PICTURES | paths.RECORDINGS for name in some)


def is_id(column: Inspected) -> bool:
    """Whether whole numbers only tell rows apart: each row has its own, and they look like ids, or count the
    rows from any number on."""
    if column.kind != column_kinds.WHOLE or column.distinct < column.known or column.missing:
        return False
    numbers = column.numbers
    counts = len(numbers) >= ids.FEWEST and numbers.max() - numbers.min() + 1 == len(numbers)
    return ids.is_id(numbers, column.name) or (counts and not ids.is_time(column.name))


def role_of(column: Inspected) -> Role:
    if column.kind == column_kinds.VECTOR:
        return Role(column, VECTOR)
    if column.kind == column_kinds.NUMBER:
        return Role(column, NUMBER)
    if column.kind == column_kinds.WHOLE:
        if column.padded:
            return Role(column, CLASS, "numbers with leading zeros are codes")
        coded = 2 < column.distinct <= FEW and not CODES.isdisjoint(plain(column.name).split("_"))
        return Role(column, CLASS, "its numbers name kinds") if coded else Role(column, NUMBER)
    return Role(column, TEXT if column.kind == column_kinds.TEXT else CLASS)


def plain(name: str) -> str:
    """A name in lower case, its words joined by underscores: `PassengerId` as `passenger_id`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"\W+", "_", parted).lower()
