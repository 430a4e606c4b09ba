"""`dlc show`: the network as a table, a picture or text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import set_option
from dlc.cli.terminal_text import pass_on
from dlc.paths import in_runs, is_model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler import Source
    from dlc.compiler.program import CompiledProgram

STAGES = ("syntax", "graph", "training", "inference", "torch", "onnx")


@click.command(short_help="Show a network as a table, a picture or text.")
@click.argument("spec", metavar="SPEC|MODEL_OR_RUN")
@click.option("--table", "wanted", flag_value="table", help="The table, which is not the default of a model.")
@click.option(
    "--weights", "wanted", flag_value="weights", help="List names, shapes and initial values of the weights."
)
@click.option("--stage", "stage", type=click.Choice(STAGES), help="Show a stage of compilation as text.")
@click.option("--svg", metavar="FILE", help="Write a picture of the network.")
@click.option(
    "--depth",
    type=click.IntRange(min=0),
    help="With `--svg`: draw blocks within this many others as one box. [default: what fits on one page]",
)
@set_option
def command(
    spec: str,
    wanted: str | None,
    stage: str | None,
    svg: str | None,
    depth: int | None,
    settings: tuple[tuple[str, Any], ...],
) -> None:
    """Show the network of a spec or of a run as a table, or the spec that an ONNX file was made from. The
    classes that a run or an ONNX file found in its data are known."""
    if sum(map(bool, (wanted, stage, svg))) > 1:
        raise click.UsageError("`--weights`, `--stage` and `--svg` are shown one at a time")
    if depth is not None and not svg:
        raise click.UsageError("`--depth` is for a picture: give `--svg FILE` too")
    if is_model(spec) and not (wanted or stage or svg or settings):
        pass_on(spec_within(spec))
    elif stage == "syntax":
        pass_on(syntax(source_at(spec)))
    elif svg:
        draw(program_at(spec, settings), svg, depth, spec)
    else:
        program = program_at(spec, settings)
        if stage == "onnx" and is_model(spec):
            from dlc.show.stored import with_spellings

            program = with_spellings(program, Path(spec))
        pass_on(text(program, stage or wanted or "table"))


def program_at(path: str, settings: tuple[tuple[str, Any], ...]) -> CompiledProgram:
    """The program of a spec, a run or a model."""
    from dlc.cli.specs import compile_spec, open_run, refuse_set

    if not (is_model(path) or in_runs(path)):
        return compile_spec(path, dict(settings))
    refuse_set(settings)
    if is_model(path):
        from dlc.show.stored import program_of, read_metadata

        return program_of(read_metadata(Path(path)))
    from dlc.runtime.run_folder import run_at

    return open_run(run_at(Path(path))).compiled


def source_at(path: str) -> Source:
    """The text of a spec, of the spec of a run, or of the spec in a model."""
    if is_model(path):
        from dlc.show.stored import read_metadata, source_of

        return source_of(read_metadata(Path(path)))
    if in_runs(path):
        from dlc.runtime.run_folder import run_at
        from dlc.runtime.run_spec import read_spec

        return read_spec(run_at(Path(path))).source
    from dlc.cli.specs import read

    return read(path, os.path.basename(path))


def text(program: CompiledProgram, what: str) -> str:
    from dlc.show import stages, table, weights

    if what == "table":
        return table.table(program)
    return weights.weights(program) if what == "weights" else stages.STAGES[what](program)


def files_at(path: str, program: CompiledProgram) -> Iterable[Path]:
    """The files of the spec, the run or the model at a path."""
    from dlc.cli.sources import files_of
    from dlc.runtime.run_folder import MODEL, model_at, parts_of, run_at

    if is_model(path):
        return parts_of(model_at(Path(path)))
    if in_runs(path):
        return parts_of(run_at(Path(path)) / MODEL)
    return files_of(program, os.path.dirname(path))


def draw(program: CompiledProgram, svg: str, depth: int | None, spec: str) -> None:
    """Write a picture of the program, which was read from the path `spec`."""
    from dlc.cli.command_errors import refuse
    from dlc.runtime.files import spared, writable, write
    from dlc.show.diagram import depth_of
    from dlc.show.layers import TooLarge
    from dlc.show.picture import picture
    from dlc.show.scene import fitting_depth

    try:
        spared(writable(svg), files_at(spec, program))
        opened = fitting_depth(program) if depth is None else depth
        write(svg, picture(program, opened).encode())
    except TooLarge as error:
        refuse(str(error))
    more = (
        f"; blocks are one box each from depth {opened}, `--depth` opens them"
        if opened < depth_of(program)
        else ""
    )
    click.echo(f"wrote {svg}{more if depth is None else ''}")


def syntax(source: Source) -> str:
    """The syntax tree of a spec; only syntax errors are reported."""
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.format.printer import print_syntax
    from dlc.compiler.parse.parser import parse

    problems = Problems()
    tree = parse(source, problems)
    problems.check()
    return print_syntax(tree)


def spec_within(model: str) -> str:
    """The spec in an artifact, and the files that it imports."""
    from dlc.show.stored import read_metadata, spec_of

    metadata = read_metadata(Path(model))
    imported = [f"\n# --- {name} ---\n\n{text}" for name, text in metadata.imports.items()]
    return "".join([spec_of(metadata), *imported])
