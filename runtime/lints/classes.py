"""Lints of classes: a single class, classes without rows, and classes that may not be classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.quoting import VALUES, listed
from dlc.runtime.data import required_fields
from dlc.runtime.data.columns.confusable_names import skeleton
from dlc.runtime.data.columns.numerals import MARKS, is_decimal, missing_help

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Classes
    from dlc.runtime.data import Dataset, RequiredField, Rows

# Names of the summary row of a report, in lower case.
TOTALS = {"total", "totals", "grand total", "subtotal", "sum", "average", "mean", "gesamt", "summe",
          "insgesamt", "somme", "suma", "totale"}  # fmt: skip


def single_class(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """All training rows have the same class: the column carries no information."""
    for field, classes, counts in counted(program, data):
        (there,) = np.nonzero(counts)
        if len(there) == 1 and counts.sum() > 1:
            only = listed(names(classes, there), VALUES)
            message = f"all training rows have the same class of `{field.name}`, {only}"
            help = "add rows of other classes" if field.is_target else "leave the input out"
            yield warning(field, "W0702", message, help)


def classes_without_rows(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Classes that no training row has. Classes of an input that the spec only counts are exempt:
    `class(256)` for bytes may have more classes than the rows."""
    for field, classes, counts in counted(program, data):
        (absent,) = np.nonzero((counts == 0) & ~ignored(field, classes))
        meant = field.is_target or (classes.names and not classes.found_in)
        if not len(absent) or not meant or len(absent) == len(counts) - 1:
            continue
        has = "has" if len(absent) == 1 else "have"
        message = f"{len(absent)} of the {len(counts)} classes of `{field.name}` {has} no training row: "
        message += listed(names(classes, absent), VALUES)
        yield warning(field, "W0703", message, help_rows(program, data, field, absent))


def ignored(field: RequiredField, classes: Classes) -> np.ndarray:
    """The mask of the classes that the type ignores in targets."""
    given = {*field.declared.ignore}
    labels = classes.names or classes.numbers or ()
    return np.array([not given.isdisjoint((k, label) if classes.names else (label,))
                     for k, label in enumerate(labels)])  # fmt: skip


def help_rows(program: CompiledProgram, data: Dataset, field: RequiredField, absent: np.ndarray) -> str:
    """The fix; rows of the class may be in another part of the split."""
    if field.name in data.units:
        return "keep more of the text for training"
    elsewhere = replace(data, train=None)
    if field.is_target and any(np.isin(absent, places).any() for places in values(field.name, elsewhere)):
        stratified = program.data is not None and program.data.stratify == field.name
        return (
            ""
            if stratified
            else f"`stratify = {field.name}` in `data` gives every part its share of each class"
        )
    return "add rows of them, or leave them out of the type"


def missing_marks(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Classes found in the data that are usually marks of missing values."""
    for field, found in found_names(program, data):
        odd = [name for name in found if name.strip().lower() in MARKS]
        if odd:
            verb = "is a class" if len(odd) == 1 else "are classes"
            message = (
                f"{listed(odd, VALUES)} {verb} of `{field.name}`, and usually a mark for a missing value"
            )
            yield warning(field, "W0704", message, missing_help(odd, marks_of(program)))


def marks_of(program: CompiledProgram) -> tuple[str, ...] | None:
    """The texts that mark a missing value; None if the source has no such setting."""
    source = program.data and program.data.csv
    return None if source is None else source.missing or ()


def confusable(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Classes found in the data that differ only in white space, in case, or in invisible characters."""
    for field, found in found_names(program, data):
        groups: dict[str, list[str]] = {}
        for name in found:
            groups.setdefault(skeleton(name).casefold(), []).append(name)
        same = [group for group in groups.values() if len(group) > 1]
        if same:
            more = f", and {len(same) - 1} more such groups" if len(same) > 1 else ""
            message = f"{listed(same[0], VALUES)} are different classes of `{field.name}`{more}"
            help = "classes are compared exactly: make them equal in the data if they are the same"
            yield warning(field, "W0705", message, help)


def not_data(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Classes found in the data that look like a repeated heading or a summary row."""
    for field, found in found_names(program, data):
        headings = data.columns.get(field.name, ())
        for place, name in enumerate(found):
            if name.strip() in headings:
                message = f"{listed([name], VALUES)} is a class of `{field.name}`, and the name of its column"
                yield warning(field, "W0707", message, "if it is the heading once more, remove the row")
            elif (
                name.strip().lower() in TOTALS
                and sum((v == place).sum() for v in values(field.name, data)) == 1
            ):
                message = f"{listed([name], VALUES)} is a class of `{field.name}` with a single row"
                yield warning(field, "W0707", message, "if that row sums up the others, take it out")


def numeric_classes(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Classes found in the data that are all numbers, some of them with a fraction."""
    for field, found in found_names(program, data):
        numbers = [name.strip() for name in found]
        odd = [number for number in numbers if is_decimal(number) and float(number) % 1]
        if odd and all(map(is_decimal, numbers)):
            message = f"{len(found)} numbers are the classes of `{field.name}`, as text, such as {odd[0]}"
            made = "" if field.is_target else "; `bucketize` makes classes of it"
            help = f"if they are amounts, declare `{field.name}` as `float`{made}"
            yield warning(field, "W0708", message, help)


def fields(program: CompiledProgram, rows: Rows | None) -> Iterator[tuple[RequiredField, Classes]]:
    """The class fields of rows, with their classes."""
    for field in required_fields(program):
        classes = field.declared.classes
        if field.declared.element != "class" or classes is None or rows is None:
            continue
        if isinstance(classes.count, int) and field.name in rows.types:
            yield field, classes


def counted(program: CompiledProgram, data: Dataset) -> Iterator[tuple[RequiredField, Classes, np.ndarray]]:
    """The class fields of the training rows, with their classes and the number of values of each class.
    Targets that only metrics read are exempt: they may have values in other parts alone."""
    rows = data.train
    for field, classes in fields(program, rows):
        if field.measured:
            continue
        assert rows is not None and isinstance(classes.count, int), "`fields` checks it"
        counts = np.zeros(classes.count, np.int64)
        for places in rows.chunks(field.name):
            counts += np.bincount(places[places >= 0], minlength=classes.count)
        yield field, classes, counts


def found_names(program: CompiledProgram, data: Dataset) -> Iterator[tuple[RequiredField, tuple[str, ...]]]:
    """The fields of type `class(auto)` with text classes; of fields that share classes only the first.
    Characters and words of texts are exempt: texts have white space, `?` and capital letters."""
    seen = set()
    for field, classes in fields(program, data.train):
        if field.name in data.units:
            continue
        if classes.found_in and classes.names and classes.found_in not in seen:
            seen.add(classes.found_in)
            yield field, classes.names


def values(field: str, data: Dataset) -> Iterator[np.ndarray]:
    """The values of a field in all parts of the split, in chunks of rows."""
    for _, rows in data.parts():
        if field in rows.types:
            yield from rows.chunks(field)


def names(classes: Classes, places: np.ndarray) -> list[str]:
    return [classes.texts[place] for place in places.tolist()]


def warning(field: RequiredField, code: str, message: str, help: str) -> Diagnostic:
    labels = (Label(field.span),) if field.span is not None else ()
    return Diagnostic(code, message, labels, (), help)
