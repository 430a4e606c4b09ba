"""The specs that train for long, and that no test trains to the end, begin to train, export and verify their
model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trained
from benchmarks import results
from click.testing import CliRunner

from dlc import compile as compile_file
from dlc.cli import commands

if TYPE_CHECKING:
    from collections.abc import Iterator

SPECS = Path(__file__).parents[2] / "specs"
LONG = [name for name in results.long_specs(results.recorded()) if name not in trained.NAMES]


def short(name: str) -> Iterator[str]:
    """Arguments for a training of a few steps in each phase of a spec."""
    train = compile_file(SPECS / f"{name}.dl").compiled.train
    for path, section in {"train": train, **{f"train.{p.phase}": p for p in train.phases}}.items():
        if section is train or section.own("epochs") or section.own("steps"):
            yield from ("--set", f"{path}.epochs=none", "--set", f"{path}.steps=10")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", LONG)
def test_a_long_training_begins_and_its_model_is_verified(name: str, tmp_path: Path) -> None:
    arguments = ("train", str(SPECS / f"{name}.dl"), "--out", str(tmp_path), *short(name))
    result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == 0, result.output
    assert "torch and ONNX Runtime agree to" in result.output
