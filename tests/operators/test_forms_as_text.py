"""The forms that the reference shows are those that run: the PyTorch one is Python that computes the same,
the ONNX one names the nodes that are exported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dlc.compiler import Source, compile
from dlc.compiler.dims.dim import evaluate, names
from dlc.compiler.ir.graph import Node
from dlc.compiler.lower import onnx
from dlc.compiler.lower.torch import TorchFunctions
from dlc.compiler.operators.base import Operator
from dlc.compiler.passes.graph_rewrite import node_at_inference
from dlc.compiler.passes.specialize import training
from dlc.reference.forms import in_onnx, in_torch
from dlc.reference.specs import spec
from dlc.reference.words import words

FREE = {"H": 5, "W": 4, "T": 6}
BATCH = 3


def uses() -> Iterator[Any]:
    """The use of every operator in the spec of its page."""
    for word in words():
        if not (isinstance(word.of, type) and issubclass(word.of, Operator)) or word.of.reads:
            continue  # text is no tensor
        program = compile(Source("model.dl", spec(word.of) or ""))
        graphs = [program.graph, *(training(program, o) for p in program.phases for o in p.objectives)]
        node = next((n for g in graphs for n in g.nodes if type(n.operator) is word.of), None)
        if node is not None:
            yield pytest.param(node, id=f"{word.page} {word.what}")


USES = list(uses())


class Sized(TorchFunctions):
    """The functions of torch, with numbers for free dimensions."""

    batch = BATCH

    def __init__(self) -> None:
        super().__init__({})

    def size(self, size: Any) -> Any:
        return evaluate(size, FREE) if names(size) else size


def drawn(type: Any) -> torch.Tensor:
    shape = [*([BATCH] if type.batched else []), *(evaluate(s, FREE) if names(s) else s for s in type.shape)]
    if type.element == "class":
        return torch.randint(0, type.classes.count, shape)
    if type.element == "bool":
        return torch.rand(shape) < 0.5
    return torch.rand(shape) + 0.1 if type.is_float else torch.randint(0, 9, shape)


def parts(weights: dict[str, torch.Tensor]) -> dict[str, SimpleNamespace]:
    """Weights such as `query.weight` as attributes of `query`."""
    found: dict[str, SimpleNamespace] = {}
    for leaf, tensor in weights.items():
        part, _, own = leaf.rpartition(".")
        setattr(found.setdefault(part, SimpleNamespace()), own, tensor)
    return found


@pytest.mark.parametrize("node", USES)
def test_the_form_in_pytorch_computes_what_the_operator_computes(node: Node) -> None:
    *lines, last = in_torch(node)
    torch.manual_seed(0)
    operands = [drawn(v.type) for v in node.operands]
    weights = {leaf: drawn(v.type) for leaf, v in node.weights.items()}
    named = type(node.operator).operand_names()
    given = dict(zip(named if len(named) >= len(operands) else "abcdefgh", operands, strict=False)) | weights
    if named == ("of", "wrt"):
        operands[0] *= given["wrt"].requires_grad_().square().sum()
    torch.manual_seed(1)
    wanted = node.operator.torch(Sized(), *operands, **weights)
    torch.manual_seed(1)
    scope = {"F": torch.nn.functional, "torch": torch, "batch": BATCH, **FREE, **parts(weights), **given}
    for line in lines:
        left, _, right = line.partition(" = ")
        made = eval(right, scope)
        scope.update(zip(left.split(", "), made if ", " in left else [made], strict=True))
    torch.testing.assert_close(eval(last, scope), wanted, equal_nan=True)


@pytest.mark.parametrize("node", [use for use in USES if not use.values[0].operator.training_only])
def test_the_form_in_onnx_names_the_nodes_that_are_exported(node: Node) -> None:
    lines = in_onnx(node)
    said = [kind for line in lines for kind in re.findall(r"\b([A-Z]\w+)\(", line)]
    standing = node_at_inference(node)
    builder = onnx.OnnxBuilder(20)
    values = {}
    for value in standing.operands:
        values[value] = builder.inputs[value] = onnx.typed(onnx.ir.Value(name=value.name), value.type)
    for weight in standing.weights.values():
        values[weight] = builder.initializer(weight.name, drawn(weight.type).numpy(), weight=True)
    builder.name = "it"
    onnx.run_node(standing, onnx.Operators(builder), values)
    made = [n.op_type for n in builder.nodes if n.name.partition("/")[0] not in (*FREE, onnx.BATCH)]
    assert set(said) <= set(made)
    assert set(made) - set(said) <= {"Concat", "Unsqueeze", "Transpose", "Shape", "Gather", "Mul", "Cast"}
