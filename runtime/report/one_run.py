"""The page of one run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.diagnosis import diagnose
from dlc.runtime.report import advice, answers, course, making
from dlc.runtime.report.blocks import Numbering, Page, PageSection, Words
from dlc.runtime.report.class_counts import CountsByClass
from dlc.runtime.report.making import Network
from dlc.runtime.report.texts import clipped
from dlc.runtime.run_writer import SAMPLES
from dlc.runtime.strict_json import all_are, is_integer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.artifact.metadata import Metadata
    from dlc.runtime.report.blocks import Block
    from dlc.runtime.report.evaluated_rows import EvaluatedRows
    from dlc.runtime.run_record import RunRecord

LINE = 240  # letters of the line below the title


@dataclass(frozen=True)
class Seen:
    """What is known of a run beside its record. `program` is None if the spec does not compile; `rows` is
    None if they are not there, and `why_no_rows` says why; so does `why_no_artifact`."""

    record: RunRecord
    program: CompiledProgram | None = None
    network: Network = field(default_factory=Network)
    metadata: Metadata | None = None
    why_no_artifact: str = ""
    rows: EvaluatedRows | None = None
    why_no_rows: str = ""


def page(seen: Seen) -> Page:
    """The page of a run."""
    record, number = seen.record, Numbering()
    drawn = making.samples(record.folder / SAMPLES)
    sections = [
        course.summary(record),
        advice.diagnosis(diagnose(record, seen.program), record.spec),
        course.curves(record, number),
        *answers_of(seen, number),
        *([drawn] if drawn else []),
        making.network(seen.network),
        making.artifact(seen.metadata, record.model, seen.why_no_artifact),
        making.settings(record, seen.program, seen.metadata),
    ]
    return Page(title_of(record), description_of(seen.program), course.badges(record), sections)


def title_of(record: RunRecord) -> str:
    return clipped(f"{record.name.removesuffix('.dl')}, run {record.folder.resolve().name}", LINE)


def description_of(program: CompiledProgram | None) -> str:
    """What the first lines of a spec say about it."""
    return clipped(" ".join(program.description.split()), LINE) if program and program.description else ""


# --- answers ----------------------------------------------------------------------------------------------


def answers_of(seen: Seen, number: Numbering) -> list[PageSection]:
    """The sections about answers: from rows, or from the tables that the training has counted."""
    if seen.rows is not None:
        notes = row_notes(seen.rows)
        first = [PageSection("rows", "Rows", notes)] if notes else []
        return [*first, *answers.sections(seen.rows, number)]
    why: list[Block] = (
        [Words(f"No rows were predicted: {clipped(seen.why_no_rows)}.")] if seen.why_no_rows else []
    )
    for part in ("test", "validation"):
        for name, counts in count_tables(seen.record.tables, part):
            why.append(Words(f"The training has counted `{clipped(name, 60)}` of the {part} rows."))
            why += answers.of_classes(counts, None, number)
        if len(why) > 1:
            break
    return [PageSection("rows", "Answers", why)] if why else []


def row_notes(rows: EvaluatedRows) -> list[Block]:
    """What is told about the rows themselves."""
    notes: list[Block] = []
    if rows.changed:
        notes.append(Words("The data is not what the run was trained on: it has changed since. What "
                           "follows is about the rows as they are now.", "warn"))  # fmt: skip
    return [*notes, *(Words(clipped(note)) for note in rows.notes)]


def count_tables(tables: Mapping[str, Any], part: str) -> list[tuple[str, CountsByClass]]:
    """The tables of counts of a part that are as dlc writes them."""
    found = tables.get(part)
    sound = {}
    for name, table in (found if isinstance(found, dict) else {}).items():
        if isinstance(table, dict) and (counts := counts_in(table)) is not None:
            sound[name] = counts
    return list(sound.items())


def counts_in(table: Mapping[str, Any]) -> CountsByClass | None:
    labels, counts = table.get("labels"), table.get("counts")
    if not isinstance(labels, list) or not isinstance(counts, list) or not 0 < len(labels) <= 4096:
        return None
    square = len(counts) == len(labels) and all_are(list, counts)
    if not square or not all(len(row) == len(labels) and all(map(is_count, row)) for row in counts):
        return None
    return CountsByClass.of_matrix([str(label) for label in labels], np.array(counts, np.int64))


def is_count(value: Any) -> bool:
    return is_integer(value) and 0 <= value < 1 << 53
