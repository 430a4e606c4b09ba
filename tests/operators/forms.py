"""Runs the forms of single operators without a spec."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper

from dlc.compiler.lower import torch as torch_form
from dlc.compiler.operators.base import Operator
from dlc.compiler.operators.operands import DTYPES
from dlc.compiler.types import Tensor


class Functions(torch_form.TorchFunctions):
    """The argument `F` of torch forms, for tensors of known size."""

    def __init__(self, batch: int = 1):
        super().__init__({})
        self._batch = batch


class Nodes:
    """The argument `op` of ONNX forms, with weights as initializers."""

    def __init__(self, weights: dict[str, np.ndarray], opset: int):
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.initializers = [numpy_helper.from_array(a, name) for name, a in weights.items()]

    def constant(self, value: Any, dtype: str) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def size(self, size: int) -> str:
        return self.constant(size, "int64")

    def __getattr__(self, kind: str) -> Any:
        def node(*inputs: str | None, outputs: int = 1, **attributes: Any) -> Any:
            names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
            self.nodes.append(helper.make_node(kind, [i or "" for i in inputs], names, **attributes))
            return names[0] if outputs == 1 else tuple(names)

        return node


def bind(operator: Operator, *shapes: tuple[int, ...]) -> Operator:
    return operator.bind(*(Tensor("float", shape) for shape in shapes))


def at_inference(operator: Operator) -> Operator:
    """The inference operator of a bound operator."""
    return operator.inference().bind(*operator.operands)


def run_torch(operator: Operator, *operands: Any, **weights: Any) -> Any:
    """Runs the torch form of a bound operator on tensors or arrays."""
    tensors = [torch.as_tensor(o) for o in operands]
    return operator.torch(
        Functions(len(tensors[0])),
        *tensors,
        **{name: torch.as_tensor(w) for name, w in weights.items()},
    )


def run_onnx(operator: Operator, *operands: np.ndarray, opset: int = 18, **weights: np.ndarray) -> np.ndarray:
    """Runs the ONNX form of a bound operator in ONNX Runtime."""
    op = Nodes(weights, opset)
    feed = {f"x{i}": x for i, x in enumerate(operands)}
    result = operator.onnx(op, *feed, **{name: name for name in weights})
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for name, x in feed.items()
    ]
    made = operator.results[0]
    output = helper.make_tensor_value_info(result, DTYPES[made.element][1], [None] * (made.rank + 1))
    graph = helper.make_graph(op.nodes, "one", inputs, [output], op.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feed)[0]


def draw_weights(operator: Operator, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights of a bound operator; variances and standard deviations are positive."""
    rng = np.random.default_rng(seed)
    drawn = {
        w.leaf: rng.standard_normal(w.shape).astype(np.float32) for w in operator.weights(*operator.operands)
    }
    return {k: np.abs(w) + 0.5 if k in ("running_var", "std", "range") else w for k, w in drawn.items()}
