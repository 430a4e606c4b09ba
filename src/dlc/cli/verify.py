"""`dlc verify`: repeat the proof that is recorded in an artifact."""

from __future__ import annotations

import click

from dlc.cli.terminal_text import say


@click.command(short_help="Prove an ONNX file once more.")
@click.argument("model", metavar="MODEL_OR_RUN")
def command(model: str) -> None:
    """Repeat the parity proof recorded at export, with ONNX Runtime alone."""
    from dlc.cli.command_errors import refuse
    from dlc.runtime.artifact import verify

    found = verify(model)
    if not found.holds:
        refuse(f"{model} does not answer as torch did at export: {', '.join(found.wrong)} differ by "
               f"{found.worst:.1e}, and {found.tolerance:.0e} is allowed",
               "the file was changed, or this ONNX Runtime computes otherwise")  # fmt: skip
    say(
        f"{model} answers as torch did: the worst difference is {found.worst:.1e}, it was "
        f"{found.recorded:.1e} at export, and {found.tolerance:.0e} is allowed"
    )
