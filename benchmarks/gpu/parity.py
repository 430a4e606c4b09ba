"""Outputs of ONNX Runtime's CUDA provider and of torch on a GPU, compared with torch on the CPU."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch
from sklearn.datasets import load_digits

import dlc
from benchmarks.gpu.checks import Check, Found
from benchmarks.gpu.golden import DRAWN, SPECS, Golden, Training, golden, names
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import specialize
from dlc.runtime.artifact.compare import TOLERANCE
from dlc.runtime.artifact.samples import free_sizes, sample, sized
from dlc.runtime.artifact.session import CPU, CUDA, QUIET, open_session, run
from dlc.runtime.artifact.torch_reference import Reference, ReferenceOutput, to_torch
from dlc.runtime.artifact.write import in_memory, onnx_model, raw_types

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.ir.graph import Graph
    from dlc.runtime.artifact.divergence import Batch

STEPS = 3
ROWS = 4
ACCURACY, QUICK_ACCURACY = 0.96, 0.5  # minimum on test rows: all, and few
FEW = 400
EXACT = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}  # an exhaustive search takes seconds
ALIKE = 0.995  # share of equal classes; TF32 may change near ties


def checks(device: torch.device, quick: bool) -> Iterator[Check]:
    count, accuracy = (FEW, QUICK_ACCURACY) if quick else (None, ACCURACY)
    yield Check("digits_cnn: a whole training", partial(whole, device, count, accuracy))
    rows = 2 if quick else DRAWN
    for name in names(quick):
        yield Check(name, partial(compare, name, rows, device))


def whole(device: torch.device, count: int | None, least: float) -> Found:
    """`dlc.train` and `dlc.load` on the device, with the parity check of the artifact. `count` limits the
    rows."""
    images, digits = load_digits(return_X_y=True)
    rows = {"image": images.astype(np.uint8).reshape(-1, 1, 8, 8)[:count], "digit": digits[:count]}
    given = {"image": rows["image"]}
    with TemporaryDirectory() as folder:
        result = dlc.train(SPECS / "digits_cnn.dl", data=rows, out=folder, device=str(device))
        here, there = (dlc.load(result.model, device=on).predict(given) for on in ("cpu", device.type))
    accuracy, alike = result.figures["test"]["accuracy"], float(np.mean(here["digit"] == there["digit"]))
    return Found(f"test accuracy {accuracy:.3f}, {alike:.2%} of the classes are those of the CPU",
                 f"at least {least} and {ALIKE:.1%}", accuracy >= least and alike >= ALIKE)  # fmt: skip


def compare(name: str, rows: int, device: torch.device) -> Found:
    """Train a few steps on the device, then compare the outputs of both engines there with torch on the
    CPU."""
    spec = golden(name, rows)
    weights = trained(spec, device)
    program, graph = spec.program, with_scores(specialize.inference(spec.program), weights)
    raw = sample(sized(raw_types(program, graph), free_sizes(graph)[0]), ROWS, 0)
    with in_memory(onnx_model(program, graph, weights, {})) as artifact:
        default = run(open_session(artifact, device.type), raw)
        exact, nodes = run_exactly(artifact, raw, device)
    reference = Reference(graph, weights)
    answers, there = reference(raw), torch_answers(graph, weights, raw, device)
    on_device = {n: replace(answer, values=there[n]) for n, answer in answers.items()}
    runtime = apart(reference, raw, exact)
    pytorch = apart(reference, raw, {n: answer.spelled for n, answer in on_device.items()})
    between = largest(on_device, exact)
    figure = (f"ONNX Runtime {runtime:.1e}, torch {pytorch:.1e}, between both {between:.1e}; "
              f"with TF32 {largest(answers, default):.1e}; nodes: {nodes}")  # fmt: skip
    on_gpu = device.type != "cuda" or "CUDA" in nodes
    return Found(
        figure, f"at most {TOLERANCE:.0e}, and nodes on CUDA", on_gpu and max(runtime, pytorch) <= TOLERANCE
    )


def with_scores(graph: Graph, weights: Mapping[str, np.ndarray]) -> Graph:
    """The graph with the logits of its discrete outputs as outputs: probabilities of 0 and 1 hide
    differences."""
    choices = Reference(graph, weights).choices
    scores = {f"{name}_scores_{place}": operand for name, node in choices.items()
              for place, operand in enumerate(node.operands)}  # fmt: skip
    return replace(graph, outputs={**graph.outputs, **scores})


def apart(reference: Reference, raw: Batch, found: Batch) -> float:
    """The largest relative difference from torch on the CPU. If it is past the tolerance, the rounding
    error of float32, compared with float64, is subtracted."""
    answers = reference(raw)
    worst = largest(answers, found)
    if worst <= TOLERANCE:
        return worst
    exact = reference(raw, exact=True)
    return largest({n: answer.with_noise(exact[n]) for n, answer in answers.items()}, found)


def largest(answers: Mapping[str, ReferenceOutput], found: Batch) -> float:
    return max(answer.differs(found[n]) for n, answer in answers.items())


def trained(spec: Golden, device: torch.device) -> Mapping[str, np.ndarray]:
    if not spec.learns:
        return spec.weights
    training = Training(spec, device)
    for _ in range(STEPS):
        training.step()
    return training.forms.arrays()


def run_exactly(artifact: bytes | Path, raw: Batch, device: torch.device) -> tuple[Batch, str]:
    """Outputs of ONNX Runtime on the device without TF32, and the number of nodes per provider."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    providers = [(CUDA, EXACT), CPU] if device.type == "cuda" else [CPU]
    with TemporaryDirectory() as folder:
        options.enable_profiling, options.profile_file_prefix = True, f"{folder}/profile"
        source = artifact if isinstance(artifact, bytes) else str(artifact)
        session = onnxruntime.InferenceSession(source, options, providers=providers)
        found = run(session, raw)
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    ran = Counter(event["args"]["provider"] for event in events if event["name"].endswith("_kernel_time"))
    nodes = ", ".join(
        f"{count} {name.removesuffix('ExecutionProvider')}" for name, count in sorted(ran.items())
    )
    return {name: np.asarray(array) for name, array in found.items()}, nodes


def torch_answers(graph: Graph, weights: Mapping[str, np.ndarray], raw: Batch, device: torch.device) -> Batch:
    """Outputs of torch on the device without TF32, with class indices."""
    model = Model(graph, graph.weights, weights).to(device)
    given = {v.name: to_torch(raw[v.name]) for v in graph.inputs}
    given = {n: rows.to(device) if isinstance(rows, torch.Tensor) else rows for n, rows in given.items()}
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return {name: made.cpu().numpy() for name, made in model(given).items()}
