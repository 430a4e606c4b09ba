"""Emitted models answer step by step what the artifact answers."""

from __future__ import annotations

import ast
import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.numpy import save_file
from test_greedy import PROMPTS, SEQUENCES, STEPS, drawn

import dlc
from dlc.compiler.lower.pytorch_source import emit

if TYPE_CHECKING:
    from pathlib import Path

NAMED = """input  spelling: class(8)[S]
output made: class(a, b, c, d)[T]
output tone: class(2)
heard = spelling -> embedding(8) -> gru(8, final=true)
heard -> dense(2) -> tone
short = heard -> dense(3)
(shift(made.target) -> embedding(8), heard) -> gru(8) -> dense(made.classes) -> made
train { clip = norm(1) }
export {
  decode  = greedy(made, max=12)
  outputs = [tone, made, short]
}
"""


def emitted(program: dlc.Program, weights: dict[str, np.ndarray], folder: Path) -> Any:
    """The model of the emitted file, with these weights."""
    path = folder / "emitted.py"
    path.write_text(text := emit(program.compiled, model_alone=True), "utf-8")
    spec = importlib.util.spec_from_file_location("emitted_answers", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    classes = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    model = getattr(module, classes[-1])()
    save_file(weights, folder / "weights.safetensors")
    module.load_weights(model, folder / "weights.safetensors")
    return model


def artifact(program: dlc.Program, weights: dict[str, np.ndarray], raw: dict[str, Any]) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(program.onnx(weights).SerializeToString())
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, raw), strict=True))


@pytest.mark.parametrize("steps", STEPS)
def test_the_answer_is_that_of_the_artifact(steps: str, tmp_path: Path) -> None:
    program = dlc.compile(text=SEQUENCES.replace("STEPS", steps))
    weights = drawn(program, 4)
    weights["speak.dense.bias"][6] += 1
    spelling = np.random.default_rng(0).integers(0, 8, (9, 5))
    model = emitted(program, weights, tmp_path).train()  # `predict` is of inference whatever came before
    found = model.predict(torch.from_numpy(spelling))
    wanted = artifact(program, weights, {"spelling": spelling})
    assert found.keys() == wanted.keys() == {"sounds"}
    assert found["sounds"].numpy().tolist() == wanted["sounds"].tolist()


@pytest.mark.parametrize("steps", STEPS)
def test_a_prompt_is_continued_as_the_artifact_does(steps: str, tmp_path: Path) -> None:
    program = dlc.compile(text=PROMPTS.replace("STEPS", steps).replace("LENGTHS", "false"))
    weights = drawn(program, 2)
    prompt = np.random.default_rng(0).integers(0, 9, (4, 5))
    found = emitted(program, weights, tmp_path).predict(torch.from_numpy(prompt))
    assert found["next"].numpy().tolist() == artifact(program, weights, {"text": prompt})["next"].tolist()


def test_other_outputs_and_names_stand_beside_a_decoded_one(tmp_path: Path) -> None:
    """`made` is also the name of a local value of the method, where no field has it."""
    program = dlc.compile(text=NAMED)
    weights = drawn(program, 1)
    spelling = np.random.default_rng(1).integers(0, 8, (7, 4))
    found = emitted(program, weights, tmp_path).predict(torch.from_numpy(spelling))
    wanted = artifact(program, weights, {"spelling": spelling})
    assert [*found] == [*wanted]
    assert found["made"].tolist() == wanted["made"].tolist()
    assert {"", "a"} < {*np.ravel(found["made"])} <= {"", "a", "b", "c", "d"}
    assert np.asarray(found["tone"]).tolist() == wanted["tone"].tolist()
    for name in ("tone_probabilities", "short"):
        np.testing.assert_allclose(found[name].numpy(), wanted[name], atol=1e-5)


def test_the_loss_is_that_of_the_right_answers_so_far(tmp_path: Path) -> None:
    program = dlc.compile(text=SEQUENCES.replace("STEPS", "gru(16)"))
    weights = drawn(program, 4)
    rng = torch.Generator().manual_seed(0)
    spelling, sounds = torch.randint(8, (3, 5), generator=rng), torch.randint(7, (3, 6), generator=rng)
    found = emitted(program, weights, tmp_path).compute_loss(spelling, sounds)
    wanted = program.torch("train", weights)({"spelling": spelling, "sounds": sounds})
    probabilities = wanted["sounds_probabilities"].gather(-1, sounds[..., None])
    assert found.item() == pytest.approx(-probabilities.log().mean().item(), rel=1e-5)


def test_lengths_of_prompts_are_refused() -> None:
    program = dlc.compile(text=PROMPTS.replace("STEPS", "gru(8)").replace("LENGTHS", "true"))
    with pytest.raises(dlc.CompileError) as caught:
        emit(program.compiled, model_alone=True)
    assert [d.code for d in caught.value.diagnostics] == ["E0820"]


def test_other_ways_of_decoding_are_refused(families: None) -> None:
    """Only the highest score is the same in every program."""
    from dlc.compiler.definitions.decoders import Decoder

    class Lowest(Decoder):
        """Answers the class with the lowest score."""

    program = dlc.compile(text=SEQUENCES.replace("STEPS", "gru(8)").replace("greedy", "lowest"))
    with pytest.raises(dlc.CompileError) as caught:
        emit(program.compiled, model_alone=True)
    (found,) = caught.value.diagnostics
    assert found.code == "E0820"
    assert found.message == "an emitted model does not decode with `lowest`"
