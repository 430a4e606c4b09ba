"""`dlc new`: a first spec from a file of rows, or a folder of pictures or recordings."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import click

from dlc.cli.terminal_text import say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dlc.runtime.first_spec.first import FirstSpec


@click.command(short_help="Write a first spec for a file of rows.")
@click.argument("rows", metavar="ROWS")
@click.option("--target", "targets", multiple=True, metavar="COLUMN",
              help="The column to predict; may be repeated.  [default: the last one]")  # fmt: skip
@click.option(
    "-o", "output", metavar="FILE", help="Where the spec is written.  [default: NAME.dl beside the rows]"
)
@click.option("--force", is_flag=True, help="Overwrite the spec if it exists.")
def command(rows: str, targets: tuple[str, ...], output: str | None, force: bool) -> None:
    """Write a first spec for a csv or Parquet file, or for pictures or recordings in a folder for each
    class: types, preprocessing, a network, and its training."""
    from pathlib import Path

    from dlc.cli.command_errors import note, refuse
    from dlc.runtime import files
    from dlc.runtime.first_spec.targets import NoFirstSpec

    path = Path(rows)
    os.stat(path)  # an error of the system names the path
    place = Path(output) if output else path.parent / f"{path.name.split('.')[0] or 'first'}.dl"
    try:
        made = first_spec_of(path, path_in_spec(path, place), targets)
    except NoFirstSpec as error:
        refuse(str(error), error.help)
    if place.exists() and not force:
        refuse(f"{place} exists already", "-o FILE writes another file, and --force overwrites it")
    files.writable(place)
    files.write(place, made.text.encode())
    note(made.notes)
    say(f"wrote    {place}")
    say(f"next     dlc train {shlex.quote(str(place))}")


def first_spec_of(path: Path, shown: str, targets: Sequence[str]) -> FirstSpec:
    """The first spec of a table, or of a folder of pictures or recordings."""
    if path.is_dir():
        from dlc.runtime.first_spec.folder import first_spec_of_folder

        return first_spec_of_folder(path, shown, targets)
    from dlc.runtime.first_spec.table import first_spec

    return first_spec(path, shown, targets)


def path_in_spec(rows: os.PathLike[str], spec: os.PathLike[str]) -> str:
    """The path of the rows relative to the folder of the spec."""
    folder = os.path.dirname(os.path.abspath(spec))
    return os.path.relpath(os.path.abspath(rows), folder).replace(os.sep, "/")
