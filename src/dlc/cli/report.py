"""`dlc report`: a page that explains a run, or several side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import memory_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.report.making import Network
    from dlc.runtime.report.one_run import Seen
    from dlc.runtime.run_record import RunRecord

FILE = "report.html"
ROWS = 10_000


@click.command(short_help="Write a page that explains a run.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "-o", "--output", "out", metavar="FILE",
    help="The file that is written.  [default: report.html in the run, or in the folder of the runs]",
)  # fmt: skip
@click.option("--data", metavar="SOURCE", help="Rows in place of those that the run names.")
@click.option("--rows", "most", type=click.IntRange(min=1), default=ROWS, show_default=True,
              help="Predict at most so many rows, at equal distances.")  # fmt: skip
@memory_option
def command(runs: tuple[str, ...], out: str | None, data: str | None, most: int, memory: int | None) -> None:
    """Write one HTML file about a run: its curves, its network, how good its answers are, the rows that it
    gets most wrong, its artifact and its settings. Several runs, or folders of runs, are put side by side.
    The file needs no network."""
    from dlc.cli.sources import files_of
    from dlc.cli.terminal_text import say
    from dlc.runtime.data import bounds
    from dlc.runtime.extras import check_report
    from dlc.runtime.files import spared, writable, write
    from dlc.runtime.report import one_run
    from dlc.runtime.report.page import html
    from dlc.runtime.report.several_runs import page as page_of_several
    from dlc.runtime.report.several_runs import records_at
    from dlc.runtime.run_folder import MODEL, parts_of

    check_report()
    records = records_at([*map(Path, runs)])
    if data and len(records) > 1:
        raise click.UsageError("--data is for the report of one run: rows are not predicted for several")
    place = writable(Path(out) if out else default_place(records))
    programs = [program_of(record) for record in records]
    for record, (program, _) in zip(records, programs, strict=True):
        spared(place, parts_of(record.folder / MODEL))
        spared(place, files_of(program, record.spec_folder) if program else [])
    most = most if len(records) == 1 else 0
    with bounds.allowed(memory):
        seen = [seen_of(record, *of, data, most) for record, of in zip(records, programs, strict=True)]
        page = one_run.page(seen[0]) if len(seen) == 1 else page_of_several(seen)
    write(place, html(page).encode())
    if len(seen) == 1 and seen[0].metadata is not None and seen[0].why_no_rows:
        say(f"note: no rows were predicted: {seen[0].why_no_rows}", err=True)
    say(f"wrote {place}")


def default_place(records: Sequence[RunRecord]) -> Path:
    """Where the page is written: in the run, or in the folder that has all runs."""
    folders = [record.folder for record in records]
    if len(folders) == 1:
        return folders[0] / FILE
    return Path(os.path.commonpath([os.path.abspath(folder.parent) for folder in folders])) / FILE


def program_of(record: RunRecord) -> tuple[CompiledProgram | None, str]:
    """The program of a run; else None and the reason."""
    from dlc.cli.specs import open_run
    from dlc.compiler.diagnostics.problems import CompileError
    from dlc.runtime.errors import ArtifactError

    try:
        return open_run(record.folder).compiled, ""
    except CompileError as error:
        return None, f"this version of dlc does not compile the spec: {error.diagnostics[0].message}"
    except ArtifactError as error:
        return None, str(error)


def seen_of(
    record: RunRecord, program: CompiledProgram | None, why: str, data: str | None, most: int
) -> Seen:
    """All that is known of a run, whose program is None for the reason `why`. At most `most` rows are
    predicted, none with 0."""
    from dlc.runtime.artifact.model_scan import scan
    from dlc.runtime.errors import ArtifactError
    from dlc.runtime.report.making import Network
    from dlc.runtime.report.one_run import Seen

    network = network_of(program) if program is not None else Network(why=why)
    if record.model is None:
        return Seen(record, program, network, why_no_artifact="The run has no artifact yet.",
                    why_no_rows="the run has no artifact yet")  # fmt: skip
    try:
        metadata, _ = scan(record.model)
    except ArtifactError as error:
        return Seen(record, program, network, why_no_artifact=str(error),
                    why_no_rows="its artifact cannot be read")  # fmt: skip
    if program is None or not most:
        return Seen(record, program, network, metadata, why_no_rows=why)
    rows, why = rows_of(record, program, data, most)
    return Seen(record, program, network, metadata, rows=rows, why_no_rows=why)


def network_of(program: CompiledProgram) -> Network:
    """The network as `dlc show` draws it."""
    from dlc.runtime.report.making import Network
    from dlc.show.layers import TooLarge
    from dlc.show.picture import picture
    from dlc.show.table import table

    try:
        return Network(picture(program), table(program))
    except TooLarge as error:
        return Network("", table(program), str(error))


def rows_of(record: RunRecord, program: CompiledProgram, data: str | None, most: int) -> tuple[Any, str]:
    """The evaluated rows of a run; else None and the reason. An error of a source that `data` names is
    raised."""
    from dlc.cli.sources import source_of
    from dlc.runtime.report.evaluated_rows import Unavailable, evaluated_rows
    from dlc.runtime.run_facts import IN_PYTHON, source_named

    own, trained_on = record.how.get("data"), record.data.get("fingerprint")
    if data is None and own == IN_PYTHON:
        return (
            None,
            "the run was trained on rows that were given in Python: name them in a file with `--data`",
        )
    assert record.model is not None
    try:
        source = source_of(data) if data else source_named(own)
        evaluated = evaluated_rows(program, record.model, source, record.spec_folder, most,
                             trained_on if isinstance(trained_on, str) else "")  # fmt: skip
    except FileNotFoundError as error:  # it is no built-in set either
        if data:
            raise
        return None, f"{error.filename}: {(error.strerror or 'no such file').lower()}"
    except Unavailable as why:
        if data and why.of_source is not None:
            raise why.of_source from None
        return None, str(why)
    return evaluated, ""
