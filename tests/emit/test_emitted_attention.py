"""Transformers, emitted: attention is a class of its projections, and computes what the artifact computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from emitted import assert_close, load, model_of, open_emitted, predicted, with_noise

from dlc.compiler import Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.onnx import serialize
from dlc.compiler.lower.pytorch_source import emit
from dlc.compiler.passes import specialize
from dlc.runtime.artifact.samples import sample, sized
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.artifact.write import onnx_model

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.compiler.program import CompiledProgram

STORIES = {
    "a decoder": """
        input  seen: class(9)[T]
        output next: class(9)[T]
        block decoder(x) {
          x = x -> residual(layernorm -> attention(2, causal=true, dropout=0.1) -> dropout(0.1))
          return x -> residual(layernorm -> dense(16) -> gelu -> dense(8))
        }
        seen -> embedding(8) -> position_embedding(20) -> repeat(3, decoder) -> layernorm -> dense(9) -> next
    """,
    "an encoder and a decoder": """
        input  source: class(9)[S]
        input  before: class(9)[T]
        output after: class(9)[T]
        block encoder(x) { return x -> residual(attention(2)) -> layernorm }
        block decoder(x, memory) {
          x = x -> residual(attention(2, causal=true)) -> layernorm
          return x + attention(x, memory, heads=2) -> layernorm
        }
        memory = source -> embedding(8) -> sinusoidal_position -> repeat(2, encoder)
        before -> embedding(8) -> sinusoidal_position -> repeat(2, decoder(memory)) -> dense(9) -> after
    """,
    "grouped heads with rotary positions, at two sizes": """
        input  x: float[T, 8]
        output y: float[T, 4]
        x -> attention(4, causal=true, kv_heads=2, rotary=100, bias=false) -> dense(16)
          -> attention(8, causal=true, kv_heads=2, rotary=100, bias=false) -> dense(4) -> y
    """,
    "a mask, scores and a window": """
        input  x: float[5, 8]
        input  edges: bool[5, 5]
        input  near: float[2, 5, 5]
        weight bias: float[2, 1, 1] = normal(1)
        output y: float[5, 8]
        x -> attention(2, mask=edges, scores=near) -> attention(2, scores=bias, window=2) -> y
    """,
    "patches of an image": """
        input  image: float[1, 8, 8]
        output digit: class(3)
        image -> conv(8, 4, stride=4) -> reshape(8, -1) -> transpose -> position_embedding(4)
          -> residual(layernorm -> attention(2)) -> mean(axis=0) -> dense(3) -> digit
    """,
}
CROSS = '''
class CrossAttention(nn.Module):
    """Multi-head attention with its projections (Vaswani et al. 2017)."""

    def __init__(self):
        super().__init__()
        self.query = nn.Linear(8, 8)
        self.key = nn.Linear(8, 8)
        self.value = nn.Linear(8, 8)
        self.output = nn.Linear(8, 8)

    def forward(self, x, memory):
        q = self.query(x).unflatten(-1, (2, -1)).transpose(-3, -2)
        k = self.key(memory).unflatten(-1, (2, -1)).transpose(-3, -2)
        v = self.value(memory).unflatten(-1, (2, -1)).transpose(-3, -2)
        x = F.scaled_dot_product_attention(q, k, v).transpose(-3, -2).flatten(-2)
        return self.output(x)
'''
DROPS = "x = F.scaled_dot_product_attention(\n" \
    "            q, k, v, is_causal=True, dropout_p=0.1 if self.training else 0.0\n        )\n"  # fmt: skip


def program_of(story: str) -> CompiledProgram:
    return compile(Source("story.dl", STORIES[story]))


@pytest.mark.parametrize("story", STORIES)
def test_outputs_equal_those_of_the_artifact(story: str, tmp_path: Path) -> None:
    program, path = program_of(story), tmp_path / "story.py"
    path.write_text(emit(program, model_alone=True), "utf-8")
    weights, graph = with_noise(draw(program.graph, seed=0)), specialize.inference(program)
    session = open_session(serialize(onnx_model(program, graph, weights, {})))
    types = {i.name: i.declared for i in program.inputs}
    for sizes in ({"T": 1, "S": 4}, {"T": 7, "S": 3}):
        inputs = sample(sized(types, sizes), 3, 0)
        assert_close(predicted(path, weights, inputs, types), run(session, inputs))


def test_attention_is_a_class_of_its_projections() -> None:
    text = emit(program_of("an encoder and a decoder"), model_alone=True)
    assert CROSS in text
    for name in ("Attention", "CausalAttention", "CrossAttention"):
        assert text.count(f"class {name}(nn.Module):") == 1
    assert "for decoder in self.decoders:\n            x = decoder(x, memory)\n" in text


def test_attention_drops_weights_in_training_alone(tmp_path: Path) -> None:
    program, path = program_of("a decoder"), tmp_path / "story.py"
    path.write_text(emit(program, model_alone=True), "utf-8")
    assert DROPS in path.read_text("utf-8")
    _, model = open_emitted(path, draw(program.graph, seed=0))
    attention, x = model.get_submodule("decoders.0.attention"), torch.randn(2, 5, 8)
    assert torch.equal(attention.eval()(x), attention(x))
    assert not torch.equal(attention.train()(x), attention(x))


def test_uses_of_other_sizes_are_arguments_of_one_class() -> None:
    text = emit(program_of("grouped heads with rotary positions, at two sizes"), model_alone=True)
    assert text.count("(nn.Module):") == 2
    assert "self.query = nn.Linear(features_in, features_in, bias=False)" in text
    assert text.count("angles = places.unsqueeze(1) * rates") == 1  # queries and keys share them


def test_initial_values_are_those_of_the_spec(tmp_path: Path) -> None:
    """The copies of a block are named once."""
    text = """
        input  image: float[1, 8, 8]
        output digit: class(10)
        block encoder(x) {
          x = x -> residual(layernorm -> attention(4, init=normal(0.1)))
          return x -> residual(layernorm -> dense(64) -> relu -> dense(32))
        }
        image -> conv(32, 4, stride=4) -> reshape(32, -1) -> transpose -> repeat(3, encoder)
          -> attention(2) -> mean(axis=0) -> dense(10) -> digit
        data { source = builtin("digits") }
        train { epochs = 1 }
    """
    program, path = compile(Source("story.dl", text)), tmp_path / "story.py"
    path.write_text(emit(program), "utf-8")
    assert path.read_text("utf-8").count('"encoders.attention.key.weight"') == 1
    module = load(path)
    model = model_of(module)
    torch.manual_seed(0)
    module.initialize(model)
    found, wanted = model.state_dict(), draw(program.graph, seed=0)
    for copy, own in (("encoders.0", "encoder"), ("encoders.2", "encoder_3")):
        for leaf in ("attention.query", "attention.output", "dense", "dense_2"):
            spread = wanted[f"{own}.{leaf}.weight"].std()
            assert found[f"{copy}.{leaf}.weight"].std() == pytest.approx(spread, rel=0.15)
            assert not found[f"{copy}.{leaf}.bias"].any()
    assert found["attention.value.weight"].std() == pytest.approx(32**-0.5, rel=0.15)
