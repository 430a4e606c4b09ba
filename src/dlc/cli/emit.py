"""`dlc emit`: the same model as a PyTorch file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import set_option
from dlc.cli.terminal_text import pass_on

if TYPE_CHECKING:
    from dlc.compiler.program import CompiledProgram
    from dlc.program import Program


@click.command(short_help="Write a spec as a readable PyTorch file.")
@click.argument("spec")
@click.option("-o", "--output", metavar="FILE", help="Where to write.  [default: standard output]")
@click.option("--model", "model_alone", is_flag=True, help="The model and its loss, without the script.")
@set_option
def command(spec: str, output: str | None, model_alone: bool, settings: tuple[tuple[str, Any], ...]) -> None:
    """Write a spec as a short PyTorch file that does not need dlc: the module with its loss, and a training
    script. Classes of `class(auto)` are read from the rows. The module takes sequences of any length, but of
    one length in a batch. Paths stay relative to the spec: run the file in the folder of the spec."""
    from dlc.cli.sources import files_of
    from dlc.cli.specs import open_spec
    from dlc.compiler.lower.pytorch_source import emit
    from dlc.runtime.files import spared, writable, write

    if output is not None:
        writable(output)
    program = open_spec(spec, dict(settings))
    if output is not None:
        spared(output, files_of(program.compiled, program.folder))
    text = emit(with_classes(program), model_alone=model_alone)
    if output is None:
        pass_on(text)
        return
    write(output, text.encode())
    click.echo(f"wrote {output}", err=True)


def with_classes(program: Program) -> CompiledProgram:
    """The program with the classes of the training rows, if it learns some and has a source."""
    compiled = program.compiled
    declared = (field.declared for field in (*compiled.inputs, *compiled.outputs))
    is_open = any(type.classes and not isinstance(type.classes.count, int) for type in declared)
    readings = (node.operator.reading for node in compiled.readers)
    is_open |= any(reading is not None and reading.vocabulary is None for reading in readings)
    if is_open and compiled.data is not None and compiled.data.source is not None:
        from dlc.runtime import data

        program.learn(data.facts(compiled, program.folder))
    return program.compiled
