"""Answers that are made step by step: equal to loops that compute every step anew from its whole prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from decoded_specs import MOST, STEPS, drawn, onnx_answers, prompts, sequences
from torch import nn
from torch.nn.functional import embedding, linear, scaled_dot_product_attention

import dlc
from dlc.runtime.artifact import ArtifactError
from dlc.runtime.artifact.export import export

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def by_prefixes(scores: Callable[[torch.Tensor], torch.Tensor], rows: int, end: int | None) -> torch.Tensor:
    """The best symbol of each step, from the scores `[rows, steps, classes]` of all steps so far."""
    said, finished = torch.zeros((rows, 0), dtype=torch.long), torch.zeros(rows, dtype=torch.bool)
    for _ in range(MOST):
        best = scores(said)[:, -1].argmax(-1)
        if end is not None:
            best = best.where(~finished, end)
            finished |= best == end
        said = torch.cat([said, best[:, None]], 1)
        if finished.all():
            break
    return said


# --- an encoder and a decoder -----------------------------------------------------------------------------


@pytest.mark.parametrize("steps", STEPS)
def test_each_step_is_that_of_the_whole_prefix(steps: str) -> None:
    """The training form, which reads the right answers before each step, is given the own ones."""
    program = dlc.compile(text=sequences(steps))
    weights = drawn(program, 1)
    spelling = torch.randint(8, (5, 4), generator=torch.Generator().manual_seed(0))
    whole = program.torch("train", weights)

    def scores(said: torch.Tensor) -> torch.Tensor:
        target = torch.cat([said, said.new_zeros(len(said), 1)], 1)  # of the last step, which nothing reads
        return whole({"spelling": spelling, "sounds": target})["sounds_probabilities"]

    wanted = by_prefixes(scores, 5, end=6)
    assert program.torch("infer", weights)({"spelling": spelling})["sounds"].equal(wanted)
    assert (onnx_answers(program, weights, {"spelling": spelling.numpy()}) == wanted.numpy()).all()


@pytest.mark.parametrize("seed", (4, 6, 8))
def test_the_answers_are_those_of_a_loop_by_hand(seed: int) -> None:
    program = dlc.compile(text=sequences("gru(16)"))
    weights = drawn(program, seed)
    weights["speak.dense.bias"][6] += 3  # more ends
    w = {name: torch.from_numpy(array) for name, array in weights.items()}

    def gru(name: str, x: torch.Tensor) -> torch.Tensor:
        layer = nn.GRU(16, w[f"{name}.weight_hh_l0"].shape[1], batch_first=True)
        layer.load_state_dict({k: w[f"{name}.{k}"] for k in layer.state_dict()})
        return layer(x)[0]

    def heads(part: str, x: torch.Tensor) -> torch.Tensor:
        name = f"speak.attention.{part}"
        return linear(x, w[f"{name}.weight"], w[f"{name}.bias"]).unflatten(-1, (2, 8)).transpose(1, 2)

    spelling = torch.randint(8, (6, 5), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        memory = gru("gru", embedding(spelling, w["embedding.weight"]))

        def scores(said: torch.Tensor) -> torch.Tensor:
            start = torch.full((len(said), 1), 7)  # behind the six classes and the end
            heard = gru("speak.gru", embedding(torch.cat([start, said], 1), w["speak.embedding.weight"]))
            q, k, v = heads("query", heard), heads("key", memory), heads("value", memory)
            found = scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            found = linear(found, w["speak.attention.output.weight"], w["speak.attention.output.bias"])
            return linear(torch.cat([heard, found], -1), w["speak.dense.weight"], w["speak.dense.bias"])

        wanted = by_prefixes(scores, 6, end=6)
    assert (wanted == 6).any()
    assert (wanted != 6).any()
    assert (onnx_answers(program, weights, {"spelling": spelling.numpy()}) == wanted.numpy()).all()


# --- prompts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", STEPS)
def test_a_prompt_is_continued(steps: str) -> None:
    program = dlc.compile(text=prompts(steps))
    weights = drawn(program, 2)
    prompt = torch.randint(9, (3, 5), generator=torch.Generator().manual_seed(0))
    whole = program.torch("train", weights)

    def scores(said: torch.Tensor) -> torch.Tensor:
        return whole({"text": torch.cat([prompt, said], 1)})["next_probabilities"]

    wanted = by_prefixes(scores, 3, end=None)
    assert (onnx_answers(program, weights, {"text": prompt.numpy()}) == wanted.numpy()).all()


@pytest.mark.parametrize("steps", STEPS)
def test_prompts_of_different_lengths_are_continued_as_each_alone(steps: str) -> None:
    program = dlc.compile(text=prompts(steps, lengths=True))
    weights, lengths = drawn(program, 3), np.array([2, 6, 1, 4])
    given = np.random.default_rng(0).integers(0, 9, (4, 6))
    together = onnx_answers(program, weights, {"text": given, "text_length": lengths})
    in_torch = program.torch("infer", weights)
    found = in_torch({"text": torch.from_numpy(given), "text_length": torch.from_numpy(lengths)})["next"]
    assert (together == found.numpy()).all()
    for row, length in enumerate(lengths):
        alone = {"text": given[row : row + 1, :length], "text_length": lengths[row : row + 1]}
        assert (onnx_answers(program, weights, alone)[0] == together[row]).all()


# --- what cannot be decoded ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("gru(8, bidirectional=true)", "it reads the steps from the last to the first"),
        ("attention(4)", "it reads later steps"),
        ("softmax(axis=0)", "it reads several steps"),
    ],
)
def test_operators_that_read_later_steps_are_rejected(steps: str, message: str) -> None:
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=sequences(steps))
    found = [d for d in caught.value.diagnostics if d.severity == "error"]
    assert [d.code for d in found] == ["E0520"]
    assert message in found[0].message


def test_prompts_are_as_long_as_positions_allow(tmp_path: Path) -> None:
    """A table of 14 positions has room for prompts of 2 symbols before 12 answers."""
    program = dlc.compile(text=prompts("position_embedding(14) -> attention(4, causal=true)"))
    export(program.compiled, drawn(program, 1), tmp_path / "model.onnx")
    loaded = dlc.load(tmp_path / "model.onnx")
    assert len(loaded.predict({"text": [[1, 2]]})["next"]) == 1
    with pytest.raises(ArtifactError, match="at most 2 steps"):
        loaded.predict({"text": [[1, 2, 3]]})


@pytest.mark.parametrize("steps", ["gru(16)", "lstm(16, layers=2)", "rnn(16)"])
def test_prompts_without_symbols_are_proved_too(steps: str, tmp_path: Path) -> None:
    """Some of the random rows that prove an artifact are empty."""
    program = dlc.compile(text=prompts(steps, lengths=True))
    assert export(program.compiled, drawn(program, 1), tmp_path / "model.onnx").worst == 0
