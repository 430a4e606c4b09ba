"""From the sources of a `data` section to a data set: the rows of the main source, and of parts with a source
of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions import sections
from dlc.compiler.definitions.sections import PARTS
from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime.data import data_errors
from dlc.runtime.data.data_errors import error, fail
from dlc.runtime.data.decode import drawn
from dlc.runtime.data.rows.dataset import Dataset, InMemoryRows
from dlc.runtime.data.source_reading import SourceReading
from dlc.runtime.data.source_rows import rows_of
from dlc.runtime.data.sources import open_source
from dlc.runtime.data.split.parting import split_column

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from pathlib import Path

    from dlc.compiler.definitions.sections import Data
    from dlc.runtime.data.requirements import RequiredField
    from dlc.runtime.data.source_rows import SourceRows


def gather(data: Data, wanted: Sequence[RequiredField], folder: Path, splits: Sequence[str] = PARTS,
           fields: Container[str] | None = None) -> Dataset:  # fmt: skip
    """Read the sources, leave out rows as `drop` says, find classes in the training rows, decode the columns,
    and split the rows. `fields` restricts the fields that are decoded."""
    chosen = [w for w in wanted if fields is None or w.name in fields]
    check_drawn(chosen)
    if all(w.drawn for w in chosen):
        return drawn_rows(data, chosen, splits)
    return with_own_sources(main_rows(data, wanted, folder, fields), data, wanted, folder, splits, fields)


def main_rows(data: Data, wanted: Sequence[RequiredField], folder: Path, fields: Container[str] | None
              ) -> SourceRows:  # fmt: skip
    """The rows of the source of `data`, which is opened once."""
    if data.source is None:
        lacking = [w for w in wanted if not w.drawn and (fields is None or w.name in fields)]
        places = [(w.span, "has no rows to come from") for w in lacking]
        message = f"the `data` section names no source for {', '.join(map(str, lacking))}"
        raise fail(data_errors.NO_SOURCE, message, *places, help='give it one: source = csv("...")')
    opened = open_source(data.source, folder)
    return rows_of(SourceReading(opened, data, [*wanted, *split_column(data)], fields))


def with_own_sources(main: SourceRows, data: Data, wanted: Sequence[RequiredField], folder: Path,
                     splits: Sequence[str], fields: Container[str] | None) -> Dataset:  # fmt: skip
    """The data set of these parts: those with a source of their own are read from it."""
    own, found, notes, varies = own_sources(data, folder), {}, [*main.notes], main.lengths
    vary = any(w.declared.free_axis is not None for w in wanted if fields is None or w.name in fields)
    for name in (name for name in own if name in splits or vary):
        opened = open_source(own[name], folder, name)
        rows = rows_of(SourceReading(opened, data, wanted, fields, name, main.classes, main.vocabularies))
        varies |= rows.lengths
        if name in splits:
            found[name] = rows.part(name)
            notes += [f"{name} rows: {note}" for note in rows.notes]
    found |= {name: main.part(name) for name in splits if name not in own}
    return Dataset(
        **found, classes=main.classes, columns=main.columns, units=main.units,
        notes=tuple(filter(None, notes)), lengths=varies, vocabularies=main.vocabularies,
    )  # fmt: skip


def own_sources(data: Data, folder: Path) -> dict[str, sections.DataSource]:
    """Parts that have their own source. A folder in the format of MNIST contains its test set."""
    own = {n: s for n in ("validation", "test") if isinstance(s := getattr(data, n), sections.DataSource)}
    if isinstance(data.source, sections.Idx) and not data.test:
        from dlc.runtime.data.sources.idx import has_test

        if has_test(data.source, folder):
            own["test"] = data.source
    return own


def check_drawn(wanted: Sequence[RequiredField]) -> None:
    """Only real numbers can be drawn."""
    problems = [
        error(
            data_errors.DRAWN,
            f"{w} is {w.declared}, and only a float can be drawn",
            (w.source or w.span, ""),
        )
        for w in wanted
        if w.drawn and not w.declared.is_float
    ]
    if problems:
        raise CompileError(problems)


def drawn_rows(data: Data, wanted: Sequence[RequiredField], splits: Sequence[str]) -> Dataset:
    """Rows that are only drawn: any number of training rows, and as many others as `data` counts."""
    counts: dict[str, int | None] = {"train": None}
    for part in ("validation", "test"):
        amount = getattr(data, part)
        if isinstance(amount, float) and 0 < amount < 1:
            message = f"every input is drawn, so there are no rows of which `{part}` could take a share"
            raise fail(data_errors.SPLIT, message, (data_errors.span_of_setting(data, part), ""),
                       help=f"say how many to draw: `{part} = 1000`")  # fmt: skip
        if isinstance(amount, int | float) and amount:
            counts[part] = int(amount)
    rows = {part: InMemoryRows({}, n, drawn=drawn(wanted)) for part, n in counts.items() if part in splits}
    return Dataset(rows.get("train"), rows.get("validation"), rows.get("test"))
