"""`dlc export`: ONNX from a spec and weights, or from a run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import set_option

if TYPE_CHECKING:
    from dlc.compiler.program import Program


@click.command(short_help="Write a spec or a run as ONNX.")
@click.argument("spec")
@click.option(
    "--weights",
    metavar="FILE",
    help="A safetensors file, in place of the weights of the run or of initial ones.",
)
@click.option("--outputs", metavar="NAMES", help="Which outputs, by name with commas between them.")
@click.option("-o", "--output", metavar="FILE", help="Where to write.  [default: NAME.onnx]")
@set_option
def command(
    spec: str,
    weights: str | None,
    outputs: str | None,
    output: str | None,
    settings: tuple[tuple[str, Any], ...],
) -> None:
    """Write a spec, or a run (its folder), as one ONNX file, proved equal to the torch module."""
    from dlc.cli.specs import open_run, open_spec
    from dlc.runtime.artifact.export import export
    from dlc.runtime.runs import WEIGHTS

    folder = Path(spec)
    if folder.is_dir() and settings:
        raise click.UsageError("--set is for specs: a run keeps the params that it was trained with")
    face = open_run(folder) if folder.is_dir() else open_spec(spec, dict(settings))
    path = Path(weights) if weights else folder / WEIGHTS if folder.is_dir() else None
    values = weights_at(path) if path else face.weights()
    program = chosen(face.compiled, outputs)
    made = export(program, values, writable(Path(output or f"{program.name}.onnx")))
    if path is None and program.graph.weights:
        click.echo("the weights are initial values: nothing was trained", err=True)
    click.echo(
        f"{made.path}: {made.bytes:_} bytes, torch and ONNX Runtime agree to "
        f"{made.worst:.1e} on {made.batches} batches"
    )
    for line in made.excused:
        click.echo(f"  {line}")


def writable(path: Path) -> Path:
    """The path, if a file can be written there."""
    from dlc.cli.mistakes import refuse

    if path.is_dir():
        refuse(f"{path} is a folder", "write a file's name behind it")
    if not path.parent.is_dir():
        refuse(f"there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        refuse(f"the folder {path.parent} cannot be written to")
    return path


def weights_at(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError

    from dlc.cli.mistakes import refuse
    from dlc.runtime.runs import read_weights

    try:
        return read_weights(path)
    except SafetensorError as error:
        refuse(f"{path} is no safetensors file: {error}")


def chosen(program: Program, outputs: str | None) -> Program:
    """The program with only some of what it exports."""
    from dlc.compiler.diagnostics import CompileError, Diagnostic
    from dlc.compiler.suggest import did_you_mean

    if outputs is None:
        return program
    known = dict(program.exports) | {o.name: o for o in program.outputs}
    names = [n.strip() for n in outputs.split(",") if n.strip()]
    problems = [
        Diagnostic(
            "E0301",
            f"the spec exports no `{n}`",
            (),
            help=did_you_mean(n, known) or f"it exports {', '.join(known)}",
        )
        for n in names
        if n not in known
    ]
    if problems or not names:
        raise CompileError(problems or [Diagnostic("E0301", "`--outputs` names nothing", ())])
    return replace(program, exports=tuple((n, known[n]) for n in names))
