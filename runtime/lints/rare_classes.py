"""Lint of target classes with few training rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.quoting import MAX_LISTED, shorten
from dlc.runtime.data import required_fields
from dlc.runtime.lints.classes import ignored, values, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset, RequiredField

FEW = 10  # training rows
SHARE = 0.25  # of the training rows that each class has if all have as many


def rare_classes(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Classes of a target that have few training rows, and far fewer than other classes. A target by which
    the rows are stratified is exempt: that is what a spec can do about it."""
    stratified = program.data.stratify if program.data else None
    for field in required_fields(program):
        labels = class_labels(field)
        if data.train is None or field.name not in data.train.types or field.name == stratified or not labels:
            continue
        rare, counts = rare_among(field, data, len(labels))
        if not len(rare) or field.measured:
            continue
        shown = ", ".join(f'"{shorten(labels[place])}" {counts[place]}' for place in rare[:MAX_LISTED])
        more = f" and {len(rare) - MAX_LISTED} more" if len(rare) > MAX_LISTED else ""
        has = f"classes of `{field.name}` {'has' if len(rare) == 1 else 'have'} few training rows"
        message = f"{len(rare)} of the {len(labels)} {has}: {shown}{more}"
        yield warning(field, "W0719", message, help_for(field, data))


def rare_among(field: RequiredField, data: Dataset, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The rare classes, the rarest first, and the number of training rows of each class."""
    counts = count(field, replace(data, validation=None, test=None), classes)
    usual = counts.sum() / max(np.count_nonzero(counts), 1)
    few = (counts > 0) & (counts < min(FEW, SHARE * usual))
    if field.declared.element == "class" and field.declared.classes is not None:
        few &= ~ignored(field, field.declared.classes)
    places = np.flatnonzero(few)
    return places[np.argsort(counts[places], kind="stable")], counts


def help_for(field: RequiredField, data: Dataset) -> str:
    """The fix; without a split by chance, only other data helps."""
    if len([*data.parts()]) > 1:
        return f"`stratify = {field.name}` in `data` gives every part its share of each class"
    return "add rows of them, or make one class of several rare ones in the data"


def class_labels(field: RequiredField) -> tuple[str, ...]:
    """The classes of a target that is one class a row, as text; none for other fields."""
    declared = field.declared
    if not field.is_target or declared.shape not in ((), (1,)):
        return ()
    if declared.element == "binary":
        return (declared.classes.names if declared.classes else None) or ("0", "1")
    known = declared.classes
    return known.texts if declared.element == "class" and known and isinstance(known.count, int) else ()


def count(field: RequiredField, data: Dataset, classes: int) -> np.ndarray:
    """The number of rows of each class in all parts of the split."""
    counts = np.zeros(classes, np.int64)
    for found in values(field.name, data):
        places = found.ravel()
        places = places[(places >= 0) & (places % 1 == 0)].astype(np.int64)  # a probability is of no class
        counts += np.bincount(places, minlength=classes)
    return counts
