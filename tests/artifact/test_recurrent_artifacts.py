"""Artifacts with recurrent layers: rows of several lengths in ONNX Runtime and OpenVINO, and batches without
rows, which end the process of ONNX Runtime."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from artifacts import Made, make
from second_engine import run_openvino

import dlc

TAGS = """input x: float[T, 4]
output mood: class(3)
output tag: float[T, 2]
h = x -> lstm(5, 2, bidirectional=true, dropout=0.3)
h -> gru(6, final=true) -> dense(3) -> mood
h -> rnn(5) -> dense(2) -> tag
export {
  lengths = true
  target  = "TARGET"
}
"""
LENGTHS = np.array([6, 0, 3, 1])


def inputs(lengths: np.ndarray, longest: int) -> dict[str, np.ndarray]:
    """Rows with NaN in their padding."""
    x = np.random.default_rng(0).standard_normal((len(lengths), longest, 4), np.float32)
    x[np.arange(longest) >= lengths[:, None]] = np.nan
    return {"x": x, "x_length": lengths}


def compare(made: Made, run: Any) -> None:
    """Each row of a padded batch has the answers that the row alone has in torch."""
    raw = inputs(LENGTHS, 6)
    found = run(raw)
    for row, length in enumerate(LENGTHS):
        alone = {"x": raw["x"][row : row + 1, :length], "x_length": LENGTHS[row : row + 1]}
        wanted = made.torch(alone)
        assert found["mood"][row] == wanted["mood"][0]
        np.testing.assert_allclose(
            found["mood_probabilities"][row], wanted["mood_probabilities"][0], atol=1e-6
        )
        np.testing.assert_allclose(found["tag"][row, :length], wanted["tag"][0], atol=2e-6)
        assert not found["tag"][row, length:].any()


def test_a_padded_batch_has_the_answers_of_each_row_alone(tmp_path: Path) -> None:
    made = make(TAGS.replace("TARGET", "onnxruntime>=1.17"), tmp_path)
    assert [made.operators.count(kind) for kind in ("LSTM", "GRU", "RNN")] == [2, 1, 1]
    assert {name for name in made.stored if not name.startswith("dense")} == {
        "lstm.W_l0", "lstm.R_l0", "lstm.B_l0", "lstm.W_l1", "lstm.R_l1", "lstm.B_l1",
        "gru.W_l0", "gru.R_l0", "gru.B_l0", "rnn.W_l0", "rnn.R_l0", "rnn.B_l0",
    }  # fmt: skip
    compare(made, made.onnxruntime)


def test_with_the_target_openvino_it_has_them_there_too(tmp_path: Path) -> None:
    made = make(TAGS.replace("TARGET", "openvino"), tmp_path)
    compare(made, made.onnxruntime)
    compare(made, lambda raw: run_openvino(made.path.read_bytes(), raw))


@pytest.mark.parametrize(
    "flows",
    [
        "x -> gru(4, final=true) -> y\nx -> lstm(3, bidirectional=true) -> z",
        "h = x -> gru(4)\nh -> gru(4, final=true) -> y\nh -> rnn(3, 2, bidirectional=true) -> z",
    ],
)
def test_layers_may_share_a_sequence_in_openvino(flows: str, tmp_path: Path) -> None:
    outputs = "output y: float[4]\noutput z: float[T, 6]"
    settings = 'target = "openvino"\n lengths = true'
    made = make(f"input x: float[T, 2]\n{outputs}\n{flows}\nexport {{\n {settings}\n}}\n", tmp_path)
    x = np.random.default_rng(0).standard_normal((5, 7, 2), np.float32)
    given = {"x": x, "x_length": np.array([7, 3, 1, 5, 0])}
    found, wanted = run_openvino(made.path.read_bytes(), given), made.onnxruntime(given)
    for name, answer in wanted.items():
        np.testing.assert_allclose(found[name], answer, atol=1e-5)


@pytest.mark.parametrize(
    ("input", "output", "what"),
    [
        ("class(a, b)", "class(3)", "text, such as `x`"),
        ("class(2)", "class(u, v, w)", "text, such as `y_name`"),
        ("class(2)", 'binary("no", "yes")', "text, such as `y_name`"),
    ],
)
def test_openvino_takes_and_gives_no_text(input: str, output: str, what: str) -> None:
    text = (
        f"input x: {input}[T]\noutput y: {output}\nx -> one_hot -> lstm(4, final=true) -> dense(N) -> y\n"
        'export { target = "openvino" }\n'
    ).replace("N", "1" if "binary" in output else "3")
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=text)
    assert [(d.code, d.message) for d in caught.value.diagnostics] == [
        ("E0403", f"OpenVINO cannot compute with {what}")
    ]


NO_ROWS = """
import json, sys
import numpy as np
import dlc
from dlc.cli import commands
from dlc.runtime.artifact.session import open_session, run

model, rows, answers = sys.argv[1:]
artifact = dlc.load(model)
shapes = []
for x in (np.zeros((0, 12), np.float32), []):
    shapes.append({n: a.shape for n, a in artifact.predict({"x": x}).items()})
session = open_session(artifact.path)
shapes.append({n: a.shape for n, a in run(session, {"x": np.zeros((0, 12), np.float32)}).items()})
try:
    commands(["predict", model, rows, "-o", answers])
except SystemExit as end:
    code = end.code
print(json.dumps([shapes, code]))
"""


@pytest.mark.parametrize("layer", ["lstm", "gru"])
def test_a_batch_without_rows_is_answered(layer: str, tmp_path: Path) -> None:
    """In a process of its own: without the guard, ONNX Runtime ends it."""
    flow = f"x -> reshape(4, 3) -> {layer}(5) -> last -> dense(2) -> y"
    made = make(f"input x: float[12]\noutput y: class(a, b)\n{flow}\n", tmp_path)
    rows = tmp_path / "rows.csv"
    rows.write_text(",".join(["x"] * 12) + "\n", "utf-8")
    command = [sys.executable, "-c", NO_ROWS, str(made.path), str(rows), str(tmp_path / "answers.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shapes, code = json.loads(done.stdout.splitlines()[-1])
    assert shapes == [{"y": [0], "y_probabilities": [0, 2]}] * 3, done.stdout
    assert code == 0
    assert (tmp_path / "answers.csv").read_text("utf-8").splitlines() == [
        "y,y_probabilities.a,y_probabilities.b"
    ]
