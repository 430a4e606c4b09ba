"""Holds a spec of a text model against that of `transformers`, with weights copied by a table of names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from agreement import ANSWERS, SPECS, TOLERANCE, WEIGHTS, difference
from torch import nn

import dlc
from dlc.compiler.passes import specialize
from dlc.runtime.artifact.session import open_session, run

Change = tuple[str, str]
Rows = Mapping[str, torch.Tensor]
Answers = dict[str, torch.Tensor]
Engine = Callable[[Rows], Mapping[str, np.ndarray]]


class Reference(NamedTuple):
    """A spec and its counterpart. `names` are their names of weights, or of all weights of a part; `{i}` is
    the number of a layer, which is `layer_2` in the spec where it is 1 in the counterpart."""

    spec: str
    exported: str
    build: Callable[[Mapping[str, int]], nn.Module]
    names: Mapping[str, str]
    answers: Callable[[Any, Rows], Answers]
    tied: tuple[str, ...] = ()  # weights of the counterpart that are others once more


def program_of(reference: Reference, sizes: Mapping[str, int], *changes: Change) -> dlc.Program:
    """The spec in these sizes, without its data, for rows of different lengths, after changes to its text,
    each of which has to apply."""
    text = (SPECS / reference.spec).read_text("utf-8")
    text = re.sub(r"^(data|train|expect) \{\n.*?^\}\n", "", text, flags=re.MULTILINE | re.DOTALL)
    for old, new in (("class(auto)", f"class({sizes['tokens']})"), *changes):
        assert old in text or old == "class(auto)", f"{reference.spec} has no `{old}`"
        text = text.replace(old, new)
    params = {name: size for name, size in sizes.items() if f"param {name} " in text}
    return dlc.compile(
        text=f"{text}\nexport {{ outputs = [{reference.exported}]\nlengths = true }}\n", params=params
    )


def randomize(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights, none of them at its default. Embeddings are small, so that the eps of a norm shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in module.modules():
            for name, tensor in part.named_parameters(recurse=False):
                drawn = torch.randn(tensor.shape, generator=generator)
                if isinstance(part, nn.Embedding):
                    tensor.copy_(0.02 * drawn)
                elif tensor.ndim > 1:
                    tensor.copy_(drawn / tensor.shape[1] ** 0.5)
                else:
                    tensor.copy_(0.3 * drawn + (name == "weight"))
    return module.eval()


def copied(reference: Reference, program: dlc.Program, module: nn.Module) -> dict[str, np.ndarray]:
    """The weights of the counterpart under their names in the spec. Each has its place, and none is left."""
    theirs = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    ours = needed_shapes(program)
    found = {name: renamed(reference.names, name) for name in ours}
    left = {*found.values()} ^ ({*theirs} - {*reference.tied})
    assert not left, f"{WEIGHTS}: {sorted(left)}"
    weights = {name: theirs[found[name]] for name in ours}
    others = [name for name, shape in ours.items() if weights[name].shape != shape]
    assert not others, f"{WEIGHTS}: the shapes of {others}"
    return weights


def needed_shapes(program: dlc.Program) -> dict[str, tuple[int, ...]]:
    """The shapes of the weights that what is exported needs."""
    graph = specialize.inference(program.compiled)
    needed = graph.needed_by(graph.outputs.values())
    return {w.name: tuple(w.value.type.shape) for w in program.compiled.graph.weights if w.value in needed}


def renamed(names: Mapping[str, str], name: str) -> str:
    """The counterpart's name of a weight."""
    layer = re.match(r"layer(?:_(\d+))?\.", name)
    name = re.sub(r"^layer(_\d+)?\.", "layer{i}.", name)
    part, _, leaf = name.rpartition(".")
    theirs = names.get(name) or f"{names.get(part, part)}.{leaf}"
    return theirs.replace("{i}", str(int(layer[1] or 1) - 1)) if layer else theirs


def draw(program: dlc.Program, lengths: list[int]) -> dict[str, torch.Tensor]:
    """Rows of these lengths. What stands in their padding is drawn too."""
    generator = torch.Generator().manual_seed(len(lengths))
    shape = (len(lengths), max(lengths))
    inputs = program.compiled.inputs
    rows = {i.name: torch.randint(i.declared.classes.count, shape, generator=generator) for i in inputs}
    return rows | {f"{inputs[0].name}_length": torch.tensor(lengths)}


def mask_of(rows: Rows) -> torch.Tensor:
    """The `attention_mask` of `transformers`: 1 at the steps of the rows, 0 at their padding."""
    (lengths,) = (rows[name] for name in rows if name.endswith("_length"))
    steps = max(tensor.shape[1] for tensor in rows.values() if tensor.ndim == 2)
    return (torch.arange(steps) < lengths.unsqueeze(1)).long()


def assert_agrees(
    reference: Reference, program: dlc.Program, module: nn.Module, *batches: list[int],
    copied_from: nn.Module | None = None,
) -> None:  # fmt: skip
    """The answers of PyTorch and ONNX Runtime are those of the counterpart, for batches of these lengths."""
    weights = copied(reference, program, copied_from or module)
    session = open_session(program.onnx(weights).SerializeToString())
    engines = {
        "torch": torch_engine(program, weights),
        "ONNX Runtime": lambda rows: run(session, {name: tensor.numpy() for name, tensor in rows.items()}),
    }
    for lengths in batches:
        rows = draw(program, lengths)
        with torch.no_grad():
            wanted = reference.answers(module, rows)
        steps = mask_of(rows).bool().numpy()
        for engine, answer in engines.items():
            found = answer(rows)
            for name, want in wanted.items():
                worst = difference(found[name][steps], want.numpy()[steps])
                assert worst <= TOLERANCE, f"{ANSWERS}: {engine}, {name}, {lengths}, by {worst:.1e}"


def torch_engine(program: dlc.Program, weights: Mapping[str, np.ndarray]) -> Engine:
    model = program.torch(weights=weights)

    def run(rows: Rows) -> dict[str, np.ndarray]:
        with torch.no_grad():
            return {name: answer.numpy() for name, answer in model(rows).items()}

    return run
