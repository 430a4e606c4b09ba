"""Rows for training, validation, test and use: sources, and how their columns become arrays.

A program, or an artifact, says what it wants (`Wanted`); a source is opened; columns meet fields (`match`);
values become arrays (`encode`), parted as the `data` section asks (`split`). Nothing here needs torch.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions import sections
from dlc.compiler.definitions.sections import PARTS
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.program import Facts
from dlc.compiler.types import Classes
from dlc.runtime.data import data_errors
from dlc.runtime.data.classes import ColumnValues, labels_of
from dlc.runtime.data.data_errors import error, fail
from dlc.runtime.data.decode import Filled, arrays, drawn, fill, told
from dlc.runtime.data.requirements import Wanted, wanted_by
from dlc.runtime.data.rows import Dataset, InMemoryRows, Rows
from dlc.runtime.data.sources import open_source, source_of
from dlc.runtime.data.split import part

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from dlc.compiler.definitions.sections import Data
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data.column_match import Match
    from dlc.runtime.data.source import Opened

__all__ = ["Dataset", "InMemoryRows", "Rows", "Wanted", "facts", "gather", "load", "read_rows", "wanted_by"]


def load(
    program: CompiledProgram,
    folder: Path,
    *,
    splits: Sequence[str] = PARTS,
    source: Path | sections.DataSource | Opened | None = None,
    fields: Container[str] | None = None,
) -> Dataset:
    """The rows of a program whose spec lies in `folder`; `source` is read in place of the
    one that it names, and only `fields` of it if they are given."""
    return gather(_data_of(program, source), _wanted(program, fields), folder, splits)


def facts(
    program: CompiledProgram,
    folder: Path,
    *,
    source: Path | sections.DataSource | Opened | None = None,
    fields: Container[str] | None = None,
) -> Facts:
    """What only the data can tell about a program, without decoding more than that takes."""
    wanted = _wanted(program, fields)
    if not any(w.learns for w in wanted):
        return program.facts
    return Facts(gather(_data_of(program, source), wanted, folder, ()).classes)


def read_rows(source: Path | sections.DataSource | Opened, wanted: Sequence[Wanted],
              missing: Sequence[str] = (), *, empty: bool = False) -> InMemoryRows:  # fmt: skip
    """All rows of one file or set as an artifact takes them: classes with names as text, targets as numbers.

    `missing` are the texts that stand for a missing value in a csv file. A field may stand under its own
    name as well as under those of the columns that it was trained on. The file is csv, parquet or npz by its
    ending, or a folder in the format of MNIST. Without rows it is an error, unless it may be `empty`.
    """
    known = [replace(w, source=None) if w.drawn else w for w in wanted]
    opened = open_source(source_of(source, missing) if isinstance(source, Path) else source, Path())
    opened.own_names = opened.for_model = True
    return arrays(fill(opened, known, empty=empty), raw=True)


def gather(data: Data, wanted: Sequence[Wanted], folder: Path, splits: Sequence[str] = PARTS) -> Dataset:
    """Read the sources, learn classes from the training rows, decode, and part."""
    _check_drawn(wanted)
    if all(w.drawn for w in wanted):
        return Dataset(train=InMemoryRows({}, None, drawn=drawn(wanted)) if "train" in splits else None)
    if data.source is None:
        lacking = [w for w in wanted if not w.drawn]
        places = [(w.place, "has no rows to come from") for w in lacking]
        message = f"the `data` section names no source for {', '.join(map(str, lacking))}"
        raise fail(data_errors.NO_SOURCE, message, *places, help='give it one: source = csv("...")')
    main = fill(open_source(data.source, folder), wanted)
    parts = part(main.opened.count, data, _labels(data, main), main.opened.file)
    classes = _learn(main, parts.train)
    own = _own_sources(data, folder)
    dataset = {
        name: _decode(source, name, wanted, folder, classes) for name, source in own.items() if name in splits
    }
    if asked := [name for name in splits if name not in own]:
        decoded = arrays(main, classes, strict=True)
        dataset |= {name: _take(decoded, getattr(parts, name)) for name in asked}
    named = main.matches if main.opened.names else []
    columns = {m.wanted.name: main.names(m.wanted.name) for m in named}
    return Dataset(**dataset, classes=classes, columns=columns)


def _wanted(program: CompiledProgram, fields: Container[str] | None) -> list[Wanted]:
    return [w for w in wanted_by(program) if fields is None or w.name in fields]


def _data_of(program: CompiledProgram, source: Path | sections.DataSource | Opened | None) -> Data:
    """The `data` section, with another source in place of its own where one is given."""
    data = program.data or sections.Data()
    if source is None:
        return data
    given = source_of(source.absolute(), data.marks) if isinstance(source, Path) else source
    return sections.Data(**data.values() | {"source": given}).placed(data.span, data.spans)


def _check_drawn(wanted: Sequence[Wanted]) -> None:
    """Only real numbers can be drawn."""
    problems = [
        error(
            data_errors.DRAWN,
            f"{w} is {w.declared}, and only a float can be drawn",
            (w.source or w.place, ""),
        )
        for w in wanted
        if w.drawn and not w.declared.is_float
    ]
    if problems:
        raise CompileError(problems)


def _labels(data: Data, filled: Filled) -> np.ndarray | None:
    """The classes by which the rows are stratified, as numbers."""
    if data.stratify is None:
        return None
    found = next((m for m in filled.matches if m.wanted.name == data.stratify), None)
    place = (data_errors.place_of(data, "stratify"), "")
    if found is None:
        from dlc.compiler.diagnostics.suggest import did_you_mean

        help = did_you_mean(data.stratify, [m.wanted.name for m in filled.matches])
        message = f"the rows cannot be stratified by `{data.stratify}`, which is no field of the data"
        raise fail(data_errors.PARTING, message, place, help=help)
    declared = found.wanted.declared
    column = filled.columns[data.stratify][0]
    if declared.element not in ("class", "binary", "bool", "string") or declared.rank:
        message = f"the rows cannot be stratified by {found.wanted}, which is {declared} and not one class"
        raise fail(data_errors.PARTING, message, place)
    if column.is_text:
        return column.values.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return column.values.reshape(filled.opened.count)


def _learn(filled: Filled, train: np.ndarray) -> dict[str, Classes]:
    """The classes of `class(auto)` fields: the distinct values of an input in the training rows, of a target
    in all rows, and of fields that share their classes those of all of them."""
    groups: dict[str, list[Match]] = {}
    for m in filled.matches:
        if m.wanted.declared.classes and m.wanted.learns:
            groups.setdefault(m.wanted.declared.classes.found_in, []).append(m)
    classes, problems = {}, []
    for owner, matches in groups.items():
        sources = [(m, place, column) for m in matches for place, column in filled.sources(m)]
        held: list[ColumnValues] = []
        for m, place, column in sources:
            rows = np.arange(filled.opened.count) if m.wanted.is_target else train
            try:
                held.append(ColumnValues.of(column, rows))
            except data_errors.Refused as refused:
                problems.append(told(filled.opened, m.wanted, place, refused))
        try:
            if len(held) == len(sources):
                classes[owner] = Classes.found(labels_of(held), owner)
        except data_errors.Refused as refused:
            problems.append(told(filled.opened, sources[0][0].wanted, sources[0][1], refused))
    if problems:
        raise CompileError(problems)
    return classes


def _own_sources(data: Data, folder: Path) -> dict[str, sections.DataSource]:
    """Parts with a source of their own; a folder in the format of MNIST has its test set with it."""
    own = {n: s for n in ("validation", "test") if isinstance(s := getattr(data, n), sections.DataSource)}
    if isinstance(data.source, sections.Idx) and not data.test:
        from dlc.runtime.data.sources.idx import has_test

        if has_test(data.source, folder):
            own["test"] = data.source
    return own


def _decode(source: sections.DataSource, name: str, wanted: Sequence[Wanted], folder: Path,
            classes: Mapping[str, Classes]) -> InMemoryRows:  # fmt: skip
    return arrays(fill(open_source(source, folder, name), wanted), classes)


def _take(rows: InMemoryRows, index: np.ndarray) -> InMemoryRows | None:
    if not len(index):
        return None
    return rows if len(index) == rows.count else rows.take(index)
