"""Rows without steps, and rows that are too short for an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import dlc
from dlc.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """input text: class(auto)[T]
output mood: class(good, bad)
text -> embedding(4) -> {stage} -> dense(2) -> mood
data {{
  source = csv("rows.csv")
  {more}
}}
train {{
  clip   = norm(1)
  epochs = 1
  batch  = {batch}
}}
"""
ROWS = "text,mood\nhello,good\n,bad\nno,bad\na,good\n"  # the second text is empty


def train(folder: Path, stage: str, more: str = "", batch: int = 4) -> Any:
    (folder / "rows.csv").write_text(ROWS)
    (folder / "mood.dl").write_text(SPEC.format(stage=stage, more=more, batch=batch))
    return dlc.train(folder / "mood.dl", out=folder / "runs")


@pytest.mark.parametrize(
    ("stage", "more", "row"),
    [
        ("last", "", "row 2 (line 3): `T` is 0 there, and `last` needs more"),
        ("max(axis=0)", "", "row 2 (line 3): `T` is 0 there, and `max` needs more"),
        ("transpose -> groupnorm(1) -> sum(axis=1)", "", "`T` is 0 there, and `groupnorm` needs more"),
        ("std(axis=0)", "drop = missing", "row 4 (line 5): `T` is 1 there, and `std` needs more"),
        ("transpose -> conv(4, 3) -> global_avgpool", "drop = missing", "`T` is 1 there, and `conv` needs"),
    ],
)
def test_rows_that_are_too_short_are_an_error_before_training(
    stage: str, more: str, row: str, tmp_path: Path
) -> None:
    with pytest.raises(dlc.CompileError) as caught:
        train(tmp_path, stage, more)
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.line) == ("E0704", 3)
    assert row in problem.message and "drop = missing" in problem.help
    assert not (tmp_path / "runs").exists()


def test_so_is_an_index(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    spec = SPEC.replace("text -> embedding(4) -> {stage}", "embedding(text, 4)[0]").format(more="", batch=4)
    (tmp_path / "mood.dl").write_text(spec)
    with pytest.raises(dlc.CompileError, match="`T` is 0 there"):
        dlc.train(tmp_path / "mood.dl", out=tmp_path / "runs")


@pytest.mark.parametrize("stage", ["mean(axis=0)", "sum(axis=0)", "gru(4, final=true)"])
def test_a_row_without_steps_gets_the_answer_of_zeros(stage: str, tmp_path: Path) -> None:
    model = dlc.load(train(tmp_path, stage, batch=1).model)
    alone = model.predict({"text": [""]})["mood_probabilities"]
    among = model.predict({"text": ["hello", ""]})["mood_probabilities"]
    assert np.isfinite(alone).all()
    np.testing.assert_allclose(among[1], alone[0], atol=1e-6)


@pytest.mark.parametrize("target", ["onnxruntime>=1.17", "onnxruntime>=1.28"])
def test_attention_of_a_row_without_steps_leaves_nothing_to_sum(target: str, tmp_path: Path) -> None:
    """Also with the newest operators of ONNX."""
    spec = SPEC.format(stage="attention(2, causal=true, rotary=100) -> sum(axis=0)", more="", batch=1)
    (tmp_path / "rows.csv").write_text(ROWS)
    spec += f'export {{ target = "{target}" }}\n'
    run = dlc.train(text=spec, data=tmp_path / "rows.csv", out=tmp_path / "runs")
    found = dlc.load(run.model).predict({"text": ["hello", "", "a"]})["mood_probabilities"]
    bias = load_file(run.folder / "weights.safetensors")["dense.bias"]
    np.testing.assert_allclose(found[1], np.exp(bias) / np.exp(bias).sum(), atol=1e-6)


@pytest.mark.parametrize("stage", ["last", "transpose -> groupnorm(1) -> sum(axis=1)"])
def test_a_model_that_needs_steps_refuses_a_row_without_them(stage: str, tmp_path: Path) -> None:
    """ONNX Runtime fails on it, or ends the process."""
    model = dlc.load(train(tmp_path, stage, "drop = missing").model)
    assert len(model.predict({"text": ["hello", "a"]})["mood"]) == 2
    with pytest.raises(ArtifactError, match="has no answer for rows without steps, as `text` has"):
        model.predict({"text": ["hello", ""]})
