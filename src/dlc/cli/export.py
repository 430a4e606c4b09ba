"""`dlc export`: ONNX from a spec and weights, or from a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import set_option
from dlc.cli.terminal_text import say

if TYPE_CHECKING:
    from dlc.compiler.program import CompiledProgram


@click.command(short_help="Write a spec or a run as ONNX.")
@click.argument("spec", metavar="SPEC_OR_RUN")
@click.option(
    "--weights",
    metavar="FILE",
    help="A safetensors file, in place of the weights of the run or initial values. Of a run also `best` or "
    "`last`: the weights of that epoch.",
)
@click.option("--outputs", metavar="NAMES",
              help="The outputs, written as in `export { outputs }`: y.logits, h.")  # fmt: skip
@click.option("-o", "--output", metavar="FILE", help="Where to write.  [default: NAME.onnx]")
@set_option
def command(
    spec: str,
    weights: str | None,
    outputs: str | None,
    output: str | None,
    settings: tuple[tuple[str, Any], ...],
) -> None:
    """Write a spec, or a run (its folder), as one ONNX file, which is checked against the torch module."""
    from dlc.cli.sources import files_of
    from dlc.cli.specs import open_run, open_spec, refuse_set
    from dlc.runtime.artifact.export import export
    from dlc.runtime.errors import ArtifactError
    from dlc.runtime.files import spared, writable
    from dlc.runtime.run_folder import KEPT, MODEL, WEIGHTS, how_far, run_at
    from dlc.runtime.weights_origin import Origin, read_origin

    folder = run_at(Path(spec))
    is_run = folder.is_dir()
    refuse_set(settings if is_run else ())
    program = open_run(folder, outputs) if is_run else open_spec(spec, dict(settings), outputs)
    compiled = program.compiled
    place = writable(output or f"{compiled.name}.onnx", streams=False)
    path = weights_path(weights, folder if is_run else None)
    files = [folder / n for n in KEPT if n != MODEL] if is_run else files_of(compiled, program.folder)
    check_ending(spared(place, [*files, *([path] if path else [])]))
    own = is_run and path == folder / WEIGHTS
    if own and not (folder / WEIGHTS).exists():
        raise ArtifactError(how_far(folder))
    values = read(path, compiled, program.folder) if path else program.weights()
    origin = read_origin(folder, compiled, own=own) if is_run else Origin()
    made = export(compiled, values, Path(place), **vars(origin))
    if path is None and compiled.graph.weights:
        click.echo("the weights are initial values: nothing was trained", err=True)
    say(
        f"{made.path}: {made.bytes:_} bytes, torch and ONNX Runtime agree to "
        f"{made.worst:.1e} on {made.batches} batches"
    )
    for line in made.excused:
        say(f"  {line}")


def weights_path(given: str | None, run: Path | None) -> Path | None:
    """The weight file: the given one, or `best` or `last` of a run, or that of the model of the run."""
    from dlc.runtime.run_folder import WEIGHTS, weights_of_run

    if run is not None and given in ("best", "last"):
        return weights_of_run(run, given)
    return Path(given) if given else run and run / WEIGHTS


def check_ending(place: str) -> None:
    """Refuse to replace a file of another kind, by its ending."""
    from dlc.compiler.reading import held
    from dlc.runtime.files import overwrite_error

    if os.path.exists(place) and (holds := held(place)):
        raise overwrite_error(place, f"{holds}, and would be overwritten")


def read(weights: Path, compiled: CompiledProgram, folder: Path) -> dict[str, Any]:
    """The weights of a file."""
    from dlc.cli.command_errors import refuse
    from dlc.runtime.pretrained import weights_at

    try:
        return weights_at(weights, compiled, folder)
    except ValueError as error:
        refuse(f"{weights} cannot be read: {error}")
