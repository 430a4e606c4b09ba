"""Flows with attention in torch and in the engines, and attention computed step by step in float64."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import onnx
import torch
from engines import run_onnxruntime, run_reference
from second_engine import run_openvino

from dlc.compiler import Source, compile
from dlc.compiler.lower import onnx as to_onnx
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes.graph_rewrite import at_inference, prune
from dlc.compiler.passes.lengths import with_lengths
from dlc.compiler.program import Facts

Arrays = Mapping[str, np.ndarray]


class Flow:
    """The value `y` of a spec, with random weights. Rows differ in length along `lengths`."""

    def __init__(self, text: str, weights: Arrays | None = None, lengths: tuple[str, ...] = ()) -> None:
        program = compile(Source("flow.dl", text), facts=Facts(lengths=frozenset(lengths)))
        written = prune(program.graph, {"y": program.bindings["y"]})
        self.trained = with_lengths(program, written)
        self.graph = with_lengths(program, prune(at_inference(written)))
        rng = np.random.default_rng(7)
        drawn = {w.name: rng.standard_normal(w.value.type.shape) * 0.5 for w in self.graph.weights}
        self.weights = {n: np.asarray(w, np.float32) for n, w in (drawn | dict(weights or {})).items()}

    def of(self, name: str) -> dict[str, np.ndarray]:
        """The weights of a layer, without its name."""
        return {n.removeprefix(f"{name}."): w for n, w in self.weights.items() if n.startswith(f"{name}.")}

    def module(self, *, training: bool = False) -> Model:
        graph = self.trained if training else self.graph
        return Model(graph, graph.weights, self.weights)

    def torch(self, feed: Arrays) -> np.ndarray:
        with torch.no_grad():
            return self.module()({n: torch.from_numpy(x) for n, x in feed.items()})["y"].numpy()

    def content(self) -> bytes:
        made = to_onnx.model(self.graph, self.weights, opset=20, ml_opset=3, ir_version=9, name="flow")
        return to_onnx.serialize(made)

    def engines(self, *, openvino: bool = True) -> dict[str, Any]:
        """By name, what makes `y` of inputs."""
        content = self.content()
        proto = onnx.load_from_string(content)
        onnx.checker.check_model(proto, full_check=True)
        runs = {"ONNX Runtime": run_onnxruntime(proto), "onnx.reference": run_reference(proto)}
        runs |= {"OpenVINO": partial(run_openvino, content)} if openvino else {}
        return {"torch": self.torch} | {name: partial(answer, run) for name, run in runs.items()}

    def answers(self, feed: Arrays, *, openvino: bool = True) -> dict[str, np.ndarray]:
        return {name: run(dict(feed)) for name, run in self.engines(openvino=openvino).items()}

    def equals(self, wanted: Any, feed: Arrays, within: float = 2e-5, *, openvino: bool = True) -> None:
        for engine, found in self.answers(feed, openvino=openvino).items():
            np.testing.assert_allclose(found, wanted, rtol=0, atol=within, err_msg=engine)


def answer(run: Any, feed: Arrays) -> np.ndarray:
    return run(feed)["y"]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def by_hand(weights: Arrays, query: np.ndarray, key: np.ndarray, value: np.ndarray, heads: int,
            kv_heads: int = 0, allowed: Any = True, scores: Any = 0.0, rotary: float | None = None,
            scale: float | None = None) -> np.ndarray:  # fmt: skip
    """Attention in float64, one query step of one head after the other. `allowed` and `scores` broadcast to
    `[..., heads, query steps, memory steps]`."""
    q, k, v = (project(weights, part, x) for part, x in
               zip(("query", "key", "value"), (query, key, value), strict=True))  # fmt: skip
    groups, width = kv_heads or heads, q.shape[-1] // heads
    *lead, steps, _ = q.shape
    shape = (*lead, heads, steps, k.shape[-2])
    allowed, scores = np.broadcast_to(allowed, shape), np.broadcast_to(scores, shape)
    joined = np.zeros((*lead, steps, heads * width))
    for place in np.ndindex(*lead, heads, steps):
        *row, head, step = place
        mine, theirs = columns(head, width), columns(head // (heads // groups), width)
        seen = np.flatnonzero(allowed[place] & (scores[place] > -np.inf))
        if len(seen):
            asked = turned(q[(*row, step, mine)], step, rotary)
            offered = np.stack([turned(k[(*row, other, theirs)], other, rotary) for other in seen])
            logits = offered @ asked * (scale or width**-0.5) + scores[place][seen]
            shares = np.exp(logits - logits.max())
            joined[(*row, step, mine)] = shares / shares.sum() @ v[(*row, seen, theirs)]
    return project(weights, "output", joined)


def columns(head: int, width: int) -> slice:
    return slice(head * width, (head + 1) * width)


def project(weights: Arrays, part: str, x: np.ndarray) -> np.ndarray:
    bias = weights.get(f"{part}.bias", np.zeros(1))
    return x.astype(np.float64) @ weights[f"{part}.weight"].astype(np.float64).T + bias


def turned(x: np.ndarray, step: int, base: float | None) -> np.ndarray:
    """The pairs (i, i + n / 2), as complex numbers, turned by the angle of this step."""
    if base is None:
        return x
    half = len(x) // 2
    pairs = (x[:half] + 1j * x[half:]) * np.exp(1j * step * base ** (-np.arange(half) / half))
    return np.concatenate([pairs.real, pairs.imag])
