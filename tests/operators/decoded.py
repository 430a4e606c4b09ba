"""Programs that are decoded step by step, compared with the whole prefix computed anew for each step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from engines import draw_weights, run_onnxruntime, run_reference, versions

from dlc.compiler import Source, compile
from dlc.compiler.ir.graph import Graph
from dlc.compiler.lower import onnx as to_onnx
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import specialize
from dlc.compiler.passes.graph_rewrite import at_inference, prune
from dlc.compiler.passes.loops import decoding_loop, with_stacked
from dlc.compiler.program import CompiledProgram

STEPS, ROWS, CLOSE = 6, 3, 1e-9
TARGET = """input  seen: class(9)[S]
output said: class(6)[T]
m = seen -> embedding(8) -> mean(axis=0)
h = (shift(said.target) -> embedding(12)) + dense(m, 12)
"""
PROMPT = """input  seen: class(6)[T]
output said: class(6)[T]
m = [0.5, -1, 2, 0.1, 0.3, -0.7, 1, -2]
h = seen -> embedding(12)
"""
PROMPT_EXPORT = """export {{
  decode  = greedy(said, max={})
  lengths = {}
}}
data {{ source = text("some.txt", window=8) }}
"""


def decoded(lines: str, steps: int = STEPS, decoder: str = "greedy(said, max={})") -> CompiledProgram:
    """A program whose lines compute scores of `said` from `h`, the right answers before each step."""
    return compile(Source("target.dl", f"{TARGET}{lines}\nexport {{ decode = {decoder.format(steps)} }}\n"))


def prompted(lines: str, steps: int = STEPS, lengths: bool = False) -> CompiledProgram:
    """The same from the steps of a prompt."""
    export = PROMPT_EXPORT.format(steps, str(lengths).lower())
    return compile(Source("prompt.dl", f"{PROMPT}{lines}\n{export}"))


@dataclass
class Engines:
    """The artifact of a program, with random weights, in three engines."""

    program: CompiledProgram

    def __post_init__(self) -> None:
        program = self.program
        self.weights = draw_weights(np.random.default_rng(4), program.graph)
        self.graph = specialize.inference(program)
        self.output = program.outputs[0]
        self.whole = Model(prune(at_inference(program.graph), {"scores": self.output.scores}),
                           program.graph.weights, self.weights)  # fmt: skip

    def onnx(self, opset: int = 20) -> onnx.ModelProto:
        made = to_onnx.model(self.graph, self.weights, **versions(opset), name="steps")
        model = onnx.load_model_from_string(to_onnx.serialize(made))
        onnx.checker.check_model(model)
        return model

    def answers(self) -> Model:
        return Model(self.graph, self.program.graph.weights, self.weights)

    def loop(self) -> Model:
        """The graph with the scores of all steps."""
        found = decoding_loop(self.graph.outputs["said"], self.graph.producers())
        assert found is not None
        loop, choice = found
        graph, (scores,) = with_stacked(self.graph, loop, choice.operands[:1])
        graph = Graph(graph.inputs, graph.weights, graph.nodes, {**graph.outputs, "scores": scores})
        return Model(graph, self.program.graph.weights, self.weights)

    def prefixes(self, given: dict[str, torch.Tensor], said: torch.Tensor) -> Iterator[torch.Tensor]:
        """The scores of each step, from all symbols before it."""
        for step in range(said.shape[1]):
            if "seen" in given and self.output.target not in self.whole._inputs:
                feed = {"seen": torch.cat([given["seen"], said[:, :step]], 1)}
            else:
                feed = {**given, "said": torch.cat([said[:, :step], said.new_zeros(len(said), 1)], 1)}
            yield self.whole.exactly(feed)["scores"][:, -1]

    def agree(self, given: dict[str, torch.Tensor], *, reference: bool = False) -> torch.Tensor:
        """The steps are those of the whole prefix, in float64; the engines choose the same symbols."""
        with torch.no_grad():
            made = self.loop().exactly(given)
            said, scores = made["said"], made["scores"].squeeze(2)
            wanted = torch.stack([*self.prefixes(given, said)], 1)
            assert not wanted.isnan().any()
            largest = float(wanted.abs().max())
            np.testing.assert_allclose(scores.numpy(), wanted.numpy(), 0, CLOSE * max(largest, 1))
            best = wanted.topk(2).values
            near = 1e-4 * wanted.abs().amax(-1)  # of the same step
            far = (best[..., 0] - best[..., 1] > near).all(1)  # no near ties
            assert far.any()
            model, feed = self.onnx(), {name: x.numpy() for name, x in given.items()}
            engines = [run_onnxruntime(model)] + [run_reference(model)] * reference
            for found in [run(feed)["said"] for run in engines]:
                assert (found[far] == said[far].numpy()).all()
        return said


def given(program: CompiledProgram, rows: int = ROWS, steps: int = 4) -> dict[str, torch.Tensor]:
    classes = program.inputs[0].declared.classes
    assert classes is not None
    drawn = torch.Generator().manual_seed(0)
    return {"seen": torch.randint(int(classes.count), (rows, steps), generator=drawn)}
