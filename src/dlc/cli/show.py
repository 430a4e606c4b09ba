"""`dlc show`: the network as a table, a picture or text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import set_option
from dlc.cli.terminal_text import pass_on

if TYPE_CHECKING:
    from dlc.compiler.program import CompiledProgram

STAGES = ("syntax", "graph", "training", "inference", "torch", "onnx")


@click.command(short_help="Show a network as a table, a picture or text.")
@click.argument("spec", metavar="SPEC|MODEL_OR_RUN")
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
    """Show the network of a spec as a table, or the spec that an ONNX file was made from."""
    if sum(map(bool, (wanted, stage, svg))) > 1:
        raise click.UsageError("`--weights`, `--stage` and `--svg` are shown one at a time")
    if depth is not None and not svg:
        raise click.UsageError("`--depth` is for a picture: give `--svg FILE` too")
    if spec.endswith(".onnx") or in_run(spec):
        if wanted or stage or svg or settings:
            raise click.UsageError("a model is shown as its spec, without other options")
        pass_on(spec_within(spec))
        return
    if stage == "syntax":
        pass_on(syntax(spec))
        return
    from dlc.cli.specs import compile_spec

    program = compile_spec(spec, dict(settings))
    if svg:
        draw(program, svg, depth, os.path.dirname(spec))
    else:
        pass_on(text(program, stage or wanted or "table"))


def in_run(path: str) -> bool:
    """Whether a path is the folder of one run, or of several runs."""
    if not os.path.isdir(path) and os.path.splitext(path)[1]:
        return False
    from dlc.runtime.run_folder import INFO, LATEST, run_at

    return any((run_at(Path(path)) / name).exists() for name in (INFO, LATEST))


def text(program: CompiledProgram, what: str) -> str:
    from dlc.show import stages, table, weights

    if what == "table":
        return table.table(program)
    return weights.weights(program) if what == "weights" else stages.STAGES[what](program)


def draw(program: CompiledProgram, svg: str, depth: int | None, folder: str) -> None:
    from dlc.cli.command_errors import refuse
    from dlc.cli.sources import files_of
    from dlc.runtime.files import spared, writable, write
    from dlc.show.diagram import depth_of
    from dlc.show.layers import TooLarge
    from dlc.show.picture import picture
    from dlc.show.scene import fitting_depth

    try:
        spared(writable(svg), files_of(program, folder))
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


def syntax(spec: str) -> str:
    """The syntax tree of a spec; only syntax errors are reported."""
    from dlc.cli.specs import read
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.format.printer import print_syntax
    from dlc.compiler.parse.parser import parse

    problems = Problems()
    tree = parse(read(spec, os.path.basename(spec)), problems)
    problems.check()
    return print_syntax(tree)


def spec_within(model: str) -> str:
    """The spec in an artifact, and the files that it imports."""
    from dlc.show.stored import read_metadata

    metadata = read_metadata(Path(model))
    imported = [f"\n# --- {name} ---\n\n{text}" for name, text in metadata.imports.items()]
    return "".join([metadata.spec, *imported])
