"""Which columns of a source fill which field."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from dlc.compiler.definitions.sections import ColumnField, Columns
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.diagnostics.quoting import VALUES, listed, shorten
from dlc.runtime.data import data_errors
from dlc.runtime.data.confusable_names import can_be_written, difference
from dlc.runtime.data.data_errors import error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.runtime.data.requirements import Wanted
    from dlc.runtime.data.source import Opened

MOST_COLUMNS = 12  # that are written out
MOST_SUGGESTED = 20  # missing columns for which the nearest name is looked up


@dataclass(frozen=True)
class Match:
    """A field and the places of the columns that fill it, in order."""

    wanted: Wanted
    places: tuple[int, ...]


def match(opened: Opened, wanted: Sequence[Wanted]) -> list[Match]:
    """The columns of each field that is not drawn; everything that is missing is told together."""
    wanted = [w for w in wanted if not w.drawn]
    matches, problems = by_name(opened, wanted) if opened.names else by_order(opened, wanted)
    if problems:
        raise CompileError(problems)
    return matches


def by_name(opened: Opened, wanted: Sequence[Wanted]) -> tuple[list[Match], list[Diagnostic]]:
    places: dict[str, list[int]] = {}
    for place, name in enumerate(opened.names):
        places.setdefault(name, []).append(place)
    if opened.own_names:
        wanted = [_under_own_name(w, places) for w in wanted]
    found = {w.name: tuple(p for name in names_of(w) for p in places.get(name, ())) for w in wanted}
    problems = [problem for w in wanted if (problem := _repeated(opened, w, places))]
    lacking = [w for w in wanted if not all(name in places for name in names_of(w))]
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
        place = (opened.definition, "read here")
        problems.append(error(data_errors.MISSING_COLUMN, message, place, help=helped, notes=notes))
    else:
        taken = {name for w in wanted if w not in lacking for name in names_of(w)}
        free = [name for name in opened.names if name not in taken]
        for number, w in enumerate(lacking):
            problems.append(_missing(opened, w, number < MOST_SUGGESTED, free, alone=len(lacking) == 1))
    return [Match(w, found[w.name]) for w in wanted], problems


def names_of(wanted: Wanted) -> tuple[str, ...]:
    """The columns that a field is to be filled from: its own name, unless `data` says otherwise."""
    if isinstance(wanted.source, ColumnField):
        return (wanted.source.column,)
    return wanted.source.columns if isinstance(wanted.source, Columns) else (wanted.name,)


def _under_own_name(wanted: Wanted, places: dict[str, list[int]]) -> Wanted:
    """The field as the file has it: under the columns that training had it under, or under its own name."""
    there = [name in places for name in names_of(wanted)]
    own = not all(there) and (wanted.name in places or not any(there))
    return replace(wanted, source=None) if own else wanted


def _unnamed(
    opened: Opened, lacking: Sequence[Wanted], found: dict[str, tuple[int, ...]]
) -> dict[str, tuple]:
    """What fields get without being named: the target of a set,
    and the vector that takes all that remains."""
    taken = {place for places in found.values() for place in places}
    given: dict[str, tuple[int, ...]] = {}
    targets = [w for w in lacking if w.is_target]
    if opened.target is not None and opened.target not in taken and len(targets) == 1:
        given[targets[0].name] = (opened.target,)
    vectors = [w for w in lacking if w.declared.rank and w.name not in given]
    if opened.remaining and len(vectors) == 1:
        columns = range(len(opened.names))
        given[vectors[0].name] = tuple(p for p in columns if p not in taken and p != opened.target)
    return given


def _repeated(opened: Opened, wanted: Wanted, places: dict[str, list[int]]) -> Diagnostic | None:
    """A name that stands twice in a heading is right only for a vector with as many places."""
    for name in names_of(wanted):
        times = len(places.get(name, ()))
        if times > 1 and (isinstance(wanted.source, Columns) or not wanted.declared.rank):
            message = f'{opened.file} has {times} columns named "{name}", and {wanted} takes one'
            return error(data_errors.REPEATED, message, (wanted.place, "wanted here"),
                           (opened.definition, "read here"),
                           help="give each column a name of its own")  # fmt: skip
    return None


def _missing(
    opened: Opened, wanted: Wanted, suggest: bool, free: Sequence[str], *, alone: bool
) -> Diagnostic:
    """`free` are the columns that no other field takes: one of them is meant, or some if it lacks `alone`."""
    names = opened.names
    lacking = [name for name in names_of(wanted) if name not in names]
    what = "column" if len(lacking) == 1 else "columns"
    message = f"{opened.file} has no {what} {listed(lacking, VALUES)}, which {wanted} takes"
    places = ((wanted.source or wanted.place, "wanted here"), (opened.definition, "read here"))
    notes = [f"it has {listed(names, VALUES)}"] if suggest else []
    if wanted.measured:
        notes.append("the loss does not read it, but `metrics` does")
    help = ""
    if suggest:
        help = (
            opened.absent_help(lacking[0])
            or _of_vector(opened, wanted, free, alone)
            or _nearest(opened, wanted, lacking[0], free)
        )
    return error(data_errors.MISSING_COLUMN, message, *places, help=help, notes=notes)


def _of_vector(opened: Opened, wanted: Wanted, free: Sequence[str], alone: bool) -> str:
    """Which columns a vector is to be filled from, where its values stand in one column each."""
    shape = wanted.declared.shape
    if wanted.source is not None or len(shape) != 1 or not isinstance(shape[0], int) or shape[0] < 2:
        return ""
    size, name = shape[0], _plain(wanted.name)
    numbered = [n for n in free if _plain(n).startswith(name) and _plain(n).removeprefix(name).isdigit()]
    meant = next((some for some in (numbered, free if alone else []) if len(some) == size), [])
    if not meant and opened.marks is None:  # one column may hold vectors, but in a csv file
        return ""
    return columns_help(wanted, size, meant, in_spec=not opened.for_model)


def columns_help(wanted: Wanted, size: int, meant: Sequence[str] = (), *, in_spec: bool) -> str:
    """How a vector is filled from columns of single values: those that are `meant`, if that is known."""
    if not in_spec:
        return f"name {size} columns `{wanted.name}`, in the order of its places"
    written = [json.dumps(name, ensure_ascii=False) for name in meant] or ['"..."'] * size
    if size <= MOST_COLUMNS and all(map(can_be_written, meant)):
        return f"name its {size} columns: {wanted.name} = columns({', '.join(written)}) in `data`"
    return f'name its {size} columns, in order: {wanted.name} = columns("...", "...") in `data`'


def _nearest(opened: Opened, wanted: Wanted, lacking: str, names: Sequence[str]) -> str:
    from dlc.compiler.diagnostics.suggest import nearest

    alike = next((name for name in names if difference(lacking, name)), None)
    if alike is not None:
        apart = f'"{shorten(alike)}" looks the same, and {difference(lacking, alike)}'
        return f"{apart}; {_fix_alike(opened, wanted, lacking, alike)}"
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


def _fix_alike(opened: Opened, wanted: Wanted, lacking: str, found: str) -> str:
    """What to do about a name that looks like the one wanted."""
    rename = f'rename it "{lacking}"'
    if opened.own_names or wanted.source is not None or not can_be_written(found):
        return rename
    return f'{rename}, or write {wanted.name} = column("{found}") in `data`'


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def by_order(opened: Opened, wanted: Sequence[Wanted]) -> tuple[list[Match], list[Diagnostic]]:
    """A source without names: its fields in order go to the inputs, then to the targets."""
    matches, problems, place = [], [], 0
    for w in sorted(wanted, key=lambda w: w.is_target):
        if w.source is not None:
            message = f"{opened.file} has no names, so `{w.name}` cannot be told which column to take"
            places = ((w.source, "asked for here"), (opened.definition, "read here"))
            help = "leave it out: fields without names go to the inputs, then the targets, in order"
            problems.append(error(data_errors.MISSING_COLUMN, message, *places, help=help))
            continue
        count = _count(opened, w, place)
        places = tuple(range(place, min(place + count, len(opened.sizes))))
        if len(places) < count:
            message = f"{opened.file} has {len(opened.sizes)} fields, and nothing is left for {w}"
            problems.append(error(data_errors.MISSING_COLUMN, message, (w.place, "wanted here"),
                                    (opened.definition, "read here")))  # fmt: skip
        matches.append(Match(w, places))
        place += count
    return matches, problems


def _count(opened: Opened, wanted: Wanted, place: int) -> int:
    """How many fields of the source fill it: one, unless a vector meets single values."""
    if place >= len(opened.sizes) or opened.sizes[place] != 1:
        return 1
    sizes = [size for size in wanted.declared.shape if isinstance(size, int)]
    return prod(sizes) if len(sizes) == wanted.declared.rank else 1
