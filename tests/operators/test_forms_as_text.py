"""The forms in the reference are correct: the PyTorch form is Python code that computes the same values,
and the ONNX form has the node types of the export."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from dlc.compiler import Source, compile
from dlc.compiler.dims.dim import evaluate, names
from dlc.compiler.ir.graph import Node
from dlc.compiler.lower import onnx
from dlc.compiler.lower.symbolic import Untraceable
from dlc.compiler.lower.torch import TorchFunctions
from dlc.compiler.operators.base import Operator
from dlc.compiler.passes.specialize import node_at_inference, training
from dlc.reference.forms import in_onnx, in_torch
from dlc.reference.specs import spec
from dlc.reference.words import words

FREE = {"H": 5, "W": 4, "T": 6}
BATCH = 3


def uses() -> Iterator[Any]:
    """A node of every operator, from the spec of its page."""
    for word in words():
        if not (isinstance(word.of, type) and issubclass(word.of, Operator)):
            continue
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


def random_tensor(type: Any) -> torch.Tensor:
    shape = [*([BATCH] if type.batched else []), *(evaluate(s, FREE) if names(s) else s for s in type.shape)]
    if type.element == "class":
        return torch.randint(0, type.classes.count, shape)
    if type.element == "bool":
        return torch.rand(shape) < 0.5
    return torch.rand(shape) + 0.1 if type.is_float else torch.randint(0, 9, shape)


@pytest.mark.parametrize("node", USES)
def test_the_form_in_pytorch_computes_the_values_of_the_operator(node: Node) -> None:
    try:
        *lines, last = in_torch(node)
    except Untraceable:
        return
    torch.manual_seed(0)
    operands = [random_tensor(v.type) for v in node.operands]
    weights = {leaf: random_tensor(v.type) for leaf, v in node.weights.items()}
    named = type(node.operator).operand_names()
    given = dict(zip(named if len(named) == len(operands) else "abcdefgh", operands, strict=False)) | weights
    if named == ("of", "wrt"):
        operands[0] *= given["wrt"].requires_grad_().square().sum()
    torch.manual_seed(1)
    wanted = node.operator.torch(Sized(), *operands, **weights)
    torch.manual_seed(1)
    scope = {"F": torch.nn.functional, "torch": torch, "batch": BATCH, **FREE, **given}
    for line in lines:
        left, _, right = line.partition(" = ")
        made = eval(right, scope)
        scope.update(zip(left.split(", "), made if ", " in left else [made], strict=True))
    torch.testing.assert_close(eval(last, scope), wanted, equal_nan=True)


@pytest.mark.parametrize("node", [use for use in USES if not use.values[0].operator.training_only])
def test_the_form_in_onnx_has_the_exported_node_types(node: Node) -> None:
    try:
        lines = in_onnx(node)
    except Untraceable:
        return
    written = [kind for line in lines for kind in re.findall(r"\b([A-Z]\w+)\(", line)]
    at_inference = node_at_inference(node)
    builder = onnx.OnnxBuilder(20)
    values = {}
    for value in (*at_inference.operands, *at_inference.weights.values()):
        values[value] = onnx.typed(onnx.ir.Value(name=value.name), value.type)
    builder.inputs = {v: values[v] for v in at_inference.operands}
    builder.initializers = {v.name: values[v] for v in at_inference.weights.values()}
    builder.name = "it"
    onnx.run_node(at_inference, onnx.Operators(builder), values)
    made = [n.op_type for n in builder.nodes if n.name.startswith("it/")]
    assert set(written) <= set(made)
    assert set(made) - set(written) <= {"Concat", "Unsqueeze", "Transpose", "Shape", "Gather", "Mul", "Cast"}


def test_few_forms_cannot_be_traced() -> None:
    def is_traced(write: Any, node: Node) -> bool:
        try:
            return bool(write(node))
        except Untraceable:
            return False

    nodes = [use.values[0] for use in USES]
    exported = [node for node in nodes if not node.operator.training_only]
    assert sum(is_traced(in_torch, node) for node in nodes) > 0.9 * len(nodes)
    assert sum(is_traced(in_onnx, node) for node in exported) > 0.9 * len(exported)
