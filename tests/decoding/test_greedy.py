"""Answers that are made step by step: equal to loops that compute every step anew from its whole prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn.functional import embedding, linear, scaled_dot_product_attention

import dlc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST = 12
SEQUENCES = """input  spelling: class(8)[S]
output sounds: class(6)[T]
memory = spelling -> embedding(16) -> gru(8)
net speak(said, memory) {
  heard = said -> embedding(16) -> STEPS
  found = heard -> attention(memory, heads=2)
  return (heard, found) -> concat(axis=-1) -> dense(sounds.classes)
}
speak(shift(sounds.target), memory) -> sounds
train { clip = norm(1) }
export { decode = greedy(sounds, max=12) }
"""
PROMPTS = """input  text: class(9)[T]
output next: class(9)[T]
text -> embedding(16) -> STEPS -> dense(9) -> next
train { clip = norm(1) }
data { source = text("some.txt", window=8) }
export {
  decode  = greedy(next, max=12)
  lengths = LENGTHS
}
"""
STEPS = [
    "gru(16)",
    "gru(16, layers=2)",
    "lstm(16, layers=2)",
    "rnn(16)",
    "dense(16) -> layernorm -> attention(4, causal=true)",
    "position_embedding(40) -> attention(4, causal=true, kv_heads=2) -> relu",
    "residual(attention(2, causal=true)) -> gru(16) -> residual(attention(4, causal=true))",
]


def drawn(program: dlc.Program, seed: int) -> dict[str, np.ndarray]:
    """Weights that make the scores of classes differ by much."""
    rng = np.random.default_rng(seed)
    return {w.name: (0.8 * rng.standard_normal(w.value.type.shape)).astype(np.float32)
            for w in program.compiled.graph.weights}  # fmt: skip


def onnx_answers(program: dlc.Program, weights: Mapping[str, np.ndarray], raw: dict[str, Any]) -> np.ndarray:
    session = onnxruntime.InferenceSession(program.onnx(weights).SerializeToString())
    return session.run(None, raw)[0]


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
    program = dlc.compile(text=SEQUENCES.replace("STEPS", steps))
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
    program = dlc.compile(text=SEQUENCES.replace("STEPS", "gru(16)"))
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
    program = dlc.compile(text=PROMPTS.replace("STEPS", steps).replace("LENGTHS", "false"))
    weights = drawn(program, 2)
    prompt = torch.randint(9, (3, 5), generator=torch.Generator().manual_seed(0))
    whole = program.torch("train", weights)

    def scores(said: torch.Tensor) -> torch.Tensor:
        return whole({"text": torch.cat([prompt, said], 1)})["next_probabilities"]

    wanted = by_prefixes(scores, 3, end=None)
    assert (onnx_answers(program, weights, {"text": prompt.numpy()}) == wanted.numpy()).all()


@pytest.mark.parametrize("steps", STEPS)
def test_prompts_of_different_lengths_are_continued_as_each_alone(steps: str) -> None:
    program = dlc.compile(text=PROMPTS.replace("STEPS", steps).replace("LENGTHS", "true"))
    weights, lengths = drawn(program, 3), np.array([2, 6, 1, 4])
    prompts = np.random.default_rng(0).integers(0, 9, (4, 6))
    together = onnx_answers(program, weights, {"text": prompts, "text_length": lengths})
    in_torch = program.torch("infer", weights)
    found = in_torch({"text": torch.from_numpy(prompts), "text_length": torch.from_numpy(lengths)})["next"]
    assert (together == found.numpy()).all()
    for row, length in enumerate(lengths):
        alone = {"text": prompts[row : row + 1, :length], "text_length": lengths[row : row + 1]}
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
        dlc.compile(text=SEQUENCES.replace("STEPS", steps))
    found = [d for d in caught.value.diagnostics if d.severity == "error"]
    assert [d.code for d in found] == ["E0520"]
    assert message in found[0].message
