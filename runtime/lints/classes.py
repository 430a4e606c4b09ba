"""Classes as the rows have them: one class alone, no row of some, some that may be meant for others."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics import Diagnostic, Label
from dlc.compiler.quoting import VALUES, listed
from dlc.runtime.data import wanted_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.program import Program
    from dlc.compiler.types import Classes
    from dlc.runtime.data import Dataset, Wanted

# What stands for a missing value in files of other tools, in small letters.
MARKERS = {"na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "nil", "none", "missing",
           "?", "-", "--", ".", "*"}  # fmt: skip


def single(program: Program, data: Dataset, weights: Mapping[str, np.ndarray]) -> Iterator[Diagnostic]:
    """A column with the same class in all training rows tells nothing, and teaches nothing."""
    for field, classes, counts in fields(program, data):
        (there,) = np.nonzero(counts)
        if len(there) == 1 and counts.sum() > 1:
            only = listed(names(classes, there), VALUES)
            message = f"all training rows have the same class of `{field.name}`, {only}"
            help = "add rows of other classes" if field.is_target else "leave the input out"
            yield warning(field, "W0702", message, help)


def without_rows(program: Program, data: Dataset, weights: Mapping[str, np.ndarray]) -> Iterator[Diagnostic]:
    """A class that no training row has is never learnt. The spec may count more classes of an input than the
    rows have, as there are 256 bytes; it names them for their own sake."""
    for field, classes, counts in fields(program, data):
        (absent,) = np.nonzero(counts == 0)
        meant = field.is_target or (classes.names and not classes.found_in)
        if not len(absent) or not meant or len(absent) == len(counts) - 1:
            continue
        has = "has" if len(absent) == 1 else "have"
        message = f"{len(absent)} of the {len(counts)} classes of `{field.name}` {has} no training row: "
        message += listed(names(classes, absent), VALUES)
        yield warning(field, "W0703", message, help_rows(program, data, field, absent))


def help_rows(program: Program, data: Dataset, field: Wanted, absent: np.ndarray) -> str:
    """Rows of the class may be there, and stand in another part."""
    others = [rows[field.name] for part, rows in data.parts() if part != "train" and field.name in rows]
    if field.is_target and any(np.isin(absent, places).any() for places in others):
        stratified = program.data is not None and program.data.stratify == field.name
        return (
            ""
            if stratified
            else f"`stratify = {field.name}` in `data` gives every part its share of each class"
        )
    return "add rows of them, or leave them out of the type"


def markers(program: Program, data: Dataset, weights: Mapping[str, np.ndarray]) -> Iterator[Diagnostic]:
    """A found class that stands for a missing value in other files."""
    for field, found in found_names(program, data):
        odd = [name for name in found if name.strip().lower() in MARKERS]
        if odd:
            verb = "is a class" if len(odd) == 1 else "are classes"
            message = (
                f"{listed(odd, VALUES)} {verb} of `{field.name}`, and usually a mark for a missing value"
            )
            yield warning(field, "W0704", message, help_marks(program, odd))


def help_marks(program: Program, odd: Sequence[str]) -> str:
    source = program.data and program.data.source
    if source is None or "missing" not in source.settings:
        return "leave these values empty (null) in the data, if they are missing"
    assert program.data is not None
    marks = [f'"{mark}"' for mark in (*program.data.marks, *odd)]
    written = marks[0] if len(marks) == 1 else f"[{', '.join(marks)}]"
    return f"if these values are missing, say so: csv(..., missing={written})"


def alike(program: Program, data: Dataset, weights: Mapping[str, np.ndarray]) -> Iterator[Diagnostic]:
    """Found classes that differ only in white space, in the case of letters, or in their Unicode form."""
    for field, found in found_names(program, data):
        groups: dict[str, list[str]] = {}
        for name in found:
            plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
            groups.setdefault(plain, []).append(name)
        same = [group for group in groups.values() if len(group) > 1]
        if same:
            more = f", and {len(same) - 1} more such groups" if len(same) > 1 else ""
            message = f"{listed(same[0], VALUES)} are different classes of `{field.name}`{more}"
            help = "classes are compared as they stand: make them one in the data, if one is meant"
            yield warning(field, "W0705", message, help)


def fields(program: Program, data: Dataset) -> Iterator[tuple[Wanted, Classes, np.ndarray]]:
    """The class fields of the training rows, with their classes and how many values are of each."""
    for field in wanted_by(program):
        classes = field.declared.classes
        if field.declared.element != "class" or classes is None or data.train is None:
            continue
        if isinstance(classes.count, int) and field.name in data.train:
            places = data.train[field.name].ravel()
            yield field, classes, np.bincount(places[places >= 0], minlength=classes.count)


def found_names(program: Program, data: Dataset) -> Iterator[tuple[Wanted, tuple[str, ...]]]:
    """The fields of `class(auto)` whose classes are text, the first of those that share them."""
    seen = set()
    for field, classes, _ in fields(program, data):
        if classes.found_in and classes.names and classes.found_in not in seen:
            seen.add(classes.found_in)
            yield field, classes.names


def names(classes: Classes, places: np.ndarray) -> list[str]:
    return [classes.texts[place] for place in places.tolist()]


def warning(field: Wanted, code: str, message: str, help: str) -> Diagnostic:
    labels = (Label(field.place),) if field.place is not None else ()
    return Diagnostic(code, message, labels, (), help)
