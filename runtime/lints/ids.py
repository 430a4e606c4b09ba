"""Lint of inputs that number the rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.runtime.data import required_fields
from dlc.runtime.data.rows.dataset import spread_out
from dlc.runtime.lints import giveaways
from dlc.runtime.lints.scalars import entries, read, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset
    from dlc.runtime.lints.scalars import Scalar

SAMPLED = 1000  # rows whose numbers have to differ before all rows are looked at
FEWEST, MANY = 20, 200  # rows from which on a row number, and an id without a telling name, is believed
GAPS = 1.25  # the greatest row number, in rows: some rows may be left out
DIGITS = 5  # of ids of one length, at least
UNEVEN = 1.36  # limit of the distance from even numbers (Kolmogorov-Smirnov, 5 %), times the root of the rows
ROUNDED = 0.25  # the share of multiples of ten from which on numbers are amounts
NAMES = {"id", "ids", "idx", "index", "key", "pk", "uid", "uuid", "guid", "rowid", "rownum", "rownumber"}
TIMES = {"t", "time", "step", "year", "quarter", "month", "week", "day", "date", "hour", "minute", "second",
         "period", "epoch", "timestamp"}  # fmt: skip
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def row_numbers(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Inputs that are numbers by their type, and ids or row numbers by their values: whole numbers that all
    differ, from 0 or 1 on, of one length, or under the name of an id. Those that give the target away have
    that warning."""
    fields = [f for f in required_fields(program) if f.role == "input" and not f.drawn]
    if data.train is None or not data.train.count or sum(map(entries, fields)) < 2:
        return  # a single input is all there is to learn from
    sample = spread_out(data.train, SAMPLED)
    wanted = [one for one in scalars(program, data, "input") if may_be_id(one, program)]
    few = read(data.train, wanted, sample)
    wanted = [one for one, values in zip(wanted, few, strict=True) if differ(values)]
    told = {str(one) for one, _, _ in giveaways.found(program, data)} if wanted else set()
    for one in (one for one in wanted if str(one) not in told):
        parts = [rows for _, rows in data.parts() if one.field.name in rows.types]
        values = np.concatenate([read(rows, [one])[0] for rows in parts])
        if is_id(values, one.column or one.field.name):
            message = f"{one} numbers the rows: each of the {len(values)} has another whole number"
            labels = (Label(one.field.span),) if one.field.span is not None else ()
            help = f"{one.leave_out}: the number of a row says nothing about other rows"
            yield Diagnostic("W0717", message, labels, (), help)


def may_be_id(one: Scalar, program: CompiledProgram) -> bool:
    """Whether it is a number, of a vector only if its columns have names, and not the order of a series."""
    table = program.data.table if program.data else None
    in_order = table is not None and table.order is not None and table.order == one.column
    declared = one.field.declared
    return (
        (declared.is_float or declared.is_integer)
        and (one.place is None or bool(one.column))
        and not in_order
    )


def differ(values: np.ndarray) -> bool:
    """Whether they are whole numbers that are not negative, and all differ."""
    whole = len(values) >= FEWEST and bool((values >= 0).all()) and bool((values % 1 == 0).all())
    return whole and len(np.unique(values)) == len(values)


def is_id(values: np.ndarray, name: str) -> bool:
    """Whether the numbers of all rows are ids."""
    if not differ(values):
        return False
    count, low, high = len(values), float(values.min()), float(values.max())
    words = words_of(name)
    if is_time(name):
        return False
    named = bool(words) and words[-1] in NAMES
    return named or (low <= 1 and high <= GAPS * count) or (count >= MANY and are_random_codes(values))


def is_time(name: str) -> bool:
    """Whether a name is that of a time."""
    return not TIMES.isdisjoint(words_of(name))


def words_of(name: str) -> list[str]:
    return [word.lower() for word in WORDS.findall(name)]


def are_random_codes(values: np.ndarray) -> bool:
    """Whether they are of one length, spread evenly over all numbers of it, and not rounded: an amount hardly
    is, and neither is a date or a time."""
    digits = len(str(int(values.max())))
    low, high = 10.0 ** (digits - 1), 10.0**digits
    if digits < DIGITS or values.min() < low or (values % 10 == 0).mean() > ROUNDED:
        return False
    places = (np.sort(values).astype(np.float64) - low) / (high - low)
    even = (np.arange(len(places)) + 0.5) / len(places)
    return bool(np.abs(places - even).max() < UNEVEN / len(places) ** 0.5)
