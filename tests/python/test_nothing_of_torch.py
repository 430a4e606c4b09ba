"""Without torch: commands that do not need it work, and the others name the install that adds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dlc
from dlc.runtime.artifact.export import export

SPEC = """# One of two.
input  x: float[2]
output kind: class(low, high)

x -> dense(4) -> batchnorm -> relu -> dense(2) -> kind
"""
BLOCK = """
import sys

class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, Refuses())
sys.argv[0] = "dlc"
"""
COMMANDS = {
    "check m.dl": "",
    "show m.dl": "dense",
    "show m.dl --weights": "dense_2.weight",
    "show m.dl --stage graph": "batchnorm",
    "show m.dl --stage onnx": "Gemm",
    "show m.onnx": "# One of two.",
    "data m.dl --data rows.npz": "class(2)",
    "fmt --check m.dl": "",
    "verify m.onnx": "answers as torch did",
    "predict m.onnx rows.npz": "kind_probabilities.high",
    "predict m.onnx rows.npz --format json": "kind_probabilities",
    "eval m.onnx rows.npz": "accuracy",
    "doctor": "torch is not installed",
}
NEED = ["train m.dl", "export m.dl", "show m.dl --stage torch"]
PYTHON = """
import dlc, numpy as np
program = dlc.compile("m.dl")
print(program.compiled.name, program.onnx().graph.node[0].op_type)
found = dlc.load("m.onnx").predict({"x": [[1, 2]]})
print(found["kind_probabilities"].shape)
from dlc.runtime.artifact import evaluate
from dlc.runtime.artifact import verify
from pathlib import Path
print(verify("m.onnx").holds, evaluate.evaluate(dlc.load("m.onnx"), Path("rows.npz")).rows)
try:
    program.torch()
except ModuleNotFoundError as error:
    print(error.name)
print([name for name in sys.modules if name.split(".")[0] == "torch"])
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    (folder / "m.dl").write_text(SPEC, "utf-8")
    face = dlc.compile(folder / "m.dl")
    export(face.compiled, face.weights(), folder / "m.onnx")
    np.savez(folder / "rows.npz", x=np.ones((3, 2), np.float32), kind=np.array(["low", "high", "low"]))
    return folder


def blocked(desk: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BLOCK + program, *arguments]
    return subprocess.run(command, cwd=desk, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_works_without_torch(command: str, desk: Path) -> None:
    done = blocked(desk, "from dlc.cli import main\nmain()\n", *command.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert COMMANDS[command] in done.stdout


@pytest.mark.parametrize("command", NEED)
def test_a_command_that_needs_torch_says_so(command: str, desk: Path) -> None:
    done = blocked(desk, "from dlc.cli import main\nmain()\n", *command.split())
    assert done.returncode == 1
    assert 'pip install "dlc[train]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_python_works_without_torch(desk: Path) -> None:
    done = blocked(desk, PYTHON)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["m Gemm", "(1, 2)", "True 3", "torch", "[]"]
