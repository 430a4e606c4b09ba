"""Assign the columns of a source to fields."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from dlc.compiler.definitions.file_sources import ColumnNamed, Files, content_of
from dlc.compiler.definitions.sections import Columns
from dlc.compiler.definitions.series import Ahead
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.diagnostics.quoting import VALUES, listed, shorten
from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.confusable_names import can_be_written, difference
from dlc.runtime.data.data_errors import counted, error
from dlc.runtime.data.files.roots import place_of
from dlc.runtime.data.source import number_of

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from dlc.runtime.data.requirements import RequiredField
    from dlc.runtime.data.source import Opened

MAX_COLUMNS = 12  # maximum number of columns that a hint lists
MAX_SUGGESTED = 20  # missing columns that get a suggested name


@dataclass(frozen=True)
class Match:
    """A field and the indices of the columns that fill it, in order."""

    wanted: RequiredField
    indices: tuple[int, ...]


def match(
    opened: Opened, wanted: Sequence[RequiredField], names: Container[str] | None = None
) -> list[Match]:
    """The columns of each field that is not drawn, or only of those with these names, and of what is no
    field. One error has all missing columns."""
    wanted = [w for w in wanted if not w.drawn]
    chosen = [w for w in wanted if names is None or w.name in names or not w.is_field]
    if opened.of_files:
        matches, problems = by_type(opened, chosen)
    else:
        matches, problems = by_name(opened, chosen) if opened.names else by_order(opened, wanted, chosen)
    if problems:
        raise CompileError(problems)
    return matches


def by_type(opened: Opened, wanted: Sequence[RequiredField]) -> tuple[list[Match], list[Diagnostic]]:
    """Match a folder of files: its source knows what fills a field of each type."""
    found = [(w, opened.place_of(w)) for w in wanted]
    matches = [Match(w, (place,)) for w, place in found if isinstance(place, int)]
    return matches, [place for _, place in found if not isinstance(place, int)]


def by_name(opened: Opened, wanted: Sequence[RequiredField]) -> tuple[list[Match], list[Diagnostic]]:
    indices: dict[str, list[int]] = {}
    for index, name in enumerate(opened.names):
        indices.setdefault(name, []).append(index)
    if opened.own_names:
        wanted = [_with_own_name(w, indices) if w.is_field else w for w in wanted]
    found = {w.name: tuple(p for name in names_of(w) for p in indices.get(name, ())) for w in wanted}
    problems = [problem for w in wanted if (problem := _repeated(opened, w, indices))]
    lacking = [w for w in wanted if not all(name in indices for name in names_of(w))]
    found |= _unnamed(opened, [w for w in lacking if w.source is None], found)
    lacking = [w for w in lacking if not found[w.name] or w.source is not None]
    helped = ""
    if len(lacking) == len(wanted):
        helped = opened.heading_help([name for w in lacking for name in names_of(w)])
    if helped:
        message, notes = (
            f"{opened.file} has none of the columns wanted",
            [f"it has {listed(opened.names, VALUES)}"],
        )
        label = (opened.definition, "read here")
        problems.append(error(data_errors.MISSING_COLUMN, message, label, help=helped, notes=notes))
    else:
        taken = {name for w in wanted if w not in lacking for name in names_of(w)}
        free = [name for name in opened.names if name not in taken]
        for number, w in enumerate(lacking):
            problems.append(_missing(opened, w, number < MAX_SUGGESTED, free, alone=len(lacking) == 1))
    return [Match(w, found[w.name]) for w in wanted], problems


def names_of(wanted: RequiredField) -> tuple[str, ...]:
    """The columns that fill a field: those that `data` assigns, else the column with its name."""
    if isinstance(wanted.source, ColumnNamed):
        return (wanted.source.column,)
    return wanted.source.columns if isinstance(wanted.source, (Columns, Ahead)) else (wanted.name,)


def _with_own_name(wanted: RequiredField, indices: dict[str, list[int]]) -> RequiredField:
    """The field with the columns in the file: those that it was trained on, or the one with its name."""
    there = [name in indices for name in names_of(wanted)]
    own = not all(there) and (wanted.name in indices or not any(there))
    if not own:
        return wanted
    files = wanted.source if isinstance(wanted.source, Files) else None
    return replace(wanted, source=files and files.with_settings(column=wanted.name))


def _unnamed(
    opened: Opened, lacking: Sequence[RequiredField], found: dict[str, tuple[int, ...]]
) -> dict[str, tuple]:
    """Columns for fields without a column of their name: the target of a data set, and the vector that takes
    all remaining columns."""
    taken = {index for indices in found.values() for index in indices}
    given: dict[str, tuple[int, ...]] = {}
    targets = [w for w in lacking if w.is_target]
    if opened.target is not None and opened.target not in taken and len(targets) == 1:
        given[targets[0].name] = (opened.target,)
    vectors = [w for w in lacking if w.declared.rank and w.name not in given]
    if opened.remaining and len(vectors) == 1:
        columns = range(len(opened.names))
        given[vectors[0].name] = tuple(p for p in columns if p not in taken and p != opened.target)
    return given


def _repeated(opened: Opened, wanted: RequiredField, indices: dict[str, list[int]]) -> Diagnostic | None:
    """The error for a column name that occurs several times, unless a vector of this length reads it."""
    for name in names_of(wanted):
        times = len(indices.get(name, ()))
        if times > 1 and (isinstance(wanted.source, (Columns, Ahead)) or not wanted.declared.rank):
            message = f'{opened.file} has {times} columns named "{name}", and {wanted} takes one'
            return error(data_errors.REPEATED, message, (wanted.span, "wanted here"),
                           (opened.definition, "read here"),
                           help="give each column a name of its own")  # fmt: skip
    return None


def _missing(
    opened: Opened, wanted: RequiredField, suggest: bool, free: Sequence[str], *, alone: bool
) -> Diagnostic:
    """The error for a field without columns. `free` are the columns that no other field takes; `alone` says
    that no other field lacks columns."""
    names = opened.names
    lacking = [name for name in names_of(wanted) if name not in names]
    what = "column" if len(lacking) == 1 else "columns"
    message = f"{opened.file} has no {what} {listed(lacking, VALUES)}, which {wanted} takes"
    places = ((wanted.source or wanted.span, "wanted here"), (opened.definition, "read here"))
    notes = [f"it has {listed(names, VALUES)}"] if suggest else []
    if wanted.measured:
        notes.append("the loss does not read it, but `metrics` does")
    help = ""
    if suggest:
        help = (
            opened.absent_help(lacking[0])
            or _vector_fix(opened, wanted, free, alone)
            or _name_fix(opened, wanted, lacking[0], free)
            or _files_fix(opened, wanted)
        )
    return error(data_errors.MISSING_COLUMN, message, *places, help=help, notes=notes)


def _vector_fix(opened: Opened, wanted: RequiredField, free: Sequence[str], alone: bool) -> str:
    """The fix for a vector whose values are in one column each: the columns to name."""
    shape = wanted.declared.shape
    if wanted.source is not None or len(shape) != 1 or not isinstance(shape[0], int) or shape[0] < 2:
        return ""
    size, name = shape[0], _plain(wanted.name)
    numbered = [n for n in free if _plain(n).startswith(name) and _plain(n).removeprefix(name).isdigit()]
    meant = next((some for some in (numbered, free if alone else []) if len(some) == size), [])
    if not meant and opened.marks is None:  # except in csv, one column may contain vectors
        return ""
    return columns_help(wanted, size, meant, in_spec=not opened.for_model)


def columns_help(wanted: RequiredField, size: int, meant: Sequence[str] = (), *, in_spec: bool) -> str:
    """How to fill a vector from columns of single values: from the columns in `meant`, if they are known."""
    if not in_spec:
        return f"name {size} columns `{wanted.name}`, in the order of its places"
    written = [json.dumps(name, ensure_ascii=False) for name in meant] or ['"..."'] * size
    if size <= MAX_COLUMNS and all(map(can_be_written, meant)):
        return f"name its {size} columns: {wanted.name} = columns({', '.join(written)}) in `data`"
    return f'name its {size} columns, in order: {wanted.name} = columns("...", "...") in `data`'


def _name_fix(opened: Opened, wanted: RequiredField, lacking: str, names: Sequence[str]) -> str:
    from dlc.compiler.diagnostics.suggest import nearest

    alike = next((name for name in names if difference(lacking, name)), None)
    if alike is not None:
        apart = f'"{shorten(alike)}" looks the same, and {difference(lacking, alike)}'
        return f"{apart}; {_confusable_fix(opened, wanted, lacking, alike)}"
    plain = {_plain(name): name for name in names}
    meant = plain.get(_plain(lacking)) or nearest(lacking, names)
    if meant is None:
        return (
            f'say which column it is: {wanted.name} = column("...") in `data`'
            if wanted.source is None and not opened.own_names
            else ""
        )
    if wanted.source is not None:
        return f'did you mean "{meant}"?'
    if opened.own_names:  # rows for an artifact: there is no spec to change
        return f'if "{meant}" is meant, call it "{lacking}" in the heading'
    return f'if "{meant}" is meant, write {wanted.name} = column("{meant}") in `data`'


def _files_fix(opened: Opened, wanted: RequiredField) -> str:
    """How a table for an artifact names the files of a field."""
    if not (opened.for_model and isinstance(wanted.source, Files)):
        return ""
    content = content_of(wanted.declared, wanted.source.holds) or "file"
    column, place = wanted.source.column, place_of(opened, wanted.source)
    return f'name the {content} of each row in a column "{column}", relative to {place}'


def _confusable_fix(opened: Opened, wanted: RequiredField, lacking: str, found: str) -> str:
    """The fix for a name that looks like the wanted one."""
    rename = f'rename it "{lacking}"'
    if opened.own_names or wanted.source is not None or not can_be_written(found):
        return rename
    return f'{rename}, or write {wanted.name} = column("{found}") in `data`'


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def by_order(
    opened: Opened, wanted: Sequence[RequiredField], chosen: Sequence[RequiredField]
) -> tuple[list[Match], list[Diagnostic]]:
    """Match a source without names: its fields go to the inputs, then to the targets, in order. Only the
    matches of `chosen` fields are returned."""
    matches, problems, start = [], [], 0
    for w in sorted(wanted, key=lambda w: w.is_target):
        if w.source is not None:
            message = f"{opened.file} has no names, so no column can be chosen for `{w.name}`"
            places = ((w.source, "asked for here"), (opened.definition, "read here"))
            help = "leave it out: fields without names go to the inputs, then the targets, in order"
            help = help if w.is_field else ""
            problems.append(error(data_errors.MISSING_COLUMN, message, *places, help=help))
            continue
        count = _count(opened, w, start)
        indices = tuple(range(start, min(start + count, len(opened.sizes))))
        start += count
        if w not in chosen:
            continue
        if len(indices) < count:
            has = counted(len(opened.sizes), "field")
            message = f"{opened.file} has {has}, and nothing is left for {w}"
            places = ((w.span, "wanted here"), (opened.definition, "read here"))
            help = opened.too_few_help()
            problems.append(error(data_errors.MISSING_COLUMN, message, *places, help=help))
        matches.append(Match(w, indices))
    return matches, problems


def _count(opened: Opened, wanted: RequiredField, start: int) -> int:
    """The number of columns that fill a field: one, or one for each value if the columns are scalars."""
    window = opened.sequences and opened.sequences.window
    return values_of(wanted, window) if start < len(opened.sizes) and opened.sizes[start] == 1 else 1


def values_of(wanted: RequiredField, window: int | None) -> int:
    """The number of values of a field in one row; one if it has free dimensions. The rows of a `window` fill
    the first axis of its length."""
    shape = wanted.declared.shape
    if window is not None and shape and (not isinstance(shape[0], int) or shape[0] == window):
        shape = shape[1:]
    sizes = [size for size in shape if isinstance(size, int)]
    return prod(sizes) if len(sizes) == len(shape) else 1


def numbered_columns(wanted: Sequence[RequiredField], window: int | None) -> dict[str, tuple[str, ...]]:
    """The columns of each field in a file without names, whose columns are single values."""
    columns, start = {}, 0
    for w in sorted((w for w in wanted if not w.drawn), key=lambda w: w.is_target):
        columns[w.name] = tuple(map(number_of, range(start, start + values_of(w, window))))
        start += values_of(w, window)
    return columns
