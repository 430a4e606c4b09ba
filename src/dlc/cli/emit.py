"""`dlc emit`: the same model as a PyTorch file."""

from __future__ import annotations

from typing import Any

import click

from dlc.cli.options import set_option


@click.command(short_help="Write a spec as a readable PyTorch file.")
@click.argument("spec")
@click.option("-o", "--output", metavar="FILE", help="Where to write.  [default: standard output]")
@set_option
def command(spec: str, output: str | None, settings: tuple[tuple[str, Any], ...]) -> None:
    """Write a spec as a short PyTorch file that needs no dlc: the module, its training and its data."""
    from dlc.cli.files import replace
    from dlc.cli.specs import compile_spec
    from dlc.compiler.lower.pytorch_source import emit

    text = emit(compile_spec(spec, dict(settings)))
    if output is None:
        click.echo(text, nl=False)
        return
    replace(output, text.encode())
    click.echo(f"wrote {output}", err=True)
