"""The columns that a first spec predicts: which they are, and whether a column is a number or a class."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.quoting import listed, shorten
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.runtime.data.columns import numerals
from dlc.runtime.data.columns.float32_precision import precision_loss
from dlc.runtime.first_spec import column_kinds
from dlc.runtime.first_spec.column_kinds import ColumnOfSpec
from dlc.runtime.first_spec.roles import is_id, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.runtime.first_spec.column_kinds import Inspected

# Tasks.
BINARY, CLASSES, NUMBER = "binary", "classes", "number"

FEW = 10  # distinct whole numbers that are classes
MAX_CLASSES = 1000
ROWS = 2  # rows that a class has on average, at least
LARGE, SMALL = 1e15, 1e-15  # numbers to predict, and their deviation: float32 ends at 3e38, and at 1e-38
# Names of targets, and pairs of texts of which the second means yes; in lower case.
USUAL = ("target", "label", "labels", "class", "y", "outcome", "response")
PAIRS = (("no", "yes"), ("nein", "ja"), ("non", "oui"), ("no", "si"), ("n", "y"), ("false", "true"),
         ("f", "t"), ("off", "on"), ("0", "1"), ("negative", "positive"), ("neg", "pos"),
         ("benign", "malignant"), ("ham", "spam"), ("bad", "good"), ("died", "survived"),
         ("normal", "abnormal"))  # fmt: skip


class NoFirstSpec(Exception):
    """No spec can be written for these rows; `help` is what to do."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help


@dataclass(frozen=True)
class Target(ColumnOfSpec):
    """A column to predict. `classes` are the names of its classes, or their numbers as text; for `BINARY` the
    second one means yes."""

    task: str
    classes: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """The share of the most frequent class."""
        return max(self.column.counts.values()) / self.column.known

    @property
    def frequent(self) -> str:
        """The most frequent class."""
        return next(iter(self.column.counts))


def targets_of(columns: Sequence[Inspected], wanted: Sequence[str], file: str) -> tuple[list[Target], bool]:
    """The targets with these names, and whether they were chosen because none is named."""
    if wanted:
        return [target_of(column_called(columns, name, file), file) for name in dict.fromkeys(wanted)], False
    usual = [column for column in columns if plain(column.name) in USUAL]
    column = usual[-1] if len(usual) == 1 else columns[-1]
    try:
        return [unless_id(target_of(column_called(columns, column.name, file), file), file)], True
    except NoFirstSpec as error:
        names = Counter(c.name for c in columns)
        fine = [c.name for c in columns if names[c.name] == 1 and is_fine(c, file)]
        which = f"name one with --target: {listed(fine)}" if fine else error.help
        raise NoFirstSpec(f"no --target is named, and {error}", which) from None


def is_fine(column: Inspected, file: str) -> bool:
    try:
        unless_id(target_of(column, file), file)
    except NoFirstSpec:
        return False
    return True


def unless_id(target: Target, file: str) -> Target:
    """A target that nobody has named. NoFirstSpec for one that only tells rows apart."""
    if is_id(target.column):
        raise NoFirstSpec(f"each row of `{target.name}` of {file} has a number of its own, as ids are")
    return target


def column_called(columns: Sequence[Inspected], name: str, file: str) -> Inspected:
    same = [column for column in columns if column.name == name]
    if len(same) > 1:
        raise NoFirstSpec(f"{file} has {len(same)} columns `{name}`", "give each a name of its own")
    if same:
        return same[0]
    names = [column.name for column in columns]
    help = did_you_mean(name, names) or f"its columns are {listed(names)}"
    raise NoFirstSpec(f"{file} has no column `{shorten(name)}`", help)


def target_of(column: Inspected, file: str) -> Target:
    """How a column is predicted. NoFirstSpec if it cannot be."""
    what = f"`{column.name}` of {file}"
    if column.kind == column_kinds.EMPTY:
        raise NoFirstSpec(f"no row of {what} has a value", "name another column with --target")
    if column.why:
        raise NoFirstSpec(f"{what} cannot be predicted: {column.why}", "name another column with --target")
    if column.kind == column_kinds.VECTOR:
        raise NoFirstSpec(f"the cells of {what} hold lists", "a first spec predicts numbers or classes")
    if column.kind == column_kinds.DATE:
        raise NoFirstSpec(f"{what} holds dates, such as {shorten(column.example)}",
                          numerals.date_or_time(column.example))  # fmt: skip
    if column.kind == column_kinds.ALMOST:
        fix = numerals.help_for(column.example, (), in_spec=False, lacks=False)
        raise NoFirstSpec(f"{what} is not written as numbers: {shorten(column.example)}", fix)
    if column.distinct == 1:
        only = next(iter(column.counts), "the same number")
        help = "there is nothing to learn: name another column, or bring rows with other values"
        raise NoFirstSpec(f"all rows of {what} have the same value, {shorten(only)}", help)
    if column.is_numeric and not has_few(column):
        check_digits(column, what)
        check_size(column, what)
        return Target(column, NUMBER)
    if column.kind == column_kinds.TEXT or column.distinct > min(column.known / ROWS, MAX_CLASSES):
        raise NoFirstSpec(f"{what} has {column.distinct} values in {column.known} rows, too many for classes",
                          "name a column of few values or of numbers with --target")  # fmt: skip
    names = in_order(column)
    return Target(column, BINARY if is_binary(column, names) else CLASSES, names)


def check_digits(column: Inspected, what: str) -> None:
    """Refuse numbers that differ too little for float32, which targets are."""
    if loss := precision_loss(column.numbers, what):
        raise NoFirstSpec(f"{loss}: it loses digits", "subtract an offset in the data: targets are float32")


def check_size(column: Inspected, what: str) -> None:
    """Refuse numbers whose squares, or those of their deviation, float32 does not hold."""
    size, spread = float(np.abs(column.numbers).max()), float(column.numbers.std())
    if size > LARGE or spread < SMALL:
        which = f"as large as {size:.3g}" if size > LARGE else f"that deviate by {spread:.3g}"
        raise NoFirstSpec(
            f"{what} has numbers {which}, and a loss in float32 squares and sums them",
            "write the target in another unit in the data, so that it deviates by about 1",
        )


def has_few(column: Inspected) -> bool:
    """Whether whole numbers are classes: few values, each of several rows."""
    return column.kind == column_kinds.WHOLE and column.distinct <= min(FEW, column.known / 5)


def is_binary(column: Inspected, names: Sequence[str]) -> bool:
    if column.kind == column_kinds.WHOLE:
        return names == ("0", "1")
    return len(names) == 2 and column.exact


def in_order(column: Inspected) -> tuple[str, ...]:
    """The classes sorted; of two, the one that means yes is the second."""
    if column.kind == column_kinds.WHOLE:
        return tuple(sorted(column.counts, key=int))
    names = tuple(sorted(column.counts))
    if len(names) == 2 and tuple(name.lower() for name in reversed(names)) in PAIRS:
        return names[::-1]
    return names
