"""A first spec for a table: a csv or Parquet file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions.sections import Csv, Parquet
from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime.data import bounds
from dlc.runtime.data.data_errors import counted
from dlc.runtime.data.sources import SUFFIXES, open_source
from dlc.runtime.first_spec import column_kinds, roles
from dlc.runtime.first_spec.column_kinds import Inspected, inspect, sentinel_of
from dlc.runtime.first_spec.csv_settings import WORDS, settings_for
from dlc.runtime.first_spec.first import FirstSpec
from dlc.runtime.first_spec.roles import roles_of
from dlc.runtime.first_spec.targets import NoFirstSpec, targets_of
from dlc.runtime.first_spec.writing import Draft, write

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from dlc.compiler.definitions.series import TableFile
    from dlc.runtime.data.source import Opened
    from dlc.runtime.first_spec.roles import Role
    from dlc.runtime.first_spec.targets import Target

PLAIN = (".txt", ".data", ".dat")  # the suffixes of other files that may be tables

MIN_ROWS = 10  # for three parts


def first_spec(path: Path, shown: str, wanted: Sequence[str]) -> FirstSpec:
    """A first spec for the table in a file. `shown` is its path as the spec writes it, and `wanted` are the
    names of the targets. NoFirstSpec if the rows do not allow one, CompileError if the file is not read."""
    source, opened = opened_table(path)
    columns = inspected(opened)
    if opened.count < MIN_ROWS:
        help = f"a first spec takes {MIN_ROWS} rows or more: to train, to validate and to test"
        raise NoFirstSpec(f"{path.name} has {counted(opened.count, 'row')}", help)
    targets, chosen = targets_of(columns, wanted, path.name)
    if kept := {mark for target in targets for mark in target.column.marks if mark.lower() in WORDS}:
        columns = inspected(opened, kept)  # `none` and the like are classes of the target
        targets, chosen = targets_of(columns, wanted, path.name)
    source, columns = with_marks(source, columns)
    predicted = {target.column.index for target in targets}
    found = [role for role in roles_of(columns) if role.column.index not in predicted]
    if all(role.kind == roles.OUT for role in found):
        why = "; ".join(f"`{role.name}`: {role.why}" for role in found[:5])
        message = f"{path.name} has no column that `{targets[0].name}` can be predicted from"
        raise NoFirstSpec(message, why or "bring columns that are known before the target is")
    if not opened.names:
        check_places(path.name, targets, found, len(columns))
    source = with_settings(source, path=shown)
    draft = Draft(path.name, source, opened.count, found, targets, named=bool(opened.names))
    notes = [f"no --target is named: `{targets[0].name}` is predicted"] if chosen else []
    return FirstSpec(write(draft), (*notes,))


def check_places(file: str, targets: Sequence[Target], found: Sequence[Role], columns: int) -> None:
    """Without names, the columns are the inputs and then the targets, and none can be left out."""
    last = [target.column.index for target in targets] == [*range(columns - len(targets), columns)]
    out = next((role for role in found if role.kind == roles.OUT), None)
    if last and out is None:
        return
    why = f"`{out.name}` is of no use ({out.why})" if out else "the target is not the last column"
    raise NoFirstSpec(f"the first line of {file} is a row, so its columns have no names, and {why}",
                      "write names above the rows: columns are then chosen by name")  # fmt: skip


def opened_table(path: Path) -> tuple[TableFile, Opened]:
    """The source of a file, with the settings that it needs, and the opened file."""
    from dlc.runtime.data.locations.location import Content, LocalFile, unpacked_suffix
    from dlc.runtime.data.sources.csv import CsvFile

    suffix = unpacked_suffix(path.name)
    kind = Csv if suffix in PLAIN else SUFFIXES.get(suffix)
    if kind is Parquet:
        source = Parquet(path=str(path))
        return source, open_source(source, path.parent)
    if kind is not Csv:
        raise NoFirstSpec(
            f"{path.name} is no table", "name a csv or Parquet file, or a folder of pictures or recordings"
        )
    file = LocalFile(path, path.name)
    content = bounds.joined(bounds.bounded(file.pieces(), file.size(), path.name, None))
    source = settings_for(str(path), content)
    return source, CsvFile(source, Content(content, path.stem if path.suffix == ".gz" else path.name))


def inspected(opened: Opened, kept: Collection[str] = ()) -> list[Inspected]:
    """What each column holds. Columns that are not read, such as lists of different kinds, hold something
    else. CompileError if none can be read."""
    names = opened.names or [f"column {place + 1}" for place in range(len(opened.sizes))]
    places = [*range(len(names))]
    try:
        columns = opened.read(places)
    except CompileError:
        found = [alone(opened, name, place, kept) for place, name in enumerate(names)]
        if opened.count < 0:
            raise  # the file itself cannot be read
        return found
    return [inspect(names[place], place, columns[place], kept) for place in places]


def alone(opened: Opened, name: str, place: int, kept: Collection[str]) -> Inspected:
    try:
        return inspect(name, place, opened.read([place])[0], kept)
    except CompileError as error:
        found = error.diagnostics[0]
        what = found.message.rpartition(f'"{name}": ')[2]
        why = f"{what}: {found.help}" if found.help else what
        return Inspected(name, place, column_kinds.OTHER, opened.count, why=why)


def with_marks(source: TableFile, columns: Sequence[Inspected]) -> tuple[TableFile, list[Inspected]]:
    """The source with the marks of missing values that its columns have, and the columns without them."""
    if not isinstance(source, Csv):
        return source, [*columns]
    marks = sorted({mark for column in columns for mark in column.marks})
    number = sentinel_of(columns)
    if number is not None:
        marks.append(str(int(number)))
        columns = [without(column, number) for column in columns]
    return with_settings(source, missing=(*marks,)) if marks else source, [*columns]


def without(column: Inspected, number: float) -> Inspected:
    """A column in which a number marks missing values."""
    if column.values is None or not (column.values == number).any():
        return column
    values = np.where(column.values == number, np.nan, column.values)
    return column_kinds.of_numbers(
        column.name, column.index, values, padded=column.padded, marks=column.marks
    )


def with_settings(source: TableFile, **settings: object) -> TableFile:
    return type(source)(**source.values() | settings)
