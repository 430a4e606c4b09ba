"""Specs that decode, and their artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dlc

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
export {
  decode  = DECODER(sounds, max=12)
  lengths = LENGTHS
}
"""
PROMPTS = """input  text: class(9)[T]
output next: class(9)[T]
text -> embedding(16) -> STEPS -> dense(9) -> next
train { clip = norm(1) }
data { source = text("some.txt", window=8) }
export {
  decode  = DECODER(next, max=12)
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


def sequences(steps: str, decoder: str = "greedy", *, lengths: bool = False) -> str:
    """An encoder and a decoder. `decoder` may have settings: `beam, width=2`."""
    return filled(SEQUENCES, steps, decoder, lengths)


def prompts(steps: str, decoder: str = "greedy", *, lengths: bool = False) -> str:
    """A model that continues its input."""
    return filled(PROMPTS, steps, decoder, lengths)


def filled(text: str, steps: str, decoder: str, lengths: bool) -> str:
    name, _, settings = decoder.partition(",")
    given = f"max=12, {settings}" if settings else "max=12"
    words = {"STEPS": steps, "DECODER": name, "max=12": given, "LENGTHS": str(lengths).lower()}
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def targeted(text: str, target: str) -> str:
    return text.replace("export {", f'export {{\n  target = "{target}"\n ')
