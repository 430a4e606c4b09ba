"""Shared functions of the command line tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from dlc.cli import commands

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

IRIS = """# Which iris is it?
param units = 8
input  sepal_length, sepal_width, petal_length, petal_width: float
output species: class(setosa, versicolor, virginica)

(sepal_length, sepal_width, petal_length, petal_width)
  -> concat -> standardize -> dense(units) -> relu -> dense(3) -> species

data { source = builtin("iris") }
"""


def dlc(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(a) for a in arguments])


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path
