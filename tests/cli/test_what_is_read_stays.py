"""An output that would replace an input: the command refuses it, and the file stays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from stories import dlc, write

import dlc as face

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """import twice from "blocks.dl"
input x: float[2]
output y: float
x -> standardize -> twice -> dense(1) -> y
data {
  source = csv("rows.csv")
  x      = columns("a", "b")
}
train { epochs = 1 }
"""
ROWS = "a,b,y\n" + "".join(f"{n},{n % 3},{n % 5}\n" for n in range(20))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("read")
    write(folder, "p.dl", SPEC)
    write(folder, "blocks.dl", "block twice(x) { return x * 2 }\n")
    write(folder, "rows.csv", ROWS)
    write(folder, "emitted.py", "x = 1\n")
    np.savez(folder / "rows.npz", a=np.ones(3), b=np.ones(3))
    os.rename(face.train(folder / "p.dl", out=folder / "made").folder, folder / "run")
    (folder / "mnist").mkdir()
    write(folder, "mnist/t10k-images-idx3-ubyte", "rows")
    (folder / "link.csv").symlink_to("rows.csv")
    return folder


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


READ = "is read here, and would be overwritten"


@pytest.mark.parametrize(("line", "why"), [
    ("predict run rows.csv -o rows.csv", READ), ("predict run rows.csv -o ./link.csv", READ),
    ("predict run link.csv -o rows.csv", READ), ("predict run rows.csv -o run/model.onnx", READ),
    ("predict run/model.onnx rows.csv -o run/model.onnx", READ),
    ("predict run rows.csv -o run/weights.safetensors", READ),
    ("predict run mnist -o mnist/t10k-images-idx3-ubyte", READ),
    ("report run -o run/model.onnx", READ), ("report run -o run/metrics.jsonl", READ),
    ("report run -o rows.csv", READ), ("report run -o p.dl", READ),
    ("emit p.dl -o p.dl", READ), ("emit p.dl -o blocks.dl", READ), ("emit p.dl -o rows.csv", READ),
    ("show p.dl --svg p.dl", READ), ("show p.dl --svg blocks.dl", READ),
    ("show run --svg run/model.dl", READ), ("show run/model.onnx --svg run/model.onnx", READ),
    ("show run --svg run/weights.safetensors", READ),
    ("export p.dl -o p.dl", READ), ("export run -o run/weights.safetensors", READ),
    ("export run -o run/model.dl", READ), ("export run -o rows.csv", "holds rows, and would be overwritten"),
    ("export run -o rows.npz", "holds rows, and would be overwritten"),
    ("export run -o p.dl", "is a spec, and would be overwritten"),
    ("export run -o emitted.py", "is Python, and would be overwritten"),
])  # fmt: skip
def test_an_output_that_would_replace_an_input_is_refused(
    line: str, why: str, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    before = contents(made)
    done = dlc(*line.split())
    assert contents(made) == before
    place = line.split()[-1]
    assert (done.exit_code, done.stderr) == (1, f"error: {place} {why}\n  = help: name another file\n")


def test_other_files_are_replaced(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    out = tmp_path / "out"
    for _ in range(2):
        for line in ("predict run rows.csv -o", "emit p.dl -o", "show p.dl --svg", "export run -o"):
            assert dlc(*line.split(), out).exit_code == 0, line
    assert dlc("export", "run", "-o", "run/model.onnx").exit_code == 0
