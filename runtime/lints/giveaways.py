"""Lint of inputs of which a single column gives the target away."""

from __future__ import annotations

from math import lgamma, log
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.runtime.data import required_fields
from dlc.runtime.data.rows.dataset import spread_out
from dlc.runtime.lints.scalars import Scalar, entries, read, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset, Rows

SAMPLED = 1000  # rows in which a column has to tell the target before all rows are looked at
CHANCE = log(1e-6)  # that any column tells the target without a relation to it
EXPLAINED = 0.99  # of the variance of a number, that is left by rounding it
DISTINCT = 0.1  # of the rows, from which on equal rows are taken for copies
PRESENT = 0.5  # of the rows need a value of a column of numbers


def giveaways(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Inputs of which one column tells the target in every training row, by a rule that is no accident of few
    rows: a copy of the target, in other units too, or an id that was numbered class by class."""
    for given, target, count in found(program, data):
        kind = "class" if target.field.declared.element in ("class", "binary") else "value"
        both = "" if data.train is not None and count == data.train.count else " that have both"
        where = f"in all {count} training rows{both}"
        message = f"{given} alone gives {target} away: it tells the {kind} {where}"
        help = f"{given.leave_out} if it is not known before `{target.field.name}` is"
        labels = (Label(given.field.span),) if given.field.span is not None else ()
        yield Diagnostic("W0718", message, labels, (), help)


def found(program: CompiledProgram, data: Dataset) -> Iterator[tuple[Scalar, Scalar, int]]:
    """The columns that tell a target, with that target and the number of training rows in which they do.
    Where several objectives take turns, a target may be a condition too, as the class that a GAN is asked
    for."""
    rows = data.train
    if rows is None or not rows.count or len(program.objectives) > 1:
        return
    sample = spread_out(rows, SAMPLED)
    for target in scalars(program, data, "target"):
        read_by = answering(program, target)
        fields = [f for f in required_fields(program) if f.name in read_by and not (f.is_target or f.drawn)]
        if target.place is not None or sum(map(entries, fields)) < 2:
            continue  # a single input is all there is to learn from
        inputs = [one for one in scalars(program, data, "input") if one.field.name in read_by]
        whole = sum(map(entries, fields)) == len(inputs)  # no values beside these, in which rows may differ
        order = without_copies(rows, [*inputs, target], sample) if whole else sample
        told = telling(rows, inputs, target, order, len(inputs))
        if len(order) < rows.count and told:
            told = telling(rows, [one for one, _ in told], target, None, len(inputs))
        yield from ((one, target, count) for one, count in told)


def without_copies(rows: Rows, columns: list[Scalar], order: np.ndarray) -> np.ndarray:
    """The first of the rows that are equal in all columns: a copy is no evidence of its own. All of them if
    nearly all are copies, because rows of a few classes are equal without being copied."""
    codes = [np.unique(values, return_inverse=True)[1] for values in read(rows, columns, order)]
    firsts = np.unique(np.stack(codes), axis=1, return_index=True)[1]
    return order[np.sort(firsts)] if len(firsts) >= DISTINCT * len(order) else order


def telling(rows: Rows, inputs: list[Scalar], target: Scalar, order: np.ndarray | None,
            columns: int) -> list[tuple[Scalar, int]]:  # fmt: skip
    """The columns that tell the target in these rows, with the number of rows in which they do."""
    *given, wanted = read(rows, [*inputs, target], order)
    if target.field.declared.element == "class":
        has_target = wanted >= 0
    else:
        wanted = wanted.astype(np.float64)
        has_target = ~np.isnan(wanted)
    told = []
    for one, values in zip(inputs, given, strict=True):
        ordered = one.field.declared.element != "class"
        if count := tells(values[has_target], wanted[has_target], columns, ordered=ordered):
            told.append((one, count))
    return told


def answering(program: CompiledProgram, target: Scalar) -> set[str]:
    """The inputs from which the outputs with this target are computed."""
    flowed = [o.flowed for o in program.outputs if o.target == target.field.name]
    needed = program.graph.needed_by(flowed)
    return {i.name for i in program.inputs if i.value in needed}


def tells(given: np.ndarray, target: np.ndarray, columns: int, *, ordered: bool) -> int:
    """The number of rows in which one of `columns` columns tells the target, without exception and not by
    chance: all rows, or those with a value; 0 if it does not. The values of an `ordered` column are numbers,
    if they are no text."""
    numbers, codes = np.unique(given, return_inverse=True)
    values, classes = np.unique(target, return_inverse=True)
    if len(values) < 2 or len(numbers) < 2:
        return 0
    ordered = ordered and numbers.dtype.kind in "iuf"
    limit = CHANCE - log(columns)
    if chance_of_pure(codes, classes, len(values), ordered=ordered) < limit:
        return len(target)
    if not ordered or target.dtype.kind != "f":
        return 0
    there = codes < len(numbers) - int(np.isnan(numbers[-1]))
    enough = there.mean() >= PRESENT
    return int(there.sum()) if enough and chance_of_monotone(codes[there], target[there]) < limit else 0


def chance_of_pure(codes: np.ndarray, classes: np.ndarray, count: int, *, ordered: bool) -> float:
    """If all rows of one value have one class: the logarithm of the probability that classes in a random
    order are as simple. They are simple if many rows have the same value, or if the values of each of the
    `count` classes are a range of their own. 0 if a value has several classes."""
    groups = int(codes.max()) + 1
    low, high = np.full(groups, count), np.full(groups, -1)
    np.minimum.at(low, codes, classes)
    np.maximum.at(high, codes, classes)
    if (low != high).any():
        return 0.0
    in_ranges = ordered and 1 + np.count_nonzero(np.diff(low)) == count
    patterns = min(groups * log(count), lgamma(count + 1) if in_ranges else float("inf"))
    return patterns - orders(classes)


def chance_of_monotone(codes: np.ndarray, target: np.ndarray) -> float:
    """If the target only rises with a number, or only falls, and has nearly one value for each number: the
    logarithm of the probability that numbers in a random order do so. 0 if they do not."""
    order = np.lexsort((target, codes))
    codes, target = codes[order], target[order].astype(np.float64)
    begins = np.flatnonzero(np.diff(codes, prepend=-1))
    low, high = np.minimum.reduceat(target, begins), np.maximum.reduceat(target, begins)
    if not ((high[:-1] <= low[1:]).all() or (low[:-1] >= high[1:]).all()):
        return 0.0
    sizes = np.diff(begins, append=len(codes))
    means = np.add.reduceat(target, begins) / sizes
    left = np.square(target - np.repeat(means, sizes)).sum()
    if left > (1 - EXPLAINED) * np.square(target - target.mean()).sum():
        return 0.0
    return log(2) - orders(np.unique(target, return_inverse=True)[1])


def orders(codes: np.ndarray) -> float:
    """The logarithm of the number of orders of rows with these codes."""
    return lgamma(len(codes) + 1) - sum(lgamma(size + 1) for size in np.bincount(codes).tolist())
